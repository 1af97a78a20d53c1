"""Features of volumes on the shipped embedding, which was trained on simulated subjects alone: FID's Inception here.

The embedding's own output is made to forget scanner, noise and sharpness: two scans of one person are near in it. So
what is compared is how its levels respond: the spread of every channel's response to each convolution, and its mean
after the activation. A sequence is looked at alone by leaving the other three out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import nn

from fl_components.cohort.subject import Subject
from fl_components.evaluation.realism.answer import JOINT
from fl_components.networks.embedding import EmbeddingNetwork, load_embedding, standardised, to_own_grid
from fl_components.study import Grid
from fl_components.vocabulary import SEQUENCES

VIEWS: Final = (*SEQUENCES, JOINT)
"""What is shown to the embedding: each sequence alone, and all four."""

SMALLEST: Final = 1e-3
"""Added to a response's SD, so that a channel which sees nothing has a logarithm."""


def features_of(subjects: Sequence[Subject], spacing_mm: float) -> np.ndarray:
    """(n, 5 views, F) float64 features, one subject after the other."""
    network = _embedding()
    return np.stack([_features(network, subject.images, spacing_mm) for subject in subjects])


@torch.inference_mode()
def _features(network: EmbeddingNetwork, images: np.ndarray, spacing_mm: float) -> np.ndarray:
    shape = (images.shape[1], images.shape[2], images.shape[3])
    volume = torch.from_numpy(to_own_grid(images, Grid(shape=shape, spacing_mm=spacing_mm)))
    alone = [volume * (torch.arange(len(SEQUENCES)) == k)[:, None, None, None] for k in range(len(SEQUENCES))]
    levels = standardised(torch.stack([*alone, volume]))
    found = []
    for level in network.levels:
        for layer in level.children():
            levels = layer(levels)
            if isinstance(layer, nn.Conv3d):
                found.append(torch.log(levels.std(dim=(2, 3, 4)) + SMALLEST))
        found.append(levels.mean(dim=(2, 3, 4)))
    return torch.cat(found, dim=1).numpy().astype(np.float64)


@lru_cache(maxsize=1)
def _embedding() -> EmbeddingNetwork:
    return load_embedding()[0]
