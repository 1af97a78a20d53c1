"""What a caller adds to the report: plain data for generic slots, nothing the audit itself depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """A picture: `png` holds the file's bytes, which are embedded."""

    title: str
    png: bytes
    caption: str = ""


@dataclass(frozen=True)
class Curve:
    """A line chart: each series is a sequence of finite (x, y) points."""

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """A table: every row has one cell a column; numbers are to be formatted by the caller."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class SiteEgress:
    """What left one site, summed over its ledger."""

    site: str
    messages: int
    bytes: int
    tensors: int
    scalars: int = 0


@dataclass(frozen=True)
class Guarantee:
    """What is claimed of differential privacy, or that nothing is.

    Attributes:
        statement: in one sentence.
        facts: unit, relation, trust model, mechanism …: name and text.
        tables: what was spent.
        plain: what it bounds, in plain words.
        not_covered: what it says nothing of.
    """

    statement: str
    facts: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    plain: Sequence[str] = ()
    not_covered: Sequence[str] = ()


@dataclass(frozen=True)
class Sections:
    """The generic slots of the page, each left out where empty.

    Attributes:
        title: the page's title.
        figures: pictures; real ones only where every cohort is simulated (the caller's duty).
        pairs: real images beside the synthetic ones nearest to them: for the internal edition alone.
        curves: training curves of what may leave.
        quality: tables on how good the images are: worth and leakage belong on one page.
        egress: what left each site.
        provenance: study, hashes, versions, command, date: printed as given.
        methods: sentences about this run's training and synthesis, put before the audit's own methods paragraphs.
        warnings: further warnings, each printed.
        guarantee: of differential privacy.
    """

    title: str = "Privacy audit of a synthetic data set"
    figures: Sequence[Figure] = ()
    pairs: Sequence[Figure] = ()
    curves: Sequence[Curve] = ()
    quality: Sequence[Table] = ()
    egress: Sequence[SiteEgress] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    methods: Sequence[str] = ()
    warnings: Sequence[str] = ()
    guarantee: Guarantee | None = None
