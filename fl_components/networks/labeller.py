"""The labeller: a small U-Net from any subset of the four sequences to the seven labels of an anatomy.

It is trained on simulated scans of random contrast, as SynthSeg is (Billot et al., "SynthSeg: Segmentation of brain MRI
scans of any contrast and resolution without retraining", Medical Image Analysis 2023), so that it can ship and knows
nobody (`fl_components.training.labeller`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn import functional as F

from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.shipped import load_network
from fl_components.vocabulary import N_LABELS, SEQUENCES

WEIGHTS: Final = Path(__file__).with_name("labeller.safetensors")
"""The shipped weights."""

SPACINGS_MM: Final = (2.0, 4.4)
"""Voxels it was trained on; it is used on no others."""

_FILTERS: Final = (12, 24, 48, 72)
_DIVISOR: Final = 2 ** (len(_FILTERS) - 1)


def build_labeller(seed: int) -> nn.Module:
    """An untrained network, the same for the same seed: (B, 8, X, Y, Z) of `network_input` to (B, 7, X, Y, Z) scores.

    MONAI's DynUNet, about 560 000 parameters; sides are multiples of 8. Normalisation is per instance, so that no
    statistic of the training set is kept.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        levels = len(_FILTERS)
        return DynUNet(3, 2 * len(SEQUENCES), N_LABELS, kernel_size=[3] * levels, strides=[1] + [2] * (levels - 1),
                       upsample_kernel_size=[2] * (levels - 1), filters=list(_FILTERS),
                       norm_name=("INSTANCE", {"affine": True}))


def network_input(images: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
    """Images, and for each sequence the brain's mask where the sequence is there, else 0.

    A plane that is constant would be lost in the first normalisation; the brain's outline is not.

    Args:
        images: (B, 4, X, Y, Z) normalised intensities, 0 outside the brain.
        available: (B, 4) bool; what is missing is taken as 0.
    """
    there = available[:, :, None, None, None].to(images.dtype)
    known = images * there
    brain = (known > 0).any(dim=1, keepdim=True).to(images.dtype)
    return torch.cat([known, there * brain], dim=1)


@dataclass(frozen=True)
class Labeller:
    """A trained labeller.

    Attributes:
        network: the frozen network.
        digest: SHA-256 of the weights file.
        precision: where and in which format it runs.
    """

    network: nn.Module
    digest: str
    precision: Precision

    @classmethod
    def from_file(cls, path: Path) -> Labeller:
        """The labeller with the weights of a file.

        Raises:
            InputError: if the file is missing or does not hold this network's weights.
        """
        network, digest = load_network(build_labeller(0), path, "labeller")
        precision = choose_precision("auto")
        return cls(precision.place(network), digest, precision)

    def probabilities(self, images: np.ndarray, available: np.ndarray) -> np.ndarray:
        """(7, X, Y, Z) float32 probabilities of the labels, the mean over the scan and its mirror image.

        On one thread: a volume is small, and sites label several at the same time.

        Args:
            images: (4, X, Y, Z) normalised intensities, 0 outside the brain, voxels within `SPACINGS_MM`.
            available: (4,) bool, at least one of them.
        """
        scan = network_input(torch.from_numpy(np.asarray(images, np.float32))[None],
                             torch.from_numpy(np.asarray(available, bool))[None])
        shape = scan.shape[2:]
        # At least two voxels a side at the coarsest level, or there is nothing to normalise by.
        padding = [amount for length in reversed(shape)
                   for amount in (0, max(-length % _DIVISOR, 2 * _DIVISOR - length))]
        scan = F.pad(scan, padding)
        with _one_thread(), torch.inference_mode(), self.precision.autocast():
            straight = self.network(self.precision.lay_out(scan)).float().softmax(dim=1)
            mirrored = self.network(self.precision.lay_out(scan.flip(2))).float().softmax(dim=1).flip(2)
        mean = ((straight + mirrored) / 2)[0, :, :shape[0], :shape[1], :shape[2]]
        return np.asarray(mean.cpu().numpy(), np.float32)


@lru_cache(maxsize=1)
def shipped_labeller() -> Labeller:
    """The labeller with the shipped weights, read once a process."""
    return Labeller.from_file(WEIGHTS)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
