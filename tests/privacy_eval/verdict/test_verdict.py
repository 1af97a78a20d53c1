"""The verdict's truth table, the controls' judgement, and what caps a pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_case import answer, evidence, volumes

from privacy_eval.errors import InputError
from privacy_eval.site.answer import ConditionStatistics, SiteStatistics
from privacy_eval.site.audit import audit_site
from privacy_eval.statistics.counts import SUPPRESSED
from privacy_eval.statistics.ranks import null_standard_error
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.family import subjects_to_settle
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(simulations=1000)


def four(n: int = 60, **changes: object) -> list[SiteStatistics]:
    return [answer(f"site-{letter}", n, **changes) for letter in "abcd"]  # type: ignore[arg-type]


def only(sites: list[SiteStatistics], condition: str, test: str, auc: float) -> list[SiteStatistics]:
    """The same answers with one rank test of one condition changed."""
    changed = []
    for site in sites:
        old = site.conditions[condition]  # type: ignore[index]
        new = ConditionStatistics(dict(old.u) | {test: round(auc * site.n_members * site.n_holdout)}, old.replicas)
        changed.append(replace(site, conditions=dict(site.conditions) | {condition: new}))
    return changed


def test_the_four_words() -> None:
    assert [str(verdict) for verdict in Verdict] == [
        "LEAK", "NO LEAK FOUND AT THE STATED POWER", "INCONCLUSIVE", "VOID"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sites", "verdict"),
    [
        (four(), Verdict.NO_LEAK_FOUND),
        (four(release=0.7), Verdict.LEAK),
        (only(four(), "release", "T4", 0.65), Verdict.LEAK),
        (four(replicas=(9, 0)), Verdict.LEAK),
        (four(n=45, release=0.555), Verdict.INCONCLUSIVE),
        (four(n=30, release=0.55), Verdict.INCONCLUSIVE),
        (four(blind=0.7), Verdict.VOID),
        (four(negative=0.65), Verdict.VOID),
        (only(four(), "negative", "T4", 0.65), Verdict.VOID),
        (only(four(), "positive", "T2", 0.5), Verdict.VOID),
        (four(positive_replicas=0), Verdict.VOID),
        (four(release=0.7, blind=0.7), Verdict.VOID),
        (four(release=0.7, negative=0.7), Verdict.VOID),
    ],
)
def test_truth_table(sites: list[SiteStatistics], verdict: Verdict) -> None:
    result = combine(sites, POLICY)
    assert result.verdict is verdict
    assert result.reasons


def test_the_wider_error_of_the_blind_baseline_is_used() -> None:
    """AUC .55 with 240 + 240: 1.9 null standard errors, yet only 1.3 of what out-of-fold scores have."""
    result = combine(four(blind=0.55), POLICY)
    assert result.validity.outcome == "passed"
    assert result.validity.estimate.low < 0.5 < result.tests[0].estimate.high


def test_a_must_fire_test_that_missed_is_named() -> None:
    result = combine(only(four(), "positive", "T2", 0.5), POLICY)
    assert result.positive.outcome == "failed"
    assert [test.measurement.id for test in result.positive.wrong] == ["T2"]
    assert any(reason.startswith("T2 missed the leak") for reason in result.reasons)
    assert result.negative.outcome == "passed"


def test_the_negative_control_is_judged_at_its_own_level() -> None:
    """AUC .56 has p .013 each: below alpha, above control_alpha."""
    result = combine(only(four(), "negative", "T1", 0.56), POLICY)
    assert 0.01 < result.negative.tests[0].measurement.adjusted_p < 0.05
    assert result.negative.outcome == "passed"


@pytest.mark.parametrize("n", [20, 29])
def test_sites_of_twenty_to_twenty_nine_cannot_support_a_pass(n: int) -> None:
    sites = [*four(n=200), answer("site-e", n)]
    result = combine(sites, POLICY)
    assert all(test.decision is Verdict.NO_LEAK_FOUND for test in result.tests)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("site-e" in reason for reason in result.reasons)


def test_an_abstention_caps_a_pass_but_hides_no_leak() -> None:
    absent = SiteStatistics.abstention("site-e", 5)
    assert combine([*four(), absent], POLICY).verdict is Verdict.INCONCLUSIVE
    leak = combine([*four(release=0.7), absent], POLICY)
    assert leak.verdict is Verdict.LEAK
    assert any("site-e" in warning for warning in leak.warnings)


def test_a_control_of_low_power_caps_a_pass_and_says_so() -> None:
    policy = replace(POLICY, tolerance_auc=0.9, tolerance_replicas=0.5)
    result = combine([answer(n=32)], replace(policy, alpha=0.002))
    assert result.positive.underpowered
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("power of" in reason for reason in result.reasons)


def test_a_low_powered_control_that_missed_does_not_void() -> None:
    result = combine(only([answer(n=22)], "positive", "T1", 0.6), POLICY)
    assert result.positive.outcome == "failed"
    assert result.verdict is Verdict.INCONCLUSIVE


def test_an_inconclusive_test_says_how_many_would_settle_it() -> None:
    result = combine(four(n=30, release=0.55), POLICY)
    test = result.tests[0]
    assert test.decision is Verdict.INCONCLUSIVE
    assert test.subjects_to_settle is not None
    assert test.subjects_to_settle > test.estimate.n_members
    assert any(f"roughly {test.subjects_to_settle} members" in reason for reason in result.reasons)
    enough = four(n=test.subjects_to_settle // 4 + 3, release=0.55)
    assert combine(enough, POLICY).tests[0].decision is Verdict.NO_LEAK_FOUND


def test_an_estimate_above_the_tolerance_would_be_settled_by_a_rejection() -> None:
    result = combine([answer(n=32, release=0.61)], POLICY)
    test = result.tests[0]
    assert test.decision is Verdict.INCONCLUSIVE
    more = subjects_to_settle(test, test.tolerance, POLICY.first_step_alpha)
    assert combine([answer(n=more + 1, release=0.61)], POLICY).tests[0].decision is Verdict.LEAK


def test_suppressed_counts_are_read_against_every_claim() -> None:
    hidden = combine(four(replicas=(SUPPRESSED, 0)), POLICY).tests[3]
    told_low, told_high = (1 - 0) / 60, 4 / 60
    assert hidden.id == "T6"
    assert hidden.estimate.value == pytest.approx((told_low + told_high) / 2)
    assert hidden.p_value == pytest.approx(0.5**4, rel=0.2)
    assert hidden.estimate.high > told_high
    both = combine(four(replicas=(SUPPRESSED, SUPPRESSED)), POLICY)
    assert both.tests[3].p_value > 0.9
    assert any("suppressed" in warning for warning in both.warnings)


def test_only_the_policy_s_tests_are_judged() -> None:
    result = combine(only(four(), "release", "T4", 0.9), replace(POLICY, tests=("T1", "T6")))
    assert [test.id for test in result.tests] == ["T1", "T6"]
    assert result.verdict is Verdict.NO_LEAK_FOUND


def test_rejections_of_the_family_keep_its_level() -> None:
    rng = np.random.default_rng(0)
    runs = 60
    leaks = 0
    for _ in range(runs):
        sites = four()
        for test in ("T1", "T2", "T4"):
            sites = only(sites, "release", test, float(rng.normal(0.5, null_standard_error(60, 60))))
        leaks += combine(sites[:1], POLICY).verdict is Verdict.LEAK
    assert leaks <= 9  # binom.ppf(.999, 60, .05)


def test_end_to_end_a_clean_release_has_right_controls_and_a_leaky_one_is_caught() -> None:
    def audit(copied: int) -> AuditResult:
        sites = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            case = evidence(45, 45, rng)
            release = np.concatenate([volumes(40, rng), case.members[:copied]])
            sites.append(audit_site(case, release, volumes(40, rng), rng, site=f"site-{seed}"))
        return combine(sites, POLICY)

    clean, leaky = audit(0), audit(12)
    assert clean.positive.outcome == clean.negative.outcome == clean.validity.outcome == "passed"
    assert clean.verdict in (Verdict.NO_LEAK_FOUND, Verdict.INCONCLUSIVE)
    assert leaky.verdict is Verdict.LEAK
    assert leaky.negative.outcome == "passed"


def test_who_answers_twice_or_not_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="answered twice"):
        combine([answer(), answer()], POLICY)
    with pytest.raises(InputError, match="none of 1 sites took part"):
        combine([SiteStatistics.abstention("site-a", 5)], POLICY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tests": ("T1", "T9")}, "tests"), ({"tests": ()}, "tests"), ({"tests": ("T1", "T1")}, "tests"),
        ({"alpha": 0.6}, "alpha"), ({"control_alpha": 0.0}, "control_alpha"), ({"tolerance_auc": 0.5}, "tolerance_auc"),
        ({"tolerance_replicas": 1.0}, "tolerance_replicas"), ({"simulations": 10}, "simulations"),
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AuditPolicy(**changes)  # type: ignore[arg-type]
