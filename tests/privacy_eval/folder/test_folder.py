"""Plain folders of NIfTI images: reading, refusing, auditing."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from audit_case import volumes

from privacy_eval.errors import InputError
from privacy_eval.folder.audit import audit_folders, load_folder
from privacy_eval.verdict.policy import AuditPolicy, Verdict

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
POLICY = AuditPolicy(simulations=1000)


def write(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    return path


def write_all(folder: Path, images: np.ndarray) -> Path:
    """One folder a subject, one file a sequence, and a label map that is no image."""
    for index, volume in enumerate(images):
        subject = folder / f"sub-{index:03d}" / "anat"
        for name, sequence in zip(("T1w", "T2w"), volume, strict=True):
            write(subject / f"sub-{index:03d}_{name}.nii.gz", sequence)
        write(subject / f"sub-{index:03d}_dseg.nii.gz", np.zeros(volume.shape[1:]))
    return folder


def test_subject_folders_come_back_in_order_without_their_label_maps(tmp_path: Path) -> None:
    images = volumes(3, np.random.default_rng(0))
    loaded = load_folder(write_all(tmp_path, images))
    np.testing.assert_allclose(loaded.images, images)
    np.testing.assert_allclose(loaded.affine, AFFINE)


def test_patterns_choose_and_order_the_sequences(tmp_path: Path) -> None:
    images = volumes(2, np.random.default_rng(1))
    loaded = load_folder(write_all(tmp_path, images), ["*_T2w.nii.gz", "*_T1w.nii.gz"])
    np.testing.assert_allclose(loaded.images, images[:, ::-1])
    with pytest.raises(InputError, match="0 files match"):
        load_folder(tmp_path, ["*_FLAIR.nii.gz"])


def test_files_are_subjects_of_one_or_four_sequences(tmp_path: Path) -> None:
    volume = volumes(1, np.random.default_rng(2))[0]
    write(tmp_path / "three" / "a.nii", volume[0])
    write(tmp_path / "four" / "a.nii.gz", np.moveaxis(volume, 0, -1))
    np.testing.assert_allclose(load_folder(tmp_path / "three").images, volume[None, :1])
    np.testing.assert_allclose(load_folder(tmp_path / "four").images, volume[None])


def test_images_in_another_orientation_are_turned_to_ras(tmp_path: Path) -> None:
    volume = volumes(1, np.random.default_rng(3))[0, 0]
    flipped = AFFINE @ np.array([[-1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    write(tmp_path / "a.nii.gz", volume)
    write(tmp_path / "b.nii.gz", volume[::-1], flipped)
    images = load_folder(tmp_path).images
    np.testing.assert_allclose(images[0], images[1])


def _corrupt(folder: Path) -> None:
    path = write(folder / "b.nii.gz", np.random.default_rng(0).random((8, 8, 8)))
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_corrupt, r"b\.nii\.gz: cannot be read as NIfTI"),
        (lambda folder: (folder / "b.nii.gz").write_bytes(b"no gzip"), r"b\.nii\.gz: cannot be read as NIfTI"),
        (lambda folder: write(folder / "b.nii.gz", np.ones((8, 8, 7))), r"b\.nii\.gz: this subject's images"),
        (lambda folder: write(folder / "b.nii.gz", np.ones((8, 8))), "2 dimensions"),
        (lambda folder: write(folder / "b.nii.gz", np.full((8, 8, 8), np.nan)), "not finite"),
        (lambda folder: write(folder / "b.nii.gz", np.ones((8, 8, 8)), 2 * AFFINE), "another grid"),
    ],
)
def test_an_image_that_does_not_fit_is_named_in_one_line(spoil, message: str, tmp_path: Path) -> None:  # noqa: ANN001
    write(tmp_path / "a.nii.gz", np.ones((8, 8, 8)))
    spoil(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no NIfTI image"):
        load_folder(tmp_path)


def test_folders_that_copy_members_leak_and_others_do_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    members, holdout = volumes(36, rng), volumes(45, rng)
    folders = {
        "members": members, "holdout": holdout, "reference": volumes(20, rng),
        "clean": volumes(30, rng), "leaky": np.concatenate([volumes(20, rng), members[:18]]),
    }  # fmt: skip
    paths = {name: write_all(tmp_path / name, images) for name, images in folders.items()}
    audited = {
        name: audit_folders(
            paths[name], paths["members"], paths["holdout"], np.random.default_rng(5),
            reference=paths["reference"], policy=POLICY,
        )
        for name in ("clean", "leaky")
    }  # fmt: skip
    assert [test.id for test in audited["clean"].tests] == ["T1", "T2", "T6"]
    assert audited["clean"].verdict not in (Verdict.LEAK, Verdict.VOID)
    assert audited["leaky"].verdict is Verdict.LEAK
    assert audited["clean"].tests[0].estimate.n_holdout == 36  # a fifth made the negative control


def test_without_reference_t2_is_left_out_and_unseen_spares_the_holdout(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    names = {"release": 10, "members": 20, "holdout": 20, "unseen": 4}
    paths = {name: write_all(tmp_path / name, volumes(n, rng)) for name, n in names.items()}
    audited = audit_folders(
        paths["release"], paths["members"], paths["holdout"], rng, unseen=paths["unseen"], policy=POLICY
    )
    assert [test.id for test in audited.tests] == ["T1", "T6"]
    assert audited.tests[0].estimate.n_holdout == 20


def test_too_few_subjects_or_other_sequences_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    few = write_all(tmp_path / "few", volumes(6, rng))
    other = write_all(tmp_path / "other", volumes(6, rng, (6, 6, 6)))
    with pytest.raises(InputError, match="6 members and 5 holdout"):
        audit_folders(few, few, few, rng, policy=POLICY)
    with pytest.raises(InputError, match="give all folders the same sequences"):
        audit_folders(other, few, few, rng, policy=POLICY)
