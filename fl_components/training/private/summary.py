"""A site's noised summary: contrast, and how large, of what kind and where its patients' tumours are.

Each patient gives one vector a block, of at most the block's `bound` in L2 norm, whatever the scan shows; the site
sends their sum with Gaussian noise of noise × bound / weight a coordinate. All blocks together are one Gaussian
mechanism: scaled by weight / bound, a patient's whole vector has the norm √Σ weight² = 1 at most, and noise in all of
it alike. So taking out a patient, or putting one in, moves it by 1 at most: it costs `SampledGaussian(noise, 1, 1)`.

How many patients there are is public, in the relation of `accounting`; an empty record adds zeros.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.training.private.blocks import BLOCKS, N_MEANS, VOLUME_EDGES_ML
from fl_components.training.private.entropy import Entropy, normal
from fl_components.training.random_scan import ScanRecipe, draw_contrast
from fl_components.vocabulary import HEALTHY, N_TISSUES, SEQUENCES, TUMOUR

USUAL_SPREAD: Final = 0.05
"""Of one tissue's contrast over a site's patients, where noise hides it. Public: of simulated hospitals."""

_PUBLIC_DRAWS: Final = 400
_PUBLIC_SEED: Final = 77
_RIDGE: Final = 0.03**2


def patient_vectors(subject: Subject, spacing_mm: float) -> dict[str, np.ndarray]:
    """One patient's part of each block, within its bound."""
    present = subject.contrast.present[:, None]
    deviation = np.where(present, subject.contrast.mean.astype(np.float64) - public_contrast()[0], 0.0).ravel()
    vectors = {"deviation": deviation, "square": np.square(deviation), **tumour_bins(subject.labels, spacing_mm)}
    return {block.name: _within(vectors[block.name], block.bound) for block in BLOCKS}


def tumour_bins(labels: np.ndarray, spacing_mm: float) -> dict[str, np.ndarray]:
    """An anatomy's bin of each histogram, as a vector with a single 1; no place without a tumour.

    Args:
        labels: (X, Y, Z) anatomy on the study's grid, which is centred on the template's brain.
        spacing_mm: of its voxels.
    """
    tumour = np.isin(labels, TUMOUR)
    volume_ml = tumour.sum() * spacing_mm**3 / 1000
    kind = sum(2**bit for bit, tissue in enumerate(TUMOUR) if (labels == tissue).any())
    bins = {"volume": int(np.digitize(volume_ml, VOLUME_EDGES_ML)), "kind": kind}
    if tumour.any():
        beyond = np.argwhere(tumour).mean(axis=0) > (np.array(labels.shape) - 1) / 2
        bins["place"] = int(beyond @ [1, 2, 4])
    found = {block.name: np.zeros(block.size) for block in BLOCKS if block.name in ("volume", "kind", "place")}
    for name, index in bins.items():
        found[name][index] = 1.0
    return found


def noised_summary(patients: Iterable[Subject], spacing_mm: float, noise: float,
                   entropy: Entropy) -> dict[str, np.ndarray]:
    """The fields `summary.<block>` that may leave, drawn anew at each call: reserve before, keep what was sent.

    Args:
        patients: each once.
        spacing_mm: of the study's grid.
        noise: of the plan (`summary_noise`).
        entropy: where the noise comes from.
    """
    sums = {block.name: np.zeros(block.size) for block in BLOCKS}
    for patient in patients:
        for name, vector in patient_vectors(patient, spacing_mm).items():
            sums[name] += vector
    return {f"summary.{block.name}": sums[block.name] + block.noise(noise) * normal(entropy, block.size)
            for block in BLOCKS}


def contrast_of(summary: Mapping[str, np.ndarray], patients: int, noise: float) -> dict[str, np.ndarray]:
    """Mean, spread and count of the contrast from a noised summary: post-processing, with public knowledge.

    The mean is the best linear estimate between what was sent and public contrasts, each weighted by its own variance;
    so is the spread. Without noise it is the patients' own; with noise alone it is public.

    Args:
        summary: as `noised_summary` gives it.
        patients: their number, public.
        noise: of the plan.

    Returns:
        `contrast.mean`, `contrast.spread`: (6, 4); `contrast.count`: (6,); float32.
    """
    centre, covariance = public_contrast()
    kinds = np.maximum(np.asarray(summary["summary.kind"], float), 0)
    tumours = [sum(kinds[kind] for kind in range(len(kinds)) if kind >> bit & 1) for bit in range(len(TUMOUR))]
    count = np.clip([*[patients] * len(HEALTHY), *tumours], 1.0, patients)
    by_mean = np.repeat(count, len(SEQUENCES))
    error = BLOCKS[0].noise(noise) / by_mean
    gain = covariance @ np.linalg.inv(covariance + np.diag(np.square(error)))
    moved = gain @ (np.asarray(summary["summary.deviation"], float) / by_mean)
    told = np.asarray(summary["summary.square"], float) / by_mean - np.square(moved)
    trust = 1 / (1 + np.square(BLOCKS[1].noise(noise) / by_mean / USUAL_SPREAD**2))
    variance = trust * told + (1 - trust) * USUAL_SPREAD**2
    shape = (N_TISSUES, len(SEQUENCES))
    mean = np.clip(centre + moved.reshape(shape), 0, 1)
    spread = np.sqrt(np.clip(variance, 0.01**2, 0.2**2)).reshape(shape)
    return {"contrast.mean": mean.astype(np.float32), "contrast.spread": spread.astype(np.float32),
            "contrast.count": count.astype(np.float32)}


@lru_cache(maxsize=1)
def public_contrast() -> tuple[np.ndarray, np.ndarray]:
    """Mean (6, 4) and covariance (24, 24) of the contrast over random protocols by the signal equation."""
    rng = np.random.default_rng(_PUBLIC_SEED)
    recipe = ScanRecipe(random_contrast=0.0)
    drawn = np.stack([draw_contrast(rng, recipe)[1:] for _ in range(_PUBLIC_DRAWS)]).astype(np.float64)
    drawn = np.clip(drawn / drawn.max(axis=1, keepdims=True), 0, 1)  # a sequence's brightest tissue is about 1
    covariance = np.cov(drawn.reshape(_PUBLIC_DRAWS, N_MEANS).T) + _RIDGE * np.eye(N_MEANS)
    return drawn.mean(axis=0), covariance


def _within(vector: np.ndarray, bound: float) -> np.ndarray:
    """Scaled down to the bound; zeros if it is not finite."""
    length = float(np.linalg.norm(vector))
    if not math.isfinite(length):
        return np.zeros_like(vector)
    return vector * min(1.0, bound / length) if length else vector
