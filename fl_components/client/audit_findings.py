"""What an audit found that stays at the site, on the site's own disk: numbers, and the nearest pairs to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from fl_components.cohort.sheet import thumbnail_sheet
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.json_file import read_json, write_json
from privacy_eval.battery import Setting
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.inside import InsideFindings, Pair
from privacy_eval.spaces.images import ImageSet, label_maps_of
from privacy_eval.statistics.ranks import Estimate

GROUPS: Final = ("members", "holdout")


def write_findings(found: InsideFindings, members: Sequence[Subject], holdout: Sequence[Subject], release: ImageSet,
                   folder: Path) -> None:
    """Write `inside.json` and a sheet of each group's nearest pairs, `members.png` and `holdout.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, subjects in zip(GROUPS, (members, holdout), strict=True):
        rows = [row for pair in found.pairs if pair.group == name for row in _rows(pair, subjects, release)]
        thumbnail_sheet(rows, folder / f"{name}.png")
    write_json(folder / "inside.json", asdict(found))


def read_findings(folder: Path) -> InsideFindings:
    """Read back what `write_findings` wrote."""
    data: dict[str, Any] = read_json(folder / "inside.json")
    insider = data["insider"]
    return InsideFindings(
        tuple(Pair(**pair) for pair in data["pairs"]), data["closest_people"],
        {space: tuple(rows) for space, rows in data["replicas"].items()}, Estimate(**insider) if insider else None)


def write_statistics(answer: SiteStatistics, folder: Path) -> None:
    """Write `answer.json`: all statistics of an audit of which only some leave, with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "answer.json", answer.to_scalars())


def read_statistics(site: str, folder: Path, setting: Setting) -> SiteStatistics:
    """Read back what `write_statistics` wrote."""
    return SiteStatistics.from_scalars(site, read_json(folder / "answer.json"), setting)


def _rows(pair: Pair, subjects: Sequence[Subject], release: ImageSet) -> list[Subject]:
    """The real scan, and below it the synthetic one."""
    real = subjects[pair.real]
    images, labels = release.images[pair.synthetic].astype(real.images.dtype), label_maps_of(release)[pair.synthetic]
    made = Subject(f"released volume {pair.synthetic + 1}", images, labels, measure_contrast(images, labels))
    return [replace(real, name=f"{real.name}: real, nearest in the release below"), made]
