from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_run import CONTRAST, prepare_run, write_run
from typer.testing import CliRunner

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.json_file import write_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.release import read_release
from fl_components.server.synthesize import synthesize
from fl_components.study import Grid
from fl_components.vocabulary import CSF, OEDEMA, TUMOUR
from jobs.cli import app
from jobs.edit_gallery import EXAMPLES, edit_gallery, gallery_figures
from jobs.edit_source import read_anatomy
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

GRID = Grid(shape=(24, 28, 24), spacing_mm=7.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with an untrained generator, a population and a release."""
    run = write_run(tmp_path_factory.mktemp("edit") / "run", subjects=10, audit={"minimum_subjects": 5})
    study = prepare_run(run)
    run.server.save_generator(weights_of(build_generator(study)), study)
    one = {"contrast.mean": CONTRAST.tolist(), "contrast.spread": np.full((6, 4), 0.02).tolist(),
           "contrast.count": [9] * 6, "simulated": True}
    write_json(run.server.population_file, dict.fromkeys(study.sites, one))
    with ThreadPoolExecutor(1) as pool:
        synthesize(run.server, study, pool)
    return run


def write_edits(path: Path, *edits: dict[str, Any], **more: object) -> Path:
    path.write_text(json.dumps({"version": 1, "seed": 2, "edits": list(edits), **more}))
    return path


def write_anatomy(path: Path, labels: np.ndarray, affine: np.ndarray = GRID.affine) -> Path:
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), affine), path)
    return path


def sampled(tumour: bool = True) -> np.ndarray:
    return AnatomySampler(GRID).sample(np.random.default_rng(4), tumour=tumour).labels


def call(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["edit", *map(str, words), "--format", "json"])
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def refusal(*words: object) -> str:
    result = CliRunner().invoke(app, ["edit", *map(str, words)])
    assert result.exit_code == 2, result.output
    told = [line for line in result.stderr.splitlines() if line.startswith("fedsynth: ")]
    assert len(told) == 1
    return told[0]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.nii.gz")}


def test_a_released_volume_is_edited_and_all_else_is_held(run: RunFolder, tmp_path: Path) -> None:
    edits = write_edits(tmp_path / "edits.json", {"edit": "resize", "factor": 0.5})
    found = call(run.path, "--edits", edits, "--subject", "sub-synth0001")
    folder = Path(found["folder"])
    assert folder == run.path / "edits" / "sub-synth0001"
    assert (folder / "edit.png").read_bytes()[:4] == b"\x89PNG"
    assert len(digests(folder)) == 10
    volume = next(iter(read_release(run.release)))
    labels = {state: nib.load(next(folder.glob(f"*desc-{state}*dseg.nii.gz"))).get_fdata() for state in
              ("before", "after")}
    np.testing.assert_array_equal(labels["before"], volume.labels)
    before = nib.load(next(folder.glob("*desc-before*T2w.nii.gz"))).get_fdata()
    np.testing.assert_allclose(before, volume.images[2], atol=1e-4)  # the released volume itself
    after = nib.load(next(folder.glob("*desc-after*T2w.nii.gz"))).get_fdata()
    changed = labels["before"] != labels["after"]
    assert changed.any()
    assert np.abs(after - before)[changed].mean() > 3 * np.abs(after - before)[~changed & (volume.labels > 0)].mean()

    record = json.loads((folder / "edit.json").read_text())["record"]
    assert record["provenance"]["study_hash"] == run.study().hash
    assert record["synthetic"] is True
    assert {"seed", "versions", "command"} <= set(record["provenance"])


def test_a_record_replays_to_the_same_bits(run: RunFolder, tmp_path: Path) -> None:
    edits = write_edits(tmp_path / "edits.json", {"edit": "resize", "volume_ml": 40},
                        {"edit": "move", "by_mm": [7, 7, 0]})
    first = call(run.path, "--edits", edits, "--subject", "sub-synth0002", "--output", tmp_path / "one")
    assert "same_as_recorded" not in first
    again = call(run.path, "--edits", first["record"], "--subject", "sub-synth0002", "--output", tmp_path / "two")
    assert again["same_as_recorded"] is True
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_given_anatomy_is_edited_without_a_run(tmp_path: Path) -> None:
    path = write_anatomy(tmp_path / "dseg.nii.gz", sampled())
    edits = write_edits(tmp_path / "edits.json", {"edit": "remove"})
    found = call("--edits", edits, "--anatomy", path, "--scheme", "fedsynth", "--output", tmp_path / "out")
    files = digests(tmp_path / "out")
    assert len(files) == 2
    after = nib.load(next((tmp_path / "out").glob("*desc-after*dseg.nii.gz")))
    assert not np.isin(after.get_fdata(), TUMOUR).any()
    assert b"may be a person" in after.header["descrip"].item()
    assert found["edits"][0]["tumour_ml"]["after"] == 0


def test_a_given_anatomy_is_rendered_by_a_run_of_its_grid(run: RunFolder, tmp_path: Path) -> None:
    path = write_anatomy(tmp_path / "dseg.nii.gz", sampled(tumour=False), run.study().grid.affine)
    edits = write_edits(tmp_path / "edits.json", {"edit": "transplant", "donor": "sub-synth0001"})
    call(run.path, "--edits", edits, "--anatomy", path, "--scheme", "fedsynth", "--output", tmp_path / "out")
    assert len(digests(tmp_path / "out")) == 10


def test_a_sites_own_anatomy_stays_in_its_state(run: RunFolder, tmp_path: Path) -> None:
    state = run.sites(run.study())[0].state
    before = {path for path in run.path.rglob("*") if not path.is_relative_to(state)}
    edits = write_edits(tmp_path / "edits.json", {"edit": "resize", "factor": 0.6})
    found = call(run.path, "--edits", edits, "--site", "east", "--case", "east_000")
    assert Path(found["folder"]).resolve() == (state / "edits" / "east_000").resolve()
    assert {path for path in run.path.rglob("*") if not path.is_relative_to(state)} == before
    told = refusal(run.path, "--edits", edits, "--site", "east", "--case", "east_000", "--output", tmp_path / "out")
    assert "state only" in told
    assert not (tmp_path / "out").exists()


def test_schemes_translate_and_are_never_guessed(tmp_path: Path) -> None:
    labels = sampled()
    table = tmp_path / "dseg.tsv"
    names = dict(enumerate(("BG", "CSF", "GM", "WM", "NCR", "ED", "ET")))
    table.write_text("index\tabbreviation\n" + "".join(f"{10 * k}\t{name}\n" for k, name in names.items()))
    path = write_anatomy(tmp_path / "tens.nii.gz", labels * 10)
    found, grid, _ = read_anatomy(path, str(table))
    np.testing.assert_array_equal(found, labels)
    assert grid == GRID
    flipped = nib.Nifti1Image(labels[::-1], GRID.affine @ np.diag([-1, 1, 1, 1]))
    nib.save(flipped, tmp_path / "lps.nii.gz")
    np.testing.assert_array_equal(read_anatomy(tmp_path / "lps.nii.gz", "fedsynth")[0], labels)
    with pytest.raises(InputError, match=r"label value 10 is not in scheme 'fedsynth', expected 0, 1, 2, 3, 4, 5, 6"):
        read_anatomy(path, "fedsynth")


@pytest.mark.parametrize(("words", "expected"), [
    ((), "no anatomy named, expected one of --subject, --anatomy, --site"),
    (("--subject", "sub-synth0001", "--anatomy", "{anatomy}"), "--subject and --anatomy named"),
    (("--anatomy", "{anatomy}"), "scheme is not stated"),
    (("--anatomy", "{anatomy}", "--scheme", "brats"), "neither 'fedsynth' nor a file"),
    (("--anatomy", "nowhere.nii.gz", "--scheme", "fedsynth"), "no such file"),
    (("--subject", "sub-synth0001"), "without a run folder"),
    (("{run}", "--subject", "sub-synth9999"), "no such volume"),
    (("{run}", "--subject", "../../site"), "no such volume"),
    (("{run}", "--site", "east"), "without --case"),
    (("{run}", "--site", "nobody", "--case", "x"), "east, west"),
    (("{run}", "--site", "east", "--case", "x"), "not a subject of site 'east'"),
    (("{run}", "--anatomy", "{anatomy}", "--scheme", "fedsynth"), "expected the study's"),
    (("--anatomy", "{thick}", "--scheme", "fedsynth"), "expected equal sides"),
    (("--anatomy", "{foreign}", "--scheme", "fedsynth"), "label value 9 is not in scheme"),
    (("--anatomy", "{healthy}", "--scheme", "fedsynth"), "no tumour"),
    (("--anatomy", "{empty}", "--scheme", "fedsynth"), "no brain"),
])
def test_what_cannot_be_edited_is_one_line(run: RunFolder, tmp_path: Path, words: tuple[str, ...],
                                           expected: str) -> None:
    labels = sampled()
    shifted = GRID.affine + np.array([[0, 0, 0, 30.0]] + 3 * [[0] * 4])
    files = {
        "anatomy": write_anatomy(tmp_path / "a.nii.gz", labels, shifted),
        "thick": write_anatomy(tmp_path / "t.nii.gz", labels, GRID.affine @ np.diag([1, 1, 2, 1])),
        "foreign": write_anatomy(tmp_path / "f.nii.gz", np.where(labels == OEDEMA, 9, labels)),
        "healthy": write_anatomy(tmp_path / "h.nii.gz", sampled(tumour=False)),
        "empty": write_anatomy(tmp_path / "e.nii.gz", np.zeros(GRID.shape)), "run": run.path}
    edits = write_edits(tmp_path / "edits.json", {"edit": "resize", "factor": 0.5})
    told = refusal(*(word.format(**files) for word in words), "--edits", edits)
    assert expected in told


@pytest.mark.parametrize(("content", "expected"), [
    ({"version": 9, "seed": 0, "edits": [{"edit": "remove"}]}, "this fedsynth reads up to 1"),
    ({"seed": 0, "edits": [{"edit": "move", "to": "left cortex"}]}, "left cortex"),
    ({"seed": 0, "edits": [{"edit": "resize", "volume_ml": -2}]}, "-2"),
    ({"seed": 0, "edits": [{"edit": "remove"}, {"edit": "remove"}]}, "contradict each other"),
    ({"seed": 0, "edits": [{"edit": "move", "by_mm": [180, 0, 0]}]}, "leaves the brain"),
])
def test_bad_edit_files_are_one_line(tmp_path: Path, content: dict[str, Any], expected: str) -> None:
    (tmp_path / "edits.json").write_text(json.dumps(content))
    anatomy = write_anatomy(tmp_path / "a.nii.gz", sampled())
    told = refusal("--edits", tmp_path / "edits.json", "--anatomy", anatomy, "--scheme", "fedsynth")
    assert expected in told
    assert "--edits" not in told


def test_the_gallery_shows_each_kind_and_forgets_another_release(run: RunFolder, tmp_path: Path) -> None:
    figures = edit_gallery(run, tmp_path / "gallery")
    told = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
    assert set(told["shown"]) | set(told["refused"]) == set(EXAMPLES)
    assert len(figures) == len(told["shown"]) >= 3
    assert all(figure.png[:4] == b"\x89PNG" for figure in figures)
    write_json(tmp_path / "gallery" / "gallery.json", told | {"release": "another"})
    assert gallery_figures(run, tmp_path / "gallery") == []
    assert gallery_figures(run, tmp_path / "none") == []


def test_no_voxel_of_fluid_is_tumour_in_what_is_written(run: RunFolder, tmp_path: Path) -> None:
    edits = write_edits(tmp_path / "edits.json", {"edit": "resize", "factor": 1.4})
    found = call(run.path, "--edits", edits, "--subject", "sub-synth0003", "--output", tmp_path / "out")
    before, after = (nib.load(next((tmp_path / "out").glob(f"*desc-{state}*dseg.nii.gz"))).get_fdata()
                     for state in ("before", "after"))
    assert np.isin(after, TUMOUR).sum() > np.isin(before, TUMOUR).sum()
    assert ((before == CSF) & np.isin(after, TUMOUR)).sum() < 0.1 * np.isin(after, TUMOUR).sum()
    assert found["edits"][0]["asked_ml"] == pytest.approx(found["edits"][0]["tumour_ml"]["after"], abs=0.4)
