"""One command at a time a run folder, and its word to the next one on what it may have left running."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from privacy_eval.errors import InputError


class Running:
    """A file that is held as long as this process lives.

    Args:
        path: the file; its folder must be there.

    Raises:
        InputError: if another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise InputError(f"{path.parent}: another command runs this run folder's federation; wait until it has "
                             "ended, or end it") from None

    @property
    def word(self) -> str:
        """What was written last, by this command or an earlier one; empty if nothing."""
        return os.pread(self._file, 64, 0).decode()

    def write(self, word: str) -> None:
        """Leave a word of at most 64 letters; on disk when this returns."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, word.encode(), 0)
        os.fsync(self._file)

    def release(self) -> None:
        """Let another command have it; the word stays."""
        os.close(self._file)
