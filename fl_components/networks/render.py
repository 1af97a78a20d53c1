"""Rendering: images from anatomies, contrasts and noise, without training."""

from __future__ import annotations

import numpy as np
import torch

from fl_components.contrast import Contrast
from fl_components.networks.generator import Generator, draw_noise
from fl_components.networks.precision import Precision
from fl_components.networks.slabs import images_in_slabs


@torch.inference_mode()
def render(generator: Generator, labels: np.ndarray, contrast: Contrast, rng: torch.Generator,
           precision: Precision, grain: bool = True) -> np.ndarray:
    """Make one volume.

    Args:
        generator: placed by `precision.place`.
        labels: (X, Y, Z) anatomy.
        contrast: its contrast.
        rng: source of the noise, on the CPU, so that a volume is the same on every device up to rounding.
        precision: where and in which format to run.
        grain: whether the noise on it is added; without, it is what the generator expects.

    Returns:
        (4, X, Y, Z) float32 in [0, 1], 0 in the background.
    """
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    noise = draw_noise(1, generator.latent_size, shape, rng)
    vector = torch.from_numpy(contrast.vector())[None].to(precision.device)
    with precision.autocast():
        images = images_in_slabs(generator, torch.from_numpy(labels), vector, noise, precision, grain=grain)
    return images.clamp(0, 1).numpy()


def render_pair(generator: Generator, before: np.ndarray, after: np.ndarray, contrast: Contrast,
                rng: torch.Generator, precision: Precision) -> tuple[np.ndarray, np.ndarray]:
    """Render two anatomies with one contrast and one noise: they differ within the network's sight of the edit alone.

    Args:
        generator: placed by `precision.place`.
        before: (X, Y, Z) anatomy.
        after: (X, Y, Z) anatomy.
        contrast: of both; it must know the tissues of both.
        rng: source of the noise; `before` alone would be rendered with the same.
        precision: where and in which format to run.

    Returns:
        Two (4, X, Y, Z) float32 arrays in [0, 1].
    """
    state = rng.get_state()
    first = render(generator, before, contrast, rng, precision)
    rng.set_state(state)
    return first, render(generator, after, contrast, rng, precision)
