from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_components.networks.build import build_discriminator, build_generator
from fl_components.site import Site
from fl_components.study import PRESETS, TEMPLATE_CENTRE_MM, Grid, Study
from privacy_eval.errors import InputError

MINIMAL = {"name": "demo", "preset": "tiny", "seed": 1, "sites": {"a": 1, "b": 3}}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_study_and_builds_its_networks(preset: str) -> None:
    study = Study.parse({**MINIMAL, "preset": preset}, "test")
    assert study.preset == preset
    assert sum(p.numel() for p in build_generator(study).parameters()) > 0
    assert sum(p.numel() for p in build_discriminator(study, 0).parameters()) > 0


def test_the_paper_preset_has_the_papers_grid() -> None:
    assert Study.parse({**MINIMAL, "preset": "paper"}, "test").grid.shape == (128, 128, 54)


def test_stated_keys_win_over_the_preset_and_the_rest_of_the_table_stays() -> None:
    study = Study.parse({**MINIMAL, "training": {"rounds": 2}}, "test")
    assert study.training.rounds == 2
    assert study.training.local_steps == PRESETS["tiny"]["training"]["local_steps"]


def test_hash_is_of_what_is_meant_not_of_how_it_is_written(tmp_path: Path) -> None:
    study = Study.parse(MINIMAL, "test")
    spelled_out = tmp_path / "study.toml"
    spelled_out.write_text(study.to_toml())
    assert Study.from_file(spelled_out).hash == study.hash
    assert Study.parse(dict(reversed(MINIMAL.items())), "test").hash == study.hash
    assert Study.parse({**MINIMAL, "seed": 2}, "test").hash != study.hash


def test_weights_are_shares() -> None:
    study = Study.parse(MINIMAL, "test")
    assert (study.weight("a"), study.weight("b")) == (0.25, 0.75)
    with pytest.raises(InputError, match="no site 'c'"):
        study.weight("c")


@pytest.mark.parametrize(("change", "words"), [
    ({"sedd": 1}, "unknown key 'sedd'"),
    ({"preset": "huge"}, "key 'preset': found 'huge'"),
    ({"sites": {}}, "key 'sites'"),
    ({"sites": {"A b": 1}}, "key 'sites"),
    ({"sites": {"a": 0}}, "sites.a"),
    ({"training": {"rounds": "many"}}, "training.rounds"),
    ({"training": {"momentum": 1}}, "unknown key 'training.momentum'"),
    ({"audit": {"tests": ["T99"]}}, "audit.tests.0"),
    ({"audit": {"tolerance_auc": 0.4}}, "audit.tolerance_auc"),
    ({"cohort": {"holdout": 0.7, "test": 0.4}}, "leave no members"),
    ({"federation": {"round_timeout_s": float("inf")}}, "federation.round_timeout_s"),
])
def test_bad_settings_name_file_key_and_rule(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        Study.parse({**MINIMAL, **change}, "here/study.toml")
    message = str(error.value)
    assert message.startswith("here/study.toml: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(("content", "words"), [
    (b"name = ", "not valid TOML"), (b"\xff\xfe", "cannot be read"), (None, "no such file")])
def test_unreadable_files(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        Study.from_file(path)


def test_settings_are_frozen() -> None:
    study = Study.parse(MINIMAL, "test")
    with pytest.raises(ValueError, match="frozen"):
        study.seed = 5  # type: ignore[misc]


@given(shape=st.tuples(*[st.integers(1, 200)] * 3), spacing=st.floats(0.5, 10))
def test_grid_is_centred_on_the_templates_brain(shape: tuple[int, int, int], spacing: float) -> None:
    affine = Grid(shape=shape, spacing_mm=spacing).affine
    centre = affine @ [*((np.array(shape) - 1) / 2), 1]
    np.testing.assert_allclose(centre[:3], TEMPLATE_CENTRE_MM, atol=1e-6)
    np.testing.assert_allclose(np.diag(affine)[:3], spacing)


def test_a_sites_paths_are_relative_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sites" / "a" / "site.toml"
    path.parent.mkdir(parents=True)
    path.write_text('name="a"\nstudy="../../study.toml"\nstate="state"\n[data]\nroot="/scans"\ndialect="brats2020"\n')
    site = Site.from_file(path)
    assert site.study.resolve() == tmp_path.resolve() / "study.toml"
    assert site.data.root == Path("/scans")
    assert site.ledger == path.resolve().parent / "ledger.jsonl"
    assert not site.data.simulated


def test_a_site_never_guesses_its_dialect() -> None:
    with pytest.raises(InputError, match=r"'data\.dialect' is missing"):
        Site.parse({"name": "a", "study": "s", "state": "s", "data": {"root": "r"}}, "site.toml")
