"""PNG files as arrays."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final
from zlib import error as ZlibError

import numpy as np
from skimage.io import imread

from privacy_eval.errors import InputError

_HEADER: Final = struct.Struct(">8s4x4s8xBB")
"""Signature, and of the first chunk: name, bits a sample, colour type (PNG specification, 5.2 and 11.2)."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_FORMS: Final = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_READ: Final = {(8, 0): 2, (16, 0): 2, (8, 2): 3}
"""Axes of the array, for each form that is read without loss."""

_DAMAGE: Final = (OSError, EOFError, ValueError, SyntaxError, struct.error, ZlibError)
"""What the reader was seen to raise on files with bytes missing or changed."""


def read_png(path: Path) -> np.ndarray:
    """One image, (1 or 3, rows, columns) float32 from 0 to 1 (the brightest value the bit depth has).

    Grey of 8 or 16 bits and RGB of 8 bits are read; divided by 255 or 65535 they compare with each other. Refused
    are an alpha channel, because it hides pixels that the distances would still see; a palette; and RGB of 16 bits,
    which the reader would silently cut to 8.

    Raises:
        InputError: naming the file: damaged, animated, or of a form that is not read.
    """
    depth, form = _form(path)
    if (depth, form) not in _READ:
        raise InputError(
            f"{path}: found {depth}-bit {_FORMS.get(form, 'unknown colours')}; expected 8 or 16-bit grey or 8-bit RGB, "
            "save it without alpha or palette (16-bit colours: a grey file each)"
        )
    try:
        pixels = imread(path)
    except _DAMAGE as error:
        raise _unreadable(path, str(error)) from None
    if pixels.ndim != _READ[depth, form]:
        raise InputError(f"{path}: holds several frames; expected one image, save each in its own file")
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return np.ascontiguousarray(channels, np.float32) / np.float32(2**depth - 1)


def _form(path: Path) -> tuple[int, int]:
    """Bits a sample and colour type."""
    try:
        with path.open("rb") as file:
            signature, chunk, depth, form = _HEADER.unpack(file.read(_HEADER.size))
    except (OSError, struct.error) as error:
        raise _unreadable(path, str(error)) from None
    if signature != _SIGNATURE or chunk != b"IHDR":
        raise _unreadable(path, "no PNG header")
    return depth, form


def _unreadable(path: Path, told: str) -> InputError:
    return InputError(f"{path}: cannot be read as PNG ({' '.join(told.split())}); copy or convert it again")
