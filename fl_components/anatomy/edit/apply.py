"""Making the edits of a file on a head, one after the other, each held to what could be a brain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fl_components.anatomy.check import problems
from fl_components.anatomy.edit.growth import Shape
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import Biology, count_voxels
from fl_components.anatomy.edit.measure import edit_measures
from fl_components.anatomy.edit.model import AddFocus, Compose, Edit, EditFile, Move, Remove, Resize, Transplant
from fl_components.anatomy.edit.place import (
    Wish,
    centre,
    drawn_target,
    placed,
    placed_in,
    template_voxel,
    with_focus,
)
from fl_components.anatomy.edit.size import compose, index_of, remove, resize, without
from fl_components.anatomy.sampler import draw_tumour_traits
from fl_components.anatomy.threads import one_blas_thread
from privacy_eval.errors import InputError

Donor = Callable[[str], np.ndarray]
"""Gives the labels (X, Y, Z) and, by raising `InputError`, refuses names that it does not know."""
DISTANT_WORD: Final = 0xED17
"""First word of every edit's seed, so that no other stream of a study meets it."""


@dataclass(frozen=True)
class Edited:
    """What came of a list of edits: every state, the first unedited, and what each edit was measured to do."""

    states: tuple[Head, ...]
    measures: tuple[dict[str, Any], ...]

    @property
    def before(self) -> np.ndarray:
        """(X, Y, Z) labels before the first edit."""
        return self.states[0].labels

    @property
    def after(self) -> np.ndarray:
        """(X, Y, Z) labels after the last."""
        return self.states[-1].labels


def apply_edits(head: Head, file: EditFile, donor: Donor) -> Edited:
    """Make all edits.

    Edit k draws from (the file's seed, k) alone, so that the same file makes the same voxels of the same head.

    Args:
        head: what is edited; it stays as it is.
        file: the edits and their seed.
        donor: where transplants that name a donor take its anatomy from.

    Raises:
        InputError: naming the edit, why it cannot be, and the nearest one that can.
    """
    states, measures = [head], []
    with one_blas_thread():
        for number, edit in enumerate(file.edits, 1):
            rng = np.random.default_rng([DISTANT_WORD, file.seed, number])
            try:
                after = apply_edit(states[-1], edit, rng, donor)
                _could_be(states[-1], after)
            except InputError as error:
                raise InputError(f"edit {number} ({edit.edit}): {error}") from None
            measures.append(edit_measures(states[-1], after, edit))
            states.append(after)
    return Edited(tuple(states), tuple(measures))


def apply_edit(head: Head, edit: Edit, rng: np.random.Generator, donor: Donor) -> Head:
    """One edit (errors as `apply_edits`)."""
    if isinstance(edit, Transplant):
        return _transplant(head, edit, rng, donor)
    if not head.lesions:
        raise InputError("this anatomy has no tumour; the nearest edit that can is a transplant")
    if isinstance(edit, Move):
        return _move(head, edit, rng)
    if isinstance(edit, Resize):
        return resize(head, edit)
    if isinstance(edit, Compose):
        return compose(head, edit)
    if isinstance(edit, AddFocus):
        return _add_focus(head, edit, rng)
    assert isinstance(edit, Remove)
    return remove(head, edit)


def _move(head: Head, edit: Move, rng: np.random.Generator) -> Head:
    index = index_of(head, edit.focus)
    stamp, lesion = head.stamps[index], head.lesions[index]
    origin, rest = centre(stamp > 0), without(head, edit.focus)
    shape = Shape.of(count_voxels(stamp), head.voxel_ml)
    if edit.to is not None:
        return placed_in(rest, edit.to, origin, shape, lesion.biology, rng)
    target = origin + np.array(edit.by_mm) / head.grid.spacing_mm
    return placed(rest, Wish(target, "by_mm", origin), shape, lesion.biology, rng)


def _add_focus(head: Head, edit: AddFocus, rng: np.random.Generator) -> Head:
    largest = head.stamps[index_of(head, 1)]
    present = Shape.of(count_voxels(head.labels), head.voxel_ml)
    shape = Shape(edit.volume_ml, present.core_share, present.necrosis_share)
    return _put(head, edit, shape, head.lesions[0].biology, rng, centre(largest > 0))


def _transplant(head: Head, edit: Transplant, rng: np.random.Generator, donor: Donor) -> Head:
    if head.lesions:
        raise InputError(f"this brain has a tumour of {head.volume_ml:.1f} ml; the nearest edit that can is add_focus, "
                         "or remove it first")
    biology = Biology()
    if edit.tumour is not None:
        shape = Shape(edit.tumour.volume_ml, 1 - edit.tumour.oedema, edit.tumour.necrosis)
    elif edit.donor is not None:
        labels = donor(edit.donor)
        voxels = count_voxels(labels)
        if not voxels.whole:
            raise InputError(f"donor: '{edit.donor}' has no tumour; name another one")
        shape = Shape.of(voxels, head.voxel_ml)
    else:
        traits = draw_tumour_traits(rng)
        radius_mm = float(np.cbrt(traits.volume_ml * traits.core_share * 1000 * 3 / (4 * np.pi)))
        necrosis = traits.core_share * max(0.0, 1 - traits.rim_mm / radius_mm) ** 3
        shape = Shape(traits.volume_ml, traits.core_share, necrosis)
        biology = Biology(traits.white_preference, traits.roughness, traits.push_mm / radius_mm)
    return _put(head, edit, shape, biology, rng, None)


def _put(head: Head, edit: AddFocus | Transplant, shape: Shape, biology: Biology, rng: np.random.Generator,
         near: np.ndarray | None) -> Head:
    """A new focus at the edit's region, its place in the template, or a drawn one."""
    if edit.to is not None:
        return placed_in(head, edit.to, None, shape, biology, rng)
    if edit.at_mm is not None:
        return placed(head, Wish(template_voxel(head, edit.at_mm), "at_mm"), shape, biology, rng)
    return with_focus(head, drawn_target(head, near, rng), shape, biology, rng)


def _could_be(before: Head, after: Head) -> None:
    """What made the anatomy implausible is refused; what was so before is not this edit's fault."""
    known = {problem.split(" ")[0] for problem in problems(before.labels, before.grid)}
    new = [problem for problem in problems(after.labels, after.grid) if problem.split(" ")[0] not in known]
    if not new:
        return
    smaller = 0.7 * after.volume_ml
    raise InputError(f"the result could not be a brain ({new[0]}); the nearest edit that can is a smaller one, such as "
                     f"{smaller:.0f} ml in all")
