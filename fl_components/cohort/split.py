"""The split of a site's subjects into members, holdout and test: random, made once, kept at the site."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from fl_components.study import CohortSettings
from fl_components.toml_model import Settings
from privacy_eval.errors import InputError

Part = Literal["members", "holdout", "test"]
PARTS: Final[tuple[Part, ...]] = ("members", "holdout", "test")


class Split(Settings):
    """Who is trained on, who never is, and who measures usefulness: disjoint lists of names, each sorted."""

    seed: int = Field(ge=0)
    shares: CohortSettings
    members: tuple[str, ...]
    holdout: tuple[str, ...]
    test: tuple[str, ...]

    @model_validator(mode="after")
    def _each_in_one_part(self) -> Self:
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError("a subject is in two parts")
        return self

    @property
    def subjects(self) -> tuple[str, ...]:
        """Everybody, in the order of the parts."""
        return (*self.members, *self.holdout, *self.test)


def make_split(subjects: Iterable[str], shares: CohortSettings, seed: int) -> Split:
    """Draw a split: the shares of holdout and test to the nearest whole subject, all others members."""
    names = sorted(subjects)
    shuffled = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    first_test = round(len(names) * shares.holdout)
    first_member = first_test + round(len(names) * shares.test)
    return Split(
        seed=seed,
        shares=shares,
        holdout=tuple(sorted(shuffled[:first_test])),
        test=tuple(sorted(shuffled[first_test:first_member])),
        members=tuple(sorted(shuffled[first_member:])),
    )


def settle_split(path: Path, subjects: Iterable[str], shares: CohortSettings, seed: int | None = None) -> Split:
    """The site's split: the one at `path`, or else one drawn now and written there.

    Args:
        path: the split's file in the site's state.
        subjects: names of all subjects that the site has now.
        shares: the study's.
        seed: of a new split; drawn from the operating system if None, and in either case it stays in the file.

    Raises:
        InputError: if there is a split of other subjects or shares, which must not be drawn again silently: whoever
            was trained on would become a non-member of the audit.
    """
    if path.exists():
        return check_split(read_split(path), path, subjects, shares)
    split = make_split(subjects, shares, secrets.randbits(63) if seed is None else seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(split.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return split


def read_split(path: Path) -> Split:
    """Read what `settle_split` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        return Split.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; prepare the cohort first") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable split ({reason}); restore it from a backup") from None


def check_split(split: Split, path: Path, subjects: Iterable[str], shares: CohortSettings) -> Split:
    """The split, if it is one of these subjects by these shares.

    Raises:
        InputError: naming a subject that came or went, or the share that changed.
    """
    renew = f"or, to start anew, delete {path.parent} and every model, release and audit made with it"
    found, expected = set(subjects), set(split.subjects)
    changes = [f"{len(names)} {what} (such as {min(names)})"
               for what, names in (("added", found - expected), ("removed", expected - found)) if names]
    if changes:
        raise InputError(f"{path}: the split is of {len(expected)} subjects, but since then {' and '.join(changes)}; "
                         f"restore the folder as it was, {renew}")
    if split.shares != shares:
        raise InputError(f"{path}: the split has holdout {split.shares.holdout} and test {split.shares.test}, but the "
                         f"study says {shares.holdout} and {shares.test}; restore the study, {renew}")
    return split
