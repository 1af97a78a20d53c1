"""Parameters of a network as arrays: what travels."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from privacy_eval.errors import InputError

Weights = dict[str, np.ndarray]
"""A network's parameters by name, float32."""

Network = TypeVar("Network", bound=nn.Module)


def weights_of(network: nn.Module) -> Weights:
    """A copy of a network's parameters as float32 arrays."""
    return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_weights(network: Network, weights: Weights) -> Network:
    """Put parameters into a network, in place.

    Raises:
        InputError: if names or shapes are not the network's: another study's, or an earlier version's.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: array.shape for name, array in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise InputError(f"weights for {type(network).__name__}: found {name} {found.get(name, 'missing')}, "
                             f"expected {expected.get(name, 'none')}; they are of another study or of another version "
                             "of fedsynth: train again, or install the version that made them")
    # A copy: arrays that came over the wire are read-only, and training writes in place.
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, strict=True)
    return network
