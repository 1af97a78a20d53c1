"""Rendering: images from anatomies, contrasts and noise, without training."""

from __future__ import annotations

import numpy as np
import torch

from fl_components.contrast import Contrast
from fl_components.networks.conditions import one_hot
from fl_components.networks.generator import Generator, Noise, draw_noise
from fl_components.networks.precision import Precision


@torch.inference_mode()
def render(generator: Generator, labels: np.ndarray, contrast: Contrast, rng: torch.Generator,
           precision: Precision) -> np.ndarray:
    """Make one volume.

    Args:
        generator: placed by `precision.place`.
        labels: (X, Y, Z) anatomy.
        contrast: its contrast.
        rng: source of the noise, on the CPU, so that a volume is the same on every device up to rounding.
        precision: where and in which format to run.

    Returns:
        (4, X, Y, Z) float32 in [0, 1], 0 in the background.
    """
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    noise = draw_noise(1, generator.latent_size, shape, rng)
    anatomy = precision.lay_out(one_hot(torch.from_numpy(labels)[None].long()))
    vector = torch.from_numpy(contrast.vector())[None].to(precision.device)
    placed = Noise(noise.style.to(precision.device), precision.lay_out(noise.texture))
    with precision.autocast():
        images = generator(anatomy, vector, placed)
    return images[0].float().clamp(0, 1).cpu().numpy()
