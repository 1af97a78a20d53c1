"""The generator's forward pass slab by slab: the same images in memory that does not grow with what a block needs.

Every block looks one voxel around, the painting and the grain some more, and each voxel is normalised by itself. So a
slab with its neighbours gives what the whole volume would: there are no seams to hide. What is kept whole is one map of
features a level, as the skips need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch.nn import functional as F

from fl_components.networks.conditions import one_hot
from fl_components.networks.generator import Generator, Noise
from fl_components.networks.grain import REACH as GRAIN_REACH
from fl_components.networks.grain import scales_of
from fl_components.networks.partial_volume import REACH as PAINTED_REACH
from fl_components.networks.precision import Precision

SLAB_VOXELS: Final = 2**17
"""At the finest level: with 96 channels in two bytes each 24 MiB. Thinner ones are mostly margin, thicker slower."""
_FEWEST_PLANES: Final = 4
_LAST_REACH: Final = 2
"""Voxels around that the last block and the head depend on together."""

Slab = Callable[[int, int], torch.Tensor]
"""The features (1, C, last - first, Y, Z) from plane `first` to before plane `last`."""


def images_in_slabs(generator: Generator, labels: torch.Tensor, contrast: torch.Tensor, noise: Noise,
                    precision: Precision, voxels: int = SLAB_VOXELS, grain: bool = True) -> torch.Tensor:
    """What `generator(one_hot(labels), contrast, noise)` gives, or without its grain what it expects.

    Args:
        generator: placed by `precision.place`.
        labels: (X, Y, Z) integers, on the CPU.
        contrast: (1, 30), on the generator's device.
        noise: of a batch of one; the texture stays on the CPU.
        precision: where and in which format to run.
        voxels: of a slab at the finest level, at most, where four planes are fewer.
        grain: whether it is added.

    Returns:
        (4, X, Y, Z) float32, on the CPU.
    """
    planes = max(_FEWEST_PLANES, voxels // (labels.shape[1] * labels.shape[2]) // 2 * 2)

    def anatomy(first: int, last: int) -> torch.Tensor:
        return precision.lay_out(one_hot(labels[None, first:last].long()))

    def texture(first: int, last: int) -> torch.Tensor:
        return precision.lay_out(noise.texture[:, :, first:last])

    def painted(first: int, last: int) -> torch.Tensor | None:
        low, high = max(first - PAINTED_REACH, 0), min(last + PAINTED_REACH, len(labels))
        whole = generator.painted(anatomy(low, high), contrast)
        return None if whole is None else whole[:, :, first - low:last - low]

    def scales(first: int, last: int) -> torch.Tensor:
        low, high = max(first - GRAIN_REACH, 0), min(last + GRAIN_REACH, len(labels))
        return scales_of(texture(low, high), slice(first - low, last - low))

    def inputs(first: int, last: int) -> torch.Tensor:
        return generator.inputs(anatomy(first, last), painted(first, last), texture(first, last), (first, 0, 0))

    style = generator.style(contrast, noise.style.to(precision.device))
    skips = [_run(generator.stem, inputs, len(labels), style, planes)]
    for block in generator.down:
        skips.append(_run_halving(block, skips[-1], style, planes))
    coarse = skips.pop()
    features = _run(generator.middle, _part(coarse), coarse.shape[2], style, planes)
    for block in list(generator.up)[:-1]:
        skip = skips.pop()
        features = _run(block, _joined(features, skip), skip.shape[2], style, planes)
    joined = _joined(features, skips.pop())  # the last block's features are never whole
    made = []
    for first, last in _slabs(len(labels), planes):
        low, high = max(first - _LAST_REACH, 0), min(last + _LAST_REACH, len(labels))
        found = generator.up[-1](joined(low, high), style)
        parts = generator.finish(found, anatomy(low, high), contrast, painted(low, high),
                                 scales(low, high) if grain else None)
        made.append(parts.images[0, :, first - low:last - low].cpu())
    return torch.cat(made, dim=1)


def _run(block: torch.nn.Module, source: Slab, size: int, style: torch.Tensor, planes: int) -> torch.Tensor:
    """A block over all planes."""
    found = []
    for first, last in _slabs(size, planes):
        low, high = max(first - 1, 0), min(last + 1, size)
        found.append(block(source(low, high), style)[:, :, first - low:last - low])
    return torch.cat(found, dim=2)


def _run_halving(block: torch.nn.Module, features: torch.Tensor, style: torch.Tensor, planes: int) -> torch.Tensor:
    """A block of stride 2 over all planes; a slab begins at an even one, as the strides do."""
    size, found = features.shape[2], []
    for first, last in _slabs((size + 1) // 2, planes):
        low, high = max(2 * first - 2, 0), min(2 * last, size)
        found.append(block(features[:, :, low:high], style)[:, :, first - low // 2:last - low // 2])
    return torch.cat(found, dim=2)


def _joined(coarse: torch.Tensor, skip: torch.Tensor) -> Slab:
    """The coarser level's features, each plane twice, beside the skip's."""
    def part(first: int, last: int) -> torch.Tensor:
        begin, end = first // 2, (last + 1) // 2
        finer = F.interpolate(coarse[:, :, begin:end], size=(2 * (end - begin), *skip.shape[3:]), mode="nearest")
        return torch.cat([finer[:, :, first - 2 * begin:last - 2 * begin], skip[:, :, first:last]], dim=1)

    return part


def _part(features: torch.Tensor) -> Slab:
    return lambda first, last: features[:, :, first:last]


def _slabs(size: int, planes: int) -> Iterator[tuple[int, int]]:
    for first in range(0, size, planes):
        yield first, min(first + planes, size)
