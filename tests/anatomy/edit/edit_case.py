"""Heads to edit, drawn once a seed, on the demo's grid."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fl_components.anatomy.edit.apply import Edited, apply_edits
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.model import EditFile
from fl_components.anatomy.edit.source import head_of_labels, head_of_sample
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy
from fl_components.study import Grid
from privacy_eval.errors import InputError

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
VOXEL_ML = 0.064


@cache
def drawn(seed: int, tumour: bool = True) -> SampledAnatomy:
    return AnatomySampler(GRID).sample(np.random.default_rng(seed), tumour=tumour)


@cache
def sampled(seed: int, tumour: bool = True) -> Head:
    return head_of_sample(drawn(seed, tumour), GRID)


@cache
def given(seed: int, tumour: bool = True) -> Head:
    return head_of_labels(drawn(seed, tumour).labels, GRID)


def file_of(*edits: dict[str, Any], seed: int = 3) -> EditFile:
    return EditFile.parse({"version": 1, "seed": seed, "edits": list(edits)}, "edits.json")


def no_donor(name: str) -> np.ndarray:
    raise InputError(f"donor: no '{name}'")


def edited(head: Head, *edits: dict[str, Any], seed: int = 3) -> Edited:
    return apply_edits(head, file_of(*edits, seed=seed), no_donor)
