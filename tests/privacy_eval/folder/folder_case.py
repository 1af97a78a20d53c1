"""Small image files made by hand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from skimage.io import imsave

from privacy_eval.folder.images import FolderImages
from privacy_eval.spaces.images import ImageSet

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
ANATOMY = np.arange(4 * 4 * 4).reshape(4, 4, 4) % 7
"""A label map with every value."""


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    return path


def write_png(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels, check_contrast=False)
    return path


def write_subjects(folder: Path, images: np.ndarray, labels: np.ndarray | None = None) -> Path:
    """A BIDS folder: one folder a subject, one file a sequence, and a label map that is no image."""
    for index, volume in enumerate(images):
        subject = folder / f"sub-{index:03d}" / "anat"
        for name, sequence in zip(("T1w", "T2w"), volume, strict=True):
            write_nifti(subject / f"sub-{index:03d}_{name}.nii.gz", sequence)
        label_map = np.zeros(volume.shape[1:]) if labels is None else labels[index]
        write_nifti(subject / f"sub-{index:03d}_dseg.nii.gz", label_map)
    return folder


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(depth: int, form: int, samples: int, side: int = 8, extra: bytes = b"") -> bytes:
    """A PNG of any bit depth and colour type, by the format's specification."""
    header = struct.pack(">IIBBBBB", side, side, depth, form, 0, 0, 0)
    row = b"\0" + bytes(range(side * samples * depth // 8))
    data = chunk(b"IDAT", zlib.compress(row * side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")


def group(folder: str, images: np.ndarray, patients: Sequence[str] | None = None) -> FolderImages:
    """Images as if read from files `a.png`, `b.png`, …"""
    names = tuple(f"{chr(ord('a') + row)}.png" for row in range(len(images)))
    files = tuple((Path(folder) / name,) for name in names)
    read = FolderImages(Path(folder), ImageSet(images), names, files, names, None)
    return read.with_patients(patients or names)
