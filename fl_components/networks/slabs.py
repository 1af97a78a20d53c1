"""The generator's forward pass slab by slab: the same images in memory that does not grow with what a block needs.

Every block looks one voxel around, the painting and the grain some more, and each voxel is normalised by itself. So a
slab with its neighbours gives what the whole volume would: there are no seams to hide. No plane is convolved twice;
what is kept whole is the painting and one map of features a level, as the skips need.
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
"""At the finest level: with 64 channels in two bytes each 16 MiB. Thicker ones are slower and hold more."""
_FEWEST_PLANES: Final = 4

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
    size = len(labels)
    planes = max(_FEWEST_PLANES, voxels // (labels.shape[1] * labels.shape[2]) // 2 * 2)

    def anatomy(first: int, last: int) -> torch.Tensor:
        return precision.lay_out(one_hot(labels[None, first:last].long()))

    def texture(first: int, last: int) -> torch.Tensor:
        return precision.lay_out(noise.texture[:, :, first:last])

    def painted(first: int, last: int) -> torch.Tensor | None:
        low, high = max(first - PAINTED_REACH, 0), min(last + PAINTED_REACH, size)
        wider = generator.painted(anatomy(low, high), contrast)
        return None if wider is None else wider[:, :, first - low:last - low]

    def scales(first: int, last: int) -> torch.Tensor:
        low, high = max(first - GRAIN_REACH, 0), min(last + GRAIN_REACH, size)
        return scales_of(texture(low, high), slice(first - low, last - low))

    def inputs(first: int, last: int) -> torch.Tensor:
        return generator.inputs(anatomy(first, last), paint(first, last), texture(first, last), (first, 0, 0))

    style = generator.style(contrast, noise.style.to(precision.device))
    paint = _kept(painted, size, planes)
    skips = [_run(generator.stem, inputs, size, style, planes)]
    for block in generator.down:
        skips.append(_run_halving(block, skips[-1], style, planes))
    coarse = skips.pop()
    features = _run(generator.middle, _part(coarse), coarse.shape[2], style, planes)
    for block in list(generator.up)[:-1]:
        features = torch.cat(list(_rising(block, features, skips.pop(), style, planes)), dim=2)
    made, done = [], 0
    for predicted in _headed(generator.head, _rising(generator.up[-1], features, skips.pop(), style, planes)):
        first, last = done, done + predicted.shape[2]
        parts = generator.finish(predicted, anatomy(first, last), contrast, paint(first, last),
                                 scales(first, last) if grain else None)
        made.append(parts.images[0].cpu())
        done = last
    return torch.cat(made, dim=1)


def _kept(painted: Callable[[int, int], torch.Tensor | None], size: int,
          planes: int) -> Callable[[int, int], torch.Tensor | None]:
    """The painting of the whole, made once: two blocks need it, and a slab's borders are half of its work."""
    made = [painted(first, last) for first, last in _slabs(size, 2 * planes)]
    whole = torch.cat(there, dim=2) if (there := [part for part in made if part is not None]) else None
    return lambda first, last: None if whole is None else whole[:, :, first:last]


def _run(block: torch.nn.Module, source: Slab, size: int, style: torch.Tensor, planes: int) -> torch.Tensor:
    """A block over all planes."""
    return torch.cat([block(_framed(source, first - 1, last + 1, size), style, zeros=0)
                      for first, last in _slabs(size, planes)], dim=2)


def _run_halving(block: torch.nn.Module, features: torch.Tensor, style: torch.Tensor, planes: int) -> torch.Tensor:
    """A block of stride 2 over all planes."""
    size = features.shape[2]
    return torch.cat([block(_framed(_part(features), 2 * first - 1, 2 * last, size), style, zeros=0)
                      for first, last in _slabs((size + 1) // 2, planes)], dim=2)


def _rising(block: torch.nn.Module, coarse: torch.Tensor, skip: torch.Tensor, style: torch.Tensor,
            planes: int) -> Iterator[torch.Tensor]:
    """A block of the way up, slab by slab; each begins at an even plane, as the doubled voxels do."""
    size = skip.shape[2]
    for first, last in _slabs(size, planes):
        below = _framed(_part(coarse), first // 2 - 1, (last + 1) // 2 + 1, coarse.shape[2])
        yield block(below, _framed(_part(skip), first - 1, last + 1, size), style, zeros=0)


def _headed(head: torch.nn.Conv3d, slabs: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """What the head makes of the last block's features, which are never whole.

    A slab's last plane waits for the next slab, so that what comes out lies a plane behind what went in.
    """
    held, edge = None, None
    for slab in slabs:
        edge = torch.zeros_like(slab[:, :, :1])
        window = torch.cat([edge if held is None else held, slab], dim=2)
        held = window[:, :, -2:]
        if window.shape[2] > 2:
            yield _valid(head, window)
    if held is not None and edge is not None:
        yield _valid(head, torch.cat([held, edge], dim=2))


def _valid(head: torch.nn.Conv3d, features: torch.Tensor) -> torch.Tensor:
    """The head over all planes but the first and the last, which are neighbours."""
    return F.conv3d(features, head.weight, head.bias, padding=(0, 1, 1))


def _framed(source: Slab, first: int, last: int, size: int) -> torch.Tensor:
    """Planes from `first` to before `last`, 0 before the volume and behind it, as where a convolution adds zeros."""
    low, high = max(first, 0), min(last, size)
    found = source(low, high)
    return found if (low, high) == (first, last) else F.pad(found, (0, 0, 0, 0, low - first, last - high))


def _part(features: torch.Tensor) -> Slab:
    return lambda first, last: features[:, :, first:last]


def _slabs(size: int, planes: int) -> Iterator[tuple[int, int]]:
    for first in range(0, size, planes):
        yield first, min(first + planes, size)
