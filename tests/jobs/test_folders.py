"""`fedsynth audit --real … --holdout … --synthetic …` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

from jobs.cli import EXIT_CODES, app
from jobs.folders import FolderAuditRequest, audit_images
from jobs.output import Talk
from jobs.pairs import _tiles
from privacy_eval.errors import InputError
from privacy_eval.folder.groups import Folders
from privacy_eval.report import check_signoff, report_digest, signoff_record

SMALL = ("--minimum-subjects", "10")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 members, 50 holdout and 40 synthetic digits as PNG; `leaky` holds two members, bit by bit."""
    place = tmp_path_factory.mktemp("digits")
    images = load_digits().images[np.random.default_rng(0).permutation(1797)]
    images = (images / 16 * 255).round().astype(np.uint8)
    rows = {"members": range(40), "holdout": range(40, 90), "synthetic": range(90, 130), "public": range(130, 180),
            "leaky": [*range(180, 210), 3, 7]}
    for name, those in rows.items():
        (place / name).mkdir()
        for row in those:
            imsave(place / name / f"{name}-{row}.png", images[row], check_contrast=False)
    return place


def call(place: Path, *more: str | Path, **folders: str) -> Result:
    named = {"real": "members", "holdout": "holdout", "synthetic": "synthetic"} | folders
    options = [text for option, name in named.items() for text in (f"--{option}", str(place / name))]
    return CliRunner().invoke(app, ["audit", *options, *(str(text) for text in more)])


def test_json_is_one_object_with_the_verdict_and_both_reports_are_written(place: Path, tmp_path: Path) -> None:
    result = call(place, "--output", tmp_path / "out", "--seed", "1", "--format", "json", *SMALL, reference="public")
    told = json.loads(result.stdout)
    assert set(told) == {"verdict", "report", "json", "seed"}
    assert told["seed"] == 1
    assert result.exit_code == EXIT_CODES[told["verdict"]]
    assert "Traceback" not in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    data, page = json.loads(Path(told["json"]).read_text()), Path(told["report"]).read_text()
    assert (data["edition"], data["verdict"], data["provenance"]["seed"]) == ("internal", told["verdict"], 1)
    assert report_digest(data) in page
    assert page.count("data:image/png;base64") == len(data["inside"]["pairs"]) == 10
    for pair in data["inside"]["pairs"]:
        assert (place / pair["group"] / pair["real"]).exists()
        assert (place / "synthetic" / pair["synthetic"]).exists()
    assert "40 images of members" in data["methods"][0]
    assert data["methods"][0] in page.replace("&#39;", "'")
    assert {row["n_members"] for row in data["sites"]} == {40}


def test_one_seed_one_report_and_a_drawn_seed_is_told(place: Path, tmp_path: Path) -> None:
    def numbers(out: str, *more: str) -> tuple[dict[str, object], int]:
        result = call(place, "--output", tmp_path / out, "--format", "json", *SMALL, *more)
        data = json.loads((tmp_path / out / "report.json").read_text())
        seed = json.loads(result.stdout)["seed"]
        return {key: data[key] for key in ("tests", "controls", "validity", "inside")}, seed

    first, seed = numbers("a")
    again, _ = numbers("b", "--seed", str(seed))
    assert first == again


@pytest.fixture(scope="module")
def leaky(place: Path) -> tuple[Result, Path]:
    """An audit of the leaky folder, the third of two planned: what it said and where its reports are."""
    out = place / "leaky-audit"
    return call(place, "--output", out, "--seed", "1", "--release-number", "3", "--releases", "2", *SMALL,
                synthetic="leaky"), out


def test_a_bit_identical_image_ends_with_1_and_both_names(leaky: tuple[Result, Path]) -> None:
    result, out = leaky
    assert result.exit_code == 1
    assert "verdict: LEAK" in result.stdout
    page = (out / "report.html").read_text()
    assert "leaky-3.png is, value by value, the real image" in page
    assert "members-3.png" in page


def test_planned_releases_share_the_level(leaky: tuple[Result, Path]) -> None:
    data = json.loads((leaky[1] / "report.json").read_text())
    assert (data["audit_number"], data["level"]) == (3, 0.0125)
    assert any("This is audit 3 of the study and 2" in warning for warning in data["warnings"])


