"""A run folder small enough for tests: two sites of a few painted subjects in the BraTS layout."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import tomli_w
from safetensors.numpy import save_file

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.cohort import prepare_cohort
from fl_components.contrast import Contrast, paint
from fl_components.guard.declaration import EVALUATION
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.site import EgressPolicy
from fl_components.study import Grid, Study
from jobs.run_folder import RunFolder

#                    T1   T1ce  T2   FLAIR
CONTRAST = np.array([[.20, .20, .95, .15],   # CSF
                     [.50, .52, .55, .60],   # grey matter
                     [.75, .76, .40, .48],   # white matter
                     [.35, .35, .85, .45],   # necrotic core
                     [.45, .46, .80, .90],   # oedema
                     [.50, .95, .65, .70]])  # enhancing
ALL_TASKS = (*EgressPolicy().tasks, *EVALUATION)
BRATS = np.array([0, 0, 0, 0, 1, 2, 4], np.uint8)


def small_study(**overrides: object) -> dict[str, object]:
    """A study of two sites that trains in seconds and learns nothing."""
    return {
        "name": "small", "preset": "tiny", "seed": 7, "sites": {"east": 2.0, "west": 1.0},
        "grid": {"shape": [24, 28, 24], "spacing_mm": 7.0},
        "network": {"generator_channels": [4, 8], "discriminator_channels": 4, "latent_size": 4},
        "training": {"rounds": 2, "local_steps": 3},
        "federation": {"round_timeout_s": 300},
        "synthesis": {"volumes": 6},
        "audit": {"minimum_subjects": 5, "calibration_subjects": 6},
        "evaluation": {"rounds": 2, "steps": 2},
        **overrides,
    }


@cache
def painted_patient(grid: Grid, seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One painted, noisy subject: images (4, X, Y, Z) int16 and labels. Kept, since most runs have the same."""
    rng = np.random.default_rng(seed)
    labels = AnatomySampler(grid).sample(rng).labels
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    noise = 0.03 * rng.standard_normal((4, *grid.shape))
    images = np.where(labels > 0, np.clip(paint(labels, contrast) + noise, 0.02, None), 0) * 1000
    return images.astype(np.int16), labels


def write_patient(folder: Path, grid: Grid, *seed: int) -> None:
    """A painted subject as five NIfTI files, axes LPS."""
    folder.mkdir(parents=True)
    images, labels = painted_patient(grid, seed)
    affine = grid.affine @ np.diag([-1, -1, 1, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] + grid.spacing_mm * np.array([grid.shape[0] - 1, grid.shape[1] - 1, 0])
    volumes = dict(zip(("t1", "t1ce", "t2", "flair"), images, strict=True), seg=BRATS[labels])
    for suffix, volume in volumes.items():
        image = nib.Nifti1Image(np.ascontiguousarray(volume[::-1, ::-1]), affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, folder / f"{folder.name}_{suffix}.nii.gz")


def write_run(path: Path, subjects: int = 15, **overrides: object) -> RunFolder:
    """The study, both sites' settings and their data; nothing prepared."""
    run = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    run.study_file.write_text(tomli_w.dumps(small_study(**overrides)))
    study = run.study()
    for index, name in enumerate(study.sites):
        folder = run.site_folder(name)
        folder.mkdir(parents=True)
        for k in range(subjects):
            write_patient(folder / "data" / f"{name}_{k:03d}", study.grid, index, k)
        run.site_file(name).write_text(tomli_w.dumps({
            "name": name, "study": "../../study.toml", "state": "state",
            "data": {"root": "data", "dialect": "brats2020", "simulated": True, "split_seed": index},
            "policy": {"minimum_subjects": 5, "minimum_count": 3, "minimum_test_subjects": 3,
                       "tasks": list(ALL_TASKS)}}))
    return run


def prepare_run(run: RunFolder) -> Study:
    """Prepare every site's cohort."""
    study = run.study()
    for site in run.sites(study):
        prepare_cohort(site, study)
    return study


def write_untrained(run: RunFolder) -> None:
    """What a training leaves at the server, of a generator that learned nothing: its weights, the sites' contrasts."""
    study = run.study()
    run.server.folder.mkdir()
    save_file(weights_of(build_generator(study)), run.server.generator_file)
    run.server.population_file.write_text(json.dumps({site: {
        "contrast.mean": CONTRAST.tolist(), "contrast.spread": np.zeros((6, 4)).tolist(),
        "contrast.count": [9] * 6, "simulated": True} for site in study.sites}))
