from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from brats_case import write_case
from matplotlib.image import imread

from fl_components.cohort.prepare import prepare_case
from fl_components.cohort.sheet import COLOURS, _centre, thumbnail_sheet
from fl_components.study import Grid
from fl_components.vocabulary import N_LABELS, TUMOUR


def test_a_row_a_subject_with_and_without_tumour(tmp_path: Path) -> None:
    subject = prepare_case(write_case(tmp_path), "brats2020", Grid(shape=(40, 48, 40), spacing_mm=4.0))
    healthy = replace(subject, name="healthy", labels=np.where(np.isin(subject.labels, TUMOUR), 3, subject.labels))
    thumbnail_sheet([subject], tmp_path / "one.png")
    thumbnail_sheet([subject, healthy], tmp_path / "sheets" / "two.png")
    one, two = imread(tmp_path / "one.png"), imread(tmp_path / "sheets" / "two.png")
    assert two.shape[0] > 1.5 * one.shape[0]
    assert two.shape[1] == one.shape[1]
    colours = {tuple(pixel) for pixel in np.round(one.reshape(-1, one.shape[2])[:, :3] * 255).astype(int)}
    shown = [tuple(int(code[k:k + 2], 16) for k in (1, 3, 5)) for code in COLOURS]
    assert set(shown) <= colours
    assert len(COLOURS) == N_LABELS


def test_the_slice_goes_through_the_tumours_depth() -> None:
    labels = np.full((20, 20, 20), 3, np.uint8)
    labels[4:9, 10:15, 2:7] = 5
    assert _centre(labels) == (6, 12, 4)
    assert _centre(np.zeros((10, 10, 10), np.uint8)) == (5, 5, 5)
