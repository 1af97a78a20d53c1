"""NIfTI files as arrays: sequences first, axes in RAS order, slices as two-dimensional images."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast
from zlib import error as ZlibError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from privacy_eval.errors import InputError

_DAMAGE: Final = (
    OSError, EOFError, ValueError, TypeError, MemoryError, OverflowError, ZlibError, ImageFileError, HeaderDataError
)  # fmt: skip
"""What nibabel was seen to raise on files with bytes missing or changed."""


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One file's sequences, (C, X, Y, Z) or (C, X, Y) float32, and its affine, 4×4 in mm.

    A 3-D file is one sequence; in a 4-D file the last axis counts sequences. A file with one axis of length 1 (or
    none, 2-D) is a slice: the axis goes, and the affine's position and spacing across the slice are set to 0 and
    1 mm, because slices cut at different heights are images on one grid.

    Raises:
        InputError: naming the file: damaged, not of real numbers, not 2-D to 4-D, without voxels, not finite, or
            with an affine that maps voxels nowhere.
    """
    data, affine = _load(path)
    if data.ndim not in (2, 3, 4):
        raise InputError(f"{path}: has {data.ndim} dimensions; expected 2 or 3, or 4 with the sequences last")
    if data.size == 0 or sum(length == 1 for length in data.shape[:3]) + (data.ndim == 2) > 1:
        raise InputError(f"{path}: has shape {data.shape}; expected a slice or a volume, more than a line of voxels")
    if not np.isfinite(data).all():
        raise InputError(f"{path}: holds values that are not finite; expected finite intensities, mend or drop it")
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise InputError(f"{path}: its affine maps voxels nowhere; expected an invertible one, write the header again")
    turned = nib.as_closest_canonical(nib.Nifti1Image(data[..., None] if data.ndim == 2 else data, affine))
    data, affine = np.asarray(turned.dataobj, np.float32), np.array(turned.affine)
    data = np.moveaxis(data, -1, 0) if data.ndim == 4 else data[None]
    flat = [axis for axis in range(3) if data.shape[1 + axis] == 1]
    if flat:
        data, affine = data.squeeze(1 + flat[0]), _without_height(affine, flat[0])
    return data, affine


def read_spacing(path: Path) -> tuple[float, ...]:
    """A voxel's edges in mm along the axes that `read_nifti` gives the same, readable file: three, of a slice two."""
    image = cast(SpatialImage, nib.load(path))
    shape = (*image.shape, 1)[:3]
    turned = nib.as_closest_canonical(nib.Nifti1Image(np.empty(shape, np.uint8), image.affine))
    edges = nib.affines.voxel_sizes(turned.affine)
    return tuple(float(edge) for edge, length in zip(edges, turned.shape, strict=True) if length > 1)


def check_affine(place: Path, found: np.ndarray, expected: np.ndarray) -> None:
    """Refuse an image whose voxels lie elsewhere: half a voxel away at the origin, or a tenth off in size or turn.

    Raises:
        InputError: naming the place.
    """
    spacing = np.linalg.norm(expected[:3, :3], axis=0)
    moved = np.abs(found[:3, 3] - expected[:3, 3]).max() > 0.5 * spacing.min()
    turned = np.abs(found[:3, :3] - expected[:3, :3]).max() > 0.1 * spacing.min()
    if moved or turned:
        raise InputError(f"{place}: its affine puts it on another grid than the other images; resample to one")


def _load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Data as stored, float32, and the affine."""
    try:
        image = cast(SpatialImage, nib.load(path))
        kind = image.get_data_dtype().kind
        if kind not in "biuf":
            raise InputError(f"{path}: holds {image.get_data_dtype()}; expected real numbers, convert it")
        with np.errstate(all="ignore"):  # what overflows is refused as not finite
            data = np.asarray(image.dataobj, np.float32)
    except InputError:
        raise
    except _DAMAGE as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as NIfTI ({told}); copy or convert it again") from None
    return data, np.asarray(image.affine, np.float64)


def _without_height(affine: np.ndarray, axis: int) -> np.ndarray:
    """The affine of a slice, free of where the slice was cut and of how thick it is."""
    normal = affine[:3, axis] / np.linalg.norm(affine[:3, axis])
    slice_affine = affine.copy()
    slice_affine[:3, axis] = normal
    slice_affine[:3, 3] -= normal * (normal @ affine[:3, 3])
    return slice_affine
