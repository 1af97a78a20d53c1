from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from segmenter_case import GRID, PLAIN, make_subjects
from small_run import prepare_run, write_run

from fl_components.cohort.cohort import Cohort, site_cases
from fl_components.cohort.layout import read_scan
from fl_components.evaluation.original import Original, read_originals
from fl_components.evaluation.scores import HD95_PENALTY_MM, Scores, score, score_subjects, segment
from fl_components.networks.segmenter import build_segmenter, memberships
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, REGIONS, TUMOUR, WHITE_MATTER

MM = (1.0, 1.0, 1.0)


def test_dice_of_each_region_by_hand() -> None:
    """Regions are nested: enhancing tumour called necrotic spoils the enhancing region alone."""
    truth = np.array([[[WHITE_MATTER, OEDEMA, OEDEMA, NECROTIC, ENHANCING, ENHANCING]]])
    found = np.array([[[OEDEMA, OEDEMA, OEDEMA, NECROTIC, NECROTIC, ENHANCING]]])
    dice = score(found, truth, MM)[0]
    assert dice["whole tumour"] == pytest.approx(2 * 5 / (6 + 5))
    assert dice["core"] == 1
    assert dice["enhancing"] == pytest.approx(2 / 3)


def test_healthy_labels_are_no_region() -> None:
    truth = np.array([[[1, 2, 3, OEDEMA]]])
    dice, hd95 = score(np.array([[[3, 3, 1, OEDEMA]]]), truth, MM)
    assert (dice["whole tumour"], hd95["whole tumour"]) == (1, 0)


def test_absent_region_has_no_score() -> None:
    truth = np.array([[[WHITE_MATTER, OEDEMA]]])
    found = np.array([[[ENHANCING, OEDEMA]]])
    dice, hd95 = score(found, truth, MM)
    assert dice["whole tumour"] == pytest.approx(2 / 3)
    assert np.isnan([dice["core"], dice["enhancing"], hd95["core"], hd95["enhancing"]]).all()


@pytest.mark.parametrize("truth", [np.full((3, 3, 3), OEDEMA), np.eye(3, dtype=int)[None] * OEDEMA])
def test_a_region_of_which_nothing_was_found_costs_the_penalty(truth: np.ndarray) -> None:
    dice, hd95 = score(np.zeros_like(truth), truth, MM)
    assert (dice["whole tumour"], hd95["whole tumour"]) == (0, HD95_PENALTY_MM)


def test_no_tumour_in_either_has_no_score() -> None:
    dice, hd95 = score(np.ones((2, 2, 2)), np.ones((2, 2, 2)), MM)
    assert np.isnan([*dice.values(), *hd95.values()]).all()


def test_distance_is_in_millimetres_along_each_axis() -> None:
    """A single voxel moved by one: as far as the voxels' spacing along that axis."""
    truth = np.zeros((5, 5, 5), int)
    truth[2, 2, 2] = ENHANCING
    for axis, spacing in enumerate((1.0, 2.0, 5.0)):
        hd95 = score(np.roll(truth, 1, axis), truth, (1.0, 2.0, 5.0))[1]
        assert all(distance == pytest.approx(spacing) for distance in hd95.values())


def test_distance_of_two_boxes_by_brute_force() -> None:
    """The 95th percentile of nearest distances between surfaces, the larger of both directions."""
    truth, found = np.zeros((2, 20, 20, 20), int)
    truth[4:10, 4:10, 4:10] = NECROTIC
    found[6:15, 5:9, 3:11] = NECROTIC

    def surface(mask: np.ndarray) -> np.ndarray:
        inner = mask.copy()
        for axis in range(3):
            for step in (-1, 1):
                inner &= np.roll(mask, step, axis)
        return np.argwhere(mask & ~inner)

    ours, theirs = surface(found > 0), surface(truth > 0)
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=-1))
    expected = max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95))
    assert score(found, truth, MM)[1]["core"] == pytest.approx(expected, abs=0.1)


def test_subjects_are_scored_on_the_study_grid_in_its_millimetres() -> None:
    network = build_segmenter("segresnet", 0).eval()
    subjects = make_subjects(3)
    scores = score_subjects(network, subjects, GRID, PLAIN)
    found = segment(network, subjects[1].images, PLAIN)
    dice, hd95 = score(found, subjects[1].labels, (GRID.spacing_mm,) * 3)
    for region in REGIONS:
        assert scores.dice[region][1] == dice[region]
        assert scores.hd95[region][1] == hd95[region]
    assert not scores.original.any()
    joined = Scores.joined([scores, scores])
    assert joined.dice["core"].shape == joined.original.shape == (6,)


class Oracle(torch.nn.Module):
    """Finds what is drawn on the study's grid."""

    def __init__(self, labels: np.ndarray) -> None:
        super().__init__()
        self.labels = torch.from_numpy(labels).long()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return memberships(self.labels[None]) - 0.5


def test_original_segmentation_is_met_by_what_the_grid_holds(tmp_path: Path) -> None:
    """The prepared labels, taken back to the scan (axes LPS, shifted), fit its mask, and better than moved ones."""
    run = write_run(tmp_path / "run", subjects=5)
    study = prepare_run(run)
    site = run.sites(study)[0]
    subjects = list(Cohort.load(site, study).subjects("members"))
    originals = read_originals(site, subjects, study.grid)
    moves = [(0, 0), *((axis, step) for axis in range(3) for step in (-1, 1))]
    dice = []
    for subject, original in zip(subjects, originals, strict=True):
        assert original is not None
        case = next(case for case in site_cases(site) if case.name == subject.name)
        np.testing.assert_array_equal(original.labels, read_scan(case, "brats2020").tumour)
        scores = [score_subjects(Oracle(np.roll(subject.labels, step, axis)), [subject], study.grid, PLAIN, [original],
                                 distances=False) for axis, step in moves]
        assert all(one.original.all() for one in scores)
        dice.append([one.dice["whole tumour"][0] for one in scores])
    straight, *moved = np.mean(dice, axis=0)
    assert straight > 0.7  # tumours of tens of voxels of 7 mm, half a voxel off
    assert straight > max(moved)


def test_finer_voxels_take_the_nearest_of_the_grid() -> None:
    found = np.zeros((4, 4, 4), np.uint8)
    found[1, 2, 3] = ENHANCING
    halved = np.diag([0.5, 0.5, 0.5, 1.0])
    halved[:3, 3] = -0.25
    fine = Original(np.zeros((8, 8, 8), np.uint8), halved, (1.0, 1.0, 1.0)).resampled(found)
    expected = np.repeat(np.repeat(np.repeat(found, 2, 0), 2, 1), 2, 2)
    np.testing.assert_array_equal(fine, expected)
    assert np.isin(fine, (0, *TUMOUR)).all()
