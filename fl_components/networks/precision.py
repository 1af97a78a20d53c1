"""Which device, number format and memory layout a step runs in: the fastest the machine supports."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Precision:
    """How steps run. `name` is what logs and results say ran."""

    device: torch.device
    bfloat16: bool

    @property
    def name(self) -> str:
        """For example "cpu, bfloat16 autocast, channels_last_3d"."""
        return f"{self.device.type}, {'bfloat16 autocast, channels_last_3d' if self.bfloat16 else 'float32'}"

    def autocast(self) -> AbstractContextManager[object]:
        """The context a forward pass runs in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bfloat16 else nullcontext()

    def place(self, network: Network) -> Network:
        """Move a network to the device, in the memory layout its convolutions are fastest in."""
        network.to(self.device)
        if self.bfloat16:
            network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return network

    def lay_out(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move a (B, C, X, Y, Z) tensor likewise."""
        tensor = tensor.to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last_3d) if self.bfloat16 else tensor


def choose_precision(wanted: str) -> Precision:
    """Resolve the study's `training.precision` on this machine.

    Args:
        wanted: "auto" (bfloat16 where the hardware computes it natively, else float32), "bfloat16" or "float32".
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    native = torch.cuda.is_bf16_supported() if cuda else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return Precision(device, wanted == "bfloat16" or (wanted == "auto" and native))
