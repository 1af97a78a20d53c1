"""The public template: MNI152 tissue maps that ship inside nilearn, averages of 152 people and so no person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from scipy import ndimage

FILES: Final = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
MILLIMETRE: Final = 1.0
"""Voxel size of the files."""

Affine = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Template:
    """Maps on one grid, (X, Y, Z) float32 in [0, 1].

    `gm`, `wm` and `csf` are probabilities that sum to `brain`; `t1` is the averaged T1 image, 1 its brightest voxel.
    """

    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    brain: np.ndarray
    t1: np.ndarray

    @property
    def tissues(self) -> np.ndarray:
        """(3, X, Y, Z): CSF, grey and white matter, the order of `vocabulary.HEALTHY`."""
        return np.stack([self.csf, self.gm, self.wm])


def load_template(shape: tuple[int, int, int], affine: np.ndarray) -> Template:
    """The MNI152NLin2009aSym template on a grid, anti-aliased; cached, so its arrays are read-only.

    Args:
        shape: voxels along each axis.
        affine: (4, 4) voxel index to RAS millimetres of the template's own space.
    """
    return _load_cached(shape, tuple(tuple(float(value) for value in row) for row in np.asarray(affine)))


@lru_cache(maxsize=8)
def _load_cached(shape: tuple[int, int, int], affine: Affine) -> Template:
    to_millimetres = np.array(affine)
    maps, file_affine = _full_resolution()
    to_file = np.linalg.inv(file_affine) @ to_millimetres
    blur = _antialias_sigma(to_millimetres)
    resampled = {}
    for name, volume in maps.items():
        smooth = ndimage.gaussian_filter(volume, blur)
        array = ndimage.affine_transform(smooth, to_file[:3, :3], to_file[:3, 3], shape, order=1)
        array.flags.writeable = False
        resampled[name] = array
    return Template(**resampled)


def _antialias_sigma(affine: np.ndarray) -> np.ndarray:
    """Gaussian in file voxels that widens their 1 mm point spread to that of the coarser grid, per file axis."""
    spacing = np.abs(affine[:3, :3]).max(axis=1)
    return np.sqrt(np.maximum(spacing**2 - MILLIMETRE**2, 0)) / np.sqrt(8 * np.log(2))


@lru_cache(maxsize=1)
def _full_resolution() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The five maps at 1 mm, float32 in [0, 1], and their affine."""
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nilearn, which ships the MNI152 template, is not installed")
    folder = Path(spec.origin).parent / "datasets" / "data"
    images = {name: nib.Nifti1Image.from_filename(folder / FILES.format(name)) for name in ("t1", "gm", "wm")}
    raw = {name: np.asarray(image.dataobj).astype(np.float32) / 255 for name, image in images.items()}
    brain = (raw["t1"] > 0).astype(np.float32)
    gm, wm = raw["gm"] * brain, raw["wm"] * brain
    csf = np.clip(brain - gm - wm, 0, 1)
    return {"gm": gm, "wm": wm, "csf": csf, "brain": brain, "t1": raw["t1"]}, images["t1"].affine
