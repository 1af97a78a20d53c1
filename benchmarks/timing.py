"""Times of variants that stand beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def interleaved(variants: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each variant in each repeat, by name.

    Every repeat runs all variants one after the other, so that whatever else the machine does hits all of them: ratios
    are to be taken within a repeat. The first `warm_up` rounds, which choose kernels and fill caches, are not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(-warm_up, repeats):
        for name, variant in variants.items():
            started = time.perf_counter()
            variant()
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds
