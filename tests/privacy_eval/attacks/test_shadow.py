from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from privacy_eval.attacks.shadow import lira_scores, random_halves, rmia_scores
from privacy_eval.errors import InputError
from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.statistics.tradeoff import gdp_auc


class World(NamedTuple):
    """Gaussian scores: a patient's ease, plus `gain` where he was in, plus noise of SD 1."""

    target: np.ndarray
    inside: np.ndarray
    shadows: np.ndarray
    shadow_in: np.ndarray
    population: np.ndarray
    population_shadows: np.ndarray


def world(rng: np.random.Generator, patients: int = 400, pairs: int = 8, gain: float = 1.0, ease: float = 3.0) -> World:
    easy = rng.normal(0, ease, patients)
    inside = rng.permutation(patients) < patients // 2
    shadow_in = random_halves(pairs, patients, rng)
    of_population = rng.normal(0, ease, 100)
    return World(easy + gain * inside + rng.normal(size=patients), inside,
                 easy + gain * shadow_in + rng.normal(size=shadow_in.shape), shadow_in,
                 of_population + rng.normal(size=100), of_population + rng.normal(size=(2 * pairs, 100)))


def auc(scores: np.ndarray, inside: np.ndarray) -> float:
    return float(mann_whitney_u(scores[inside], scores[~inside])) / (inside.sum() * (~inside).sum())


def all_attacks(at: World) -> dict[str, np.ndarray]:
    known = at.target, at.shadows, at.shadow_in
    return {
        "lira": lira_scores(*known),
        "lira offline": lira_scores(*known, online=False),
        "rmia": rmia_scores(*known, at.population, at.population_shadows),
        "rmia offline": rmia_scores(*known, at.population, at.population_shadows, online=False),
    }


def test_lira_reaches_the_closed_form_of_known_gaussians() -> None:
    """With many shadows the ratio is that of N(1, 1) to N(0, 1): AUC Φ(μ/√2); the raw score's is Φ(μ/√(2 + 2·9))."""
    at = world(np.random.default_rng(1), patients=2000, pairs=100)
    assert auc(lira_scores(at.target, at.shadows, at.shadow_in), at.inside) == pytest.approx(gdp_auc(1), abs=0.03)
    assert auc(at.target, at.inside) == pytest.approx(norm.cdf(1 / np.sqrt(20)), abs=0.04)


def test_few_shadows_make_the_offline_attack_weaker_by_the_error_of_the_mean() -> None:
    """The deviate of k shadows has variance 1 + 1/k: AUC Φ(μ/√(2(1 + 1/k)))."""
    at = world(np.random.default_rng(2), patients=4000, pairs=4)
    found = auc(lira_scores(at.target, at.shadows, at.shadow_in, online=False), at.inside)
    assert found == pytest.approx(norm.cdf(1 / np.sqrt(2 * (1 + 1 / 4))), abs=0.03)


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("variance", ["pooled", "patient"])
def test_lira_against_a_loop(online: bool, variance: str) -> None:
    at = world(np.random.default_rng(3), patients=12, pairs=5)
    groups = {True: [], False: []}  # type: dict[bool, list[np.ndarray]]
    for patient in range(12):
        for kind in (True, False):
            groups[kind].append(at.shadows[at.shadow_in[:, patient] == kind, patient])
    spreads = {}
    for kind, scores in groups.items():
        pooled = np.sqrt(np.mean([np.var(s, ddof=1) for s in scores]))
        spreads[kind] = [np.std(s, ddof=1) if variance == "patient" else pooled for s in scores]
    expected = []
    for patient, score in enumerate(at.target):
        fits = {kind: norm(np.mean(groups[kind][patient]), spreads[kind][patient]) for kind in (True, False)}
        out = groups[False][patient]
        expected.append(np.log(fits[True].pdf(score) / fits[False].pdf(score)) if online
                        else (score - out.mean()) / spreads[False][patient])
    found = lira_scores(at.target, at.shadows, at.shadow_in, online=online, variance=variance)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_rmia_against_a_loop(online: bool, gamma: float) -> None:
    at = world(np.random.default_rng(4), patients=10, pairs=4)
    scale = 1.7
    expected = []
    for patient, score in enumerate(at.target):
        likelihoods, seen = np.exp(at.shadows[:, patient] / scale), at.shadow_in[:, patient]
        out = likelihoods[~seen].mean()
        marginal = (likelihoods[seen].mean() + out) / 2 if online else out
        preferred = 0
        for other, at_shadows in zip(at.population, at.population_shadows.T, strict=True):
            of_other = np.exp(other / scale) / np.exp(at_shadows / scale).mean()
            preferred += np.exp(score / scale) / marginal / of_other >= gamma
        expected.append(preferred / len(at.population))
    found = rmia_scores(at.target, at.shadows, at.shadow_in, at.population, at.population_shadows, scale=scale,
                        gamma=gamma, online=online)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", ["lira", "lira offline", "rmia", "rmia offline"])
