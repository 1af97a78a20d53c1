"""The audit of plain folders: groups read and split, every test that images alone allow, one verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audit_case import labels, volumes
from folder_case import write_nifti, write_png, write_subjects
from sklearn.datasets import load_digits

from privacy_eval.errors import InputError
from privacy_eval.folder.audit import COPIES_NAMED, FolderAudit, audit_folders
from privacy_eval.folder.groups import Folders, Groups, group_digest, read_groups
from privacy_eval.folder.nifti import read_spacing
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(recipients="images", simulations=1000)


def digits() -> np.ndarray:
    """1797 handwritten digits, 8 × 8, 8-bit grey, in random order."""
    images = load_digits().images[np.random.default_rng(0).permutation(1797)]
    return (images / 16 * 255).round().astype(np.uint8)


def noisy(images: np.ndarray, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 8, images.shape)
    return np.clip(images + noise, 0, 255).round().astype(np.uint8)


def write_digits(folder: Path, images: np.ndarray) -> Path:
    for row, image in enumerate(images):
        write_png(folder / f"{folder.name}{row:03d}.png", image)
    return folder


def audited(groups: Groups, seed: int = 5, minimum_subjects: int = 20) -> FolderAudit:
    return audit_folders(groups, POLICY, np.random.default_rng(seed), minimum_subjects=minimum_subjects)


@pytest.fixture(scope="module")
def digit_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """150 members, 150 holdout and 40 unseen digits, 100 of the public, and 150 that are nobody's."""
    place, images = tmp_path_factory.mktemp("digits"), digits()
    ends = {"members": (0, 150), "holdout": (150, 300), "unseen": (300, 340), "reference": (340, 440),
            "synthetic": (540, 690)}
    for name, (first, last) in ends.items():
        write_digits(place / name, images[first:last])
    return Folders(place / "members", place / "holdout", place / "synthetic", place / "reference", place / "unseen")


@pytest.fixture(scope="module")
def clean(digit_folders: Folders) -> Groups:
    return read_groups(digit_folders, np.random.default_rng(0))


def test_fresh_digits_leak_nothing(clean: Groups) -> None:
    result = audited(clean).result
    assert result.verdict in (Verdict.NO_LEAK_FOUND, Verdict.INCONCLUSIVE)
    assert (result.positive.outcome, result.negative.outcome, result.validity.outcome) == ("passed",) * 3
    assert [test.id for test in result.tests] == ["T1", "T2", "T3", "T6", "T7"]
    assert [row.measure.id for row in result.unanswered] == ["T3.images1"]
    assert any("T3.images1 is not answerable" in warning for warning in result.warnings)
    assert set(result.attackers) == {"K0", "K0+R"}


def test_noisy_copies_of_a_third_are_a_leak_and_named_inside(clean: Groups, digit_folders: Folders,
                                                             tmp_path: Path) -> None:
    leaky = write_digits(tmp_path / "leaky", np.concatenate([digits()[700:800], noisy(digits()[:50])]))
    found = audited(read_groups(digit_folders._replace(synthetic=leaky), np.random.default_rng(0)))
    decisions = {one.measure.id: one.decision for test in found.result.tests for one in test.findings}
    assert found.result.verdict is Verdict.LEAK
    leaks = {measure for measure, decision in decisions.items() if decision is Verdict.LEAK}
    assert leaks >= {"T1.voxels", "T2.voxels", "T2.domias", "T6.voxels", "T7.all"}
    assert len(set(found.inside.replicas["voxels"]) & set(range(50))) > 40
    for pair in found.inside.pairs:
        if pair.group == "members":
            assert pair.synthetic == 100 + pair.real


def test_a_bit_identical_image_is_a_leak_that_names_both_files(clean: Groups, digit_folders: Folders,
                                                               tmp_path: Path) -> None:
    images = np.concatenate([digits()[700:760], digits()[:1], digits()[150:157]])
    same = write_digits(tmp_path / "same", images)
    result = audited(read_groups(digit_folders._replace(synthetic=same), np.random.default_rng(0))).result
    assert result.verdict is Verdict.LEAK
    assert re.search(r"same060\.png is, value by value, the real image .*members000\.png \(members", result.reasons[0])
    assert "holdout000.png" in result.reasons[1]
    assert len(result.reasons) == COPIES_NAMED + 1
    assert "3 more" in result.reasons[-1]


