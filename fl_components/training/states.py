"""A site's training states: one file a round, the last two of one training, so that a round can be asked again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Final

import torch

from fl_components.durable import replace_durably
from privacy_eval.errors import InputError

_ID: Final = re.compile(r"[0-9a-f]{32}")
_KEPT: Final = 2


def training_folder(state: Path, training: str) -> Path:
    """Where a site keeps the states of one training.

    Args:
        state: the site's state folder.
        training: 32 hexadecimal digits, as a job brings them.

    Raises:
        InputError: if it is anything else.
    """
    if not _ID.fullmatch(training):
        raise InputError(f"training {training[:40]!r}: expected 32 hexadecimal digits; the job is none of fedsynth's")
    return state / "training" / training


def keep_only(folder: Path) -> None:
    """Remove the states of other trainings than the folder's: nothing may go on from them."""
    for other in folder.parent.glob("*"):
        if other != folder and other.is_dir() and _ID.fullmatch(other.name):
            shutil.rmtree(other)


def save_state(folder: Path, rounds: int, state: dict[str, Any]) -> None:
    """Write the state after so many rounds, and keep one older beside it."""
    replace_durably(_file(folder, rounds), lambda path: torch.save(state, path))
    kept = [path for path in _states(folder) if _rounds(path) <= rounds][-_KEPT:]
    for path in _states(folder):
        if path not in kept:  # older, or of rounds that were done before and are being done again
            path.unlink()


def load_state(folder: Path, rounds: int) -> dict[str, Any] | None:
    """The newest state after at most so many rounds; None if there is none.

    Raises:
        InputError: if its file is damaged.
    """
    earlier = [path for path in _states(folder) if _rounds(path) <= rounds]
    return read_state(earlier[-1]) if earlier else None


def read_state(path: Path) -> dict[str, Any]:
    """Read one state.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        return dict(torch.load(path, weights_only=True))
    except Exception as error:
        raise InputError(f"{path}: not a training state ({' '.join(str(error).split())[:80]}); remove it, and the "
                         "site goes on from the one before") from None


def latest_state(state: Path) -> Path | None:
    """The file of a site's newest state of all; None if it keeps none."""
    files = [path for folder in (state / "training").glob("*") if _ID.fullmatch(folder.name)
             for path in _states(folder)]
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _file(folder: Path, rounds: int) -> Path:
    return folder / f"round-{rounds:04d}.pt"


def _states(folder: Path) -> list[Path]:
    """Oldest round first."""
    return sorted(folder.glob("round-*.pt"), key=_rounds)


def _rounds(path: Path) -> int:
    return int(path.stem.removeprefix("round-"))
