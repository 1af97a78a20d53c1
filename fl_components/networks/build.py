"""Networks from the study's settings, and what of them may leave a site."""

from __future__ import annotations

import numpy as np
import torch

from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator
from fl_components.study import Study

Weights = dict[str, np.ndarray]
"""A generator's parameters by name, float32."""


def build_generator(study: Study) -> Generator:
    """The study's generator, initialised from the study's seed: the same at every site and at the server."""
    network = study.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(study.seed)
        return Generator(network.generator_channels, network.latent_size, network.contrast_input)


def build_discriminator(study: Study, seed: int) -> Discriminator:
    """The study's discriminator; each site starts its own from its own seed."""
    network = study.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Discriminator(network.discriminator_channels, network.discriminator_layers, network.contrast_input)


def weights_of(generator: Generator) -> Weights:
    """A copy of the generator's parameters as float32 arrays."""
    return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in generator.state_dict().items()}


def load_weights(generator: Generator, weights: Weights) -> Generator:
    """Put parameters into a generator; names and shapes must match exactly."""
    # A copy: arrays that came over the wire are read-only, and training writes in place.
    generator.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, strict=True)
    return generator


def declared_shapes(study: Study) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the generator: the one list of tensors that may leave a site."""
    return {name: tuple(tensor.shape) for name, tensor in build_generator(study).state_dict().items()}
