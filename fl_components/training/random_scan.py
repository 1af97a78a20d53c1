"""Random scans of an anatomy: any pose, resolution, contrast, coil and noise, any of the four sequences missing.

After SynthSeg (Billot et al., Medical Image Analysis 2023): the labels are certain, everything else is drawn anew each
time and from wider ranges than real scans have. Contrasts come from the signal equation of a random protocol, jittered,
or are drawn for each tissue at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from fl_components.anatomy.deform import affine_matrix
from fl_components.cohort.simulate.scanner import draw_scanner
from fl_components.cohort.simulate.signal import Tissue
from fl_components.cohort.simulate.tissue import properties
from fl_components.networks.labeller import SPACINGS_MM
from fl_components.study import Grid
from fl_components.training.embedding import smooth_noise
from fl_components.vocabulary import ENHANCING, GREY_MATTER, N_LABELS, OEDEMA, SEQUENCES, WHITE_MATTER

PATCH: Final = (40, 48, 40)
"""Voxels of a scan; with coarse voxels the whole head, with fine ones a part of it."""
HEAD_MM: Final = (136.0, 172.0, 136.0)
"""A part of the head is taken from anywhere in this box."""
_WHITE: Final = 0.995
"""The share of the brain's voxels below intensity 1, as sites normalise."""
_T1CE: Final = SEQUENCES.index("T1ce")
_CORES: Final = ("necrosis", "diffuse tumour", "cyst", "blood")


@dataclass(frozen=True)
class ScanRecipe:
    """The ranges that scans are drawn from; amounts are uniform between 0 and the one given.

    Attributes:
        rotation_degrees: about each axis, either way.
        scale: of each axis, either way.
        elastic_mm: standard deviation of the warp at its control points.
        random_contrast: share of scans whose tissues' intensities are drawn at random, without a signal equation.
        contrast_jitter: standard deviation of a tissue's shift in a sequence, in shares of white matter's intensity.
        bias: standard deviation of the logarithm of the coil's field.
        texture: standard deviation of the logarithm of what varies within a tissue.
        slice_mm: thickness of slices, along an axis of each sequence's own.
        blur_mm: standard deviation of blur along the other axes.
        shift_mm: of a sequence against the others, along each axis, either way.
        noise: standard deviation, in shares of the intensity range.
        all_sequences: share of scans that lack none.
        only_t1: share of scans that have no other than T1.
    """

    rotation_degrees: float = 14.0
    scale: float = 0.12
    elastic_mm: float = 3.0
    random_contrast: float = 0.2
    contrast_jitter: float = 0.08
    bias: float = 0.25
    texture: float = 0.12
    slice_mm: float = 7.0
    blur_mm: float = 1.6
    shift_mm: float = 0.8
    noise: float = 0.08
    all_sequences: float = 0.35
    only_t1: float = 0.2


class Scans(NamedTuple):
    """`images`: (B, 4, X, Y, Z) in [0, 1], 0 where missing; `available`: (B, 4) bool; `labels`: (B, X, Y, Z) int64."""

    images: torch.Tensor
    available: torch.Tensor
    labels: torch.Tensor


def random_scans(anatomies: torch.Tensor, grid: Grid, recipe: ScanRecipe, rng: torch.Generator) -> Scans:
    """One random scan of each anatomy, on `PATCH` voxels of a random size within the labeller's range.

    Args:
        anatomies: (B, *grid.shape) uint8.
        grid: of the anatomies.
        recipe: ranges.
        rng: source of every draw.
    """
    numbers = np.random.default_rng(int(torch.randint(2**62, (1,), generator=rng)))
    count = len(anatomies)
    # Half of the time the coarsest voxels, which show the whole head.
    spacing = torch.tensor([numbers.uniform(*SPACINGS_MM) if numbers.random() < 0.5 else numbers.uniform(3.6, 4.4)
                            for _ in range(count)], dtype=torch.float32)
    soft = _soft_labels(anatomies, grid, spacing, recipe, rng)
    contrast = torch.from_numpy(np.stack([draw_contrast(numbers, recipe) for _ in range(count)]))
    images = _paint(soft, contrast, rng)
    images = images * torch.exp(_upto(recipe.texture, images, rng) * smooth_noise(images, 3, rng))
    images = images * torch.exp(_upto(recipe.bias, images, rng) * smooth_noise(images, 14, rng))
    images = _acquire(images, spacing, recipe, rng)
    images = (images + _upto(recipe.noise, images, rng) * torch.randn(images.shape, generator=rng)).abs()
    images = _normalise(images, _stripped(soft, rng))
    available = draw_available(count, recipe, rng)
    return Scans(images * available[:, :, None, None, None], available, soft.argmax(dim=1))


