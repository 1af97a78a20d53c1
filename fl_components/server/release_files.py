"""The bytes of a release's files: NIfTI that says it is synthetic, JSON and TSV; equal content gives equal bytes."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np

from privacy_eval.errors import InputError

COMMENT_CODE: Final = 6
"""Header extension "plain text" of the NIfTI-1 register of extension codes."""
MNI_CODE: Final = 4
"""NIfTI-1's code of a transform into MNI152 space, for qform and sform alike."""
COMPRESSION: Final = 6
SYNTHETIC: Final = b"SYNTHETIC volume, no real participant; see the header extension"


def nifti_bytes(stored: np.ndarray, slope: float, affine: np.ndarray, mark: dict[str, Any],
                description: bytes = SYNTHETIC) -> bytes:
    """A gzipped NIfTI-1 file marked, by default synthetic, in its description, and with all of `mark` in an extension.

    Args:
        stored: (X, Y, Z) integers as they are written.
        slope: what a reader multiplies them with.
        affine: voxel index to MNI RAS millimetres.
        mark: what is to be said of the volume's origin.
        description: the header's, at most 79 bytes.
    """
    image = nib.Nifti1Image(stored, affine)
    header = image.header
    header.set_xyzt_units("mm")
    header.set_qform(affine, MNI_CODE)
    header.set_sform(affine, MNI_CODE)
    header["descrip"] = description
    header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT_CODE, json_bytes(mark)))
    header.set_slope_inter(slope, 0)
    content = io.BytesIO()
    # Written piece by piece: nibabel's own to_bytes would choose a new scaling.
    header["vox_offset"] = 352 + header.extensions.get_sizeondisk()
    header.write_to(content)
    content.write(stored.tobytes(order="F"))
    return gzip.compress(content.getvalue(), COMPRESSION, mtime=0)


def parse_nifti(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Scaled data and affine of what `nifti_bytes` wrote.

    Raises:
        InputError: naming `path`, if the bytes are not a gzipped NIfTI-1 file.
    """
    try:
        image = nib.Nifti1Image.from_bytes(gzip.decompress(content))
        return np.asarray(image.dataobj), image.affine
    except (OSError, EOFError, zlib.error, ValueError, nib.filebasedimages.ImageFileError,
            nib.spatialimages.HeaderDataError) as error:
        raise InputError(f"{path}: not a readable NIfTI file ({error}); fetch the release again") from None


def json_bytes(content: dict[str, Any]) -> bytes:
    """JSON with sorted keys, indented, ending in a newline."""
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def tsv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table with a header line, its fields separated by tabs."""
    return "".join("\t".join(map(str, line)) + "\n" for line in (columns, *rows)).encode()
