from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from edit_case import GRID, sampled

from fl_components.anatomy.compartments import below_tentorium
from fl_components.anatomy.edit.regions import HEMISPHERES, LOBES, REGIONS, SIDES, lobe, region

PUBLISHED = {
    "frontal": ("vmPFC", "aPFC", "mPFC", "vent aPFC", "vlPFC", "dlPFC", "sup frontal", "vPFC", "vFC", "dFC", "frontal",
                "pre-SMA", "SMA", "mFC", "dACC", "ACC", "precentral gyrus"),
    "parietal": ("parietal", "IPL", "angular gyrus", "IPS", "post parietal", "sup parietal", "precuneus"),
    "temporal": ("temporal", "inf temporal", "sup temporal", "fusiform"),
    "occipital": ("occipital", "post occipital"),
    "insula": ("mid insula", "post insula", "ant insula"),
    "hindbrain": ("inf cerebellum", "med cerebellum", "lat cerebellum"),
}
"""Names of the 160 functional regions of Dosenbach et al., Science 2010, whose MNI coordinates ship inside nilearn."""


def published_points() -> list[tuple[str, np.ndarray]]:
    spec = find_spec("nilearn")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "datasets" / "data" / "dosenbach_2010.csv"
    part_of = {name: part for part, names in PUBLISHED.items() for name in names}
    with path.open(encoding="utf-8", newline="") as stream:
        return [(part_of[row["name"]], np.array([[float(row[axis])] for axis in "xyz"]))
                for row in csv.DictReader(stream) if row["name"] in part_of]


def test_lobes_agree_with_published_coordinates() -> None:
    right = {part: [] for part in PUBLISHED}
    for part, point in published_points():
        found = below_tentorium(point)[0] if part == "hindbrain" else lobe(part, point)[0] & ~below_tentorium(point)[0]
        right[part].append(bool(found))
    assert sum(map(len, right.values())) > 140
    assert np.mean([value for values in right.values() for value in values]) > 0.85
    assert {part: np.mean(values) > 0.65 for part, values in right.items()} == dict.fromkeys(right, True)


def test_lobes_are_apart_and_within_their_half() -> None:
    brain = sampled(1, tumour=False).pushed
    masks = {name: region(name, brain.template_mm) for name in REGIONS}
    lobes = [masks[f"{side} {part}"] for side in SIDES for part in LOBES]
    assert np.sum(lobes, axis=0).max() == 1
    for side, half in zip(SIDES, HEMISPHERES, strict=True):
        for part in LOBES:
            assert not (masks[f"{side} {part}"] & ~masks[half]).any()
    assert not (masks[HEMISPHERES[0]] & masks[HEMISPHERES[1]]).any()


def test_lobes_have_the_sizes_of_lobes() -> None:
    # Shares of the cerebral hemisphere in adults: frontal 33-41 %, temporal 20-24 %, parietal 17-25 %, occipital
    # 10-18 % (Allen et al., NeuroImage 2002); planes are held to half as much again.
    brain = sampled(1, tumour=False).pushed
    inside = brain.mask
    volumes = {part: (region(f"left {part}", brain.template_mm) & inside).sum() for part in LOBES}
    cortical = sum(volumes.values())
    limits = {"frontal": (0.25, 0.5), "temporal": (0.12, 0.3), "parietal": (0.12, 0.34), "occipital": (0.06, 0.22),
              "insula": (0.01, 0.08)}
    for part, (low, high) in limits.items():
        assert low < volumes[part] / cortical < high, part


@pytest.mark.parametrize("name", REGIONS)
def test_every_region_has_tissue(name: str) -> None:
    head = sampled(1, tumour=False)
    volume_ml = (region(name, head.pushed.template_mm) & head.tissue).sum() * GRID.spacing_mm**3 / 1000
    assert volume_ml > 5