def draw_contrast(rng: np.random.Generator, recipe: ScanRecipe) -> np.ndarray:
    """(7, 4) float32 intensity of each label in each sequence, white matter about 1; what is not brain is dark."""
    if rng.random() < recipe.random_contrast:
        means = rng.uniform(0.1, 1.5, (N_LABELS, len(SEQUENCES)))
    else:
        means = _physical_contrast(rng)
        means += recipe.contrast_jitter * rng.standard_normal(means.shape)
    means[0] = rng.uniform(0, 0.5, len(SEQUENCES)) * rng.random()
    return np.maximum(means, 0.02).astype(np.float32)


def _physical_contrast(rng: np.random.Generator) -> np.ndarray:
    """(7, 4) by the signal equation, for a random protocol and relaxation times near those of the literature."""
    scanner = draw_scanner(rng)
    names = ("bone", "CSF", "cortex", "white", str(rng.choice(_CORES, p=[0.4, 0.35, 0.15, 0.1])), "oedema",
             "solid tumour")
    plain = properties(names, scanner.field_tesla)
    spread = np.array([0.1, 0.05, 0.08, 0.08, 0.25, 0.2, 0.2])
    factors = np.exp(spread * rng.standard_normal((4, N_LABELS)))
    tissue = Tissue(plain.t1 * factors[0], plain.t2 * factors[1], plain.t2_star * factors[2],
                    np.minimum(plain.density * factors[3] ** 0.3, 1.0))
    millimolar = np.array([0, 0.01, 0.04, 0.03, 0.05 * rng.random(), 0.05 * rng.random(),
                           scanner.gadolinium * rng.uniform(0.3, 1.5)])
    means = np.stack([scanner.sequences[name].pulse.signal(
        tissue.with_gadolinium(millimolar) if name == "T1ce" else tissue) for name in SEQUENCES], axis=1)
    return means / means[WHITE_MATTER]


def draw_available(count: int, recipe: ScanRecipe, rng: torch.Generator) -> torch.Tensor:
    """(count, 4) bool: all sequences, T1 alone, or each with an even chance; never none."""
    some = torch.rand(count, len(SEQUENCES), generator=rng) < 0.5
    some[torch.arange(count), torch.randint(len(SEQUENCES), (count,), generator=rng)] = True
    kind = torch.rand(count, 1, generator=rng)
    t1 = torch.arange(len(SEQUENCES))[None] == SEQUENCES.index("T1")
    return torch.where(kind < recipe.all_sequences, True,
                       torch.where(kind < recipe.all_sequences + recipe.only_t1, t1, some))


def _soft_labels(anatomies: torch.Tensor, grid: Grid, spacing: torch.Tensor, recipe: ScanRecipe,
                 rng: torch.Generator) -> torch.Tensor:
    """(B, 7, *PATCH) shares of each label in each voxel, after a random warp and crop.

    Labels are read in the middle of each eighth of a voxel and averaged: partial volume.
    """
    half_mm = torch.tensor([(n - 1) * grid.spacing_mm / 2 for n in grid.shape])
    parts = []
    for anatomy, voxel in zip(anatomies, spacing.tolist(), strict=True):
        axes = [(torch.arange(n) - (n - 1) / 2) * voxel for n in PATCH]
        draws = 2 * torch.rand(9, generator=rng) - 1
        free = torch.tensor([max(0.0, head - n * voxel) / 2 + 6 for head, n in zip(HEAD_MM, PATCH, strict=True)])
        scale = (1 + recipe.scale * draws[:3]).numpy()
        if torch.rand(1, generator=rng) < 0.5:
            scale[0] *= -1
        matrix = torch.from_numpy(affine_matrix((draws[3:6] * recipe.rotation_degrees).numpy(), scale)).float()
        coarse = torch.randn(1, 3, 5, 5, 5, generator=rng) * recipe.elastic_mm
        elastic = F.interpolate(coarse, size=PATCH, mode="trilinear", align_corners=True)[0].movedim(0, -1)
        positions = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) @ matrix.T + free * draws[6:] + elastic
        quarters = torch.cartesian_prod(*[torch.tensor([-0.25, 0.25]) * voxel] * 3) @ matrix.T
        read = (positions + quarters[:, None, None, None]) / half_mm
        source = anatomy[None, None].float().expand(len(quarters), -1, -1, -1, -1)
        labels = F.grid_sample(source, read.flip(-1), mode="nearest", align_corners=True)[:, 0]
        parts.append(torch.stack([(labels == label).float().mean(dim=0) for label in range(N_LABELS)]))
    return torch.stack(parts)


