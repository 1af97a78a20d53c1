"""The seed of a site's training: its own, so that nobody else can draw what it drew."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from fl_components.durable import replace_durably
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError

_BYTES = 32


def training_seed(site: Site, study: Study) -> int:
    """A seed of the study's, the site's name and the site's secret: a site repeats its run, two never share a stream.

    The secret is drawn once and kept in the site's state; simulated hospitals, which have none to keep, use the seed of
    their split, so that a demo can be repeated. Noise, order of subjects and augmentation come from it: a server that
    knew them would read more out of an update.

    Raises:
        InputError: if the secret on disk is damaged.
    """
    words = b"/".join([str(study.seed).encode(), site.name.encode(), _secret(site)])
    return int.from_bytes(hashlib.sha256(words).digest()[:4], "big")


def secret_file(state: Path) -> Path:
    """Where a site keeps it; it never leaves."""
    return state / "training" / "secret"


def _secret(site: Site) -> bytes:
    if site.data.simulated and site.data.split_seed is not None:
        return str(site.data.split_seed).encode()
    path = secret_file(site.state)
    if not path.exists():
        replace_durably(path, _write_new)
    found = path.read_bytes()
    if len(found) != _BYTES:
        raise InputError(f"{path}: {len(found)} bytes, expected {_BYTES}; restore the file, or remove it, and the next "
                         "training draws another")
    return found


def _write_new(path: Path) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(_BYTES))
