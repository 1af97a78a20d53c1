"""What leaves a site: declared names, possible values, no small counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audit_case import SETTING, answer
from hypothesis import given
from hypothesis import strategies as st

from privacy_eval.battery import Measure, Setting
from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics, scalar_names, take_counts, totals_of
from privacy_eval.statistics.counts import SUPPRESSED, suppress

REPLICAS = Measure("T6", "voxels", "count")


def test_scalars_are_exactly_the_declared_names_and_come_back() -> None:
    site = answer(replicas=(SUPPRESSED, 0))
    scalars = site.to_scalars()
    assert set(scalars) == set(scalar_names(SETTING))
    assert all(isinstance(value, float) for value in scalars.values())
    assert SiteStatistics.from_scalars("site-a", scalars, SETTING) == site


def test_an_abstention_tells_nothing_but_itself() -> None:
    scalars = SiteStatistics.abstention("site-a", SETTING, 5).to_scalars()
    assert set(scalars) == set(scalar_names(SETTING))
    assert {name for name, value in scalars.items() if value} == {"minimum_count"}
    assert SiteStatistics.from_scalars("site-a", scalars, SETTING).abstained


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("release.T1.voxels.u", 3601.0, "multiple of ½ from 0 to n_m·n_h = 3600"),
        ("release.T1.voxels.u", -0.5, "multiple of ½"),
        ("release.T9.T1.u", 26.0, "n_m·n_h = 25"),
        ("V0.u", float("nan"), "multiple of ½"),
        ("negative.T4.exact.u", 3.3, "multiple of ½"),
        ("release.T7.all.z", 11.0, "within ±10"),
        ("release.T8.dcr.z", float("nan"), "within ±10"),
        ("n_members", float("inf"), "whole number"),
        ("n_members", 59.5, "whole number"),
        ("n_members", 0.0, "both or neither"),
        ("audit_number", 0.0, "whole number of at least 1"),
        ("release.T6.voxels.members", 3.0, "expected it coded as -1"),
        ("release.T6.voxels.members", 61.0, "from -1 to 60"),
        ("release.T3.images10.holdout", 31.0, "from -1 to 30"),
        ("release.T6.voxels.holdout", -2.0, "from -1 to 60"),
        ("minimum_count", 0.0, "whole number of at least 1"),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        SiteStatistics.from_scalars("site-a", answer().to_scalars() | {name: value}, SETTING)
    assert "site 'site-a'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unknown_names_are_refused() -> None:
    scalars = answer().to_scalars()
    with pytest.raises(InputError, match="unknown 'hits'"):
        SiteStatistics.from_scalars("site-a", scalars | {"hits": 1.0}, SETTING)
    with pytest.raises(InputError, match="unknown"):
        SiteStatistics.from_scalars("site-a", scalars, Setting(("voxels",)))
    scalars.pop("V0.u")
    with pytest.raises(InputError, match=r"lacks 'V0\.u'"):
        SiteStatistics.from_scalars("site-a", scalars, SETTING)


def test_an_abstention_that_talks_is_refused() -> None:
    scalars = SiteStatistics.abstention("site-a", SETTING, 5).to_scalars() | {"V0.u": 3.0}
    with pytest.raises(InputError, match=r"abstains yet sends V0\.u"):
        SiteStatistics.from_scalars("site-a", scalars, SETTING)


@given(st.integers(0, 60), st.integers(0, 60))
def test_no_count_from_one_to_four_ever_leaves(members: int, holdout: int) -> None:
    site = answer(replicas=(suppress(members, 5), suppress(holdout, 5)))
    sent = [value for name, value in site.to_scalars().items() if ".T6." in name]
    assert not set(sent) & {1.0, 2.0, 3.0, 4.0}
    low, high = site.counts("release", REPLICAS, "low"), site.counts("release", REPLICAS, "high")
    assert low.difference <= members / 60 - holdout / 60 <= high.difference


def test_counts_that_are_summed_are_in_no_answer_and_come_back_as_sums() -> None:
    full = [replace(answer(name, replicas=(members, 1)), minimum_count=1) for name, members in (("a", 3), ("b", 4))]
    parts = [take_counts(with_plain_counts(site)) for site in full]
    for site, _ in parts:
        assert not any(name.endswith(("members", "holdout")) for name in site.to_scalars() if "." in name)
        assert SiteStatistics.from_scalars(site.site, site.to_scalars(), site.setting) == site
    sums = [sum(column) for column in zip(*(counts for _, counts in parts), strict=True)]
    totals = totals_of(SETTING, sums)
    assert totals["release"]["T6.voxels"] == (7, 2)
    assert totals["positive"]["T6.tumour"] == (60, 0)
    assert totals["negative"]["T11.place"] == (40, 40)
    absent, zeros = take_counts(SiteStatistics.abstention("c", SETTING, 5))
    assert absent.abstained
    assert set(zeros) == {0}
    assert len(zeros) == len(sums)


def with_plain_counts(site: SiteStatistics) -> SiteStatistics:
    values = {condition: {name: tuple(max(part, 0.0) for part in value) for name, value in of.items()}
              for condition, of in site.values.items()}
    return replace(site, values=values)


def test_all_small_counts_send_the_same_scalars() -> None:
    sent = [answer(replicas=(suppress(count, 5), 0)).to_scalars() for count in range(1, 5)]
    assert all(scalars == sent[0] for scalars in sent)
