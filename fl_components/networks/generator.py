"""The generator: (anatomy, contrast, noise) to four co-registered sequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import torch
from torch import nn

from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.admixture import FIELDS, Admixture
from fl_components.networks.blocks import ModulatedConv, RisingConv
from fl_components.networks.conditions import ORIGIN, Shape, positions
from fl_components.networks.grain import STRENGTHS, mixed, scales_of
from fl_components.networks.partial_volume import PartialVolume
from fl_components.vocabulary import N_LABELS, SEQUENCES, TUMOUR

TEXTURE_CHANNELS: Final = len(SEQUENCES) + FIELDS
"""White noise per voxel: a field for each sequence, what differs between two scans of one brain; and those of which
`admixture` makes what labels do not resolve."""


class Noise(NamedTuple):
    """`style`: (B, latent_size), one draw a volume; `texture`: (B, TEXTURE_CHANNELS, X, Y, Z); both standard normal."""

    style: torch.Tensor
    texture: torch.Tensor


class Parts(NamedTuple):
    """What an image is made of: `expected`, what it is on average, and `grain`, the noise on it and what labels hide.

    (B, 4, X, Y, Z) each, 0 in the background.
    """

    expected: torch.Tensor
    grain: torch.Tensor

    @property
    def images(self) -> torch.Tensor:
        """(B, 4, X, Y, Z)."""
        return self.expected + self.grain


def draw_noise(batch: int, latent_size: int, shape: tuple[int, int, int], rng: torch.Generator) -> Noise:
    """Standard normal noise for a batch."""
    style = torch.randn(batch, latent_size, generator=rng, device=rng.device)
    texture = torch.randn(batch, TEXTURE_CHANNELS, *shape, generator=rng, device=rng.device)
    return Noise(style, texture)


class Generator(nn.Module):
    """A U-Net over the anatomy, modulated by contrast and style, that learns what the lookup table lacks.

    With the contrast as input the network predicts the residual to the painted anatomy, whose borders are learned
    (`fl_components.networks.partial_volume`), so that scanner contrast is given, and structure and texture are left.
    Without it (`contrast_input=False`, the ablation) it must predict intensities from the anatomy alone.

    It predicts two things of a voxel: what an image is there on average, and how strong the noise on it is at each
    scale (`fl_components.networks.grain`); beside the latter goes what no label resolves
    (`fl_components.networks.admixture`). An L1 loss on the sum would ask for no noise at all.

    Args:
        channels: features per resolution level, finest first.
        latent_size: length of the style noise.
        contrast_input: whether the contrast vector is used.
        extent: shape of the study's grid, if the network is told where on it a voxel lies.
    """

    def __init__(self, channels: tuple[int, ...], latent_size: int, contrast_input: bool = True,
                 extent: Shape | None = None) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.contrast_input = contrast_input
        self.extent = extent
        self.partial_volume = PartialVolume() if contrast_input else None
        self.admixture = Admixture() if contrast_input else None
        painted = len(SEQUENCES) if contrast_input else 0
        style_size = 2 * channels[-1]
        self.embed = nn.Sequential(
            nn.Linear(latent_size + (VECTOR_SIZE if contrast_input else 0), style_size), nn.LeakyReLU(0.2),
            nn.Linear(style_size, style_size), nn.LeakyReLU(0.2))
        places = 0 if extent is None else len(extent)
        self.stem = ModulatedConv(N_LABELS + painted + len(SEQUENCES) + places, channels[0], style_size)
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(ModulatedConv(fine, coarse, style_size, stride=2) for fine, coarse in pairs)
        self.middle = ModulatedConv(channels[-1], channels[-1], style_size)
        self.up = nn.ModuleList(RisingConv(coarse, fine, style_size) for fine, coarse in reversed(pairs))
        self.head = nn.Conv3d(channels[0], len(SEQUENCES) + STRENGTHS, 3, padding=1)
        with torch.no_grad():  # start near the painted anatomy: what is left to learn is what the lookup table lacks
            self.head.weight *= 0.1

    def forward(self, anatomy: torch.Tensor, contrast: torch.Tensor, noise: Noise,
                origin: Shape = ORIGIN) -> torch.Tensor:
        """Make images.

        Args:
            anatomy: (B, 7, X, Y, Z) one-hot; the whole grid or a patch.
            contrast: (B, 30) contrast vectors.
            noise: see `draw_noise`.
            origin: index on the grid of the patch's first voxel.

        Returns:
            (B, 4, X, Y, Z) float32, about [0, 1] in the brain, exactly 0 in the background.
        """
        return self.parts(anatomy, contrast, noise, origin).images

    def parts(self, anatomy: torch.Tensor, contrast: torch.Tensor, noise: Noise, origin: Shape = ORIGIN) -> Parts:
        """What `forward` gives, in parts."""
        style, painted = self.style(contrast, noise.style), self.painted(anatomy, contrast)
        skips, features = [], self.stem(self.inputs(anatomy, painted, noise.texture, origin), style)
        for block in self.down:
            skips.append(features)
            features = block(features, style)
        features = self.middle(features, style)
        for block in self.up:
            features = block(features, skips.pop(), style)
        return self.finish(self.head(features), anatomy, contrast, painted, scales_of(noise.texture))

    def style(self, contrast: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """What modulates every block: (B, style_size)."""
        return self.embed(torch.cat([style, contrast] if self.contrast_input else [style], dim=1))

    def painted(self, anatomy: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor | None:
        """What the network adds to, (B, 4, X, Y, Z); None if it is not given the contrast."""
        return None if self.partial_volume is None else self.partial_volume(anatomy, contrast)

    def inputs(self, anatomy: torch.Tensor, painted: torch.Tensor | None, texture: torch.Tensor,
               origin: Shape) -> torch.Tensor:
        """What the first block reads."""
        given = [] if painted is None else [painted]
        places = [] if self.extent is None else [positions(anatomy, origin, self.extent)]
        return torch.cat([anatomy, *given, texture[:, :len(SEQUENCES)], *places], dim=1)

    def finish(self, predicted: torch.Tensor, anatomy: torch.Tensor, contrast: torch.Tensor,
               painted: torch.Tensor | None, scales: torch.Tensor | None) -> Parts:
        """What the head's predictions become, with the noise at each scale, or without any grain."""
        expected, strengths = predicted.float().split([len(SEQUENCES), STRENGTHS], dim=1)
        if painted is not None:
            expected = expected + painted
        brain = 1 - anatomy[:, :1]
        if scales is None:
            return Parts(expected * brain, torch.zeros_like(expected))
        tumour = anatomy[:, list(TUMOUR)].sum(dim=1, keepdim=True)
        own, admixed = scales.split([len(SEQUENCES), FIELDS], dim=2)
        grain = mixed(strengths, own, tumour) * brain
        return Parts(expected * brain,
                     grain if self.admixture is None else grain + self.admixture(anatomy, contrast, admixed))
