"""The battery: which tests there are, who attacks in each, and what a site sends for it.

A test is measured in one or more *variants* (feature spaces, scores); "T1.voxels" is the measure of test T1 in the
variant "voxels". What follows from a measure is decided in `privacy_eval.verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal, NamedTuple, get_args

TestId = Literal["T1", "T2", "T3", "T4", "T6", "T7", "T8", "T9", "T11"]
TESTS: Final[tuple[TestId, ...]] = get_args(TestId)
"""Tests whose statistics leave a site. V0 (validity), T5 (inside the site alone) and T10 (canaries) are apart."""

FAMILY: Final[tuple[TestId, ...]] = ("T1", "T2", "T3", "T4", "T6", "T7", "T11")
"""Tests that may be in the family that decides. T8 is an alarm, T9 has too few subjects: both are reported apart."""

GENERATOR_TESTS: Final[tuple[TestId, ...]] = ("T4",)
"""Tests of an attacker who may query the generator or holds its weights (K1, K2)."""

IMAGE_SPACES: Final = ("voxels", "coarse", "embedding")
MASK_SPACES: Final = ("anatomy", "tumour")
SPACES: Final = IMAGE_SPACES + MASK_SPACES
"""Feature spaces in the order in which they are reported."""

RATES: Final = {"10": 0.10, "1": 0.01}
"""T3: false-positive rates by the end of the variant's name."""

ISOLATED_SHARE: Final = 0.05
ISOLATED_LEAST: Final = 5
"""T9 takes the most isolated 5 %, at least five."""

ATTRIBUTES: Final = ("volume", "place", "enhancement")

PRIVATE_LIST: Final = ("T1.voxels", "T2.voxels", "T4.exact")
"""All that may leave, noised, in a study that claims an ε: one measure for each way to find a member, at most
`statistics.private.MOST_STATISTICS`. In each a patient's score depends on that patient, the release and public data
alone, which the noise rests on; T4 with its site's mean contrast, and all that is fitted on patients, do not qualify.
"""

Kind = Literal["rank", "count", "normal"]
"""rank: U of one score a patient. count: hits among members and among holdout. normal: a standard normal deviate."""

Condition = Literal["release", "positive", "negative"]
CONDITIONS: Final[tuple[Condition, ...]] = get_args(Condition)
"""The release itself, the leaky control and the disjoint control."""


class Sizes(NamedTuple):
    """Patients behind a statistic."""

    members: int
    holdout: int


@dataclass(frozen=True)
class Measure:
    """One test in one variant.

    Attributes:
        test: which test.
        variant: the feature space, score or rate.
        kind: what a site sends.
        must_fire: whether it must fire on the positive control, or the audit is void.
    """

    test: TestId
    variant: str
    kind: Kind
    must_fire: bool = False

    @property
    def id(self) -> str:
        """Such as "T1.voxels"."""
        return f"{self.test}.{self.variant}"

    @property
    def attacker(self) -> str:
        """K0: has the images. K0+R: and public reference data. K1/K2: may query the generator, or holds it."""
        if self.test in GENERATOR_TESTS or "generator" in self.variant or self.id == "T9.T4":
            return "K1/K2"
        return "K0+R" if self.test in ("T2", "T9") or self.variant.startswith("images") else "K0"

    def sizes(self, n_members: int, n_holdout: int) -> Sizes:
        """Patients of a site that enter the statistic."""
        if self.test == "T3":
            return Sizes(n_members, n_holdout - n_holdout // 2)  # the threshold is fixed on half of the holdout
        if self.test == "T9":
            return Sizes(isolated(n_members), isolated(n_holdout))
        return Sizes(n_members, n_holdout)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Ends of the names of the scalars a site sends."""
        return {"rank": ("u",), "count": ("members", "holdout"), "normal": ("z",)}[self.kind]


@dataclass(frozen=True)
class Setting:
    """What an audit has at hand, the same for every site: it fixes the measures, and so the list of what may leave.

    Attributes:
        spaces: names of the feature spaces, from `SPACES`.
        reference: whether there are public reference images.
        generator: whether the generator can be queried.
        summed: whether counts leave a site only as its part of a sum over sites; then they are in no site's answer.
    """

    spaces: tuple[str, ...] = SPACES
    reference: bool = True
    generator: bool = True
    summed: bool = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures, in the order of the tests."""
        found = [Measure("T1", space, "rank", must_fire=True) for space in self.spaces]
        if self.reference:
            found += [Measure("T2", space, "rank", must_fire=True) for space in self.image_spaces]
            found += [Measure("T2", density, "rank") for density in ("domias", "dpi")]
        scores = ["images"] * self.reference + ["generator"] * self.generator
        found += [Measure("T3", score + rate, "count") for score in scores for rate in RATES]
        if self.generator:
            found += [Measure("T4", contrast, "rank", must_fire=True) for contrast in ("exact", "site")]
        found += [Measure("T6", space, "count", must_fire=True) for space in self.spaces]
        found += [Measure("T7", statistic, "normal") for statistic in ("all", "cell")]
        found += [Measure("T8", alarm, "normal") for alarm in ("nnaa", "dcr", "authenticity")]
        if self.reference:
            found += [Measure("T9", score, "rank") for score in ["T1", "T2"] + ["T4"] * self.generator]
        if self.labels:
            found += [Measure("T11", attribute, "count") for attribute in ATTRIBUTES]
        return tuple(found)

    @property
    def image_spaces(self) -> tuple[str, ...]:
        """Spaces of intensities."""
        return tuple(space for space in self.spaces if space in IMAGE_SPACES)

    @property
    def labels(self) -> bool:
        """Whether label maps are known."""
        return any(space in MASK_SPACES for space in self.spaces)

    @property
    def told(self) -> tuple[Measure, ...]:
        """The measures that each site tells for itself."""
        return tuple(one for one in self.measures if not (self.summed and one.kind == "count"))

    @property
    def counted(self) -> tuple[Measure, ...]:
        """The measures that are counts."""
        return tuple(one for one in self.measures if one.kind == "count")

    def of(self, tests: Sequence[str]) -> tuple[Measure, ...]:
        """Measures of the given tests."""
        return tuple(measure for measure in self.measures if measure.test in tests)


def isolated(n: int) -> int:
    """T9: how many of `n` patients count as the most isolated."""
    return min(n, max(ISOLATED_LEAST, ceil(ISOLATED_SHARE * n)))
