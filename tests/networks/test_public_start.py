"""The publicly trained networks that private studies begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import small_study

from fl_components.networks import public_start
from fl_components.networks.build import build_discriminator, build_generator, build_networks
from fl_components.networks.public_start import public_start_file
from fl_components.networks.shipped import save_network
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.public_gan import train_publicly
from fl_components.training.public_scan import Conditions, public_scans
from privacy_eval.errors import InputError

TINY = {"name": "t", "preset": "tiny", "seed": 3, "sites": {"a": 1, "b": 1}, "audit": {"epsilon": 0.5}}


def private(content: dict[str, object], trains: str = "adapted") -> Study:
    return Study.parse({**content, "privacy": {"mode": "private", "trains": trains}, "audit": {"epsilon": 0.5}}, "t")


def test_the_shipped_start_is_every_partys_whatever_the_seed() -> None:
    one, other = private(TINY), private({**TINY, "seed": 4})
    for name, value in weights_of(build_generator(one)).items():
        np.testing.assert_array_equal(value, weights_of(build_generator(other))[name])
    first, second = build_discriminator(one, 1).state_dict(), build_discriminator(one, 2).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_study_from_scratch_or_without_an_epsilon_begins_at_its_seed() -> None:
    for study in (Study.parse(TINY, "t"), private(TINY, "scratch")):
        fresh = build_networks(study, study.seed)[0].state_dict()
        assert all(torch.equal(value, fresh[name]) for name, value in build_generator(study).state_dict().items())


def test_sizes_that_nobody_trained_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="fedsynth pretrain generator"):
        build_generator(private(small_study()))


def test_public_training_repeats_and_what_it_wrote_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_start, "FOLDER", tmp_path)
    monkeypatch.setattr("fl_components.training.public_gan.POOL", 2)
    study = private(small_study())
    made = [train_publicly(study, 0, 2).state_dict() for _ in range(2)]
    assert all(torch.equal(value, made[1][name]) for name, value in made[0].items())
    save_network(train_publicly(study, 0, 2), public_start_file(study.network), {})
    found = build_generator(study).state_dict()
    assert all(torch.equal(value, made[0][f"generator.{name}"]) for name, value in found.items())


def test_public_scans_are_images_of_their_anatomies() -> None:
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, 2:6, 2:6, 2:6] = 3
    batch = public_scans(Conditions(labels, torch.full((1, 30), 0.5)), torch.Generator().manual_seed(0))
    assert batch.images.shape == (1, 4, 8, 8, 8)
    assert float(batch.images.min()) >= 0
    assert float(batch.images.max()) <= 1
    assert not batch.images[(labels == 0)[:, None].expand_as(batch.images)].any()
