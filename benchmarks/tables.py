"""The tables of README.md and docs/*.md, made from the committed results: no figure is typed by hand.

    python -m benchmarks.tables

rewrites what is between `<!-- table:NAME -->` and `<!-- /table -->`; NAME is one of `benchmarks.layouts.TABLES`.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.layout import Columns, Layout, Rows
from benchmarks.layouts import TABLES
from benchmarks.results import RESULTS, read_result
from privacy_eval.errors import InputError

ROOT: Final = Path(__file__).parent.parent
_TABLE: Final = re.compile(r"(<!-- table:(\S+) -->\n).*?(<!-- /table -->)", re.DOTALL)
_OPENING: Final = re.compile(r"<!-- table:")
_CENTRES: Final = ("median", "mean", "estimate", "auc")

Row = tuple[tuple[str, ...], Any]
"""A row's names, and the part of the figures that is its own."""


def pages(root: Path = ROOT) -> list[Path]:
    """The pages that may hold tables."""
    return [path for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))) if path.exists()]


def rewrite(text: str, origin: str, folder: Path = RESULTS) -> str:
    """A page's text with every table made anew.

    Args:
        text: the page.
        origin: what to call it in messages.
        folder: where the results are.

    Raises:
        InputError: if a table's name is unknown, its end is missing, or its result is missing or lacks a figure.
    """
    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}{_table(match[2], origin, folder)}{match[3]}"

    if len(_OPENING.findall(text)) != len(_TABLE.findall(text)):
        raise InputError(f"{origin}: a '<!-- table:NAME -->' line without its '<!-- /table -->'; add that line")
    return _TABLE.sub(replaced, text)


def _table(name: str, origin: str, folder: Path) -> str:
    if name not in TABLES:
        raise InputError(f"{origin}: no table is named '{name}'; the names are {', '.join(sorted(TABLES))}")
    return render(TABLES[name], read_result(TABLES[name].result, folder))


def render(layout: Layout, result: Mapping[str, Any]) -> str:
    """A result as a Markdown table with its n, intervals, machine and command below.

    Raises:
        InputError: if the result lacks one of the layout's figures.
    """
    place = next(k for k, level in enumerate(layout.levels) if isinstance(level, Columns))
    before, columns, after = layout.levels[:place], layout.levels[place], layout.levels[place + 1:]
    assert isinstance(columns, Columns)
    try:
        rows: list[Row] = [((), result["figures"])]
        for level in before:
            rows = [found for row in rows for found in _descend(row, level)]
        cells = [[*names, *(_cell(_pick(part, key, after)) for key in columns.headings)] for names, part in rows]
    except KeyError as error:
        raise InputError(f"{result['name']}.json: no figure {error}; run '{result['command']}' again") from None
    names = [level.heading for level in before if isinstance(level, Rows) and level.heading]
    header = [*names, *columns.headings.values()]
    if len(cells) == 1:  # one row reads better as a column
        header, cells = ["figure", "value"], [list(pair) for pair in zip(header, cells[0], strict=True)]
    lines = [header, ["---"] * len(header), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{_footnote(result, layout)}\n"


def _descend(row: Row, level: str | Rows | Columns) -> list[Row]:
    names, part = row
    if isinstance(level, str):
        return [(names, part[level])]
    assert isinstance(level, Rows)
    if isinstance(part, list):
        return [(names, item) for item in part]
    return [((*names, key), part[key]) for key in level.keys or part]


def _pick(part: Any, key: str, after: tuple[str | Rows | Columns, ...]) -> Any:  # noqa: ANN401 - any JSON value
    value = part[key] if key else part
    for level in after:
        value = value[level]
    return value


def _cell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A figure for a reader: three digits, an interval's bounds to the digits of its centre."""
    if isinstance(value, dict):
        centre = next(float(value[key]) for key in _CENTRES if key in value)
        digits = _decimals(centre)
        return f"{centre:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.{_decimals(value)}f}"
    return str(value)


def _decimals(value: float) -> int:
    """Decimals that show three significant digits, but never more than three decimals."""
    return min(3, max(0, 2 - math.floor(math.log10(abs(value))))) if value else 3


def _footnote(result: Mapping[str, Any], layout: Layout) -> str:
    machine, n = result["machine"], result["n"]
    counts = ", ".join(f"{kind} {count}" for kind, count in n.items()) if isinstance(n, dict) else str(n)
    simulated = " Measured on simulated hospitals." if result["simulated"] else ""
    gpu = "no GPU" if machine["gpu"] == "none" else machine["gpu"]
    return (f"{layout.note}. n: {counts}.{simulated} {machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_gib']} GiB, {gpu}, torch {machine['torch']}. Command: `{result['command']}`")


def main() -> None:
    """Rewrite the pages whose tables changed."""
    try:
        for path in pages():
            old = path.read_text(encoding="utf-8")
            new = rewrite(old, path.name)
            if new != old:
                path.write_text(new, encoding="utf-8")
                sys.stderr.write(f"{path.relative_to(ROOT)}: rewritten\n")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
