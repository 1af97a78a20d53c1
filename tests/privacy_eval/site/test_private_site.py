"""What leaves in a study that claims an ε; and that its sensitivity holds for the very scores of the audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_case import answer, evidence, images

from privacy_eval.battery import PRIVATE_LIST, Setting
from privacy_eval.errors import InputError
from privacy_eval.site import attacker
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.audit import AuditTerms, audit_site
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.site.private import PrivateStatistics, private_names
from privacy_eval.spaces.images import ImageSet
from privacy_eval.statistics.private import MOST_STATISTICS
from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.verdict.policy import AuditPolicy

FAMILY = AuditPolicy().private_family
N = 12


def with_another(case: SiteEvidence, group: str, row: int, rng: np.random.Generator) -> SiteEvidence:
    """The site with one patient replaced: scan, label map and the generator's errors on them."""
    old: ImageSet = getattr(case, group)
    new, picked = images(1, rng), old.images.copy()
    maps = old.labels.copy()  # type: ignore[union-attr]
    picked[row], maps[row] = 3 * new.images[0] + 1, new.labels[0]  # type: ignore[index]
    changed = {}
    for contrast, errors in case.errors.items():
        pairs = {}
        for name, pair in vars(errors).items():
            values = getattr(pair, group).copy()
            values[row] = rng.uniform(0, 1)
            pairs[name] = replace(pair, **{group: values})
        changed[contrast] = replace(errors, **pairs)
    return replace(case, errors=changed, **{group: ImageSet(picked, maps)})


def scores_of(case: SiteEvidence, release: ImageSet, public: ImageSet,
              monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], SiteStatistics]:
    """The scores behind each rank statistic on the release, and the statistics."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def keep(members: np.ndarray, holdout: np.ndarray) -> float:
        seen.append((members.copy(), holdout.copy()))
        return float(mann_whitney_u(members, holdout))

    monkeypatch.setattr(attacker, "mann_whitney_u", keep)
    found = audit_site(case, release, public, (), np.random.default_rng(0), AuditTerms(minimum_subjects=5)).answer
    ranks = [one.id for one in found.setting.measures if one.kind == "rank"]
    by_value = dict(zip([name for name in found.values["release"] if name in ranks], seen, strict=False))
    return by_value, found


@pytest.mark.parametrize(("group", "row"), [("members", 0), ("members", N - 1), ("holdout", 3)])
def test_replacing_a_patient_changes_no_other_s_score(group: str, row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    case, release, public = evidence(N, N - 2, rng), images(15, rng), images(15, rng)
    before, was = scores_of(case, release, public, monkeypatch)
    after, now = scores_of(with_another(case, group, row, rng), release, public, monkeypatch)
    for one in FAMILY:
        part = ("members", "holdout").index(group)
        for side in (0, 1):
            same = np.arange(len(before[one.id][side])) != (row if side == part else -1)
            np.testing.assert_array_equal(before[one.id][side][same], after[one.id][side][same])
        assert before[one.id][part][row] != after[one.id][part][row]
        moved = abs(now.rank("release", one).u - was.rank("release", one).u)
        assert 2 * moved <= 2 * max(N, N - 2)


def test_the_list_is_short_and_of_rank_measures() -> None:
    measures = {one.id: one for one in Setting().measures}
    assert len(PRIVATE_LIST) <= MOST_STATISTICS
    assert {measures[name].kind for name in PRIVATE_LIST} == {"rank"}
    assert tuple(one.id for one in FAMILY) == PRIVATE_LIST
    assert [one.id for one in AuditPolicy(recipients="images").private_family] == ["T1.voxels", "T2.voxels"]
    assert not AuditPolicy(tests=("T6", "T7")).private_family


def test_noise_is_on_every_statistic_and_anew_at_each_draw() -> None:
    full = answer(n=60, setting=Setting())
    draws = [PrivateStatistics.noised(full, FAMILY, 0.3) for _ in range(40)]
    for one in FAMILY:
        found = np.array([draw.statistics[one.id].doubled_u for draw in draws])
        assert len(set(found)) > 20
        spread = 2 * 60 * 60 * draws[0].statistics[one.id].noise_variance ** 0.5
        assert abs(found.mean() - 60 * 60) < 5 * spread / np.sqrt(len(draws))
    assert draws[0].epsilon == pytest.approx(0.3)
    assert {found.epsilon for found in draws[0].statistics.values()} == {0.3 / 3}


def test_what_was_sent_is_read_back() -> None:
    noised = PrivateStatistics.noised(answer("east", n=60, setting=Setting(), audit_number=2), FAMILY, 0.3)
    scalars = noised.to_scalars(FAMILY)
    assert set(scalars) == set(private_names(FAMILY))
    assert PrivateStatistics.from_scalars("east", scalars, FAMILY, 0.3) == noised


def test_an_abstention_says_only_that() -> None:
    silent = PrivateStatistics.noised(SiteStatistics.abstention("east", Setting(), 5), FAMILY, 0.3)
    assert silent.abstained
    assert silent.epsilon == 0
    assert set(silent.to_scalars(FAMILY).values()) == {0.0}
    assert PrivateStatistics.from_scalars("east", silent.to_scalars(FAMILY), FAMILY, 0.3) == silent


@pytest.mark.parametrize(("name", "value"), [
    ("n_members", -1.0), ("n_holdout", 0.0), ("audit_number", 0.0), ("n_members", 20.5), ("n_members", float("nan")),
    ("release.T1.voxels.noised_2u", 0.5), ("release.T1.voxels.noised_2u", float("inf"))])
def test_what_cannot_be_is_refused(name: str, value: float) -> None:
    scalars = PrivateStatistics.noised(answer(n=60, setting=Setting()), FAMILY, 0.3).to_scalars(FAMILY)
    with pytest.raises(InputError, match="site 'east'"):
        PrivateStatistics.from_scalars("east", scalars | {name: value}, FAMILY, 0.3)


def test_another_list_is_refused() -> None:
    scalars = PrivateStatistics.noised(answer(n=60, setting=Setting()), FAMILY, 0.3).to_scalars(FAMILY)
    with pytest.raises(InputError, match=r"holds the unknown 'V0\.u'"):
        PrivateStatistics.from_scalars("east", scalars | {"V0.u": 1.0}, FAMILY, 0.3)
    with pytest.raises(InputError, match="lacks 'n_holdout'"):
        PrivateStatistics.from_scalars("east", {k: v for k, v in scalars.items() if k != "n_holdout"}, FAMILY, 0.3)
