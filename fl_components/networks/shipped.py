"""The weights of a network that ships with the package: one safetensors file that says where it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from fl_components.durable import replace_durably
from privacy_eval.errors import InputError

Network = TypeVar("Network", bound=nn.Module)

_ABOUT: Final = "about"
"""The file's only metadata key: several would be written in no fixed order, and equal weights in unequal files."""


def save_network(network: nn.Module, path: Path, about: Mapping[str, str]) -> str:
    """Write the weights with where they come from; equal weights and words make equal files.

    Args:
        network: what to write, as float32.
        path: the .safetensors file, written whole or not at all.
        about: for example the command, the seed and the versions.

    Returns:
        SHA-256 of the file.
    """
    tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in _tensors(network).items()}
    content = save(tensors, {_ABOUT: json.dumps(dict(about), sort_keys=True)})
    replace_durably(path, lambda partial: partial.write_bytes(content))
    return hashlib.sha256(content).hexdigest()


def load_network(network: Network, path: Path, name: str) -> tuple[Network, str]:
    """Put what `save_network` wrote into a network, ready to use; and the SHA-256 of the file.

    Args:
        network: of the same architecture; changed in place.
        path: the file.
        name: what the network is called, `fedsynth pretrain <name>`.

    Raises:
        InputError: if the file is missing or does not hold this network's weights.
    """
    try:
        content = path.read_bytes()
        _fill(_tensors(network), load(content))
    except (OSError, SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: found no weights of the {name} ({reason}); expected what 'fedsynth pretrain "
                         f"{name}' writes; make it again") from None
    return network.eval().requires_grad_(False), hashlib.sha256(content).hexdigest()


def _tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer under one name, also where the network knows it by several."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


@torch.no_grad()
def _fill(own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    differing = [name for name in sorted({*own, *found})
                 if name not in own or name not in found or own[name].shape != found[name].shape]
    if differing:
        raise ValueError(f"{len(differing)} tensors are missing, unknown or of another shape, such as {differing[0]}")
    for name, tensor in own.items():
        tensor.copy_(found[name])
