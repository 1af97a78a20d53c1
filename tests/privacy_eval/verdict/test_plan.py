"""A plan's figures against the published table, exact sums, closed forms and the audit's own functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, multivariate_normal

from privacy_eval.battery import Measure, Setting
from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import CountPair, newcombe
from privacy_eval.statistics.ranks import stratified_auc, u_statistic
from privacy_eval.verdict.clean import PlannedSite, all_pass, bounds_of_counts, pass_of_ranks
from privacy_eval.verdict.plan import Plan, plan
from privacy_eval.verdict.policy import AuditPolicy
from privacy_eval.verdict.power import rate_power
from privacy_eval.verdict.prospects import ENLARGEMENTS, WANTED_PASS, Prospect

RUNS = 1000
VOXELS = Setting(spaces=("voxels",), reference=False, generator=False)
T1 = Measure("T1", "voxels", "rank", must_fire=True)
T6 = Measure("T6", "voxels", "count", must_fire=True)


def policy(*tests: str, **changes: object) -> AuditPolicy:
    chosen = {"tests": tests} if tests else {}
    return AuditPolicy(**{"simulations": RUNS, **chosen, **changes})  # type: ignore[arg-type]


def sites(*numbers: int, minimum_count: int = 5, minimum_subjects: int = 1) -> list[PlannedSite]:
    return [PlannedSite(f"s{k}", n, n, minimum_count, minimum_subjects) for k, n in enumerate(numbers)]


def only(found: Plan) -> Prospect:
    (prospect,) = found.prospects
    return prospect


@pytest.mark.parametrize(("n", "bound", "detectable"), [
    (20, .652, .730), (30, .624, .687), (50, .595, .644), (100, .567, .602), (200, .548, .572), (500, .530, .545),
    (1000, .521, .532)])
def test_what_n_can_show_without_correction(n: int, bound: float, detectable: float) -> None:
    """One measure alone, alpha .05: the figures known for n an arm; those bounds, at the null SE, are a hair nearer."""
    found = only(plan(sites(n), policy("T1"), VOXELS))
    assert found.clean_bound is not None
    assert found.minimum_detectable is not None
    assert bound - 0.001 <= found.clean_bound <= bound + 0.004
    assert found.minimum_detectable == pytest.approx(detectable, abs=6e-4)


def test_four_sites_of_fifty_show_what_one_of_two_hundred_does() -> None:
    four, one = (only(plan(sites(*n), policy("T1"), VOXELS)) for n in ((50,) * 4, (200,)))
    assert four.minimum_detectable == pytest.approx(one.minimum_detectable, abs=1e-3)
    assert four.clean_pass == pytest.approx(one.clean_pass, abs=3e-3)


def test_pass_of_ranks_is_what_simulated_audits_show() -> None:
    rng, some = np.random.default_rng(0), sites(40, 25)
    bounds = [stratified_auc([u_statistic(rng.random(s.members), rng.random(s.holdout)) for s in some], 0.95).high
              for _ in range(1500)]
    share = float(np.mean(np.array(bounds) <= 0.6))
    error = 4 * np.sqrt(share * (1 - share) / 1500)
    assert pass_of_ranks(some, T1, 0.6, 0.05) == pytest.approx(share, abs=error + 0.01)


@pytest.mark.parametrize("limit", [1, 5])
def test_bounds_of_replicas_are_the_exact_sum(limit: int) -> None:
    """One site of T6: every pair of counts, read as badly as its codes allow, weighted by its probability."""
    n, tolerance = 60, 0.08
    expected = 0.0
    for members in range(15):
        for holdout in range(15):
            read = (limit - 1 if 0 < members < limit else members, 1 if 0 < holdout < limit else holdout)
            if newcombe(CountPair(read[0], n, read[1], n), 0.95)[1] <= tolerance:
                expected += float(binom.pmf(members, n, 0.01) * binom.pmf(holdout, n, 0.01))
    found = bounds_of_counts(sites(n, minimum_count=limit), T6, 0.05, 8000, np.random.default_rng(1))
    assert 0.1 < expected < 0.99
    assert np.mean(found <= tolerance) == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 8000))


def test_suppression_costs_passes() -> None:
    open_, hidden = (only(plan(sites(60, minimum_count=limit), policy("T6"), VOXELS)) for limit in (1, 5))
    assert hidden.clean_pass < open_.clean_pass
    assert hidden.power is not None
    assert open_.power is not None
    assert hidden.power <= open_.power


def test_power_and_test_of_rates_are_the_audits_own() -> None:
    setting = Setting(spaces=("voxels",), reference=True, generator=False)
    found = plan(sites(70, 60), policy("T3", tolerance_rate=0.15), setting)
    ten = only(found)
    assert [row.measures[0].variant for row in found.unanswerable] == ["images1"]
    strata = [site.stratum(ten.measures[0]) for site in found.sites]
    expected = rate_power(strata, 0.25, 0.1, found.first_step, RUNS, np.random.default_rng(0))
    assert 0.05 < expected < 1
    assert ten.power == expected


@pytest.mark.parametrize(("n", "needed"), [(57, 29), (56, 29), (598, 299), (596, 299)])
def test_rates_are_answerable_from_the_known_numbers_on(n: int, needed: int) -> None:
    """29 and 299 holdout patients in the half that is judged (rounded up)."""
    found = plan(sites(n), policy("T1", "T3"), Setting(spaces=("voxels",), reference=True, generator=False))
    lacking = {row.needed for row in found.unanswerable}
    assert (needed in lacking) == (n - n // 2 < needed)
    assert found.first_step == pytest.approx(0.05 / sum(len(one.measures) for one in found.prospects))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 0.9))
def test_all_pass_keeps_within_its_bounds(probabilities: list[float], correlation: float) -> None:
    found = all_pass(probabilities, correlation)
    frechet = max(0.0, 1 - sum(1 - p for p in probabilities))
    assert frechet - 1e-3 <= found <= min(probabilities) + 1e-3
    assert found >= np.prod(probabilities) - 1e-3


def test_all_pass_of_two_is_the_bivariate_normal() -> None:
    expected = multivariate_normal.cdf([0.3, 1.2], cov=[[1, 0.5], [0.5, 1]])
    found = all_pass([0.6179114, 0.8849303], 0.5)
    assert found == pytest.approx(expected, abs=1e-5)
    assert all_pass([0.7, 0.9, 0.5], 0.0) == pytest.approx(0.315)


def test_enlargement_is_the_smallest_that_suffices() -> None:
    found = only(plan(sites(30, 30), policy("T1"), VOXELS))
    assert found.clean_pass < WANTED_PASS
    assert found.enlargement is not None
    before = ENLARGEMENTS[ENLARGEMENTS.index(found.enlargement) - 1]
    passes = [pass_of_ranks([site.enlarged(factor) for site in sites(30, 30)], T1, 0.6, 0.05)
              for factor in (before, found.enlargement)]
    assert passes[0] < WANTED_PASS <= passes[1]


def test_a_tolerance_out_of_reach_has_no_enlargement() -> None:
    found = only(plan(sites(20), policy("T1", tolerance_auc=0.501), VOXELS))
    assert found.enlargement is None
    assert not found.can_pass


def test_the_verdict_s_probabilities_are_in_order_and_grow_with_n() -> None:
    setting = Setting(spaces=("voxels",))
    few, many = (plan(sites(*n), policy(), setting) for n in ((50, 40), (300, 200)))
    for found in (few, many):
        clean = found.clean
        assert clean.at_least <= clean.independent <= clean.correlated <= clean.at_most
        assert not found.obstacles
    assert few.clean.correlated < many.clean.correlated
    assert many.clean.at_least >= 1 - 0.05 - 0.05 - 0.01 - 0.02  # Holm, V0, negative control, simulation
    assert few.void["blind_baseline"] == 0.05
    assert few.void["negative_control"] == 0.01


def test_obstacles_name_the_site_and_forbid_a_pass() -> None:
    found = plan(sites(100, 25, 10, minimum_subjects=20), policy("T1"), VOXELS)
    assert len(found.obstacles) == 2
    assert "'s1' has 25 members" in found.obstacles[0]
    assert "30" in found.obstacles[0]
    assert "'s2' has 10" in found.obstacles[1]
    assert "abstain" in found.obstacles[1]
    assert found.clean.at_most == 0
    assert only(found).members == 125


def test_a_lone_small_site_cannot_show_that_its_audit_works() -> None:
    found = plan(sites(30), policy(), Setting())
    assert found.control_power["rank"] < 0.99
    assert any("positive control" in sentence for sentence in found.obstacles)
    assert found.void["positive_control"] <= 0.5


def test_images_alone_leave_the_generators_tests_out() -> None:
    found = plan(sites(60), policy("T1", "T3", "T4", recipients="images"), Setting(spaces=("voxels",)))
    measures = [one.id for prospect in found.prospects for one in prospect.measures]
    assert measures == ["T1.voxels", "T3.images10"]


def test_numbers_that_answer_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="none of 2 sites would take part"):
        plan(sites(10, 12, minimum_subjects=20), policy())
    with pytest.raises(InputError, match="answer no test"):
        plan(sites(20), policy("T3"), Setting())
    with pytest.raises(InputError, match="minimum_count = 0"):
        PlannedSite("east", 10, 10, 0)
