from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from release_case import contents, write_release

from fl_components.server.release import read_release, release_digest, verify_release
from privacy_eval.errors import InputError

IMAGE = "sub-synth0002/anat/sub-synth0002_space-MNI152NLin2009aSym_T2w.nii.gz"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release")


def test_the_manifest_lists_every_other_file(release: Path) -> None:
    files = contents(release)
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert verify_release(release) == release_digest(release)


def _flip(release: Path) -> None:
    content = bytearray((release / IMAGE).read_bytes())
    content[len(content) // 2] ^= 1
    (release / IMAGE).write_bytes(bytes(content))


def _link(release: Path) -> None:
    (release / "sub-synth0003").symlink_to(release / "sub-synth0001")


def _swap(release: Path) -> None:
    first = release / IMAGE.replace("synth0002", "synth0001")
    (release / IMAGE).write_bytes(first.read_bytes())


@pytest.mark.parametrize(("tamper", "expected"), [
    (_flip, "T2w.nii.gz: its SHA-256 is not the manifest's"),
    (_swap, "T2w.nii.gz: its SHA-256 is not the manifest's"),
    (lambda release: (release / IMAGE).unlink(), "T2w.nii.gz: missing"),
    (lambda release: (release / "extra.txt").write_text(""), "extra.txt: not in the manifest"),
    (_link, "sub-synth0003: not in the manifest"),
    (lambda release: (release / "manifest.json").write_text("{}"), "not a readable manifest"),
    (lambda release: (release / "manifest.json").unlink(), "is no release"),
])
def test_tampering_is_found(release: Path, tamper: Callable[[Path], object], expected: str) -> None:
    tamper(release)
    for look in (verify_release, lambda folder: list(read_release(folder))):
        with pytest.raises(InputError, match=expected) as error:
            look(release)
        assert "\n" not in str(error.value)


def test_a_changed_text_is_found_by_verification(release: Path) -> None:
    (release / "README.md").write_text("These are real patients.")
    with pytest.raises(InputError, match=r"README\.md"):
        verify_release(release)


def test_a_list_that_leads_elsewhere_is_not_followed(release: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["files"]["../secret"] = hashlib.sha256(b"x").hexdigest()
    (release / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="missing"):
        verify_release(release)


def test_no_release_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        release_digest(tmp_path)
