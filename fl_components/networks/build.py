"""Networks from the study's settings, and what of them may leave a site."""

from __future__ import annotations

import torch

from fl_components.networks.conditions import Shape
from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator
from fl_components.networks.public_start import begin_publicly
from fl_components.study import Study


def build_generator(study: Study) -> Generator:
    """The study's generator, the same at every site and at the server.

    It is initialised from the study's seed, or, in a study that adapts a publicly trained one, is that.

    Raises:
        InputError: if nobody has trained one of the study's sizes publicly.
    """
    generator = build_networks(study, study.seed)[0]
    return begin_publicly(generator, "generator", study.network) if starts_publicly(study) else generator


def build_discriminator(study: Study, seed: int) -> Discriminator:
    """The study's discriminator; each site starts its own from its own seed, or all from the publicly trained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = _discriminator(study, study.privacy.private)
    return begin_publicly(fresh, "discriminator", study.network) if starts_publicly(study) else fresh


def starts_publicly(study: Study) -> bool:
    """Whether the study's networks are adapted from publicly trained ones."""
    return study.privacy.private and study.privacy.trains != "scratch"


def build_networks(study: Study, seed: int, private: bool = False) -> tuple[Generator, Discriminator]:
    """Untrained networks of the study's sizes, the same for the same seed; the discriminator as a private study's if
    `private`."""
    network = study.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(network.generator_channels, network.latent_size, network.contrast_input,
                         _extent(study)), _discriminator(study, private)


def declared_shapes(study: Study) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the generator: the one list of tensors that may leave a site."""
    generator = build_networks(study, study.seed)[0]
    return {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}


def _discriminator(study: Study, private: bool) -> Discriminator:
    network = study.network
    return Discriminator(network.discriminator_channels, network.discriminator_layers, network.contrast_input,
                         _extent(study), private)


def _extent(study: Study) -> Shape | None:
    return study.grid.shape if study.network.coordinates else None