def test_the_nearest_pair_is_the_copy_and_can_be_signed_for(leaky: tuple[Result, Path]) -> None:
    data = json.loads((leaky[1] / "report.json").read_text())
    nearest = data["inside"]["pairs"][0]
    assert nearest["real"] in ("members-3.png", "members-7.png")
    assert nearest["synthetic"] == nearest["real"].replace("members", "leaky")
    assert nearest["after"] == pytest.approx(1)
    record = signoff_record(data, {"name": "N", "role": "R", "institution": "I", "decision": "do not release",
                                   "signed_on": "2030-01-01"})
    check_signoff(record, data)
    assert record["edition"] == "internal"


def refused_same(place: Path, tmp_path: Path) -> Result:
    return call(place, "--output", tmp_path / "out", holdout="members")


def refused_few(place: Path, tmp_path: Path) -> Result:
    return call(place, "--output", tmp_path / "out", "--minimum-subjects", "45")


def refused_absent(place: Path, tmp_path: Path) -> Result:
    return call(place, "--output", tmp_path / "out", synthetic="nowhere")


def refused_damaged(place: Path, tmp_path: Path) -> Result:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no image")
    return call(place, "--output", tmp_path / "out", "--reference", tmp_path / "bad")


def refused_tolerance(place: Path, tmp_path: Path) -> Result:
    return call(place, "--output", tmp_path / "out", "--tolerance-auc", "0.4")


@pytest.mark.parametrize(("case", "words"), [
    (refused_same, "are the same image"), (refused_few, "found 40 members and 40 holdout patients (10 more"),
    (refused_absent, "nowhere: no such folder"), (refused_damaged, "a.png: cannot be read as PNG"),
    (refused_tolerance, "tolerance_auc = 0.4")])
def test_bad_input_is_one_line_and_nothing_is_written(place: Path, tmp_path: Path, words: str,
                                                      case: Callable[[Path, Path], Result]) -> None:
    result = case(place, tmp_path)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("fedsynth: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["taken", "taken/below"])
def test_an_output_that_cannot_be_a_folder_is_refused(place: Path, tmp_path: Path, output: str) -> None:
    (tmp_path / "taken").write_text("mine")
    result = call(place, "--output", tmp_path / output, *SMALL)
    assert result.exit_code == 2
    assert "name another with --output" in result.stderr
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_failure_while_writing_keeps_the_old_reports(place: Path, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("report.html", "report.json"):
        (tmp_path / name).write_text("old")
    write = Path.write_text

    def full(path: Path, text: str, encoding: str) -> int:
        if "json" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", full)
    folders = Folders(place / "members", place / "holdout", place / "synthetic")
    with pytest.raises(InputError, match="No space left"):
        audit_images(FolderAuditRequest(folders, tmp_path, seed=1, minimum_subjects=10), Talk())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"report.html": "old", "report.json": "old"}


@pytest.mark.parametrize(("arguments", "words"), [
    (["--real", "a", "--holdout", "b"], "--synthetic"), (["runs/demo", "--real", "a"], "--holdout"),
    (["--holdout=b"], "--real"), (["folders", "--seed", "1"], "--real")])
def test_options_of_folders_need_no_name(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["audit", *arguments])
    assert result.exit_code == 2
    assert f"Missing option '{words}'" in result.stderr


def test_help_names_the_command_and_its_options() -> None:
    group = CliRunner().invoke(app, ["audit", "--help"]).output
    assert "folders" in group
    assert "plan" in group
    own = " ".join(CliRunner().invoke(app, ["audit", "folders", "--help"]).output.split())
    assert "Example: fedsynth audit --real" in own
    assert "--patients" in own


@pytest.mark.parametrize(("shape", "is_png", "tiles"), [
    ((1, 8, 9), True, [(8, 9)]), ((3, 8, 9), True, [(8, 9, 3)]), ((1, 8, 9), False, [(9, 8)]),
    ((6, 8, 9), False, [(9, 8)] * 4), ((1, 8, 9, 7), False, [(7, 9), (7, 8), (9, 8)]),
    ((4, 8, 9, 7), False, [(9, 8)] * 4)])
def test_tiles_of_every_kind_of_image(shape: tuple[int, ...], is_png: bool, tiles: list[tuple[int, ...]]) -> None:
    assert [tile.shape for tile in _tiles(np.zeros(shape), is_png)] == tiles
