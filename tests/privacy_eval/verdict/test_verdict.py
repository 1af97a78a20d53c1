"""The verdict's truth table, the controls' judgement, and what caps a pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_case import SETTING, answer, changed, evidence, images
from scipy.stats import fisher_exact

from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics, Value, take_counts, totals_of
from privacy_eval.site.audit import AuditTerms, audit_site
from privacy_eval.spaces.images import ImageSet
from privacy_eval.statistics.counts import SUPPRESSED
from privacy_eval.statistics.ranks import null_standard_error
from privacy_eval.verdict.answers import Totals
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.decision import TestResult, subjects_to_settle
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(simulations=1000)
FAMILY = POLICY.family(SETTING)


def four(n: int = 60, **changes: object) -> list[SiteStatistics]:
    return [answer(f"site-{letter}", n, **changes) for letter in "abcd"]  # type: ignore[arg-type]


def with_value(sites: list[SiteStatistics], condition: str, measure: str, value: Value) -> list[SiteStatistics]:
    return [changed(site, condition, measure, value) for site in sites]  # type: ignore[arg-type]


def only(sites: list[SiteStatistics], condition: str, measure: str, auc: float) -> list[SiteStatistics]:
    """The same answers with one rank measure of one condition changed."""
    return [with_value([site], condition, measure, (float(round(auc * site.n_members * site.n_holdout)),))[0]
            for site in sites]


def result_of(result: AuditResult, test: str) -> TestResult:
    return next(found for found in result.tests if found.id == test)


def test_the_four_words() -> None:
    assert [str(verdict) for verdict in Verdict] == [
        "LEAK", "NO LEAK FOUND AT THE STATED POWER", "INCONCLUSIVE", "VOID"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sites", "verdict"),
    [
        (four(), Verdict.NO_LEAK_FOUND),
        (four(release=0.7), Verdict.LEAK),
        (only(four(), "release", "T4.site", 0.65), Verdict.LEAK),
        (only(four(), "release", "T1.tumour", 0.65), Verdict.LEAK),
        (four(replicas=(9, 0)), Verdict.LEAK),
        (with_value(four(), "release", "T3.images10", (15.0, 0.0)), Verdict.LEAK),
        (with_value(four(), "release", "T7.cell", (2.5,)), Verdict.LEAK),
        (with_value(four(), "release", "T11.place", (40.0, 15.0)), Verdict.LEAK),
        (with_value(four(), "release", "T8.dcr", (5.0,)), Verdict.NO_LEAK_FOUND),
        (with_value(four(), "release", "T9.T1", (25.0,)), Verdict.NO_LEAK_FOUND),
        (four(n=45, release=0.555), Verdict.INCONCLUSIVE),
        (four(n=30, release=0.55), Verdict.INCONCLUSIVE),
        (four(blind=0.7), Verdict.VOID),
        (four(negative=0.65), Verdict.VOID),
        (only(four(), "negative", "T4.exact", 0.66), Verdict.VOID),
        (only(four(), "positive", "T2.voxels", 0.5), Verdict.VOID),
        (only(four(), "positive", "T2.dpi", 0.5), Verdict.NO_LEAK_FOUND),
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
    assert result.validity.estimate.low < 0.5 < result.tests[0].worst.estimate.high


def test_a_must_fire_test_that_missed_is_named() -> None:
    result = combine(only(four(), "positive", "T2.voxels", 0.5), POLICY)
    assert result.positive.outcome == "failed"
    assert [test.measurement.measure.id for test in result.positive.wrong] == ["T2.voxels"]
    assert any(reason.startswith("T2.voxels missed the leak") for reason in result.reasons)
    assert result.negative.outcome == "passed"


def test_the_negative_control_is_judged_at_its_own_level() -> None:
    """An AUC of .585 has p .0006, times the family's size: below alpha, above control_alpha."""
    result = combine(only(four(), "negative", "T1.voxels", 0.585), POLICY)
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
    absent = SiteStatistics.abstention("site-e", SETTING, 5)
    assert combine([*four(), absent], POLICY).verdict is Verdict.INCONCLUSIVE
    leak = combine([*four(release=0.7), absent], POLICY)
    assert leak.verdict is Verdict.LEAK
    assert any("site-e" in warning for warning in leak.warnings)


def test_a_control_of_low_power_caps_a_pass_and_says_so() -> None:
    policy = replace(POLICY, tolerance_auc=0.9, tolerance_replicas=0.5, tolerance_rate=0.9, tolerance_attributes=0.9)
    result = combine([answer(n=60)], replace(policy, alpha=0.002))
    assert result.positive.underpowered
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("power of" in reason for reason in result.reasons)


def test_a_low_powered_control_that_missed_does_not_void() -> None:
    result = combine(only([answer(n=22)], "positive", "T1.voxels", 0.6), POLICY)
    assert result.positive.outcome == "failed"
    assert result.verdict is Verdict.INCONCLUSIVE


