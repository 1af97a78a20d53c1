"""The publicly trained generator and discriminator that private studies begin with; they ship, and know nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from fl_components.study import NetworkSettings
from privacy_eval.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
Part = Literal["generator", "discriminator"]

FOLDER: Final = Path(__file__).with_name("public")
_SHOWN: Final = 12


def public_start_file(network: NetworkSettings) -> Path:
    """Where the weights for networks of these sizes are, if anybody has trained them."""
    key = json.dumps(network.model_dump(mode="json"), sort_keys=True)
    return FOLDER / f"start-{hashlib.sha256(key.encode()).hexdigest()[:_SHOWN]}.safetensors"


def begin_publicly(network: Network, part: Part, sizes: NetworkSettings) -> Network:
    """Put the publicly trained weights into a network, in place.

    Raises:
        InputError: if nobody has trained networks of these sizes, or the file is damaged.
    """
    path = public_start_file(sizes)
    try:
        tensors = _tensors(path, path.stat().st_mtime_ns)
        network.load_state_dict({name.removeprefix(f"{part}."): value for name, value in tensors.items()
                                 if name.startswith(f"{part}.")}, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: found no publicly trained networks of the study's sizes ("
                         f"{' '.join(str(error).split())[:80]}); make them with 'fedsynth pretrain generator STUDY', "
                         "the same file at every party, or set privacy.trains = 'scratch'") from None
    return network


@lru_cache(maxsize=2)
def _tensors(path: Path, changed: int) -> Mapping[str, torch.Tensor]:
    return load(path.read_bytes())
