from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_components.networks.embedding import load_embedding
from fl_components.training.embedding import Recipe
from jobs import pretrain
from jobs.cli import app


def test_help_shows_an_example() -> None:
    result = CliRunner().invoke(app, ["pretrain", "embedding", "--help"])
    assert result.exit_code == 0
    assert "Example: fedsynth pretrain embedding" in " ".join(result.output.split())


@pytest.mark.slow
def test_the_command_writes_weights_and_one_json_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "Recipe", lambda: Recipe(subjects=4, batch=4))
    digests = []
    for name in ("first", "second"):
        path = tmp_path / name / "embedding.safetensors"
        result = CliRunner().invoke(app, ["pretrain", "embedding", "--seed", "5", "--steps", "2", "--output", str(path),
                                          "--format", "json"])
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["bytes"] == path.stat().st_size < 1_000_000
        assert (found["seed"], found["steps"]) == (5, 2)
        assert load_embedding(path)[1] == found["sha256"]
        assert b"fedsynth pretrain embedding --seed 5 --steps 2" in path.read_bytes()
        digests.append(found["sha256"])
    assert digests[0] == digests[1]


def test_a_folder_as_output_is_refused_before_anything_long(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["pretrain", "embedding", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert f"--output {tmp_path}" in result.stderr.replace("\n", "")
