from __future__ import annotations

import numpy as np

from benchmarks.distances import (
    brute_force,
    loop,
    peak_memory,
    random_images,
    time_distances,
    time_spaces,
    unit_vectors,
)
from benchmarks.layouts import TABLES
from benchmarks.tables import render
from benchmarks.timing import interleaved
from privacy_eval.spaces.nearest import nearest_distance


def test_all_ways_find_the_same_distances() -> None:
    rng = np.random.default_rng(0)
    queries, targets = unit_vectors(20, 60, rng), unit_vectors(30, 60, rng)
    expected = loop(queries.astype(float), targets.astype(float))
    for way in (nearest_distance, brute_force, loop):
        np.testing.assert_allclose(way(queries, targets), expected, rtol=1e-5)


def test_images_have_a_brain_with_a_tumour() -> None:
    images = random_images((12, 14, 10), 2, np.random.default_rng(1))
    assert images.images.shape == (2, 4, 12, 14, 10)
    assert images.labels is not None
    assert np.unique(images.labels).tolist() == list(range(7))
    assert not images.images[:, :, 0, 0, 0].any()


def test_a_variant_is_timed_in_every_repeat_after_the_warm_up() -> None:
    calls: list[str] = []

    seconds = interleaved({"one": lambda: calls.append("one"), "two": lambda: calls.append("two")}, 3, warm_up=2)
    assert calls == ["one", "two"] * 5
    assert [len(each) for each in seconds.values()] == [3, 3]


def test_the_figures_fill_their_tables() -> None:
    rng = np.random.default_rng(2)
    queries, targets = unit_vectors(5, 40, rng), unit_vectors(8, 40, rng)
    figures = {"distances": time_distances(queries, targets, (4, 8), 2, 1),
               "memory": [peak_memory(queries, targets, 1)] * 2,
               "spaces": time_spaces((10, 12, 8), 2, 2, rng)}
    result = {"name": "distances", "command": "python -m benchmarks.distances", "n": 2, "figures": figures,
              "simulated": False, "machine": {"cpu": "c", "cores": 1, "memory_gib": 1, "gpu": "none", "torch": "2"}}
    rows = render(TABLES["distances"], result).splitlines()
    assert "| scikit-learn, s |" in rows[0]
    assert [row.split(" | ")[0] for row in rows[2:4]] == ["| 4", "| 8"]
    assert figures["distances"][0]["times_first"] == {"median": 1, "low": 1, "high": 1}
    assert render(TABLES["distances_memory"], result).count("| 1 | 8 |") == 2
    ways = [row["way"] for row in figures["spaces"]]
    assert ways == ["voxels", "coarse", "anatomy", "tumour", "onto the template", "a pair onto each other"]
    assert all(f"| {way} |" in render(TABLES["distances_spaces"], result) for way in ways)
    assert all(0 < figures["memory"][0][f"peak_mib_{kept}"] < 1 for kept in ("single", "half"))
