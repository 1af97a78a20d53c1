from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from release_case import GRID, METADATA, contents, volume, write_release

from fl_components.server.release import ReleaseWriter, read_release, release_digest
from fl_components.vocabulary import LABELS, SEQUENCES
from privacy_eval.errors import InputError


def bids_validator() -> str:
    """The validator beside this Python, a development dependency."""
    found = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    assert found, "install the development dependencies: pip install -e '.[dev]'"
    return found


def test_bids_accepts_it_without_a_warning(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    outcome = subprocess.run([bids_validator(), str(release), "--format", "json"], capture_output=True, text=True,
                             timeout=120, check=False)
    report = json.loads(outcome.stdout)
    assert outcome.returncode == 0
    assert report["issues"]["issues"] == []
    assert sorted(report["summary"]["subjects"]) == ["synth0001", "synth0002"]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    read = list(read_release(write_release(tmp_path / "release", volumes=3)))
    assert [each.name for each in read] == ["sub-synth0001", "sub-synth0002", "sub-synth0003"]
    for number, each in enumerate(read, 1):
        images, labels = volume(number)
        np.testing.assert_allclose(each.images, images, atol=0.51e-4)
        np.testing.assert_array_equal(each.labels, labels)
        np.testing.assert_array_equal(each.affine, GRID.affine)
        assert (each.images.dtype, each.labels.dtype) == (np.float32, np.uint8)
        assert each.images.max() <= 1


def test_the_ends_of_the_scale_are_exact(tmp_path: Path) -> None:
    with ReleaseWriter(tmp_path / "release", GRID, METADATA) as writer:
        images = np.zeros((4, *GRID.shape))
        images[:, 0] = 1
        writer.add(images, np.zeros(GRID.shape, np.int64))
    (only,) = read_release(tmp_path / "release")
    np.testing.assert_allclose(only.images, images, rtol=1e-7)


def test_every_nifti_says_that_it_is_synthetic_and_where_it_lies(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    files = sorted(release.rglob("*.nii.gz"))
    assert len(files) == 2 * (len(SEQUENCES) + 1)
    for path in files:
        image = nib.load(path)
        header = image.header
        assert b"SYNTHETIC" in header["descrip"].item()
        (extension,) = header.extensions
        mark = json.loads(extension.get_content())
        assert extension.get_code() == 6
        assert mark["synthetic"] is True
        assert (mark["study_hash"], mark["generator_digest"], mark["seed"]) == ("a" * 64, "b" * 64, 7)
        assert f"synth{mark['volume']:04d}" in path.name
        assert header["qform_code"] == header["sform_code"] == 4
        np.testing.assert_array_equal(header.get_qform(), GRID.affine)
        np.testing.assert_array_equal(header.get_sform(), GRID.affine)
        assert header.get_xyzt_units()[0] == "mm"
        assert header.get_data_dtype() == (np.uint8 if "dseg" in path.name else np.int16)
        about = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert about["SkullStripped"] is True
        assert "no real participant" in about["Description"]
        for source in about["Sources"]:
            assert (release / source.removeprefix("bids::")).is_file()


def test_the_root_says_so_too(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    readme = (release / "README.md").read_text()
    assert readme.startswith("# Synthetic data")
    assert "Contrasts: drawn around what the sites told" in readme
    description = json.loads((release / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "fedsynth"
    with (release / "participants.tsv").open() as stream:
        assert [row["synthetic"] for row in csv.DictReader(stream, delimiter="\t")] == ["true", "true"]
    with (release / "seg-tumour_dseg.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert {int(row["index"]): row["name"] for row in rows} == LABELS


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = write_release(tmp_path / "a"), write_release(tmp_path / "b")
    assert contents(first) == contents(second)
    assert release_digest(first) == release_digest(second)
    assert release_digest(write_release(tmp_path / "c", volumes=3)) != release_digest(first)


def test_an_aborted_synthesis_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ReleaseWriter(tmp_path / "release", GRID, METADATA) as writer:
            writer.add(*volume(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_there_before_the_end_and_leftovers_do_no_harm(tmp_path: Path) -> None:
    killed = ReleaseWriter(tmp_path / "release", GRID, METADATA)
    killed.add(*volume(9))
    assert not (tmp_path / "release").exists()
    write_release(tmp_path / "release", volumes=1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["release"]
    assert len(list(read_release(tmp_path / "release"))) == 1


def test_a_release_is_replaced_only_when_asked(tmp_path: Path) -> None:
    release = write_release(tmp_path / "release")
    before = contents(release)
    with pytest.raises(InputError, match="holds a release already"):
        write_release(release)
    assert contents(release) == before
    write_release(release, volumes=1, replace=True)
    assert len(list(read_release(release))) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["release"]


def test_what_is_no_release_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    with pytest.raises(InputError, match="is no release, so it stays"):
        write_release(tmp_path / "thesis", replace=True)


def test_a_release_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no volumes"):
        write_release(tmp_path / "release", volumes=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("images", "labels", "expected"), [
    (np.zeros((4, 10, 12, 9)), np.zeros(GRID.shape, int), "not on the grid"),
    (np.full((4, *GRID.shape), 1.01), np.zeros(GRID.shape, int), r"in \[0, 1\]"),
    (np.full((4, *GRID.shape), np.nan), np.zeros(GRID.shape, int), r"in \[0, 1\]"),
    (np.zeros((4, *GRID.shape)), np.full(GRID.shape, 7), "labels must be"),
    (np.zeros((4, *GRID.shape)), np.zeros(GRID.shape), "labels must be"),
])
def test_a_volume_that_is_none_is_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, expected: str
) -> None:
    writer = ReleaseWriter(tmp_path / "release", GRID, METADATA)
    with pytest.raises(ValueError, match=expected):
        writer.add(images, labels)
