"""Seconds and memory of the audit's distances, and what an image costs on its way into each space.

    python -m benchmarks.distances

Distances from 200 patients to synthetic images of the demo's grid in the space "voxels", against one BLAS product of
the same sizes, scikit-learn's brute force and a loop of NumPy. Any unit vectors take equally long, so they are drawn at
random. Every repeat times all ways one after the other, and ratios are of the same repeat: whatever else the machine
does hits all of them.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from benchmarks.results import quartiles, write_result
from benchmarks.timing import interleaved
from fl_components.study import Study
from fl_components.vocabulary import N_LABELS, SEQUENCES
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.masks import MaskSpace
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.registration import TemplateMoments, register_pair, to_template
from privacy_eval.spaces.voxels import COARSE_VOXELS, VoxelSpace

PATIENTS: Final = 200
SYNTHETIC: Final = (250, 500, 1000)
CHUNK_MIB: Final = (8, 32, 64)
REPEATS: Final = 9
LOOP_REPEATS: Final = 2
IMAGES: Final = 10
"""Images mapped in one repeat."""

_PUBLIC: Final = 5


def time_distances(queries: np.ndarray, targets: np.ndarray, counts: Sequence[int], repeats: int,
                   loop_repeats: int) -> list[dict[str, Any]]:
    """A row for each number of targets: seconds of each way, ours by the product's and by that of the first row."""
    ways = {"product": lambda some: queries @ some.T, "ours": lambda some: nearest_distance(queries, some),
            "sklearn": lambda some: brute_force(queries, some)}
    seconds = interleaved({f"{way} {count}": partial(find, targets[:count])
                           for count in counts for way, find in ways.items()}, repeats)
    seconds |= interleaved({f"loop {count}": partial(loop, queries, targets[:count]) for count in counts},
                           loop_repeats, warm_up=0)

    def ratio(way: str, other: str) -> dict[str, float]:
        return quartiles(np.divide(seconds[way], seconds[other]).tolist())

    return [{"synthetic": count, **{f"seconds_{way}": quartiles(seconds[f"{way} {count}"]) for way in (*ways, "loop")},
             "times_product": ratio(f"ours {count}", f"product {count}"),
             "times_first": ratio(f"ours {count}", f"ours {counts[0]}")} for count in counts]


def brute_force(queries: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Scikit-learn's way."""
    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(targets).kneighbors(queries)[0][:, 0]


def loop(queries: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The plain way: one query after the other."""
    return np.array([np.sqrt(np.sum((targets - query) ** 2, axis=1)).min() for query in queries])


def peak_memory(queries: np.ndarray, targets: np.ndarray, chunk_mib: int) -> dict[str, Any]:
    """One row: the most that `nearest_distance` holds beside its arguments, with chunks of a size.

    Targets in half precision are what is copied chunk by chunk; in single precision they are used as they lie.
    """
    row: dict[str, Any] = {"synthetic": len(targets), "chunk_mib": chunk_mib}
    for name, kept in (("single", targets), ("half", targets.astype(np.float16))):
        tracemalloc.start()
        nearest_distance(queries, kept, chunk_mib * 2**20)
        row[f"peak_mib_{name}"] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return row


def time_spaces(grid: tuple[int, ...], images: int, repeats: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A row for each space and for registration: milliseconds an image, or a pair."""
    public, subjects = random_images(grid, _PUBLIC, rng), random_images(grid, images, rng)
    template = TemplateMoments.of(public)
    spaces = (VoxelSpace.fit(public), VoxelSpace.fit(public, "coarse", COARSE_VOXELS), MaskSpace.anatomy(public),
              MaskSpace.tumour(grid))
    ways: dict[str, Callable[[], object]] = {space.name: partial(space.map, subjects) for space in spaces}
    ways["onto the template"] = lambda: [to_template(picture, template) for picture in subjects]
    ways["a pair onto each other"] = lambda: [
        register_pair(picture.images, other) for picture, other in zip(subjects, public.images, strict=False)]
    counts = dict.fromkeys(ways, images) | {"a pair onto each other": min(images, _PUBLIC)}
    return [{"way": way, "ms_per_image": quartiles([1000 * each / counts[way] for each in seconds])}
            for way, seconds in interleaved(ways, repeats).items()]


def random_images(grid: tuple[int, ...], count: int, rng: np.random.Generator) -> ImageSet:
    """Images and label maps of noise inside an ellipsoid, with a box of tumour."""
    at = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, length) for length in grid], indexing="ij"))
    brain = np.sum(at**2, axis=0) < 1
    labels = rng.integers(1, 4, (count, *grid)) * brain
    box = (slice(None), *(slice(length // 2, length * 2 // 3) for length in grid))
    labels[box] = rng.integers(4, N_LABELS, labels[box].shape)
    return ImageSet(rng.random((count, len(SEQUENCES), *grid), np.float32) * brain, labels.astype(np.uint8))


def unit_vectors(count: int, features: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.standard_normal((count, features), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    """Measure on one thread and write the result."""
    rng = np.random.default_rng(0)
    grid = Study.parse({"name": "distances", "preset": "tiny", "seed": 0, "sites": {"one": 1.0}}, "tiny").grid.shape
    features = len(VoxelSpace.fit(random_images(grid, 1, rng)).centre)
    patients, synthetic = unit_vectors(PATIENTS, features, rng), unit_vectors(max(SYNTHETIC), features, rng)
    with threadpool_limits(1):
        figures = {"distances": time_distances(patients, synthetic, SYNTHETIC, REPEATS, LOOP_REPEATS),
                   "memory": [peak_memory(patients, synthetic[:count], chunk)
                              for chunk in CHUNK_MIB for count in SYNTHETIC],
                   "spaces": time_spaces(grid, IMAGES, REPEATS, rng)}
    write_result("distances", figures, {"patients": PATIENTS, "features": features, "repeats": REPEATS,
                                         "repeats of the loop": LOOP_REPEATS, "threads": 1})


if __name__ == "__main__":
    main()