def test_shadows_beat_the_raw_score_where_patients_differ_and_nobody_is_accused_where_nothing_leaks(name: str) -> None:
    leaking, tight = (world(np.random.default_rng(5), gain=gain, patients=1000) for gain in (1.5, 0.0))
    assert auc(all_attacks(leaking)[name], leaking.inside) > auc(leaking.target, leaking.inside) + 0.05
    assert auc(all_attacks(tight)[name], tight.inside) == pytest.approx(0.5, abs=4 * 0.0183)


@pytest.mark.parametrize("name", ["lira", "lira offline", "rmia", "rmia offline"])
def test_units_and_what_all_generators_share_do_not_matter(name: str) -> None:
    at = world(np.random.default_rng(6), patients=50)
    own = np.random.default_rng(7).normal(size=50)
    moved = at._replace(target=0.01 * (at.target + own), shadows=0.01 * (at.shadows + own),
                        population=0.01 * at.population, population_shadows=0.01 * at.population_shadows)
    np.testing.assert_allclose(all_attacks(moved)[name], all_attacks(at)[name], atol=1e-9)


def test_halves_come_with_their_complements() -> None:
    halves = random_halves(5, 12, np.random.default_rng(8))
    assert halves.shape == (10, 12)
    assert (halves.sum(axis=1) == 6).all()
    assert (halves[::2] == ~halves[1::2]).all()
    assert len({tuple(half) for half in halves}) > 2


def test_what_cannot_be_attacked_is_refused() -> None:
    at = world(np.random.default_rng(9), patients=6, pairs=3)
    known = at.target, at.shadows, at.shadow_in
    with pytest.raises(InputError, match=r"expected \(n,\), \(k, n\)"):
        lira_scores(at.target[:5], at.shadows, at.shadow_in)
    with pytest.raises(InputError, match="not all finite"):
        lira_scores(at.target * np.nan, at.shadows, at.shadow_in)
    with pytest.raises(InputError, match="0 shadows with it"):
        lira_scores(at.target, at.shadows, np.zeros_like(at.shadow_in))
    assert np.isfinite(lira_scores(at.target, at.shadows, np.zeros_like(at.shadow_in), online=False)).all()
    with pytest.raises(InputError, match="1 shadows without it"):
        lira_scores(at.target, at.shadows, np.arange(6)[:, None] > np.zeros(6), online=False)
    with pytest.raises(InputError, match="do not differ"):
        lira_scores(at.target, np.ones_like(at.shadows), at.shadow_in)
    with pytest.raises(InputError, match="population scores have shapes"):
        rmia_scores(*known, at.population, at.population_shadows[:2])
    with pytest.raises(InputError, match="expected both positive"):
        rmia_scores(*known, at.population, at.population_shadows, gamma=0)
    with pytest.raises(InputError, match="expected at least 2 pairs"):
        random_halves(1, 6, np.random.default_rng(0))
