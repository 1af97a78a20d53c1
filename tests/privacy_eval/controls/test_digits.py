"""P6: the attacks on thirteen releases of known outcome; each test must see what it can see, and nothing else."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import pytest
from digits_recipe import GENERATORS, Digits, N, digits

from privacy_eval.attacks.alarms import alarms, unauthentic_share
from privacy_eval.attacks.copying import copying
from privacy_eval.attacks.density import domias_scores, dpi_scores
from privacy_eval.attacks.nearest import calibrated_scores, nearest_release_scores
from privacy_eval.attacks.replicas import count_replicas, replica_threshold
from privacy_eval.spaces.nearest import distance_matrix, nearest_distance
from privacy_eval.statistics.counts import CountPair, stratified_exact_p_value
from privacy_eval.statistics.ranks import null_standard_error, stratified_auc_p_value, u_statistic
from privacy_eval.statistics.rates import rate_counts

FULL: Final = pytest.param(20, 199, marks=pytest.mark.full, id="full")
FAST: Final = pytest.param(2, 39, id="fast")
"""Seeds (0, 1, …) and assignments drawn."""

REFERENCE_SEEDS: Final = 20
COLUMNS: Final = {"fbb": 0.025, "calibrated": 0.022, "TPR@1 %": 0.04, "DOMIAS": 0.025, "Z_U": 1.4, "NNAA": 0.022,
                  "DCR": 0.04, "unauthentic": 0.03, "copied M": 0.015, "copied H": 0.015}
"""Columns of the table to reproduce, and the SD of one seed. TPR@1 % is with the threshold on all of the holdout; the
decision's own, "held out", has it on the second-highest of half: lower by a tenth and twice as wide."""

TABLE: Final[dict[str, tuple[float | None, ...]]] = {
    "fresh real": (0.502, 0.499, 0.011, 0.499, -0.03, 0.001, 0.504, 0.475, 0.050, 0.045),
    "disjoint": (0.498, 0.495, 0.011, 0.502, 1.1, 0.000, 0.506, 0.444, 0.028, 0.023),
    "leak 1 %": (0.505, 0.503, 0.018, 0.497, 1.4, 0.008, 0.513, 0.450, 0.034, 0.023),
    "leak 5 %": (0.525, 0.522, 0.058, 0.516, -0.05, 0.021, 0.533, 0.462, 0.077, 0.024),
    "leak 10 %": (0.552, 0.551, 0.103, 0.530, -1.5, 0.049, 0.555, 0.499, 0.125, 0.026),
    "leak 50 %": (0.747, 0.745, 0.453, 0.649, -12.0, 0.236, 0.747, 0.715, 0.516, 0.032),
    "copy all": (1.000, 0.995, 0.863, 0.806, -25.94, 0.499, 1.000, 1.000, 1.000, 0.036),
    "KDE 1": (0.819, 0.812, 0.485, 0.712, -25.9, 0.554, 1.000, 0.999, 0.642, 0.008),
    "KDE 4": (0.730, 0.655, 0.087, 0.602, 25.3, 0.023, 0.971, 0.014, 0.000, 0.000),
    "KDE 8": (0.548, 0.526, 0.019, 0.525, 25.9, 0.001, 0.738, 0.000, 0.000, 0.000),
    "GMM-3": (0.552, 0.545, 0.019, 0.522, 17.6, 0.025, 0.582, 0.081, 0.000, 0.000),
    "GMM-30": (0.661, 0.654, 0.057, 0.614, -3.9, 0.172, 0.758, 0.515, 0.032, 0.010),
    "nine outliers": (0.512, 0.502, 0.027, None, 16.3, None, 0.519, None, 0.020, 0.000),
}

MEMBERSHIP: Final = ("fbb", "calibrated", "DOMIAS")
COPIES: Final = ("copied", "copied (1 %)")
ALARMS: Final = ("NNAA", "DCR", "authenticity")
TESTS: Final = (*MEMBERSHIP, "DPI", "TPR@1 %", *COPIES, "C_T", "cell", *ALARMS)
NOT_ALL: Final = ("DPI",)
"""Of no consequence where everything else must flag: both are weak by construction."""

