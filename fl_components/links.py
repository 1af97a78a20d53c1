"""Symbolic links: none leads out of a site's data, and none stands where a site keeps its records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from privacy_eval.errors import InputError


def require_inside(root: Path, files: Iterable[Path]) -> None:
    """Refuse files that lie, or are linked, outside a folder. The folder may be a link itself: its owner named it.

    Raises:
        InputError: for the first such file, if a link leads out of the folder, nowhere, or in a circle.
    """
    resolved = root.resolve()
    for file in files:
        try:
            target = file.resolve(strict=True)
        except (OSError, RuntimeError):  # a circle is a RuntimeError before Python 3.13
            raise InputError(f"{file}: a symbolic link that leads nowhere, or in a circle; put the file there, or "
                             "remove the link") from None
        if not target.is_relative_to(resolved):
            raise InputError(f"{file}: a symbolic link out of data.root, expected files inside it; copy the files, or "
                             "set data.root in site.toml to the folder that holds them")


def require_no_link(file: Path) -> None:
    """Refuse a record that is a symbolic link: what is written there would land, or be read, somewhere else.

    Raises:
        InputError: if it is one.
    """
    if file.is_symlink():
        raise InputError(f"{file}: a symbolic link, expected a file of the site's own; find out who put it there, then "
                         "remove it")
