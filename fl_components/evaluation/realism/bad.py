"""Bad generators, made from good subjects by one defect each: what every measure of realism is tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter

from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast, paint
from fl_components.vocabulary import BACKGROUND, TUMOUR

BLUR_VOXELS: Final = 0.6
"""SD of the blur: a voxel and a half wide at half its height."""
MODES: Final = 2
GAMMA: Final = 1.6
_JITTER: Final = 0.01


def blurred(subjects: Sequence[Subject]) -> list[Subject]:
    """Every image smoothed by a Gaussian of `BLUR_VOXELS`."""
    return [_with_images(subject, np.stack([gaussian_filter(one, BLUR_VOXELS) for one in subject.images]))
            for subject in subjects]


def collapsed(subjects: Sequence[Subject]) -> list[Subject]:
    """As many subjects, all of them one of the first `MODES` with a little noise."""
    rng = np.random.default_rng(0)
    return [_with_images(mode, mode.images + _JITTER * rng.standard_normal(mode.images.shape))
            for k in range(len(subjects)) for mode in (subjects[k % MODES],)]


def wrong_contrast(subjects: Sequence[Subject]) -> list[Subject]:
    """Intensities to the power of `GAMMA`: everything is where it should be, and darker than it should."""
    return [_with_images(subject, subject.images**GAMMA) for subject in subjects]


def painted(subjects: Sequence[Subject]) -> list[Subject]:
    """The lookup table: each tissue in its contrast, and nothing else."""
    return [_with_images(subject, paint(subject.labels, subject.contrast)) for subject in subjects]


def pasted(subjects: Sequence[Subject]) -> list[Subject]:
    """Tumours cut out along their outline and laid on healthy brain, which is the mirrored other hemisphere.

    Inside and outside are real; that nothing fades or is pushed aside at the edge is not. Where the mirrored place is a
    tumour or no brain, the subject's own voxel stays.
    """
    made = []
    for subject in subjects:
        mirrored = subject.labels[::-1]
        take = (~np.isin(subject.labels, TUMOUR) & (subject.labels != BACKGROUND)
                & ~np.isin(mirrored, TUMOUR) & (mirrored != BACKGROUND))
        labels = np.where(take, mirrored, subject.labels)
        images = np.where(take, subject.images[:, ::-1], subject.images)
        made.append(replace(subject, images=images, labels=labels, contrast=measure_contrast(images, labels)))
    return made


BAD: Final[dict[str, Callable[[Sequence[Subject]], list[Subject]]]] = {
    "blurred": blurred, "mode-collapsed": collapsed, "wrong contrast": wrong_contrast, "lookup table": painted,
    "tumours pasted": pasted}
"""By the name that tables give them."""


def _with_images(subject: Subject, images: np.ndarray) -> Subject:
    inside = (np.clip(images, 0, 1) * (subject.labels != BACKGROUND)).astype(np.float32)
    return replace(subject, images=inside, contrast=measure_contrast(inside, subject.labels))
