"""Where a head to edit comes from: an anatomy that was sampled, or one that was given."""

from __future__ import annotations

import numpy as np

from fl_components.anatomy.brain import Brain
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import Biology, Lesion, count_voxels, foci, orders_of
from fl_components.anatomy.edit.restore import one_hot, restored, symmetric_push, template_coordinates
from fl_components.anatomy.sampler import SampledAnatomy
from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, CSF, LABELS, NECROTIC, TUMOUR
from privacy_eval.errors import InputError


def head_of_sample(drawn: SampledAnatomy, grid: Grid) -> Head:
    """The head of a sampled anatomy: its healthy brain is known, and so is the push."""
    still = np.zeros((3, *(-(-length // 2) for length in grid.shape)), np.float32)
    head = Head(grid, drawn.healthy, still)
    if drawn.tumour is None or drawn.push is None:
        return head
    core_radius_mm = np.cbrt(drawn.tumour.volume_ml * drawn.tumour.core_share * 1000 * 3 / (4 * np.pi))
    biology = Biology(drawn.tumour.white_preference, drawn.tumour.roughness,
                      float(drawn.tumour.push_mm / core_radius_mm))
    return _with_foci(head, drawn.labels, drawn.push, biology)


def head_of_labels(labels: np.ndarray, grid: Grid) -> Head:
    """The head of a given anatomy, on voxels in template space (an affine registration at most).

    What lay below its tumour, and how far it pushed, is unknown and estimated: see `restore`.

    Args:
        labels: (X, Y, Z) integers in the shared vocabulary.
        grid: of the anatomy: isotropic, RAS axes.

    Raises:
        InputError: if it holds no brain or labels beyond the vocabulary.
    """
    unknown = sorted(int(value) for value in set(np.unique(labels)) - set(LABELS))
    if unknown:
        raise InputError(f"label values {unknown}, expected {min(LABELS)} to {max(LABELS)}; state the anatomy's scheme")
    labels = labels.astype(np.uint8)
    if not (labels != BACKGROUND).any():
        raise InputError("no brain in the anatomy: every voxel is background; name another file")
    place = template_coordinates(labels, grid)
    still = np.zeros((3, *(-(-length // 2) for length in grid.shape)), np.float32)
    if not np.isin(labels, TUMOUR).any():
        return Head(grid, Brain(one_hot(labels), (labels != BACKGROUND).astype(np.float32), place), still)
    share, push = symmetric_push(labels, grid)
    tissues = restored(labels, push, grid)
    brain = Brain(tissues, (labels != BACKGROUND).astype(np.float32), place)
    return _with_foci(Head(grid, brain, push), labels, push, Biology(push_share=share))


def _with_foci(head: Head, labels: np.ndarray, push: np.ndarray, biology: Biology) -> Head:
    """The head with the tumour of its present labels, the push shared out among the foci."""
    pushed = Head(head.grid, head.brain, head.reference - push)  # no focus yet, so that its push is `push`
    healthy = pushed.pushed.labels()
    tissue = (healthy != BACKGROUND) & (healthy != CSF)
    parts = foci(labels)
    cores = [(part > 0) & ((part == NECROTIC) | (part == max(TUMOUR))) for part in parts]
    own = [pushed.push_of(core, biology.push_share) for core in cores[1:]]
    pushes = [push - sum(own, np.zeros_like(push)), *own]
    total = sum(pushes, np.zeros_like(push))
    lesions = tuple(
        Lesion(orders_of(part, tissue & ((labels == part) | ~np.isin(labels, TUMOUR)), head.grid.spacing_mm, ~tissue),
               count_voxels(part), biology, own_push, total)
        for part, own_push in zip(parts, pushes, strict=True))
    reference = total if head.reference.any() else head.reference
    return Head(head.grid, head.brain, reference, lesions)
