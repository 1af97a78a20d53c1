"""A healthy brain: the template, warped, its ventricles and sulci widened, its cortex folded anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy import deform
from fl_components.anatomy.field import random_field, separable
from fl_components.anatomy.template import load_template
from fl_components.study import TEMPLATE_CENTRE_MM, Grid
from fl_components.vocabulary import BACKGROUND, CSF

SOURCE: Final = Grid(shape=(80, 96, 86), spacing_mm=2.0)
"""The template's grid that every brain is read from."""

VENTRICLE_HALF_SIZE_MM: Final = np.array([38.0, 62.0, 34.0])
VENTRICLE_CENTRE_MM: Final = np.array([0.0, -18.0, 12.0])
"""An ellipsoid that holds the ventricles and little of the sulci; CSF inside it is taken as ventricle."""


@dataclass(frozen=True)
class BrainTraits:
    """What makes one brain: `scale` per axis of the template's size, `rotation_degrees` about the axes.

    `warp_mm` is the standard deviation of the random velocity (smooth over `warp_scale_mm`), `ventricle_mm` how far the
    ventricles' walls are pushed outwards (negative: inwards), `atrophy` 0 to 1 how much the sulci open,
    `folding` 0 to 1 how strongly random gyri replace the template's averaged cortex, `fold_mm` their scale.
    """

    scale: tuple[float, float, float]
    rotation_degrees: tuple[float, float, float]
    warp_mm: float
    warp_scale_mm: float
    ventricle_mm: float
    atrophy: float
    folding: float
    fold_mm: float


