"""A phantom head of known geometry, written as a BraTS case on any grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from fl_components.cohort.case import Case
from fl_components.cohort.layout import find_cases
from fl_components.site import Site
from fl_components.study import TEMPLATE_CENTRE_MM, Study
from fl_components.vocabulary import CSF, GREY_MATTER, NECROTIC, OEDEMA, WHITE_MATTER

SUFFIXES = ("t1", "t1ce", "t2", "flair")
HALF_MM = np.array([62.0, 78.0, 58.0])
TUMOUR_MM = np.array([25.0, 20.0, 15.0])
INTENSITY = np.array([  # background, CSF, GM, WM, NCR, ED
    [0, 200, 500, 800, 350, 450], [0, 200, 510, 800, 350, 450], [0, 950, 500, 320, 850, 800],
    [0, 200, 620, 500, 450, 900],
])
BRATS = np.array([0, 0, 0, 0, 1, 2], np.uint8)


def anatomy_at(points_mm: np.ndarray) -> np.ndarray:
    """Labels at points (..., 3) relative to the head's centre."""
    radius = np.linalg.norm(points_mm / HALF_MM, axis=-1)
    labels = np.select([radius < 0.25, radius < 0.72, radius < 0.92, radius <= 1],
                       [CSF, WHITE_MATTER, GREY_MATTER, CSF], 0).astype(np.uint8)
    from_tumour = np.linalg.norm(points_mm - TUMOUR_MM, axis=-1)
    labels[from_tumour < 19] = OEDEMA
    labels[from_tumour < 11] = NECROTIC
    return labels


def points(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Millimetres of every voxel, (X, Y, Z, 3)."""
    return nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))


def lps_affine(shape: tuple[int, ...], spacing: float, centre: np.ndarray) -> np.ndarray:
    """Axes LPS, the grid's centre at `centre`."""
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def write_case(
    root: Path,
    name: str = "case1",
    shape: tuple[int, int, int] = (50, 60, 48),
    affine: np.ndarray | None = None,
    centre: tuple[float, float, float] = (10.0, -20.0, 30.0),
    noise: float = 15.0,
    seed: int = 0,
) -> Case:
    """Write one case, its head at `centre`, and return it."""
    affine = lps_affine(shape, 3.0, np.array(centre)) if affine is None else affine
    labels = anatomy_at(points(shape, affine) - centre)
    rng = np.random.default_rng(seed)
    images = np.where(labels > 0, INTENSITY[:, labels] + noise * rng.standard_normal((4, *shape)), 0)
    for suffix, image in zip(SUFFIXES, images, strict=True):
        write_volume(root / name / f"{name}_{suffix}.nii.gz", np.round(image).astype(np.int16), affine)
    write_volume(root / name / f"{name}_seg.nii.gz", BRATS[labels], affine)
    return next(case for case in find_cases(root) if case.name == name)


def write_volume(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI file with qform = sform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)


def rewrite(path: Path, data: np.ndarray | None = None, affine: np.ndarray | None = None) -> None:
    """Replace a volume's data or affine."""
    image = nib.load(path)
    old = np.asarray(image.dataobj)
    write_volume(path, old if data is None else data, image.affine if affine is None else affine)


def truth_on(grid_shape: tuple[int, ...], grid_affine: np.ndarray) -> np.ndarray:
    """The anatomy that a perfectly prepared phantom has."""
    return anatomy_at(points(grid_shape, grid_affine) - TEMPLATE_CENTRE_MM)


def make_site(folder: Path, **data: object) -> Site:
    """A site whose cases lie in `<folder>/data`."""
    return Site.parse({"name": "east", "study": folder / "study.toml", "state": folder / "state",
                       "data": {"root": folder / "data", "dialect": "brats2020", **data}}, "site.toml")


def make_study(**overrides: object) -> Study:
    """The tiny preset for site east."""
    study = {"name": "trial", "preset": "tiny", "seed": 0, "sites": {"east": 1.0}, **overrides}
    return Study.parse(study, "study.toml")
