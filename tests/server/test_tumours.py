"""The release's tumours follow the sites' noised histograms, as far as noise lets them be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import small_study

from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy, draw_tumour_traits
from fl_components.server import synthesize
from fl_components.server.synthesize import released_anatomy
from fl_components.server.tumours import PUBLIC_SHARES, RAREST, TumourShares
from fl_components.study import Grid, Study
from fl_components.training.private.summary import tumour_bins
from fl_components.vocabulary import TUMOUR, WHITE_MATTER

SIDE, VOXELS_OF_BIN = 20, (0, 6, 15, 30, 60, 100, 150)
"""Of cubes of a millilitre: the middle of each bin of the volume."""
STUDY = Study.parse(small_study(
    grid={"shape": [SIDE] * 3, "spacing_mm": 10.0}, training={"rounds": 1, "local_steps": 1}, audit={"epsilon": 0.5},
    privacy={"mode": "private", "trains": "summary"}, synthesis={"tumour_share": 0.8}), "test")
MANY = 1_000_000
"""Patients of whom the noise hides nothing."""
WANTED = {"volume": (0, 0.0, 0.05, 0.2, 0.25, 0.25, 0.25), "kind": (0, 0, 0, 0.4, 0, 0, 0.1, 0.5),
          "place": (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2)}


def summaries(shares: dict[str, tuple[float, ...]], patients: int = MANY) -> dict[str, dict[str, Any]]:
    one = {"n_members": float(patients), **{f"summary.{name}": (patients * np.array(share)).tolist()
                                            for name, share in shares.items()}}
    return {"east": one, "west": one}


def anatomy(volume: int, kind: int, place: int) -> np.ndarray:
    """An anatomy with a tumour in these bins."""
    labels = np.full((SIDE,) * 3, WHITE_MATTER, np.uint8)
    tissues = [tissue for bit, tissue in enumerate(TUMOUR) if kind >> bit & 1]
    octant = labels[tuple(slice(SIDE // 2, None) if place >> axis & 1 else slice(0, SIDE // 2) for axis in range(3))]
    flat = np.full(octant.size, WHITE_MATTER, np.uint8)
    flat[:VOXELS_OF_BIN[volume]] = np.resize(tissues, VOXELS_OF_BIN[volume])
    octant[...] = flat.reshape(octant.shape)
    return labels


class PublicSampler:
    """In the place of the real one: its shares, each histogram by itself, in no time."""

    def __init__(self, grid: object) -> None:
        del grid

    def sample(self, rng: np.random.Generator, tumour: bool = True) -> SampledAnatomy:
        healthy = SampledAnatomy(np.full((SIDE,) * 3, WHITE_MATTER, np.uint8), {}, None)  # type: ignore[arg-type]
        return self.another_tumour(rng, healthy) if tumour else healthy

    def another_tumour(self, rng: np.random.Generator, drawn: SampledAnatomy) -> SampledAnatomy:
        bins = {name: int(rng.choice(len(share), p=np.array(share) / sum(share)))
                for name, share in PUBLIC_SHARES.items()}
        return replace(drawn, labels=anatomy(**bins), tumour=draw_tumour_traits(rng))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesize, "AnatomySampler", PublicSampler)
    monkeypatch.setattr(synthesize, "problems", lambda labels, grid: [])


def frequencies(found: list[np.ndarray]) -> dict[str, np.ndarray]:
    bins = [tumour_bins(labels, 10.0) for labels in found]
    return {name: np.mean([one[name] for one in bins], axis=0) for name in PUBLIC_SHARES}


def test_released_tumours_are_as_frequent_as_the_histograms_say(quick: None) -> None:
    n, told = 1500, summaries(WANTED)
    drawn = [released_anatomy(STUDY, number, told).labels for number in range(1, n + 1)]
    ill = [labels for labels in drawn if np.isin(labels, TUMOUR).any()]
    assert len(ill) / n == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / n))  # the study's own to say
    for name, found in frequencies(ill).items():
        wanted = np.array(WANTED[name])
        assert (np.abs(found - wanted) <= 4.5 * np.sqrt(wanted * (1 - wanted) / len(ill)) + 0.002).all(), name


def test_a_volume_is_the_same_again_and_another_summary_gives_another_release(quick: None) -> None:
    public = {name: np.array(share) for name, share in PUBLIC_SHARES.items()}
    releases = [[released_anatomy(STUDY, k, summaries(shares)).labels for k in range(1, 21)]
                for shares in (WANTED, WANTED, public)]
    np.testing.assert_array_equal(releases[0], releases[1])
    assert (np.array(releases[0]) != np.array(releases[2])).any()


def test_a_study_without_an_epsilon_takes_every_anatomy(quick: None) -> None:
    study = Study.parse(small_study(grid={"shape": [SIDE] * 3, "spacing_mm": 10.0}), "test")
    assert TumourShares.from_summaries(study, summaries(WANTED)) is None
    plain = PublicSampler(None)
    rng = np.random.default_rng([study.seed, 1, 4])
    first = plain.sample(rng, tumour=bool(rng.random() < study.synthesis.tumour_share)).labels
    np.testing.assert_array_equal(released_anatomy(study, 5, {}).labels, first)


@given(st.data())
def test_on_average_over_public_tumours_weights_are_one_whatever_was_sent(data: st.DataObject) -> None:
    patients = data.draw(st.sampled_from([1, 30, 300, MANY]))
    sent = {name: tuple(data.draw(st.lists(st.floats(-2, 2), min_size=len(share), max_size=len(share))))
            for name, share in PUBLIC_SHARES.items()}
    shares = TumourShares.from_summaries(STUDY, summaries(sent, patients))
    assert shares is not None
    for name, times in shares.times.items():
        assert (times >= 0).all()
        assert times @ np.array(PUBLIC_SHARES[name]) == pytest.approx(1, rel=2e-3)  # public shares are rounded


def test_of_few_patients_noise_is_all_there_is_and_the_release_stays_public() -> None:
    """Noise of 2.8 × 3.2 a bin beside 5 patients: each share stays within a hair of the public one."""
    shares = TumourShares.from_summaries(STUDY, summaries(WANTED, 5))
    assert shares is not None
    for name, times in shares.times.items():
        reached = np.array(PUBLIC_SHARES[name]) > 0
        moved = np.abs(times - 1)[reached] * np.array(PUBLIC_SHARES[name])[reached]
        assert moved.max() < 0.02


def test_without_a_tumour_the_weight_is_one_and_no_chance_is_beyond_the_rarest() -> None:
    extreme = {name: tuple(np.eye(len(share))[int(np.argmin(np.where(np.array(share) > 0, share, 9)))])
               for name, share in PUBLIC_SHARES.items()}
    shares = TumourShares.from_summaries(STUDY, summaries(extreme))
    assert shares is not None
    healthy = np.full((SIDE,) * 3, WHITE_MATTER, np.uint8)
    assert shares.weight(healthy, 10.0) == 1
    assert shares.takes(healthy, 10.0, 0.999 / RAREST)
    assert not shares.takes(healthy, 10.0, 1.001 / RAREST)


def test_the_public_shares_are_the_samplers() -> None:
    """Of 40 anatomies on a coarse grid, where small parts vanish: within 4.5 standard errors, kinds within .15 more."""
    grid = Grid(shape=(24, 28, 24), spacing_mm=6.5)
    n = 40
    drawn = [AnatomySampler(grid).sample(np.random.default_rng([9, k])).labels for k in range(n)]
    bins = [tumour_bins(labels, grid.spacing_mm) for labels in drawn]
    for name, share in PUBLIC_SHARES.items():
        found, public = np.mean([one[name] for one in bins], axis=0), np.array(share)
        slack = 0.15 if name == "kind" else 0.02
        assert (np.abs(found - public) <= 4.5 * np.sqrt(public * (1 - public) / n) + slack).all(), name
        assert public.sum() == pytest.approx(1, abs=2e-3)
