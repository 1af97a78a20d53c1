"""The verdict of noised statistics: its level, its three words, its power, and what it cannot know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from privacy_eval.battery import PRIVATE_LIST
from privacy_eval.errors import InputError
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.statistics.multiplicity import holm
from privacy_eval.statistics.noised import NoisedAverage
from privacy_eval.statistics.private import NoisedAuc, noised_auc
from privacy_eval.statistics.ranks import UStatistic, mann_whitney_u
from privacy_eval.verdict.policy import AuditPolicy, Verdict
from privacy_eval.verdict.private import UNTOLD, combine_private

POLICY = AuditPolicy()


def site(n: int = 200, aucs: tuple[float, ...] = (0.5, 0.5, 0.5), epsilon: float = 1.0, name: str = "east",
         number: int = 1, policy: AuditPolicy = POLICY) -> PrivateStatistics:
    """A site whose noised statistics came out at the given AUCs."""
    family = policy.private_family
    return PrivateStatistics(name, n, n, number, {
        one.id: NoisedAuc(round(2 * auc * n * n), n, n, epsilon / len(family))
        for one, auc in zip(family, aucs, strict=False)})


def innocent(n: int, epsilon: float, rng: np.random.Generator, name: str) -> PrivateStatistics:
    """Ranks of exchangeable patients, the three scores correlated as those of one audit are, with real noise."""
    common, statistics = rng.standard_normal(2 * n), {}
    for one in POLICY.private_family:
        scores = common + rng.standard_normal(2 * n)
        u = UStatistic(float(mann_whitney_u(scores[:n], scores[n:])), n, n)
        statistics[one.id] = noised_auc(u, epsilon / 3)
    return PrivateStatistics(name, n, n, 1, statistics)


def test_an_innocent_release_is_rejected_at_most_at_the_level() -> None:
    """The first draws by the whole verdict, all by the p-values that it rests on."""
    rng, draws, leaks = np.random.default_rng(1), 1000, 0
    for draw in range(draws):
        sites = [innocent(30, 0.5, rng, "east"), innocent(50, 0.5, rng, "west")]
        p_values = [NoisedAverage(tuple(one.statistics[name] for one in sites)).p_value() for name in PRIVATE_LIST]
        rejected = min(holm(p_values)) <= POLICY.alpha
        leaks += rejected
        if draw < 100:
            assert (combine_private(sites, POLICY).verdict is Verdict.LEAK) == rejected
    assert 0 < leaks <= binom.ppf(0.999, draws, POLICY.alpha)


@pytest.mark.parametrize(("case", "verdict"), [
    ({}, Verdict.NO_LEAK_FOUND),
    ({"aucs": (0.5, 0.75, 0.5)}, Verdict.LEAK),
    ({"aucs": (0.56, 0.5, 0.5)}, Verdict.INCONCLUSIVE),
    ({"epsilon": 0.1}, Verdict.INCONCLUSIVE),
    ({"n": 25, "epsilon": 50.0, "aucs": (0.3, 0.3, 0.3)}, Verdict.INCONCLUSIVE),
])
def test_three_words(case: dict[str, object], verdict: Verdict) -> None:
    found = combine_private([site(**case)], POLICY)  # type: ignore[arg-type]
    assert found.verdict is verdict
    assert found.reasons
    assert UNTOLD in found.warnings


def test_each_measure_has_its_bound_power_and_price() -> None:
    found = combine_private([site()], POLICY)
    assert [test.id for test in found.tests] == ["T1", "T2", "T4"]
    assert found.epsilon == pytest.approx(1.0)
    assert set(found.attackers) == {"K0", "K0+R", "K1/K2"}
    for test in found.tests:
        (row,) = test.findings
        assert 0.5 < row.estimate.high < POLICY.tolerance_auc
        assert row.minimum_detectable is not None
        assert row.minimum_detectable > row.estimate.high
        assert row.power is not None
        assert 0.5 < row.power < 1


def test_noise_costs_power_and_widens_the_bounds() -> None:
    def of(epsilon: float) -> tuple[float, float, float]:
        row = combine_private([site(epsilon=epsilon)], POLICY).tests[0].worst
        assert row.power is not None
        assert row.minimum_detectable is not None
        return row.estimate.high, row.minimum_detectable, -row.power

    assert all(np.less(of(10.0), of(1.0)))
    assert all(np.less(of(1.0), of(0.3)))


def test_what_recipients_lack_is_not_bought() -> None:
    policy = AuditPolicy(recipients="images")
    found = combine_private([site(policy=policy)], policy)
    assert [test.id for test in found.tests] == ["T1", "T2"]
    assert found.epsilon == pytest.approx(1.0)


def test_few_patients_and_abstentions_cap_a_pass() -> None:
    silent = PrivateStatistics("west", 0, 0, 0)
    found = combine_private([site(), silent], POLICY)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("'west' has too few subjects and abstained" in reason for reason in found.reasons)
    few = combine_private([site(), site(29, name="west")], POLICY)
    assert any("'west' has 29 members" in reason for reason in few.reasons)
    assert combine_private([site(aucs=(0.8, 0.5, 0.5)), silent], POLICY).verdict is Verdict.LEAK


def test_a_further_audit_is_harder_and_said_so() -> None:
    found = combine_private([site(number=3)], POLICY)
    assert found.level == POLICY.alpha / 4
    assert any("audit 3 of the study" in warning for warning in found.warnings)


def test_more_patients_settle_it() -> None:
    for planned, auc in ((100, 0.55), (60, 0.61)):
        found = combine_private([site(planned, (auc, 0.5, 0.5), 2.0)], POLICY)
        assert found.tests[0].decision is Verdict.INCONCLUSIVE
        n = found.tests[0].worst.subjects_to_settle
        assert n is not None
        assert n > planned
        again = combine_private([site(n, (found.tests[0].worst.estimate.value, 0.5, 0.5), 2.0)], POLICY)
        assert again.tests[0].decision is not Verdict.INCONCLUSIVE
    lucky = combine_private([site(40, (0.3, 0.5, 0.5), 0.5)], POLICY).tests[0].worst
    assert lucky.subjects_to_settle is not None
    assert lucky.subjects_to_settle > 40 * ((lucky.estimate.high - 0.3) / 0.1) ** 2 - 1


def test_nobody_or_one_twice_is_refused() -> None:
    with pytest.raises(InputError, match="none of 1 sites"):
        combine_private([PrivateStatistics("east", 0, 0, 0)], POLICY)
    with pytest.raises(InputError, match="answered twice"):
        combine_private([site(), replace(site(), n_members=199)], POLICY)
