"""A NIfTI file read to its end, its checksum and geometry verified."""

from __future__ import annotations

import gzip
import itertools
import zlib
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np

from privacy_eval.errors import InputError

TOLERANCE_VOXELS: Final = 0.1
"""Two geometries are the same if no corner of the volume moves by more."""


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A 3-D NIfTI-1 volume, its checksum verified: data (X, Y, Z) in its scaled type, affine to RAS millimetres.

    Raises:
        InputError: if the file cannot be read to its end, is not 3-D, or its sform and qform disagree.
    """
    try:
        # Read to the end first: nibabel stops at the last voxel, before gzip's checksum is compared.
        content = path.read_bytes()
        image = nib.Nifti1Image.from_bytes(gzip.decompress(content) if path.suffix == ".gz" else content)
        data = np.asarray(image.dataobj)
    except (OSError, EOFError, zlib.error, ValueError, nib.filebasedimages.ImageFileError,
            nib.spatialimages.HeaderDataError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable NIfTI file ({reason}); copy it again from its source") from None
    if data.ndim != 3:
        raise InputError(f"{path}: {data.ndim} dimensions {data.shape}, expected one 3-D volume; split it into files")
    _check_geometry(path, image)
    return data, image.affine


def _check_geometry(path: Path, image: nib.Nifti1Image) -> None:
    try:
        affines = image.get_qform(coded=True)[0], image.get_sform(coded=True)[0]
    except nib.spatialimages.HeaderDataError as error:
        raise InputError(f"{path}: its geometry is damaged ({error}); export it again") from None
    coded = [affine for affine in affines if affine is not None]
    if not coded:
        raise InputError(f"{path}: neither sform nor qform is set, its axes are unknown; export it with its geometry")
    if any(not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9 for affine in coded):
        raise InputError(f"{path}: its affine is singular; export it with its geometry")
    if displacement(coded[0], coded[-1], image.shape) > TOLERANCE_VOXELS:
        raise InputError(f"{path}: its sform and qform place it differently; write one affine into both")


def displacement(affine: np.ndarray, reference: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far, in voxels of the reference, the farthest corner of the volume lies from the reference's."""
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, size - 1) for size in shape))], float)
    moved = corners @ np.linalg.solve(reference, affine).T
    return float(np.abs(moved - corners).max())
