"""A release on disk: a BIDS derivative of labelled synthetic volumes, written and read one volume at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from fl_components.server.release_description import (
    ANATOMY_TEXT,
    SPACE,
    ReleaseMetadata,
    description_files,
    sidecar,
)
from fl_components.server.release_files import nifti_bytes, parse_nifti
from fl_components.server.release_manifest import (
    MANIFEST,
    manifest_bytes,
    read_manifest,
    release_digest,
    verified_bytes,
    verify_release,
)
from fl_components.server.release_partial import PartialRelease, remove
from fl_components.study import Grid
from fl_components.vocabulary import N_LABELS, SEQUENCES
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet

__all__ = ["ReleaseMetadata", "ReleaseWriter", "Volume", "read_release", "release_digest", "require_free",
           "verify_release"]

IMAGE_ENDS: Final = (
    f"space-{SPACE}_T1w",
    f"ce-gadolinium_space-{SPACE}_T1w",
    f"space-{SPACE}_T2w",
    f"space-{SPACE}_FLAIR",
)
"""How the files' names end, in the order of `SEQUENCES`."""
ANATOMY_END: Final = f"space-{SPACE}_seg-tumour_dseg"
FULL_SCALE: Final = 10_000
"""Intensity 1 as the stored integer; the header's slope undoes it."""


@dataclass(frozen=True)
class Volume:
    """One synthetic subject: `images` (4, X, Y, Z) float32 in [0, 1], `labels` (X, Y, Z) uint8, `affine` 4×4."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    affine: np.ndarray


def require_free(folder: Path, replace: bool) -> None:
    """InputError if there is something at `folder` that may not be replaced, or is no release."""
    if folder.exists():
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder}: exists and is no release, so it stays; choose another folder")
        if not replace:
            raise InputError(f"{folder}: holds a release already; allow its replacement (--replace) or choose another "
                             "folder")


class ReleaseWriter:
    """Writes a release volume by volume; `folder` is a whole release or untouched.

    The volumes go into a folder beside it, which `finish` renames: before that there is nothing, or still the release
    that is to be replaced. Equal volumes and metadata give equal bytes (with the same zlib).

    Attributes:
        done: volumes that an earlier, interrupted writing left whole; `add` goes on after them.
    """

    def __init__(self, folder: Path, grid: Grid, metadata: ReleaseMetadata, replace: bool = False,
                 made_with: Mapping[str, str] | None = None, count: int = sys.maxsize) -> None:
        """Prepare to write.

        Args:
            folder: of the release; its parent is made if need be.
            grid: of every volume.
            metadata: what the release says of its origin.
            replace: whether a release that is there already may be replaced.
            made_with: what else determines volume n, for going on with an interrupted writing of the same volumes;
                None: one that is interrupted leaves nothing.
            count: of volumes, no more of which are taken over.

        Raises:
            InputError: if there is something at `folder` that may not be replaced, or is no release.
        """
        self.folder, self.grid, self.metadata = folder, grid, metadata
        require_free(folder, replace)
        identity = None if made_with is None else {**asdict(metadata), **grid.model_dump(mode="json"), **made_with}
        self._kept = made_with is not None
        self._partial = PartialRelease(folder, identity, count)
        self.done = len(self._partial.names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        elif not (self._kept and self._partial.names):
            self.abort()

    def add(self, images: np.ndarray, labels: np.ndarray) -> str:
        """Write one volume.

        Args:
            images: (4, X, Y, Z) intensities in [0, 1].
            labels: (X, Y, Z) integer anatomy.

        Returns:
            Its name, `sub-synth0001` and so on.

        Raises:
            ValueError: if a shape, an intensity or a label is not as above: a defect of the caller, not of input.
        """
        self._check(images, labels)
        number = len(self._partial.names) + 1
        name = f"sub-synth{number:04d}"
        mark, affine = self.metadata.mark(number), self.grid.affine
        anatomy = f"{name}/anat/{name}_{ANATOMY_END}"
        files = {f"{anatomy}.nii.gz": nifti_bytes(labels.astype(np.uint8), 1, affine, mark),
                 f"{anatomy}.json": sidecar(ANATOMY_TEXT, [])}
        for sequence, end, image in zip(SEQUENCES, IMAGE_ENDS, images, strict=True):
            stored = np.round(image.astype(np.float64) * FULL_SCALE).astype(np.int16)
            text = f"Synthetic {sequence} volume, made by a generator from its anatomy; no real participant."
            path = f"{name}/anat/{name}_{end}"
            files |= {f"{path}.nii.gz": nifti_bytes(stored, 1 / FULL_SCALE, affine, mark),
                      f"{path}.json": sidecar(text, [f"{anatomy}.nii.gz"])}
        self._partial.write_volume(name, files)
        return name

    def finish(self) -> Path:
        """Write what describes the volumes, then move the whole to its folder.

        Raises:
            InputError: if there is no volume.
        """
        if not self._partial.names:
            self.abort()
            raise InputError(f"{self.folder}: a release of no volumes; synthesise at least one")
        for relative, content in description_files(self.metadata, self._partial.names, ignored=MANIFEST).items():
            self._partial.write(relative, content)
        (self._partial.folder / MANIFEST).write_bytes(manifest_bytes(self._partial.digests))
        self._partial.become(self.folder)
        return self.folder

    def abort(self) -> None:
        """Drop the volumes written so far."""
        remove(self._partial.folder)

    def _check(self, images: np.ndarray, labels: np.ndarray) -> None:
        if images.shape != (len(SEQUENCES), *self.grid.shape) or labels.shape != self.grid.shape:
            raise ValueError(f"images {images.shape} and labels {labels.shape} are not on the grid {self.grid.shape}")
        if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
            raise ValueError("intensities must be finite and in [0, 1]")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= N_LABELS:
            raise ValueError(f"labels must be integers from 0 to {N_LABELS - 1}")


def read_release(folder: Path) -> Iterator[Volume]:
    """The volumes of a release in their order, each file compared with the manifest as it is read.

    Raises:
        InputError: at once, if the folder is no release or a file is missing or was added; on reaching it, if a file
            was changed.
    """
    manifest = read_manifest(folder)
    names = sorted({path.split("/")[0] for path in manifest.files if "/" in path}, key=lambda name: (len(name), name))

    def read(name: str, end: str) -> tuple[np.ndarray, np.ndarray]:
        relative = f"{name}/anat/{name}_{end}.nii.gz"
        return parse_nifti(verified_bytes(folder, relative, manifest), folder / relative)

    def volume(name: str) -> Volume:
        labels, affine = read(name, ANATOMY_END)
        images = np.stack([read(name, end)[0] for end in IMAGE_ENDS])
        return Volume(name, np.clip(images, 0, 1).astype(np.float32), labels.astype(np.uint8), affine)

    return map(volume, names)


def released_images(folder: Path, at_most: int | None = None) -> ImageSet:
    """The first volumes of a release, or all, with their anatomies, as the audit takes them; errors as `read_release`.
    """
    volumes = list(islice(read_release(folder), at_most))
    return ImageSet(np.stack([volume.images for volume in volumes]), np.stack([volume.labels for volume in volumes]))