def test_an_inconclusive_measure_says_how_many_would_settle_it() -> None:
    result = combine(four(n=30, release=0.55), POLICY)
    worst = result_of(result, "T1").worst
    assert worst.decision is Verdict.INCONCLUSIVE
    assert worst.subjects_to_settle is not None
    assert worst.subjects_to_settle > worst.estimate.n_members
    assert any(f"roughly {worst.subjects_to_settle} members" in reason for reason in result.reasons)
    enough = four(n=worst.subjects_to_settle // 4 + 3, release=0.55)
    assert result_of(combine(enough, POLICY), "T1").decision is Verdict.NO_LEAK_FOUND


def test_an_estimate_above_the_tolerance_would_be_settled_by_a_rejection() -> None:
    result = combine([answer(n=32, release=0.61)], POLICY)
    worst = result_of(result, "T1").worst
    assert worst.decision is Verdict.INCONCLUSIVE
    assert worst.tolerance is not None
    more = subjects_to_settle(worst, worst.tolerance, POLICY.alpha / len(FAMILY))
    assert result_of(combine([answer(n=more + 1, release=0.61)], POLICY), "T1").decision is Verdict.LEAK


def test_suppressed_counts_are_read_against_every_claim() -> None:
    hidden = result_of(combine(four(replicas=(SUPPRESSED, 0)), POLICY), "T6").worst
    told_low, told_high = (1 - 0) / 60, 4 / 60
    assert hidden.estimate.value == pytest.approx((told_low + told_high) / 2)
    assert hidden.p_value == pytest.approx(0.5**4, rel=0.2)
    assert hidden.estimate.high > told_high
    both = combine(four(replicas=(SUPPRESSED, SUPPRESSED)), POLICY)
    assert result_of(both, "T6").worst.p_value > 0.9
    assert any("suppressed" in warning for warning in both.warnings)


def test_the_worst_variant_speaks_for_its_test() -> None:
    result = combine(only(four(), "release", "T1.tumour", 0.65), POLICY)
    found = result_of(result, "T1")
    assert found.decision is Verdict.LEAK
    assert found.worst.measure.variant == "tumour"
    assert [one.decision for one in found.findings].count(Verdict.LEAK) == 1
    assert any(reason.startswith("T1.tumour:") for reason in result.reasons)


def test_only_the_policy_s_tests_are_judged() -> None:
    result = combine(only(four(), "release", "T4.exact", 0.9), replace(POLICY, tests=("T1", "T6")))
    assert [test.id for test in result.tests] == ["T1", "T6"]
    assert result.verdict is Verdict.NO_LEAK_FOUND


def test_a_release_of_images_alone_is_not_judged_by_who_queries_the_generator() -> None:
    sites = only(four(), "release", "T4.exact", 0.9)
    told = combine(sites, replace(POLICY, recipients="images"))
    assert told.verdict is Verdict.NO_LEAK_FOUND
    assert set(told.attackers) == {"K0", "K0+R"}
    assert any(warning.startswith("T4.exact, which does not decide") for warning in told.warnings)
    assert combine(sites, POLICY).attackers["K1/K2"] is Verdict.LEAK


def test_a_rate_that_so_few_cannot_bound_is_not_answered() -> None:
    few = combine(four(), POLICY)
    assert [row.measure.id for row in few.unanswered] == ["T3.images1", "T3.generator1"]
    assert any("needs 299 holdout" in warning for warning in few.warnings)
    many = combine(four(n=150), POLICY)
    assert not many.unanswered
    assert len(result_of(many, "T3").findings) == 4


def test_every_audit_beyond_the_plan_has_half_the_level() -> None:
    assert [POLICY.level(number) for number in (1, 2, 3)] == [0.05, 0.025, 0.0125]
    planned = replace(POLICY, releases=2)
    assert [planned.level(number) for number in (1, 2, 3)] == [0.025, 0.025, 0.0125]
    assert sum(planned.level(number) for number in range(1, 60)) < 2 * POLICY.alpha
    first, third = (combine(four(audit_number=number), POLICY) for number in (1, 3))
    assert third.tests[0].worst.estimate.high > first.tests[0].worst.estimate.high
    assert any("audit 3 of the study and 1 was planned" in warning for warning in third.warnings)


def test_a_bit_identical_image_is_a_leak_whatever_else_was_found() -> None:
    sentence = "synthetic/3.png is bit-identical to members/7.png."
    for sites in (four(), four(blind=0.7)):
        result = combine(sites, POLICY, copies=[sentence])
        assert result.verdict is Verdict.LEAK
        assert result.reasons == (sentence,)
    assert any(warning.startswith("Members and holdout can be told apart") for warning in result.warnings)


def summed(sites: list[SiteStatistics]) -> tuple[list[SiteStatistics], Totals]:
    """The same answers with their counts as sums."""
    values = [{condition: {name: tuple(max(part, 0.0) for part in value) if len(value) == 2 else value
                           for name, value in of.items()} for condition, of in site.values.items()} for site in sites]
    parts = [take_counts(replace(site, values=of)) for site, of in zip(sites, values, strict=True)]
    sums = [sum(column) for column in zip(*(counts for _, counts in parts), strict=True)]
    return [site for site, _ in parts], totals_of(SETTING, sums)


def test_sums_over_sites_hide_no_count_that_suppression_would() -> None:
    hidden = four(replicas=(SUPPRESSED, SUPPRESSED))
    assert result_of(combine(hidden, POLICY), "T6").worst.estimate.high > 0.05
    sites, totals = summed(four(replicas=(1, 1)))
    result = combine(sites, POLICY, totals=totals)
    worst = result_of(result, "T6").worst
    assert worst.estimate.value == 0
    assert worst.estimate.high < 0.03
    assert result.verdict is Verdict.NO_LEAK_FOUND
    assert not any("suppressed" in warning for warning in result.warnings)
    assert any("all sites together" in warning for warning in result.warnings)
    assert worst.power is not None
    suppressed = result_of(combine(hidden, POLICY), "T6").worst.power
    assert suppressed is not None
    assert worst.power >= suppressed


def test_sums_are_one_table_with_fisher_s_p_value() -> None:
    sites, totals = summed(four(replicas=(4, 0)))
    worst = result_of(combine(sites, POLICY, totals=totals), "T6").worst
    assert worst.p_value == pytest.approx(fisher_exact([[16, 224], [0, 240]], alternative="greater").pvalue)
    assert combine(sites, POLICY, totals=totals).verdict is Verdict.LEAK


def test_sums_over_sites_that_split_differently_cap_a_pass() -> None:
    sites, totals = summed(four())
    other = replace(sites[0], site="site-e", n_members=90, n_holdout=40, blind_u=1800.0, values={
        condition: {one.id: (round(90 * 40 * auc) * 1.0,) if one.kind == "rank" and one.test != "T9" else of[one.id]
                    for one in sites[0].setting.told}
        for (condition, of), auc in zip(sites[0].values.items(), (0.5, 0.75, 0.5), strict=True)})
    result = combine([*sites, other], POLICY, totals=totals)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("let all sites split alike" in reason for reason in result.reasons)


def test_sums_come_exactly_where_the_setting_says_so() -> None:
    sites, totals = summed(four())
    for given, sums in ((sites, None), (four(), totals)):
        with pytest.raises(InputError, match="summed over sites come with their sums"):
            combine(given, POLICY, totals=sums)


def test_sites_that_answered_different_measures_are_refused() -> None:
    other = answer("site-b", setting=replace(SETTING, generator=False))
    with pytest.raises(InputError, match="2 different lists"):
        combine([answer(), other], POLICY)


def test_rejections_of_the_family_keep_its_level() -> None:
    rng = np.random.default_rng(0)
    runs = 60
    leaks = 0
    for _ in range(runs):
        sites = four()
        for one in FAMILY:
            if one.kind == "rank":
                sites = only(sites, "release", one.id, float(rng.normal(0.5, null_standard_error(60, 60))))
        leaks += combine(sites[:1], POLICY).verdict is Verdict.LEAK
    assert leaks <= 9  # binom.ppf(.999, 60, .05)


def test_end_to_end_a_clean_release_has_right_controls_and_a_leaky_one_is_caught() -> None:
    def audit(copied: int) -> AuditResult:
        sites = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            case, fresh = evidence(45, 45, rng), images(40, rng)
            taken = case.members.subset(np.arange(copied))
            assert fresh.labels is not None
            assert taken.labels is not None
            release = ImageSet(np.concatenate([fresh.images, taken.images]),
                               np.concatenate([fresh.labels, taken.labels]))
            terms = AuditTerms(f"site-{seed}")
            sites.append(audit_site(case, release, images(40, rng), (), rng, terms).answer)
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
        combine([SiteStatistics.abstention("site-a", SETTING, 5)], POLICY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tests": ("T1", "T9")}, "tests"), ({"tests": ()}, "tests"), ({"tests": ("T1", "T1")}, "tests"),
        ({"alpha": 0.6}, "alpha"), ({"control_alpha": 0.0}, "control_alpha"), ({"tolerance_auc": 0.5}, "tolerance_auc"),
        ({"tolerance_replicas": 1.0}, "tolerance_replicas"), ({"releases": 0}, "releases"),
        ({"simulations": 10}, "simulations"),
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AuditPolicy(**changes)  # type: ignore[arg-type]
