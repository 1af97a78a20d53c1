"""PNG files as arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from folder_case import chunk, raw_png, write_png
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from privacy_eval.errors import InputError
from privacy_eval.folder.png import read_png

PIXELS = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda grid: st.one_of(arrays(np.uint8, grid), arrays(np.uint16, grid), arrays(np.uint8, (*grid, 3)))
)


@settings(max_examples=60)
@given(pixels=PIXELS)
def test_every_value_comes_back_as_its_share_of_the_brightest(pixels: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = read_png(write_png(Path(folder) / "a.png", pixels))
    assert read.dtype == np.float32
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    np.testing.assert_array_equal(np.rint(read.astype(np.float64) * np.iinfo(pixels.dtype).max), channels)


def test_both_depths_of_grey_give_the_same_image(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shallow = read_png(write_png(tmp_path / "8.png", grey))
    deep = read_png(write_png(tmp_path / "16.png", grey.astype(np.uint16) * 257))
    np.testing.assert_array_equal(shallow, deep)


def _animated() -> bytes:
    """Two grey frames (acTL, fcTL, fdAT chunks of the animated form)."""
    still = raw_png(8, 0, 1)
    start, end = still.index(b"IDAT") - 4, len(still) - 12
    data = still[start + 8 : end - 4]
    control = (8).to_bytes(4) * 2 + bytes(8) + b"\0\1\0\1\0\0"
    first = chunk(b"acTL", (2).to_bytes(4) + bytes(4)) + chunk(b"fcTL", (0).to_bytes(4) + control)
    second = chunk(b"fcTL", (1).to_bytes(4) + control) + chunk(b"fdAT", (2).to_bytes(4) + data)
    return still[:start] + first + still[start:end] + second + still[end:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as PNG"),
        (b"no image at all, but long enough", "no PNG header"),
        (raw_png(8, 0, 1)[:50], "cannot be read as PNG"),
        (raw_png(8, 0, 1)[:33], "cannot be read as PNG"),
        (raw_png(8, 4, 2), "found 8-bit grey with alpha"),
        (raw_png(8, 6, 4), "found 8-bit RGB with alpha"),
        (raw_png(8, 3, 1, extra=chunk(b"PLTE", bytes(range(96)))), "found 8-bit palette"),
        (raw_png(16, 2, 3), "found 16-bit RGB"),
        (raw_png(1, 0, 1), "found 1-bit grey"),
        (_animated(), "holds several frames"),
    ],
)
def test_files_that_are_not_read_are_named_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_png(tmp_path / "bad.png")
    assert "bad.png" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=80)
@given(place=st.integers(0, 90), value=st.integers(0, 255), cut=st.integers(0, 300))
def test_damage_never_ends_in_another_error(place: int, value: int, cut: int) -> None:
    data = bytearray(raw_png(8, 0, 1))
    data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(data[:cut])
        try:
            read = read_png(path)
        except InputError as error:
            assert "a.png" in str(error)  # noqa: PT017
        else:
            assert read.shape == (1, 8, 8)