def test_an_image_of_two_groups_is_refused(digit_folders: Folders, tmp_path: Path) -> None:
    holdout = write_digits(tmp_path / "holdout", digits()[149:200])
    with pytest.raises(InputError, match=r"members149\.png \(members\) and .*holdout000\.png \(holdout\) are the same"):
        read_groups(digit_folders._replace(holdout=holdout), np.random.default_rng(0))


def test_without_unseen_a_fifth_of_the_holdout_patients_steps_aside(digit_folders: Folders) -> None:
    asked = digit_folders._replace(unseen=None)
    groups = read_groups(asked, np.random.default_rng(3))
    assert (len(groups.holdout), len(groups.unseen), groups.set_aside) == (120, 30, 30)
    assert not set(groups.holdout.names) & set(groups.unseen.names)
    assert np.array_equal(np.unique(groups.holdout.images.owners), np.arange(120))
    again, other = (read_groups(asked, np.random.default_rng(seed)) for seed in (3, 4))
    assert again.unseen.names == groups.unseen.names != other.unseen.names


def test_patients_step_aside_whole_and_sessions_are_one_patient(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for name, n in (("members", 10), ("holdout", 10), ("synthetic", 5)):
        for row, image in enumerate(volumes(2 * n, rng)):
            subject = f"sub-{name}{row // 2}/ses-{row % 2}"
            write_nifti(tmp_path / name / subject / "T1w.nii.gz", image[0])
    groups = read_groups(Folders(*(tmp_path / name for name in ("members", "holdout", "synthetic"))), rng)
    assert (len(groups.holdout), groups.holdout.images.n_patients) == (16, 8)
    assert (len(groups.unseen), groups.unseen.images.n_patients) == (4, 2)
    result = audited(groups, minimum_subjects=8).result
    assert (result.validity.estimate.n_members, result.validity.estimate.n_holdout) == (10, 8)
    assert result.verdict is not Verdict.NO_LEAK_FOUND  # so few patients cannot vouch for their split


def test_without_reference_what_needs_it_is_left_out(digit_folders: Folders) -> None:
    groups = read_groups(digit_folders._replace(reference=None), np.random.default_rng(0))
    result = audited(groups).result
    assert [test.id for test in result.tests] == ["T1", "T6", "T7"]
    assert {row.measure.test for row in result.apart} == {"T8"}


def test_volumes_with_label_maps_take_the_tests_of_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    sizes = {"members": 30, "holdout": 36, "synthetic": 30, "reference": 30}
    anatomies = {name: labels(n, rng) for name, n in sizes.items()}
    anatomies["synthetic"][:20] = anatomies["members"][:20]  # the masks leak, the images do not
    places = {name: write_subjects(tmp_path / name, volumes(n, rng), anatomies[name]) for name, n in sizes.items()}
    groups = read_groups(Folders(**{"real": places["members"]} | {
        name: places[name] for name in ("holdout", "synthetic", "reference")}), rng)
    result = audited(groups).result
    decisions = {one.measure.id: one.decision for test in result.tests for one in test.findings}
    assert result.verdict is Verdict.LEAK
    assert decisions["T1.tumour"] is decisions["T1.anatomy"] is decisions["T6.tumour"] is Verdict.LEAK
    assert decisions["T1.voxels"] is not Verdict.LEAK
    assert "T11" in [test.id for test in result.tests]
    assert any("both hold sub-000" in warning for warning in groups.warnings)


def test_label_maps_without_tumours_do_not_void_the_audit(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    places = [write_subjects(tmp_path / name, volumes(n, rng), np.minimum(labels(n, rng), 3))
              for name, n in (("real", 30), ("holdout", 36), ("synthetic", 30))]
    groups = read_groups(Folders(*places), rng)
    assert any("Tumours alone are not compared: 0 of 66" in warning for warning in groups.warnings)
    result = audited(groups).result
    measures = {one.measure.id for test in result.tests for one in test.findings}
    assert "T1.anatomy" in measures
    assert "T1.tumour" not in measures
    assert result.verdict is not Verdict.VOID


def test_slices_take_every_test_and_their_voxels_size(tmp_path: Path) -> None:
    """Sagittal slices: the axis that goes is the first, and its thickness is none of the pixels' edges."""
    rng, affine = np.random.default_rng(8), np.diag([9.0, 2.0, 3.0, 1.0])
    sizes = {"real": 24, "holdout": 30, "synthetic": 24, "reference": 24}
    for name, n in sizes.items():
        for row, (image, label) in enumerate(zip(volumes(n, rng), labels(n, rng), strict=True)):
            write_nifti(tmp_path / name / f"sub-{name}{row:02d}_T1w.nii.gz", image[0, 4:5], affine)
            write_nifti(tmp_path / name / f"sub-{name}{row:02d}_dseg.nii.gz", np.maximum(label[4:5], 1), affine)
    groups = read_groups(Folders(**{name: tmp_path / name for name in sizes}), rng)
    result = audited(groups).result
    assert groups.members.images.images.shape == (24, 1, 8, 8)
    assert read_spacing(groups.members.files[0][0]) == (2.0, 3.0)
    assert [test.id for test in result.tests] == ["T1", "T2", "T6", "T7", "T11"]
    assert result.verdict is not Verdict.LEAK


def test_label_maps_of_some_groups_are_used_nowhere_and_said_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    places = [write_subjects(tmp_path / name, volumes(6, rng), labels(6, rng) if name != "synthetic" else None)
              for name in ("real", "holdout", "synthetic")]
    groups = read_groups(Folders(*places), rng)
    assert any("used in no test: " in warning and "synthetic has none" in warning for warning in groups.warnings)
    assert any("their values [0] are no anatomy" in warning for warning in groups.warnings)


def test_too_few_patients_are_refused_with_their_numbers_and_known_copies(tmp_path: Path, clean: Groups) -> None:
    rng = np.random.default_rng(10)
    places = [write_subjects(tmp_path / str(n), volumes(n, rng)) for n in (6, 5, 4)]
    groups = read_groups(Folders(*places), rng)
    with pytest.raises(InputError, match=r"found 6 members and 4 holdout patients \(1 more were set aside"):
        audited(groups)
    with pytest.raises(InputError, match="besides, 6 synthetic images are real ones"):
        audited(read_groups(Folders(places[0], places[1], places[0]), rng))


def test_other_grids_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    few = write_subjects(tmp_path / "few", volumes(6, rng))
    other = write_subjects(tmp_path / "other", volumes(6, rng, (6, 6, 6)))
    with pytest.raises(InputError, match="give all folders the same sequences"):
        read_groups(Folders(few, other, few), rng)


def test_a_patient_list_groups_images_and_finds_a_broken_split(tmp_path: Path, digit_folders: Folders) -> None:
    images = {"members": digits()[:8], "holdout": digits()[8:18]}
    for name, those in images.items():
        write_digits(tmp_path / name, those)
    lines = [f"{name}{row:03d}.png,{name}-{row // 2}" for name, those in images.items() for row in range(len(those))]
    listed = tmp_path / "patients.csv"
    listed.write_text("\n".join(["image,patient", *lines]) + "\n")
    asked = Folders(tmp_path / "members", tmp_path / "holdout", digit_folders.synthetic, patients=listed)
    groups = read_groups(asked, np.random.default_rng(0))
    assert (groups.members.images.n_patients, groups.holdout.images.n_patients) == (4, 4)
    listed.write_text(listed.read_text().replace("holdout-0", "members-0"))
    with pytest.raises(InputError, match="patient 'members-0'"):
        read_groups(asked, np.random.default_rng(0))


def test_the_digest_is_of_values_alone(clean: Groups) -> None:
    group = clean.unseen
    turned = replace(group, images=group.images.subset(np.arange(len(group))[::-1]), names=group.names[::-1])
    changed = replace(group, images=replace(group.images, images=group.images.images + np.float32(1e-3)))
    assert group_digest(turned) == group_digest(group) != group_digest(changed)
