"""A release that is being written: its folder, and the journal of the volumes that lie there whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

JOURNAL: Final = ".volumes.jsonl"


class PartialRelease:
    """Files of a release beside its folder, until it is whole.

    The journal's first line is the identity of what is written, every further one a volume with the SHA-256 of its
    files, added once they are written. Whatever stops the writing, the next one with the same identity keeps the
    volumes whose files are what the journal says, up to the first that is not.

    Args:
        release: the folder that it is to become.
        identity: all that determines the volumes; None, and nothing is kept.
        most: volumes to keep at most.
    """

    def __init__(self, release: Path, identity: Mapping[str, Any] | None, most: int) -> None:
        self.folder = release.with_name(f".{release.name}.partial")
        self.digests: dict[str, str] = {}
        self.names: list[str] = []
        head = json.dumps({"identity": identity}, sort_keys=True)
        kept = [] if identity is None else self._whole_volumes(head, most)
        if not kept:
            remove(self.folder)
            self.folder.mkdir(parents=True)
        self._journal = self.folder / JOURNAL
        self._journal.write_text("".join(f"{line}\n" for line in (head, *kept)), encoding="utf-8")
        names = {*self.names, JOURNAL}
        for entry in self.folder.iterdir():
            if entry.name not in names:
                remove(entry)

    def write(self, relative: str, content: bytes) -> None:
        """Write one file."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.digests[relative] = hashlib.sha256(content).hexdigest()

    def write_volume(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write all files of a volume, whose paths begin with its name, then its line of the journal."""
        for relative, content in files.items():
            self.write(relative, content)
        line = json.dumps({"name": name, "files": {relative: self.digests[relative] for relative in files}})
        with self._journal.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
        self.names.append(name)

    def become(self, release: Path) -> None:
        """Move it to the release's place, and what was there away."""
        self._journal.unlink()
        replaced = release.with_name(f".{release.name}.replaced")
        remove(replaced)
        if release.exists():
            release.replace(replaced)
        self.folder.replace(release)
        remove(replaced)

    def _whole_volumes(self, head: str, most: int) -> list[str]:
        """The journal's lines of volumes to go on after; names and digests are taken over."""
        path = self.folder / JOURNAL
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if not lines or lines[0] != head:
            return []
        kept = []
        for line in lines[1:most + 1]:
            try:
                volume = json.loads(line)
            except json.JSONDecodeError:  # torn: the writing stopped within the line
                break
            if not all(_digest(self.folder / relative) == digest for relative, digest in volume["files"].items()):
                break
            self.digests |= volume["files"]
            self.names.append(volume["name"])
            kept.append(line)
        return kept


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
