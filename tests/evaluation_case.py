"""A small run with a release that nobody trained: painted anatomies, of which segmenters learn little in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_run import CONTRAST, prepare_run, write_run

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, paint
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Study
from jobs.run_folder import RunFolder
from privacy_eval.spaces.images import ImageSet

THREE = {"east": 2.0, "north": 1.0, "west": 1.0}
POLICY = {"minimum_subjects": 5, "minimum_test_subjects": 3}


def evaluation_run(path: Path, subjects: int = 15, volumes: int = 8, **study: object) -> RunFolder:
    """Prepared sites and a release."""
    run = write_run(path, subjects=subjects, **{"sites": THREE, **study})
    made = prepare_run(run)
    release = painted(made, volumes)
    assert release.labels is not None
    metadata = ReleaseMetadata(made.name, made.hash, "b" * 64, 7, "0.1.0", "simulated hospitals (3 sites)")
    with ReleaseWriter(run.release, made.grid, metadata) as writer:
        for images, labels in zip(release.images, release.labels, strict=True):
            writer.add(images, labels)
    return run


def painted(study: Study, count: int, seed: int = 5) -> ImageSet:
    """Sampled anatomies painted by one contrast, with noise in the brain."""
    rng = np.random.default_rng(seed)
    labels = np.stack([AnatomySampler(study.grid).sample(rng).labels for _ in range(count)])
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    noise = 0.03 * rng.standard_normal((count, 4, *study.grid.shape)) * (labels > 0)[:, None]
    images = np.stack([paint(one, contrast) for one in labels]) + noise
    return ImageSet(np.clip(images, 0, 1).astype(np.float32), labels)
