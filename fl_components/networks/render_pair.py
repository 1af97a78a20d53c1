"""Before and after an edit, rendered so that they differ by the edit alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from fl_components.contrast import Contrast
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision
from fl_components.networks.render import render

Statistics = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Mean and variance of every normalised layer's features over the volume, by the layer's name."""


def render_pair(generator: Generator, before: np.ndarray, after: np.ndarray, contrast: Contrast,
                rng: torch.Generator, precision: Precision) -> tuple[np.ndarray, np.ndarray]:
    """Render two anatomies with one contrast, one noise and one normalisation.

    Instance normalisation divides by a volume's own statistics, so that a tumour at one end would tint the other.
    `after` is normalised by those of `before`: voxels beyond the network's receptive field around the edit are equal.

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
    statistics: Statistics = {}

    def keep(name: str, layer: nn.Module, features: torch.Tensor, output: torch.Tensor) -> None:
        statistics[name] = (features.mean(dim=(2, 3, 4), keepdim=True),
                            features.var(dim=(2, 3, 4), keepdim=True, unbiased=False))

    def hold(name: str, layer: nn.InstanceNorm3d, features: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        mean, variance = statistics[name]
        return ((features - mean) / torch.sqrt(variance + layer.eps)).to(output.dtype)

    with _normalisations(generator, keep):
        first = render(generator, before, contrast, rng, precision)
    rng.set_state(state)
    with _normalisations(generator, hold):
        second = render(generator, after, contrast, rng, precision)
    return first, second


@contextmanager
def _normalisations(generator: Generator, call: Callable[..., torch.Tensor | None]) -> Iterator[None]:
    """While inside, `call` sees each instance normalisation's name, layer, input and output, and may replace that."""
    def hook(name: str) -> Any:  # noqa: ANN401 - torch's own type of hooks is wider
        return lambda layer, inputs, output: call(name, layer, inputs[0].float(), output)

    handles = [layer.register_forward_hook(hook(name)) for name, layer in generator.named_modules()
               if isinstance(layer, nn.InstanceNorm3d)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
