"""The manifest of a release: the SHA-256 of every file, so that a changed, missing or added one is found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from fl_components.server.release_files import json_bytes
from fl_components.toml_model import Settings
from privacy_eval.errors import InputError

MANIFEST: Final = "manifest.json"
FETCH_AGAIN: Final = "fetch the release again from its origin"


class Manifest(Settings):
    """`files`: path below the release's folder → SHA-256, every file but the manifest itself."""

    algorithm: Literal["sha256"] = "sha256"
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """The manifest's own content."""
    return json_bytes(Manifest(files=dict(digests)).model_dump())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release, after its list was compared with the files that are there.

    Raises:
        InputError: if there is none, it is damaged, or a file is missing or was added; contents are not read.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, so {folder} is no release; name a release's folder") from None
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a readable manifest ({str(error).splitlines()[0]}); {FETCH_AGAIN}") from None
    # A link to a folder counts as a file: it was not written by us, and may lead anywhere.
    found = {entry.relative_to(folder).as_posix() for entry in folder.rglob("*")
             if entry.is_symlink() or not entry.is_dir()} - {MANIFEST}
    for what, names in (("missing", set(manifest.files) - found), ("not in the manifest", found - set(manifest.files))):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise InputError(f"{folder / min(names)}: {what}{more}; {FETCH_AGAIN}")
    return manifest


def verified_bytes(folder: Path, relative: str, manifest: Manifest) -> bytes:
    """A file's content, if it is what the manifest says.

    Raises:
        InputError: if it is not, or cannot be read.
    """
    path = folder / relative
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {FETCH_AGAIN}") from None
    if hashlib.sha256(content).hexdigest() != manifest.files.get(relative):
        raise InputError(f"{path}: its SHA-256 is not the manifest's, so it was changed; {FETCH_AGAIN}")
    return content


def verify_release(folder: Path) -> str:
    """Compare every file of a release with its manifest, and return the release's digest.

    Raises:
        InputError: naming the first file that is changed, missing or added.
    """
    manifest = read_manifest(folder)
    for relative in sorted(manifest.files):
        verified_bytes(folder, relative, manifest)
    return release_digest(folder)


def release_digest(folder: Path) -> str:
    """The release's identity: SHA-256 of its manifest. `verify_release` says whether the files agree with it.

    Raises:
        InputError: if there is no manifest.
    """
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{folder / MANIFEST}: cannot be read ({error.strerror}); name a release's folder") from None