@dataclass(frozen=True)
class Brain:
    """`tissues`: (3, X, Y, Z) probabilities of CSF, grey and white matter, summing to `inside`; float32.

    `inside`: (X, Y, Z) probability of being brain. `template_mm`: (3, X, Y, Z) where each voxel lies in the
    template's space, RAS millimetres.
    """

    tissues: np.ndarray
    inside: np.ndarray
    template_mm: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(X, Y, Z) bool."""
        return self.inside > 0.5

    def labels(self) -> np.ndarray:
        """(X, Y, Z) uint8 anatomy: the likeliest tissue inside the brain, background elsewhere."""
        likeliest = (self.tissues.argmax(axis=0) + CSF).astype(np.uint8)
        return np.where(self.mask, likeliest, BACKGROUND).astype(np.uint8)

    def displaced(self, displacement: np.ndarray, spacing_mm: float) -> Brain:
        """The brain after tissue moved: the voxel at x shows what lay at x + u(x)."""
        maps = np.concatenate([self.tissues, self.inside[None], self.template_mm])
        stack = deform.warp(maps, displacement, spacing_mm)
        return replace(self, tissues=stack[:3], inside=stack[3], template_mm=stack[4:])


def make_brain(rng: np.random.Generator, grid: Grid, traits: BrainTraits, centred: bool = False) -> Brain:
    """Draw the healthy brain that has these traits, on the grid.

    Args:
        rng: source of warp and folds.
        grid: where the brain is put.
        traits: what it is like.
        centred: whether the middle of its bounding box lies in the grid's, as preparation puts patients' brains; else
            the template's centre does.
    """
    template_mm = _pull_back(rng, grid, traits)
    source = load_template(SOURCE.shape, SOURCE.affine)
    if centred:
        template_mm = _centred(template_mm, deform.sample(source.brain[None], _to_source(template_mm))[0])
    csf, grey, white = deform.sample(source.tissues, _to_source(template_mm))
    inside = csf + grey + white
    tissues = _fold(rng, np.stack([csf, grey, white]), inside, traits, grid.spacing_mm)
    return Brain(tissues, inside, template_mm)


def _pull_back(rng: np.random.Generator, grid: Grid, traits: BrainTraits) -> np.ndarray:
    """(3, X, Y, Z) template millimetres of every voxel: affine, then random warp, then the ventricles' pull."""
    coarse = max(1, round(8.0 / grid.spacing_mm))  # smooth over centimetres, so integrated on about 8 mm
    shape = tuple(-(-length // coarse) + 1 for length in grid.shape)
    spacing = grid.spacing_mm * coarse
    centre = np.array(TEMPLATE_CENTRE_MM).reshape(3, 1, 1, 1)
    centre_voxel = (np.array(grid.shape).reshape(3, 1, 1, 1) - 1) / 2
    millimetres = (deform.voxel_grid(shape) * coarse - centre_voxel) * grid.spacing_mm
    inverse = np.linalg.inv(deform.affine_matrix(np.array(traits.rotation_degrees), np.array(traits.scale)))
    straight = np.tensordot(inverse, millimetres, axes=1) + centre

    velocity = deform.random_velocity(rng, shape, spacing, traits.warp_mm, traits.warp_scale_mm)
    velocity += traits.ventricle_mm * deform.sample(_ventricle_pull(), _to_source(straight))
    coordinates = straight + deform.exponentiate(velocity, spacing)
    return deform.upsample(coordinates, grid.shape, coarse)


def _centred(template_mm: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The places moved so that the middle of the box around `inside` comes to lie in the grid's."""
    matrices = []
    for axis, length in enumerate(inside.shape):
        profile = np.pad(inside.max(axis=tuple(other for other in range(3) if other != axis)), 1)
        first, last = np.flatnonzero(profile > 0.5)[[0, -1]]
        low = first - (profile[first] - 0.5) / (profile[first] - profile[first - 1])
        high = last + (profile[last] - 0.5) / (profile[last] - profile[last + 1])
        index = np.arange(length) + (low + high) / 2 - 1 - (length - 1) / 2
        left = np.clip(np.floor(index), 0, length - 2).astype(int)  # beyond the grid the places go on as they came
        matrix = np.zeros((length, length), np.float32)
        matrix[np.arange(length), left], matrix[np.arange(length), left + 1] = 1 - (index - left), index - left
        matrices.append(matrix)
    return separable(template_mm, matrices)


@lru_cache(maxsize=1)
def _ventricle_pull() -> np.ndarray:
    """(3, X, Y, Z) on `SOURCE`: points at the ventricles' core, length 1 at their wall: reading there widens them."""
    source = load_template(SOURCE.shape, SOURCE.affine)
    millimetres = np.tensordot(SOURCE.affine[:3, :3], deform.voxel_grid(SOURCE.shape), axes=1)
    millimetres += SOURCE.affine[:3, 3].reshape(3, 1, 1, 1)
    offset = (millimetres - VENTRICLE_CENTRE_MM.reshape(3, 1, 1, 1)) / VENTRICLE_HALF_SIZE_MM.reshape(3, 1, 1, 1)
    ventricle = source.csf * ((offset**2).sum(axis=0) < 1)
    density = ndimage.gaussian_filter(ventricle, 7.0 / SOURCE.spacing_mm)
    pull = np.stack(np.gradient(density)).astype(np.float32)
    strongest = np.percentile(np.linalg.norm(pull, axis=0)[ventricle > 0.5], 95)
    return pull / strongest


def _to_source(template_mm: np.ndarray) -> np.ndarray:
    """Template millimetres as voxel coordinates of `SOURCE`."""
    return (template_mm - SOURCE.affine[:3, 3].reshape(3, 1, 1, 1)) / SOURCE.spacing_mm


def _fold(rng: np.random.Generator, tissues: np.ndarray, inside: np.ndarray, traits: BrainTraits,
          spacing_mm: float) -> np.ndarray:
    """Give the averaged cortex gyri and sulci of its own, and open the sulci by atrophy.

    Depth runs from CSF (-1) over grey (0) to white matter (1). Near the surface a random field shifts it, so the ribbon
    meanders; depth is then cut into three tissues again. Deep grey matter keeps the template's.
    """
    csf, _, white = tissues
    outside = 1 - inside
    cortex = np.minimum(1.0, 3 * ndimage.gaussian_filter(outside, 9.0 / spacing_mm)) * inside
    surface = ndimage.gaussian_filter(outside, 3.0 / spacing_mm) * inside
    fold = 0.8 * random_field(rng, inside.shape, traits.fold_mm / spacing_mm)
    fold += 0.4 * random_field(rng, inside.shape, traits.fold_mm / (2 * spacing_mm))
    depth = (white - csf) / np.maximum(inside, 1e-3) - 0.5 * traits.atrophy * cortex - 1.2 * surface
    depth += traits.folding * fold * cortex
    ribbon_white = 1 / (1 + np.exp((0.30 - depth) / 0.08))
    ribbon_csf = 1 / (1 + np.exp((depth + 0.45) / 0.08))
    ribbon = np.stack([ribbon_csf, 1 - ribbon_csf - ribbon_white, ribbon_white]) * inside
    share = cortex * min(1.0, 4 * traits.folding)
    return ((1 - share) * tissues + share * np.maximum(ribbon, 0)).astype(np.float32)