CAUGHT: Final[dict[str, tuple[str, ...]]] = {
    "fresh real": (),
    "disjoint": (),
    "leak 1 %": (),
    "leak 5 %": ("TPR@1 %", *COPIES),
    "leak 10 %": ("TPR@1 %", *COPIES),
    "leak 50 %": tuple(test for test in TESTS if test not in NOT_ALL),
    "copy all": tuple(test for test in TESTS if test not in NOT_ALL),
    "KDE 1": tuple(test for test in TESTS if test not in NOT_ALL),
    "KDE 4": (*MEMBERSHIP, "DCR"),
    "KDE 8": ("DCR",),
    "GMM-30": (*MEMBERSHIP, "DCR"),
    "nine outliers": COPIES,
}
"""Tests that must see the release; a test catches a release whose median p-value over the seeds is at most .05."""

SILENT: Final[dict[str, tuple[str, ...]]] = {
    "fresh real": TESTS,
    "disjoint": TESTS,
    "leak 5 %": tuple(test for test in TESTS if test not in CAUGHT["leak 5 %"]),
    "KDE 4": (*COPIES, "C_T", "cell"),
    "KDE 8": COPIES,
    "GMM-3": COPIES,
    "nine outliers": tuple(test for test in TESTS if test not in (*COPIES, "TPR@1 %")),
}
"""Tests that must not, or cannot with so few patients. Nine in 449 is about the power of TPR@1 %: it may do either."""


