"""Which parameters of publicly trained networks are trained at the sites.

The noise of a step has the length σ·C·√d for d trained parameters of the discriminator, against at most C a patient:
fewer parameters, less noise. The generator's parameters cost no privacy; it adapts few of them all the same, so that it
stays what it is where a noisy discriminator has nothing to say.
"""

from __future__ import annotations

from torch import nn

from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator
from fl_components.privacy import Trained


def trained_of_discriminator(discriminator: Discriminator, trains: Trained) -> list[nn.Parameter]:
    """What the site's noised steps change: scale and shift of each normalisation with the last layer, or all.

    Frees those and freezes the rest.
    """
    few = [parameter for module in discriminator.modules() if isinstance(module, nn.InstanceNorm3d)
           for parameter in module.parameters()]
    few += list([module for module in discriminator.modules() if isinstance(module, nn.Conv3d)][-1].parameters())
    return _free(discriminator, few if trains == "adapted" else list(discriminator.parameters()))


def trained_of_generator(generator: Generator, trains: Trained) -> list[nn.Parameter]:
    """What follows: the head and the last level's modulation, or all. Frees those and freezes the rest."""
    few = [*generator.head.parameters(), *generator.up[-1].parameters()]
    return _free(generator, few if trains == "adapted" else list(generator.parameters()))


def _free(network: nn.Module, chosen: list[nn.Parameter]) -> list[nn.Parameter]:
    network.requires_grad_(False)
    for parameter in chosen:
        parameter.requires_grad_(True)
    return chosen