def _paint(soft: torch.Tensor, contrast: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """(B, 4, *PATCH) intensities, with parts of tissues that look like others: nuclei, lesions, infiltration, vessels.

    None of these is a label of its own, so the labeller must look through them.
    """
    count = len(soft)
    images = torch.einsum("blxyz,blc->bcxyz", soft, contrast)
    like = soft[:, :1]

    def toward(share: torch.Tensor, source: int, target: int) -> torch.Tensor:
        return torch.einsum("bxyz,bc->bcxyz", share[:, 0], contrast[:, target] - contrast[:, source])

    def blobs(voxels: int, above: float, most: float) -> torch.Tensor:
        return _upto(most, soft, rng) * (2 * (smooth_noise(like, voxels, rng) - above)).clamp(0, 1)

    images = images + toward(blobs(6, 0.2, 0.9) * soft[:, GREY_MATTER, None], GREY_MATTER, WHITE_MATTER)
    images = images + toward(blobs(3, 0.6, 0.9) * soft[:, WHITE_MATTER, None], WHITE_MATTER, GREY_MATTER)
    images = images + toward(blobs(2, 0.9, 0.8) * soft[:, WHITE_MATTER, None], WHITE_MATTER, OEDEMA)
    around = _blurred(soft[:, OEDEMA, None], 2.0 * torch.rand(count, generator=rng)) * _upto(1.0, soft, rng)
    for tissue in (GREY_MATTER, WHITE_MATTER):
        images = images + toward(around * soft[:, tissue, None], tissue, OEDEMA)
    # Vessels take up contrast agent: threads where two smooth fields vanish together.
    threads = torch.exp(-(smooth_noise(like, 4, rng) ** 2 + smooth_noise(like, 4, rng) ** 2) / 0.02)
    bright = contrast[:, ENHANCING, _T1CE, None, None, None] - images[:, _T1CE]
    images[:, _T1CE] += (threads * _upto(0.9, soft, rng) * (1 - soft[:, :1]))[:, 0] * bright
    return images


def _acquire(images: torch.Tensor, spacing: torch.Tensor, recipe: ScanRecipe, rng: torch.Generator) -> torch.Tensor:
    """Thick slices along one axis of each sequence, a little blur along the others, a small shift along each."""
    count, channels = images.shape[:2]
    voxel = spacing[:, None]
    thick = torch.randint(3, (count, channels), generator=rng)
    for axis in range(3):
        in_plane = recipe.blur_mm * torch.rand(count, channels, generator=rng)
        slices = recipe.slice_mm * torch.rand(count, channels, generator=rng) / 12**0.5  # SD of a box
        shift = recipe.shift_mm * (2 * torch.rand(count, channels, generator=rng) - 1)
        images = _smooth_along(images, torch.where(thick == axis, slices, in_plane) / voxel, shift / voxel, axis + 2)
    return images


def _blurred(volume: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    for axis in (2, 3, 4):
        volume = _smooth_along(volume, voxels[:, None], torch.zeros(len(volume), 1), axis)
    return volume


def _smooth_along(images: torch.Tensor, sigma: torch.Tensor, shift: torch.Tensor, axis: int) -> torch.Tensor:
    """Blur and shift each channel of (B, C, X, Y, Z) along an axis by its own (B, C) amounts in voxels.

    A standard deviation below a third of a voxel is raised to it, so that a shift by parts of a voxel is interpolated.
    """
    index = torch.arange(images.shape[axis], dtype=torch.float32)
    distance = index[:, None] - index - shift[..., None, None]
    weights = torch.exp(-distance.square() / (2 * sigma.clamp_min(0.35).square()[..., None, None]))
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return torch.einsum("bcijk,bclk->bcijl", images.movedim(axis, -1), weights).movedim(-1, axis)


def _stripped(soft: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """(B, 1, X, Y, Z) bool: the brain as a site's mask has it, a little more here and a little less there."""
    inside = _blurred(1 - soft[:, :1], torch.full((len(soft),), 0.8))
    return inside + _upto(0.2, soft, rng) * smooth_noise(inside, 3, rng) > 0.5


def _normalise(images: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """As sites do: each sequence divided by its own high percentile in the brain, at most 1, 0 outside the brain."""
    flat = (images * brain).flatten(2)
    above = (brain.flatten(2).sum(dim=2) * (1 - _WHITE)).long().clamp_min(1)
    highest = flat.topk(int(above.max()), dim=2).values
    white = highest.gather(2, (above - 1).expand(-1, images.shape[1])[..., None])
    return (flat / white.clamp_min(1e-6)).clamp(0, 1).unflatten(2, images.shape[2:])


def _upto(most: float, like: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """(B, 1, 1, 1, 1) uniform between 0 and `most`."""
    return most * torch.rand(len(like), 1, 1, 1, 1, generator=rng)
