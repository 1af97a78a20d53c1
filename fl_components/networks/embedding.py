"""A learned space in which two scans of one person are near: a small network trained on simulated subjects alone.

Copies are searched for in a self-supervised contrastive embedding, after Dar et al., "Investigating Data Memorization
in 3D Latent Diffusion Models for Medical Image Synthesis" (2023). Theirs is trained on the patients' own scans; this
one on public anatomies (`fl_components.training.embedding`), so that it can ship and knows nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fl_components.networks.shipped import load_network, save_network
from fl_components.study import Grid
from fl_components.vocabulary import SEQUENCES
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import Picture

GRID: Final = Grid(shape=(40, 48, 40), spacing_mm=4.0)
"""The network's own grid; volumes of any other study grid are resampled to it."""

VECTOR_SIZE: Final = 64
WEIGHTS: Final = Path(__file__).with_name("embedding.safetensors")
"""The shipped weights."""

_CHANNELS: Final = (16, 32, 48)
_HEAD_CHANNELS: Final = 8


class EmbeddingNetwork(nn.Module):
    """Four sequences on `GRID` to a unit vector; about 230 000 parameters.

    Each level halves the grid. What is left of it is not averaged away: where something lies tells people apart.
    Normalisation is per instance, so that no statistic of the training set is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        levels: list[nn.Module] = []
        for inputs, outputs in pairwise((len(SEQUENCES), *_CHANNELS)):
            levels += [_level(inputs, outputs, stride=2), _level(outputs, outputs, stride=1)]
        self.levels = nn.Sequential(*levels)
        self.squeeze = nn.Conv3d(_CHANNELS[-1], _HEAD_CHANNELS, 1)
        left = np.prod([-(-length // 2 ** len(_CHANNELS)) for length in GRID.shape])
        self.head = nn.Linear(_HEAD_CHANNELS * int(left), VECTOR_SIZE)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 4, *GRID.shape) intensities of any scale to (B, VECTOR_SIZE) float32 of length 1."""
        features = self.squeeze(self.levels(standardised(images)))
        return F.normalize(self.head(features.flatten(1)).float(), dim=1)


def _level(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                         nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU(0.1))


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Each sequence of each volume with mean 0 and standard deviation 1; one that is constant becomes 0."""
    centred = images - images.mean(dim=(2, 3, 4), keepdim=True)
    spread = centred.square().mean(dim=(2, 3, 4), keepdim=True).sqrt()
    return centred / spread.clamp_min(1e-6)


def build_embedding(seed: int) -> EmbeddingNetwork:
    """An untrained network, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EmbeddingNetwork()


def save_embedding(network: EmbeddingNetwork, path: Path, about: Mapping[str, str]) -> str:
    """Write the weights with where they come from; the SHA-256 of the file (`shipped.save_network`)."""
    return save_network(network, path, about)


def load_embedding(path: Path = WEIGHTS) -> tuple[EmbeddingNetwork, str]:
    """The network that `save_embedding` wrote, ready to use, and the SHA-256 of the file.

    Raises:
        InputError: if the file is missing or does not hold this network's weights.
    """
    return load_network(EmbeddingNetwork(), path, "embedding")


@dataclass(frozen=True)
class EmbeddingSpace:
    """The embedding as a space of the audit (`privacy_eval.spaces.space.Space`).

    Attributes:
        network: the frozen network.
        grid: of the pictures it takes.
        digest: SHA-256 of the weights file.
    """

    network: EmbeddingNetwork
    grid: Grid
    digest: str

    @classmethod
    def shipped(cls, grid: Grid) -> EmbeddingSpace:
        """The space with the shipped weights, for pictures on a study's grid."""
        return cls.from_file(WEIGHTS, grid)

    @classmethod
    def from_file(cls, path: Path, grid: Grid) -> EmbeddingSpace:
        """The space with the weights of a file (errors as `load_embedding`)."""
        network, digest = load_embedding(path)
        return cls(network, grid, digest)

    @property
    def name(self) -> str:
        """"embedding"."""
        return "embedding"

    def map(self, pictures: Iterable[Picture]) -> np.ndarray:
        """Unit vectors, (n, VECTOR_SIZE) float32, of pictures on `grid` with four sequences, read one by one.

        One at a time and in float32, a picture's vector depends on nothing but the picture.

        Raises:
            InputError: if a picture has another shape than the grid asks for, or is not finite.
        """
        vectors = [self._vector(picture.images) for picture in pictures]
        return np.stack(vectors) if vectors else np.empty((0, VECTOR_SIZE), np.float32)

    def _vector(self, images: np.ndarray) -> np.ndarray:
        expected = (len(SEQUENCES), *self.grid.shape)
        if images.shape != expected:
            raise InputError(f"volume: found shape {images.shape}; expected {expected}, {', '.join(SEQUENCES)} on the "
                             "study's grid")
        if not np.isfinite(images).all():
            raise InputError("volume: holds values that are not finite; expected finite intensities, mend or drop it")
        with torch.inference_mode():
            vector = self.network(torch.from_numpy(to_own_grid(images, self.grid))[None])[0]
        return np.asarray(vector.numpy(), np.float32)


def to_own_grid(images: np.ndarray, grid: Grid) -> np.ndarray:
    """Resample (C, *grid.shape) to (C, *GRID.shape) float32 by the affines; outside the field of view is 0.

    Linear towards finer voxels; towards coarser ones each voxel is a triangle-weighted mean, so that nothing aliases.
    """
    x, y, z = (_axis_weights(grid, axis) for axis in range(3))
    return np.ascontiguousarray(np.einsum("cxyz,ax,by,dz->cabd", images, x, y, z, optimize=True), np.float32)


@lru_cache(maxsize=32)
def _axis_weights(grid: Grid, axis: int) -> np.ndarray:
    """(own voxels, study voxels) weights along one axis; rows sum to 1, or to 0 outside the study's field of view."""
    own, theirs = (affine[axis, 3] + affine[axis, axis] * np.arange(length)
                   for affine, length in ((GRID.affine, GRID.shape[axis]), (grid.affine, grid.shape[axis])))
    reach = max(GRID.spacing_mm, grid.spacing_mm)
    triangle = np.maximum(0, 1 - np.abs(own[:, None] - theirs) / reach)
    total = triangle.sum(axis=1, keepdims=True)
    return (triangle / np.where(total > 0, total, 1)).astype(np.float32)
