"""The audit inside a site fires on what leaks, stays silent on what does not, and says little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_case import evidence, volumes
from scipy.stats import binom

from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics, scalar_names
from privacy_eval.site.audit import SiteEvidence, audit_site
from privacy_eval.site.controls import noisy_copies
from privacy_eval.statistics.counts import SUPPRESSED
from privacy_eval.statistics.ranks import null_standard_error

N = 30


@pytest.fixture(scope="module")
def clean() -> SiteStatistics:
    rng = np.random.default_rng(0)
    return audit_site(evidence(N, N, rng), volumes(40, rng), volumes(40, rng), rng, site="site-a")


@pytest.mark.parametrize("test", ["T1", "T2", "T4"])
def test_a_clean_release_and_the_negative_control_are_at_chance(clean: SiteStatistics, test: str) -> None:
    for condition in ("release", "negative"):
        assert abs(clean.rank(condition, test).auc - 0.5) < 3 * null_standard_error(N, N)
        assert clean.conditions[condition].replicas.members in (0, SUPPRESSED)


@pytest.mark.parametrize("test", ["T1", "T2", "T4"])
def test_the_positive_control_has_an_auc_of_three_quarters(clean: SiteStatistics, test: str) -> None:
    assert clean.rank("positive", test).auc == pytest.approx(0.75, abs=3 * null_standard_error(N - N // 2, N) / 2)


def test_the_positive_control_shows_half_of_the_members_as_replicas(clean: SiteStatistics) -> None:
    assert N // 2 <= clean.conditions["positive"].replicas.members <= N // 2 + 4
    assert clean.conditions["positive"].replicas.holdout <= 0


def test_a_release_that_copies_members_is_seen_by_the_distance_tests_alone() -> None:
    rng = np.random.default_rng(1)
    case = evidence(N, N, rng)
    copies = np.stack(list(noisy_copies(case.members, np.arange(20), rng)))
    site = audit_site(case, copies, volumes(40, rng), rng)
    assert site.rank("release", "T1").auc > 0.75
    assert site.rank("release", "T2").auc > 0.75
    assert site.conditions["release"].replicas.members >= 20
    assert site.conditions["release"].replicas.holdout in (0, SUPPRESSED)
    assert abs(site.rank("release", "T4").auc - 0.5) < 3 * null_standard_error(N, N)
    assert abs(site.rank("negative", "T1").auc - 0.5) < 3 * null_standard_error(N, N)


def test_a_generator_that_knows_its_members_is_seen_by_reconstruction_alone() -> None:
    rng = np.random.default_rng(2)
    site = audit_site(evidence(N, N, rng, advantage=0.01), volumes(40, rng), volumes(40, rng), rng)
    assert site.rank("release", "T4").auc > 0.9
    assert abs(site.rank("release", "T1").auc - 0.5) < 3 * null_standard_error(N, N)
    assert abs(site.rank("negative", "T4").auc - 0.5) < 3 * null_standard_error(N, N)


def test_whole_audit_keeps_its_level_on_exchangeable_subjects() -> None:
    rng = np.random.default_rng(3)
    runs = 40
    rejected = dict.fromkeys(("T1", "T2", "T4"), 0)
    for _ in range(runs):
        case = evidence(20, 20, rng)
        site = audit_site(case, volumes(15, rng), volumes(15, rng), rng)
        for test in rejected:
            rejected[test] += site.rank("release", test).auc - 0.5 > 1.645 * null_standard_error(20, 20)
    assert all(count <= binom.ppf(0.999, runs, 0.05) for count in rejected.values())


def test_only_declared_scalars_leave_and_no_small_count(clean: SiteStatistics) -> None:
    scalars = clean.to_scalars()
    assert set(scalars) == set(scalar_names())
    assert not {scalars[name] for name in scalars if ".T6." in name} & {1.0, 2.0, 3.0, 4.0}
    assert SiteStatistics.from_scalars("site-a", scalars) == clean


def test_same_generator_state_gives_the_same_statistics(clean: SiteStatistics) -> None:
    rng = np.random.default_rng(0)
    assert audit_site(evidence(N, N, rng), volumes(40, rng), volumes(40, rng), rng, site="site-a") == clean


@pytest.mark.parametrize(("n_members", "n_holdout"), [(19, 30), (30, 19)])
def test_a_site_with_too_few_subjects_abstains(n_members: int, n_holdout: int) -> None:
    rng = np.random.default_rng(4)
    site = audit_site(evidence(n_members, n_holdout, rng), volumes(5, rng), None, rng)
    assert site.abstained
    assert not site.conditions


def test_without_reference_or_generator_only_t1_and_t6_are_run() -> None:
    rng = np.random.default_rng(5)
    site = audit_site(replace(evidence(20, 20, rng), errors=None), volumes(10, rng), None, rng)
    assert {name: set(statistics.u) for name, statistics in site.conditions.items()} == {
        "release": {"T1"}, "positive": {"T1"}, "negative": {"T1"}
    }  # fmt: skip
    assert set(site.to_scalars()) == set(scalar_names(("T1", "T6")))


def _without_last_error(case: SiteEvidence) -> SiteEvidence:
    assert case.errors is not None
    short = replace(case.errors.untrained, holdout=case.errors.untrained.holdout[:-1])
    return replace(case, errors=replace(case.errors, untrained=short))


def _with_nan_error(case: SiteEvidence) -> SiteEvidence:
    assert case.errors is not None
    broken = replace(case.errors.reconstruction, members=case.errors.reconstruction.members * np.nan)
    return replace(case, errors=replace(case.errors, reconstruction=broken))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda case: replace(case, unseen=case.unseen[:0]), "no unseen subject"),
        (lambda case: replace(case, holdout=case.holdout[:, :1]), "holdout volumes have shape"),
        (_without_last_error, "untrained errors have shapes"),
        (_with_nan_error, "reconstruction errors are not all finite"),
    ],
)
def test_evidence_that_does_not_fit_together_is_refused(spoil, message: str) -> None:  # noqa: ANN001
    rng = np.random.default_rng(6)
    with pytest.raises(InputError, match=message):
        audit_site(spoil(evidence(20, 20, rng)), volumes(5, rng), volumes(5, rng), rng)


def test_a_release_on_another_grid_is_refused() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(InputError, match="found shape"):
        audit_site(evidence(20, 20, rng), volumes(5, rng, (6, 6, 6)), volumes(5, rng), rng)
