from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import controls
from benchmarks.layouts import TABLES
from benchmarks.results import read_result
from benchmarks.tables import render


def test_every_control_has_a_module_and_a_table() -> None:
    for name in controls.CONTROLS:
        assert (controls.MODULES / f"test_{name}.py").exists()
        assert TABLES[f"controls_{name}"].result == "controls"


def test_rows_are_measured_and_others_kept(tmp_path: Path) -> None:
    controls.measure(["mean_release"], tmp_path)
    kept = read_result("controls", tmp_path)["figures"]["mean_release"]["rows"]
    controls.measure(["bie_accounting"], tmp_path)
    result = read_result("controls", tmp_path)
    assert set(result["figures"]) == {"mean_release", "bie_accounting"}
    assert result["figures"]["mean_release"]["rows"] == kept
    assert result["n"] == {"controls": 2}
    table = render(TABLES["controls_mean_release"], result).splitlines()
    assert table[0] == "| members | dimensions | SD of noise | AUC | closed form | expected |"
    assert len(kept) == 7
    assert float(kept[0]["AUC"]) == pytest.approx(0.624, abs=0.01)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["controls", "mooons"])
    with pytest.raises(SystemExit):
        controls.main()
    assert "no control 'mooons'" in capsys.readouterr().err
