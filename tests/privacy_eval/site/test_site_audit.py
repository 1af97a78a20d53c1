"""The audit inside a site fires on what leaks, stays silent on what does not, and says little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_case import SETTING, evidence, images
from scipy.stats import binom

from privacy_eval.battery import Measure, Setting
from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics, scalar_names
from privacy_eval.site.audit import AuditTerms, SiteAudit, audit_site
from privacy_eval.site.controls import noisy_copies
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.spaces.images import ImageSet
from privacy_eval.statistics.ranks import null_standard_error

N = 30
RANKS = [one for one in SETTING.measures if one.kind == "rank" and one.test != "T9"]
MUST_FIRE = [one for one in RANKS if one.must_fire]
REPLICAS = SETTING.of(("T6",))


def audit(case: SiteEvidence, release: ImageSet, reference: ImageSet | None, rng: np.random.Generator,
          **terms: int) -> SiteAudit:
    return audit_site(case, release, reference, (), rng, AuditTerms("site-a", **terms))


@pytest.fixture(scope="module")
def clean() -> SiteAudit:
    rng = np.random.default_rng(0)
    return audit(evidence(N, N, rng), images(40, rng), images(40, rng), rng)


@pytest.mark.parametrize("measure", RANKS, ids=lambda one: one.id)
def test_a_clean_release_and_the_negative_control_are_at_chance(clean: SiteAudit, measure: Measure) -> None:
    for condition in ("release", "negative"):
        assert abs(clean.answer.rank(condition, measure).auc - 0.5) < 3.3 * null_standard_error(N, N)


@pytest.mark.parametrize("measure", MUST_FIRE, ids=lambda one: one.id)
def test_the_positive_control_has_an_auc_of_three_quarters(clean: SiteAudit, measure: Measure) -> None:
    found = clean.answer.rank("positive", measure).auc
    assert found == pytest.approx(0.75, abs=3 * null_standard_error(N - N // 2, N) / 2)


@pytest.mark.parametrize("measure", REPLICAS, ids=lambda one: one.id)
def test_the_positive_control_shows_half_of_the_members_as_replicas(clean: SiteAudit, measure: Measure) -> None:
    assert N // 2 <= clean.answer.hits("positive", measure).members <= N // 2 + 5
    assert clean.answer.hits("positive", measure).holdout <= 0
    assert clean.answer.hits("release", measure).members <= 0


def test_rates_see_the_planted_leak(clean: SiteAudit) -> None:
    rates = {one.id: clean.answer.hits("positive", one) for one in SETTING.of(("T3",))}
    assert rates["T3.images10"].members >= 5
    assert rates["T3.generator10"].members >= 5


def test_a_release_that_copies_members_is_seen_by_distances_and_not_by_the_generator() -> None:
    rng = np.random.default_rng(1)
    case = evidence(N, N, rng)
    remembered = case.members.subset(np.arange(20))
    copies = np.stack([picture.images for picture in noisy_copies(remembered, rng)])
    found = audit(case, ImageSet(copies, remembered.labels), images(40, rng), rng)
    for measure in SETTING.of(("T1",)):
        assert found.answer.rank("release", measure).auc > 0.75
        assert abs(found.answer.rank("negative", measure).auc - 0.5) < 3.3 * null_standard_error(N, N)
    assert all(found.answer.hits("release", one).members >= 20 for one in REPLICAS)
    assert min(found.answer.deviate("release", one) for one in SETTING.of(("T7", "T8"))) > 2.5
    assert abs(found.answer.rank("release", Measure("T4", "exact", "rank")).auc - 0.5) < 3 * null_standard_error(N, N)
    assert found.inside is not None
    members = [pair for pair in found.inside.pairs if pair.group == "members"]
    assert [pair.real for pair in members] == [pair.synthetic for pair in members]
    assert {pair.real for pair in found.inside.to_review} == {pair.real for pair in members}
    assert set(range(20)) <= set(found.inside.replicas["voxels"])


def test_a_generator_that_knows_its_members_is_seen_by_reconstruction_alone() -> None:
    rng = np.random.default_rng(2)
    site = audit(evidence(N, N, rng, advantage=0.01), images(40, rng), images(40, rng), rng).answer
    for measure in SETTING.of(("T4",)):
        assert site.rank("release", measure).auc > 0.9
        assert abs(site.rank("negative", measure).auc - 0.5) < 3 * null_standard_error(N, N)
    assert abs(site.rank("release", Measure("T1", "voxels", "rank")).auc - 0.5) < 3 * null_standard_error(N, N)


def test_whole_audit_keeps_its_level_on_exchangeable_subjects() -> None:
    rng = np.random.default_rng(3)
    runs = 10
    rejected = dict.fromkeys(RANKS, 0)
    for _ in range(runs):
        site = audit(evidence(20, 20, rng), images(15, rng), images(15, rng), rng).answer
        for one in rejected:
            rejected[one] += site.rank("release", one).auc - 0.5 > 1.645 * null_standard_error(20, 20)
    assert all(count <= binom.ppf(1 - 0.001 / len(rejected), runs, 0.05) for count in rejected.values())


def test_only_declared_scalars_leave_and_no_small_count(clean: SiteAudit) -> None:
    scalars = clean.answer.to_scalars()
    assert set(scalars) == set(scalar_names(SETTING))
    counts = {value for name, value in scalars.items() if name.endswith(("members", "holdout"))}
    assert not counts & {1.0, 2.0, 3.0, 4.0}
    assert SiteStatistics.from_scalars("site-a", scalars, SETTING) == clean.answer


def test_same_generator_state_gives_the_same_statistics(clean: SiteAudit) -> None:
    rng = np.random.default_rng(0)
    again = audit(evidence(N, N, rng), images(40, rng), images(40, rng), rng)
    assert again.answer.to_scalars() == clean.answer.to_scalars()


def test_two_images_of_a_patient_are_one_patient() -> None:
    rng = np.random.default_rng(9)
    case = evidence(40, 30, rng)
    case = replace(case, members=replace(case.members, patients=np.repeat(np.arange(20), 2)))
    shorter = {name: replace(errors, **{part: replace(pair, members=pair.members[:20]) for part, pair in vars(
        errors).items()}) for name, errors in case.errors.items()}
    site = audit(replace(case, errors=shorter), images(20, rng), images(20, rng), rng).answer
    assert (site.n_members, site.n_holdout) == (20, 30)


@pytest.mark.parametrize(("n_members", "n_holdout"), [(19, 30), (30, 19)])
def test_a_site_with_too_few_subjects_abstains(n_members: int, n_holdout: int) -> None:
    rng = np.random.default_rng(4)
    found = audit(evidence(n_members, n_holdout, rng), images(5, rng), None, rng)
    assert found.answer.abstained
    assert found.inside is None
    assert not found.answer.values


def test_without_reference_generator_and_labels_only_distances_are_measured() -> None:
    rng = np.random.default_rng(5)
    case = evidence(20, 20, rng)
    bare = SiteEvidence(*(ImageSet(group.images) for group in (case.members, case.holdout, case.unseen)))
    site = audit(bare, ImageSet(images(10, rng).images), None, rng).answer
    assert site.setting == Setting(("voxels", "coarse"), reference=False, generator=False)
    assert {one.test for one in site.setting.measures} == {"T1", "T6", "T7", "T8"}
    assert set(site.to_scalars()) == set(scalar_names(site.setting))


def _without_last_error(case: SiteEvidence) -> SiteEvidence:
    exact = case.errors["exact"]
    short = replace(exact.untrained, holdout=exact.untrained.holdout[:-1])
    return replace(case, errors={"exact": replace(exact, untrained=short), "site": case.errors["site"]})


def _with_nan_error(case: SiteEvidence) -> SiteEvidence:
    exact = case.errors["exact"]
    broken = replace(exact.reconstruction, members=exact.reconstruction.members * np.nan)
    return replace(case, errors={"exact": replace(exact, reconstruction=broken), "site": case.errors["site"]})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda case: replace(case, unseen=case.unseen.subset([])), "no unseen subject"),
        (lambda case: replace(case, holdout=ImageSet(case.holdout.images[:, :1])), "holdout images have shape"),
        (_without_last_error, "untrained errors .* have shapes"),
        (_with_nan_error, "reconstruction errors .* are not all finite"),
    ],
)
def test_evidence_that_does_not_fit_together_is_refused(spoil, message: str) -> None:  # noqa: ANN001
    rng = np.random.default_rng(6)
    with pytest.raises(InputError, match=message):
        audit(spoil(evidence(20, 20, rng)), images(5, rng), images(5, rng), rng)


def test_a_release_on_another_grid_is_refused() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(InputError, match="released images have shape"):
        audit(evidence(20, 20, rng), images(5, rng, (6, 6, 6)), images(5, rng), rng)
