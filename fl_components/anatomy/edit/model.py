"""The edit file: a list of edits with its seed, in versioned JSON, and what of it cannot be meant."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fl_components.anatomy.check import TUMOUR_ML
from fl_components.anatomy.edit.regions import REGIONS
from fl_components.json_file import read_json
from fl_components.toml_model import Settings, SettingsFile
from privacy_eval.errors import InputError

VERSION: Final = 1
"""Of the edit file; a newer one is refused, because what it asks for is unknown."""
SHARES_SUM: Final = 0.01
"""How far the three shares of a composition may sum away from 1."""
FARTHEST_MM: Final = 200.0
"""No two places of a brain lie farther apart."""


def _known(name: str) -> str:
    if name not in REGIONS:
        raise ValueError(f"a region, one of {', '.join(REGIONS)}")
    return name


Region = Annotated[str, AfterValidator(_known)]
Coordinate = Annotated[float, Field(ge=-FARTHEST_MM, le=FARTHEST_MM)]
Vector = tuple[Coordinate, Coordinate, Coordinate]
"""RAS millimetres: to the patient's right, to the front, upwards."""
Millilitres = Annotated[float, Field(ge=TUMOUR_ML[0], le=TUMOUR_ML[1])]
Share = Annotated[float, Field(ge=0, le=1)]
Focus = Annotated[int, Field(ge=1)]
"""A focus of the tumour by size: 1 is the largest."""


class Composition(Settings):
    """Shares of the whole tumour's volume, summing to 1."""

    necrosis: Share
    enhancement: Share
    oedema: Share

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.necrosis + self.enhancement + self.oedema
        if abs(total - 1) > SHARES_SUM:
            raise ValueError(f"shares that sum to 1, these sum to {total:g}")
        return self


class Move(Settings):
    """Take one focus elsewhere, where it grows anew through the tissue that is there."""

    edit: Literal["move"]
    by_mm: Vector | None = None
    to: Region | None = None
    focus: Focus = 1

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.by_mm is None) == (self.to is None):
            raise ValueError("exactly one of 'by_mm' and 'to'")
        return self


class Resize(Settings):
    """Let the whole tumour grow on, or take back its latest growth."""

    edit: Literal["resize"]
    volume_ml: Millilitres | None = None
    factor: float | None = Field(default=None, ge=0.01, le=100)

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.volume_ml is None) == (self.factor is None):
            raise ValueError("exactly one of 'volume_ml' and 'factor'")
        return self


class Compose(Composition):
    """Give the tumour other shares; its outline stays."""

    edit: Literal["compose"]


class TumourShape(Composition):
    """A tumour by its traits."""

    volume_ml: Millilitres


class _Placed(Settings):
    to: Region | None = None
    at_mm: Vector | None = None

    @model_validator(mode="after")
    def _at_most_one_place(self) -> Self:
        if self.to is not None and self.at_mm is not None:
            raise ValueError("at most one of 'to' and 'at_mm'")
        return self


class Transplant(_Placed):
    """Put a tumour into a healthy brain: with stated traits, or those of another anatomy (`donor`), or drawn ones.

    `donor` is a subject of the run's release, or the path of a NIfTI anatomy. `at_mm` is a place in template space.
    """

    edit: Literal["transplant"]
    tumour: TumourShape | None = None
    donor: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.tumour is not None and self.donor is not None:
            raise ValueError("at most one of 'tumour' and 'donor'")
        return self


class AddFocus(_Placed):
    """A further focus of the same composition; without a place, 25 to 60 mm from the largest one."""

    edit: Literal["add_focus"]
    volume_ml: Millilitres


class Remove(Settings):
    """Restore the tissue that a focus, or the whole tumour, took and pushed aside."""

    edit: Literal["remove"]
    focus: Focus | None = None


Edit = Annotated[Move | Resize | Compose | Transplant | AddFocus | Remove, Field(discriminator="edit")]
KINDS: Final = ("move", "resize", "compose", "transplant", "add_focus", "remove")


class EditFile(SettingsFile):
    """Edits in the order in which they are made. `record`: what an earlier run wrote of them; it is not read back."""

    version: Literal[1] = VERSION
    seed: int = Field(ge=0)
    edits: tuple[Edit, ...] = Field(min_length=1)
    record: dict[str, Any] | None = None

    @classmethod
    def parse(cls, data: dict[str, Any], origin: str) -> Self:
        """Validate; see `SettingsFile.parse`. A newer version and contradicting edits are refused too."""
        version = data.get("version", VERSION) if isinstance(data, dict) else VERSION
        if isinstance(version, int) and version > VERSION:
            raise InputError(f"{origin}: key 'version': found {version}, this fedsynth reads up to {VERSION}; "
                             "use a newer fedsynth")
        file = super().parse(data, origin)
        if problem := contradiction(file.edits):
            raise InputError(f"{origin}: {problem}")
        return file

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read an edit file, or the record that a run of it left.

        Raises:
            InputError: if it is missing, damaged, newer, has unknown keys or values out of range, or edits in it
                contradict each other.
        """
        return cls.parse(read_json(path), str(path))


def contradiction(edits: tuple[Edit, ...]) -> str | None:
    """Why two edits of a list cannot both be meant, in one line; None if they can.

    One contradicts an earlier one if it undoes what that one stated outright (two volumes, two compositions, two
    regions for one focus), or needs a tumour that was removed, or a healthy brain where a tumour was put.
    """
    for first, second in pairwise([None, *range(len(edits))]):
        if first is None or second is None:
            continue
        before, after = edits[first], edits[second]
        gone = isinstance(before, Remove) and before.focus is None
        there = isinstance(before, Transplant | AddFocus | Move | Resize | Compose)
        if gone and not isinstance(after, Transplant):
            return _pair(first, second, edits, "the tumour is gone by then", "transplant one first")
        if there and isinstance(after, Transplant):
            return _pair(first, second, edits, "there is a tumour by then", "use add_focus, or remove it first")
    stated: dict[tuple[str, int], int] = {}
    for number, edit in enumerate(edits):
        if isinstance(edit, Remove | Transplant):
            stated = {}
        key = _stated(edit)
        if key is None:
            continue
        if key in stated and edits[stated[key]] != edit:
            return _pair(stated[key], number, edits, "each states outright what the other does", "keep one of them")
        stated[key] = number
    return None


def _stated(edit: Edit) -> tuple[str, int] | None:
    if isinstance(edit, Resize) and edit.volume_ml is not None:
        return "volume", 0
    if isinstance(edit, Compose):
        return "composition", 0
    if isinstance(edit, Move) and edit.to is not None:
        return "place", edit.focus
    return None


def _pair(first: int, second: int, edits: tuple[Edit, ...], why: str, remedy: str) -> str:
    return (f"edits {first + 1} ({edits[first].edit}) and {second + 1} ({edits[second].edit}) contradict each other: "
            f"{why}; {remedy}")
