"""Edits of a present tumour where it is: its size, its composition, its end."""

from __future__ import annotations

import numpy as np

from fl_components.anatomy.check import TUMOUR_ML
from fl_components.anatomy.edit.growth import composed, resized
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import Voxels, count_voxels
from fl_components.anatomy.edit.model import Compose, Remove, Resize
from privacy_eval.errors import InputError


def resize(head: Head, edit: Resize) -> Head:
    """All foci by one factor, each growing on or going back by itself.

    Raises:
        InputError: if there is no tumour, or so much does not fit, with what does.
    """
    asked = edit.volume_ml if edit.volume_ml is not None else head.volume_ml * (edit.factor or 1.0)
    key = "volume_ml" if edit.volume_ml is not None else "factor"
    if not TUMOUR_ML[0] <= asked <= TUMOUR_ML[1]:
        nearest = float(np.clip(asked, *TUMOUR_ML))
        raise InputError(f"{key}: makes a tumour of {asked:.1f} ml, expected {TUMOUR_ML[0]} to {TUMOUR_ML[1]:.0f} ml; "
                         f"the nearest that can is {_suggestion(head, edit, nearest)}")
    made = _resized(head, asked / head.volume_ml)
    if made.volume_ml < 0.99 * asked - head.voxel_ml:
        raise InputError(f"{key}: {asked:.1f} ml do not fit; the nearest that can is "
                         f"{_suggestion(head, edit, 0.98 * made.volume_ml)}")
    return made


def compose(head: Head, edit: Compose) -> Head:
    """Every focus with other shares, within its present outline.

    Raises:
        InputError: if a part asked for would have no voxel, with the smallest share that has one.
    """
    stamps = [int((stamp > 0).sum()) for stamp in head.stamps]
    smallest = 1.5 / min(stamps)
    for name in ("necrosis", "enhancement", "oedema"):
        share = getattr(edit, name)
        if 0 < share < smallest:
            raise InputError(f"{name}: a share of {share:g} of the smallest focus is less than one voxel; the nearest "
                             f"that can is {name} = {smallest:.3f}, or 0")
    core = 1 - edit.oedema
    lesions = tuple(composed(head, index, Voxels(count, count, count).composed(count, core, edit.necrosis))
                    for index, count in enumerate(stamps))
    return head.with_lesions(lesions)


def remove(head: Head, edit: Remove) -> Head:
    """The head without a focus or without the tumour: the tissue it took and pushed is back.

    Raises:
        InputError: if there is no such focus.
    """
    if edit.focus is None:
        return head.with_lesions(())
    return without(head, edit.focus)


def without(head: Head, focus: int) -> Head:
    """The head without one focus, 1 being the largest."""
    gone = index_of(head, focus)
    return head.with_lesions(tuple(lesion for k, lesion in enumerate(head.lesions) if k != gone))


def index_of(head: Head, focus: int) -> int:
    """Which of the head's lesions is the focus of that rank by size.

    Raises:
        InputError: if there are fewer.
    """
    sizes = [int((stamp > 0).sum()) for stamp in head.stamps]
    if focus > len(sizes):
        raise InputError(f"focus: found {focus}, the tumour has {len(sizes)}; the nearest that can is focus = "
                         f"{len(sizes)}")
    return int(np.argsort([-size for size in sizes], kind="stable")[focus - 1])


def _resized(head: Head, factor: float) -> Head:
    return head.with_lesions(tuple(resized(head, index, count_voxels(stamp).scaled(factor))
                                   for index, stamp in enumerate(head.stamps)))


def _suggestion(head: Head, edit: Resize, volume_ml: float) -> str:
    if edit.volume_ml is not None:
        return f"volume_ml = {volume_ml:.1f}"
    return f"factor = {volume_ml / head.volume_ml:.3g}"