@cache
def measured(name: str, seeds: int, draws: int) -> dict[str, np.ndarray]:
    """Every statistic and p-value of `outcome`, one a seed."""
    rows = [outcome(name, seed, draws) for seed in range(seeds)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def measured_rows(seeds: int = 20, draws: int = 199) -> list[dict[str, str | float]]:
    """The measured table: one row a generator, means over the seeds, and which tests catch the median release."""
    rows = []
    for name in GENERATORS:
        found = measured(name, seeds, draws)
        row: dict[str, str | float] = {"generator": name}
        row |= {key: float(np.mean(values)) for key, values in found.items() if not key.startswith("p:")}
        row |= {f"{column} expected": "–" if expected is None else expected
                for column, expected in zip(COLUMNS, TABLE[name], strict=True)}
        row["caught by"] = ", ".join(test for test in TESTS if np.median(found[f"p:{test}"]) <= 0.05)
        rows.append(row)
    return rows


@pytest.mark.parametrize(("seeds", "draws"), [FAST, FULL])
@pytest.mark.parametrize("name", GENERATORS)
def test_table(name: str, seeds: int, draws: int) -> None:
    found = measured(name, seeds, draws)
    for (column, deviation), expected in zip(COLUMNS.items(), TABLE[name], strict=True):
        if expected is not None:
            tolerance = 4 * deviation * np.sqrt(1 / seeds + 1 / REFERENCE_SEEDS)
            assert np.mean(found[column]) == pytest.approx(expected, abs=tolerance), column


@pytest.mark.parametrize(("seeds", "draws"), [FAST, FULL])
@pytest.mark.parametrize("name", GENERATORS)
def test_each_release_is_seen_by_the_tests_that_can_see_it_and_by_no_other(name: str, seeds: int, draws: int) -> None:
    found = measured(name, seeds, draws)
    p_values = {test: float(np.median(found[f"p:{test}"])) for test in TESTS}
    assert {test: p for test, p in p_values.items() if test in CAUGHT.get(name, ()) and p > 0.05} == {}
    assert {test: p for test, p in p_values.items() if test in SILENT.get(name, ()) and p <= 0.05} == {}


@pytest.mark.parametrize(("seeds", "draws"), [FAST, FULL])
def test_a_blurry_release_passes_the_copying_test_that_knows_no_labels(seeds: int, draws: int) -> None:
    found = measured("KDE 4", seeds, draws)
    assert (found["C_T"] > 3).all()
    assert (found["cell minimum"] > 0).all()
    assert (found["copied M"] == 0).all()
    assert (found["fbb"] > 0.5 + 5 * null_standard_error(N, N)).all()


@pytest.mark.parametrize(("seeds", "draws"), [FAST, FULL])
@pytest.mark.parametrize("share", [1, 5, 10, 50])
def test_what_a_leak_of_a_share_must_give(share: int, seeds: int, draws: int) -> None:
    found = measured(f"leak {share} %", seeds, draws)
    share /= 100
    assert np.mean(found["fbb"]) == pytest.approx(0.5 + share / 2, abs=4 * 0.025 / np.sqrt(seeds))
    assert np.mean(found["TPR@1 %"]) == pytest.approx(0.01 + 0.9 * share, abs=4 * 0.025 / np.sqrt(seeds))
    assert np.mean(found["TPR@1 % held out"]) == pytest.approx(0.01 + 0.8 * share, abs=4 * 0.05 / np.sqrt(seeds))


def outcome(name: str, seed: int, draws: int) -> dict[str, float]:
    """Statistics, and after "p:" the p-values, of one release."""
    rng = np.random.default_rng(seed)
    data = digits(rng)
    release = GENERATORS[name](data, rng)
    return _scores(data, release, rng) | _copies(data, release) | _permuted(data, release, rng, draws)


def _scores(data: Digits, release: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    real = np.concatenate([data.members, data.holdout])
    to_release = nearest_distance(real, release)
    scores = {
        "fbb": nearest_release_scores(to_release),
        "calibrated": calibrated_scores(to_release, nearest_distance(real, data.reference)),
        "DOMIAS": domias_scores(real, release, data.reference),
        "DPI": dpi_scores(real, release, data.reference),
    }
    found = {}
    for name, values in scores.items():
        u = u_statistic(values[:N], values[N:])
        found |= {name: u.auc, f"p:{name}": stratified_auc_p_value([u])}
    members, holdout = scores["calibrated"][:N], scores["calibrated"][N:]
    rates = rate_counts(members, holdout, 0.01, rng)
    pair = CountPair(rates.true_positives, rates.n_members, rates.false_positives, rates.n_holdout)
    return found | {
        "TPR@1 %": float(np.mean(members > np.quantile(holdout, 0.99))),
        "TPR@1 % held out": rates.true_positives / rates.n_members,
        "p:TPR@1 %": stratified_exact_p_value([pair]),
    }


def _copies(data: Digits, release: np.ndarray) -> dict[str, float]:
    to_release = nearest_distance(data.members, release), nearest_distance(data.holdout, release)
    between = nearest_distance(data.holdout, data.members)
    found = {}
    for name, threshold in {"": float(np.quantile(between, 0.05)), " (1 %)": replica_threshold(between)}.items():
        members, holdout = (count_replicas(distance, threshold) for distance in to_release)
        found |= {f"copied M{name}": members / N, f"copied H{name}": holdout / N}
        found[f"p:copied{name}"] = stratified_exact_p_value([CountPair(members, N, holdout, N)])
    return found


def _permuted(data: Digits, release: np.ndarray, rng: np.random.Generator, draws: int) -> dict[str, float]:
    real, owners = np.concatenate([data.members, data.holdout]), np.arange(2 * N)
    to_real, between, within = (distance_matrix(*pair) for pair in ((release, real), (real, real), (release, release)))
    np.fill_diagonal(within, np.inf)
    t7 = copying(real, release, to_real, between, owners < N, owners, rng, draws)
    t8 = alarms(to_real, between, within.min(axis=1), owners < N, owners, rng, draws)
    np.fill_diagonal(between, np.inf)
    found = {"Z_U": t7.z_u, "C_T": t7.c_t, "cell minimum": t7.cell_minimum, "p:C_T": t7.p_value,
             "p:cell": t7.cell_p_value, "unauthentic": unauthentic_share(to_real[:, :N], between[:N, :N])}
    for name, alarm in {"NNAA": t8.nnaa, "DCR": t8.dcr, "authenticity": t8.authenticity}.items():
        found |= {name: alarm.value, f"p:{name}": alarm.p_value}
    return found
