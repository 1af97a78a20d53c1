from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_components.networks.embedding import load_embedding
from fl_components.networks.labeller import Labeller
from fl_components.training.embedding import Recipe
from fl_components.training.labeller import LabellerRecipe
from jobs import pretrain
from jobs.cli import app


@pytest.mark.parametrize("network", ["embedding", "labeller"])
def test_help_shows_an_example(network: str) -> None:
    result = CliRunner().invoke(app, ["pretrain", network, "--help"])
    assert result.exit_code == 0
    assert f"Example: fedsynth pretrain {network}" in " ".join(result.output.split())


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


@pytest.mark.slow
def test_the_labellers_command_writes_the_same_weights_for_the_same_seed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "LabellerRecipe", lambda: LabellerRecipe(subjects=2))
    digests = []
    for name, seed in (("first", 5), ("second", 5), ("third", 6)):
        path = tmp_path / name / "labeller.safetensors"
        result = CliRunner().invoke(app, ["pretrain", "labeller", "--seed", str(seed), "--steps", "2", "--output",
                                          str(path), "--format", "json"])
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["bytes"] == path.stat().st_size < 3_000_000
        assert Labeller.from_file(path).digest == found["sha256"]
        assert f"fedsynth pretrain labeller --seed {seed} --steps 2".encode() in path.read_bytes()
        digests.append(found["sha256"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("network", ["embedding", "labeller"])
def test_a_folder_as_output_is_refused_before_anything_long(tmp_path: Path, network: str) -> None:
    result = CliRunner().invoke(app, ["pretrain", network, "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert f"--output {tmp_path}" in result.stderr.replace("\n", "")
