from __future__ import annotations

from pathlib import Path

import pytest
from small_run import prepare_run, write_run
from test_utility_cells import CELL, make_bench

from benchmarks import utility
from benchmarks.utility import federated_scores, left_out_site, train_all
from benchmarks.utility_cells import Cell
from fl_components.cohort.simulate.hospital import SITE_NAMES
from fl_components.json_file import write_json
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError


def test_out_of_time_begins_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    other = Cell("north", "none", "real", True, "segresnet", 0)
    assert train_all(bench, [CELL, other], Talk(), [], 0.0) == {}
    bench.scores(CELL, lambda _: None)
    assert list(train_all(bench, [other, CELL], Talk(), [], 0.0)) == [CELL]
    assert list(train_all(bench, [CELL, other], Talk(), ["central__"], None)) == [CELL]
    assert list(train_all(bench, [CELL, other], Talk(), ["north__"], None)) == [CELL, other]


def test_patients_scores_stay_at_their_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", subjects=1)
    for site in run.study().sites:
        path = run.site_file(site)
        path.write_text(path.read_text().replace("simulated = true", "simulated = false"))
    monkeypatch.setattr("sys.argv", ["utility", str(run.path), "--quick"])
    with pytest.raises(SystemExit):
        utility.main()
    assert "holds patients, whose scores stay at their site" in capsys.readouterr().err


def test_the_hospital_that_took_no_part_is_none_of_the_studys(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=1)
    study = run.study()
    away = left_out_site(run, study)
    assert away.name == SITE_NAMES[2]
    assert run.path in away.data.root.parents
    everywhere = study.model_copy(update={"sites": dict.fromkeys(SITE_NAMES, 1.0)})
    with pytest.raises(InputError, match="one is left out"):
        left_out_site(run, everywhere)


@pytest.mark.parametrize("original", [True, False])
def test_federated_scores_of_other_voxels_are_left_out_with_a_word(tmp_path: Path, original: bool,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(tmp_path)
    assert federated_scores(run, original=original, talk=Talk()) is None
    told = {"settings": {"original_voxels": True}, "segmenters": []}
    run.evaluation.mkdir()
    write_json(run.evaluation / "evaluation.json", told)
    assert federated_scores(run, original=original, talk=Talk()) == (told if original else None)
    said = capsys.readouterr()
    assert ("scored on other voxels" in said.out + said.err) is not original


def test_a_release_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", subjects=10)
    prepare_run(run)
    monkeypatch.setattr(utility, "require_same_labels", lambda labels: None)
    monkeypatch.setattr("sys.argv", ["utility", str(run.path), "--quick"])
    with pytest.raises(SystemExit):
        utility.main()
    assert "is no release; name a release's folder" in capsys.readouterr().err
