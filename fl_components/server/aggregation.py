"""Aggregation: one update made of the sites' admitted ones, as the study says."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from fl_components.guard.declaration import clip_norm, clipped
from fl_components.networks.weights import Weights
from fl_components.study import Study


def aggregate(study: Study, updates: Mapping[str, Mapping[str, np.ndarray]], names: Collection[str],
              task: str = "train") -> Weights:
    """The study's aggregate of admitted updates, the generator's first clipped to `federation.clip_norm` if set.

    "mean" weighs by the study's weights of the sites that count this round, never by a site's claim. "median" and
    "trimmed_mean" (Yin et al. 2018, arXiv 1803.01498) go coordinate by coordinate and are unweighted: a weighted
    median would let the largest site alone decide as soon as it holds half. They assume that sites are alike: what
    only a minority of sites teaches is lost with the outliers.

    Args:
        study: gives rule and weights.
        updates: admitted updates by site, at least one; fields other than `names` are ignored.
        names: the tensors to aggregate.
        task: what the updates answer, "train" or "segment".
    """
    settings = study.federation
    tensors = [{name: updates[site][name] for name in names} for site in updates]
    if (longest := clip_norm(task, study)) is not None:
        tensors = [clipped(update, longest) for update in tensors]
    if settings.aggregation == "mean":
        weights = [study.weight(site) for site in updates]
        return {name: weighted_mean([update[name] for update in tensors], weights) for name in names}
    stacks = {name: np.stack([update[name] for update in tensors]) for name in names}
    if settings.aggregation == "median":
        return {name: np.median(stack, axis=0) for name, stack in stacks.items()}
    return {name: trimmed_mean(stack, settings.trim) for name, stack in stacks.items()}


def weighted_mean(values: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Of arrays of one shape and type, which it keeps; only the ratios of weights matter."""
    total = sum(weights)
    return sum((np.float32(weight / total) * value for value, weight in zip(values, weights, strict=True)),
               start=np.zeros_like(values[0]))


def blended(old: Weights, new: Weights, decay: float) -> Weights:
    """Exponential average of generators: decay · old + (1 − decay) · new."""
    return {name: np.float32(decay) * old[name] + np.float32(1 - decay) * new[name] for name in old}


def trimmed_mean(stack: np.ndarray, trim: float) -> np.ndarray:
    """The mean over the first axis, (n, …), without the largest and the smallest values of each coordinate.

    At either end trim × n values are left out, rounded up, so that a round with fewer sites still trims, but at most
    so many that one or two remain.
    """
    n = len(stack)
    cut = min(math.ceil(trim * n), (n - 1) // 2)
    return np.sort(stack, axis=0)[cut:n - cut].mean(axis=0, dtype=stack.dtype)
