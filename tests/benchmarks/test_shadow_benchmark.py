from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks import shadow
from benchmarks.layouts import TABLES
from benchmarks.shadow import Scores, Sizes, attacks, compare, mean_auc, run_regime, true_positives
from benchmarks.tables import render
from fl_components.cohort.subject import Subject
from privacy_eval.attacks.shadow import lira_scores, random_halves
from privacy_eval.statistics.ranks import u_statistic


def scores_of(inside: np.ndarray, rng: np.random.Generator, gain: float = 3.0) -> Scores:
    """Patients differ by 3 SD, membership by `gain` SD."""
    ease = 3 * rng.normal(size=inside.shape[1])
    return Scores(ease + gain * inside + rng.normal(size=inside.shape),
                  3 * rng.normal(size=20) + rng.normal(size=(len(inside), 20)))


def test_mean_auc_weighs_patients_by_their_counts() -> None:
    rng = np.random.default_rng(0)
    inside, values = random_halves(2, 10, rng), np.round(rng.normal(size=(4, 10)), 1)
    counts = rng.multinomial(10, np.full(10, 0.1), size=1)
    drawn = np.repeat(np.arange(10), counts[0])
    expected = [u_statistic(scores[drawn][at[drawn]], scores[drawn][~at[drawn]]).auc
                for scores, at in zip(values, inside, strict=True)]
    assert mean_auc(values, inside, counts)[0] == pytest.approx(np.mean(expected))


def test_true_positives_keep_the_false_positive_rate() -> None:
    inside = np.arange(40) < 20
    scores = np.concatenate([np.arange(20.0) + 8.5, np.arange(20.0)])  # two of 20 others may pass: 18 and 19
    assert true_positives(scores, inside) == np.sum(scores[:20] > 17)
    assert true_positives(np.zeros(40), inside) == 0


def test_shadows_of_a_target_are_those_of_the_other_pairs() -> None:
    inside = random_halves(3, 12, np.random.default_rng(1))
    scores = scores_of(inside, np.random.default_rng(2))
    expected = lira_scores(scores.patients[3], scores.patients[[0, 1, 4, 5]], inside[[0, 1, 4, 5]])
    np.testing.assert_allclose(attacks(scores, inside)["LiRA online"][3], expected)


def test_comparison_finds_the_better_attack_and_makes_a_table() -> None:
    inside = random_halves(5, 60, np.random.default_rng(3))
    rows = compare(scores_of(inside, np.random.default_rng(4)), inside, np.random.default_rng(5))
    plain, lira = rows[0], rows[1]
    assert plain["difference"] == {"estimate": 0, "low": 0, "high": 0}
    assert lira["auc"]["estimate"] > 0.9 > plain["auc"]["estimate"]
    assert lira["difference"]["low"] > 0
    assert lira["tpr"] > plain["tpr"]
    assert plain["tpr_first"]["low"] <= plain["tpr_first"]["estimate"] <= plain["tpr_first"]["high"]
    machine = {"cpu": "", "cores": 1, "memory_gib": 1.0, "gpu": "none", "torch": "2"}
    table = render(TABLES["shadow"], {
        "name": "shadow", "command": "", "n": 1, "simulated": True, "machine": machine,
        "figures": {"regimes": {key: {"T4": rows, "T1": rows} for key in shadow.REGIMES}}})
    assert table.count("| LiRA online |") == 4


def test_every_generator_sees_its_half(monkeypatch: pytest.MonkeyPatch) -> None:
    def member_scores(_: object, members: Sequence[Subject], subjects: Sequence[Subject], *__: object) -> np.ndarray:
        names = {member.name for member in members}
        return np.array([[s.name in names for s in subjects], [s.name not in names for s in subjects]], float)

    monkeypatch.setattr(shadow, "scores_of", member_scores)
    said: list[str] = []
    inside, tests = run_regime("recipe", 1, Sizes(pairs=2, patients=4, population=2, volumes=2), said.append)
    np.testing.assert_array_equal(tests["T4"].patients, inside)
    np.testing.assert_array_equal(tests["T1"].patients, ~inside)
    assert (tests["T4"].population == 0).all()
    assert len(said) == 4
