"""Where an edit puts a focus: the target in millimetres, in a named region, or drawn; and what cannot be put there."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.check import TUMOUR_ML
from fl_components.anatomy.edit.growth import ATTEMPTS, Shape, admissible, planted
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import Biology
from fl_components.anatomy.edit.regions import HEMISPHERES, region
from fl_components.anatomy.sampler import seed_chance
from privacy_eval.errors import InputError

NEAR_MM: Final = 8.0
"""A centre may lie this far from solid tissue, as the centre of a tumour around a sulcus does."""
MISSED_SHARE: Final = 0.15
"""Share of the distance asked by which a focus may miss its place, beyond one and a half voxels."""
MAJORITY: Final = 0.5
"""A focus lies in a region if at least this share of it does."""
RING_MM: Final = (25.0, 60.0)
"""How far a further focus lies from the first where no place is given, as in the sampler."""


def centre(mask: np.ndarray) -> np.ndarray:
    """(3,) centre of mass in voxels."""
    return np.argwhere(mask).mean(axis=0)


@dataclass(frozen=True)
class Wish:
    """A place that was asked for: `target` in voxels, the `key` that asked, and the voxels `origin` it counts from.

    Without an origin the key names template millimetres.
    """

    target: np.ndarray
    key: str
    origin: np.ndarray | None = None


def placed(head: Head, wish: Wish, shape: Shape, biology: Biology, rng: np.random.Generator) -> Head:
    """The head with a new focus centred where it was asked for.

    Raises:
        InputError: if nothing can lie there or growth does not centre there, naming the nearest place that was tried
            and can; or if so much does not fit.
    """
    problem = _no_place(head, wish.target)
    if problem is None:
        grown = with_focus(head, wish.target, shape, biology, copy.deepcopy(rng))
        problem = _missed(grown, wish)
        if problem is None:
            return grown
    nearest = admissible_places(head)
    place = nearest[((nearest - wish.target) ** 2).sum(axis=1).argmin()].astype(float)
    for _ in range(ATTEMPTS):
        grown = with_focus(head, place, shape, biology, copy.deepcopy(rng))
        reached = centre(grown.stamps[-1] > 0)
        if _no_place(head, place) is None and _missed(grown, replace(wish, target=place)) is None:
            raise InputError(f"{wish.key}: {problem}; the nearest that can is {wish.key} = {_asked(head, place, wish)}")
        place = reached
    raise InputError(f"{wish.key}: {problem}, nor near it; name another place, or resize it first")


def _no_place(head: Head, target: np.ndarray) -> str | None:
    """Why no focus can be centred at a voxel; None if one can."""
    index = tuple(np.rint(target).astype(int))
    inside = head.pushed.mask
    if not all(0 <= place < length for place, length in zip(index, inside.shape, strict=True)) or not inside[index]:
        return "leaves the brain"
    distance = np.linalg.norm(admissible_places(head) - target, axis=1).min() * head.grid.spacing_mm
    return None if distance <= max(NEAR_MM, 1.5 * head.grid.spacing_mm) else "lies in fluid or the brain stem"


def _missed(grown: Head, wish: Wish) -> str | None:
    """What is wrong with where the last focus came to lie; None if it is as near as growth lets it be."""
    stamp, spacing = grown.stamps[-1] > 0, grown.grid.spacing_mm
    missed = float(np.linalg.norm(centre(stamp) - wish.target)) * spacing
    asked = 0.0 if wish.origin is None else float(np.linalg.norm(wish.target - wish.origin)) * spacing
    if missed <= max(1.5 * spacing, 6.0) + MISSED_SHARE * asked:
        return None
    return f"a focus of {stamp.sum() * grown.voxel_ml:.1f} ml cannot be centred there, it stays {missed:.0f} mm off"


def template_voxel(head: Head, at_mm: tuple[float, float, float]) -> np.ndarray:
    """(3,) voxel that shows a place of template space; beyond the grid if the place lies outside the brain."""
    offset = head.pushed.template_mm - np.array(at_mm).reshape(3, 1, 1, 1)
    distance = np.sqrt((offset**2).sum(axis=0))
    nearest = np.array(np.unravel_index(distance.argmin(), distance.shape))
    beyond = (np.array(at_mm) - head.pushed.template_mm[(slice(None), *nearest)]) / head.grid.spacing_mm
    return nearest + np.where(np.abs(beyond) > 1, beyond, 0)


def region_target(head: Head, name: str, present: np.ndarray | None) -> np.ndarray:
    """Where a focus goes in a region: its deepest place; in the other hemisphere: the mirrored place.

    Args:
        head: in which it is to lie.
        name: one of `REGIONS`.
        present: (3,) voxels where the focus lies now, None if there is none.

    Raises:
        InputError: if it lies in that hemisphere already, or nothing of the region is free.
    """
    template_mm = head.pushed.template_mm
    inside = region(name, template_mm) & head.pushed.mask
    places = inside & admissible(head)
    if not places.any():
        raise InputError(f"to '{name}': no free tissue there; name another region or remove a focus first")
    if name in HEMISPHERES and present is not None:
        here = template_mm[(slice(None), *np.rint(present).astype(int))]
        if (here[0] < 0) == (name == HEMISPHERES[0]):
            raise InputError(f"to '{name}': the focus lies there already; name a lobe of it, or 'by_mm'")
        mirror = here * np.array([-1, 1, 1])
        distance = ((template_mm - mirror.reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
        return np.argwhere(places)[distance[places].argmin()]
    depth = ndimage.distance_transform_edt(inside, sampling=head.grid.spacing_mm)
    return np.argwhere(places)[depth[places].argmax()]


def drawn_target(head: Head, near: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """A random place, as the sampler draws them: anywhere in the cerebrum, or in a ring around a focus."""
    chance = np.where(head.tumour, 0, seed_chance(head.pushed, cerebellum=False)).astype(float)
    if near is not None:
        places = np.indices(chance.shape)
        distance = np.sqrt(((places - near.reshape(3, 1, 1, 1)) ** 2).sum(axis=0)) * head.grid.spacing_mm
        ring = chance * ((distance > RING_MM[0]) & (distance < RING_MM[1]))
        chance = ring if ring.any() else chance
    if not chance.any():
        raise InputError("no place for a further focus: all tissue is tumour; resize the tumour first")
    return np.array(np.unravel_index(rng.choice(chance.size, p=chance.ravel() / chance.sum()), chance.shape))


def with_focus(head: Head, target: np.ndarray, shape: Shape, biology: Biology, rng: np.random.Generator) -> Head:
    """The head with a new focus near a place.

    Raises:
        InputError: if that much does not fit, with what does.
    """
    grown = head.with_lesions((*head.lesions, planted(head, target, shape, biology, rng)))
    made = int((grown.stamps[-1] > 0).sum())
    if made < 0.99 * shape.voxels(head.voxel_ml).whole:
        raise InputError(f"volume_ml: {shape.volume_ml:.1f} ml do not fit there; at most {made * head.voxel_ml:.1f} ml "
                         "do, so ask for that or resize first")
    return grown


def placed_in(head: Head, name: str, present: np.ndarray | None, shape: Shape, biology: Biology,
              rng: np.random.Generator) -> Head:
    """The head with a new focus of which most lies in a region (`present` as for `region_target`).

    Raises:
        InputError: if less of it does, with the largest volume that was tried and does.
    """
    target = region_target(head, name, present)
    grown = with_focus(head, target, shape, biology, copy.deepcopy(rng))
    share = _share_within(grown, name)
    if share >= MAJORITY:
        return grown
    problem = f"to '{name}': only {share:.0%} of {shape.volume_ml:.1f} ml would lie in it"
    volume_ml = shape.volume_ml
    while (volume_ml := 0.8 * volume_ml) >= TUMOUR_ML[0]:
        smaller = with_focus(head, target, replace(shape, volume_ml=volume_ml), biology, copy.deepcopy(rng))
        if _share_within(smaller, name) >= MAJORITY:
            raise InputError(f"{problem}; {volume_ml:.1f} ml fit, so make it that first, or name a larger region")
    raise InputError(f"{problem}; name a larger region")


def _share_within(grown: Head, name: str) -> float:
    """Share of the last focus that lies in a region."""
    return float(region(name, grown.pushed.template_mm)[grown.stamps[-1] > 0].mean())


def admissible_places(head: Head) -> np.ndarray:
    """(n, 3) voxels where a focus may start.

    Raises:
        InputError: if there is none.
    """
    places = np.argwhere(admissible(head))
    if not len(places):
        raise InputError("no place for a further focus: all tissue is tumour; resize the tumour first")
    return places


def _asked(head: Head, place: np.ndarray, wish: Wish) -> list[float]:
    """A place in the terms of the key that asked: millimetres from the origin, or of the template."""
    if wish.origin is not None:
        return [round(float(value), 1) for value in (place - wish.origin) * head.grid.spacing_mm]
    nearest = tuple(np.rint(place).astype(int))
    return [round(float(value), 1) for value in head.pushed.template_mm[(slice(None), *nearest)]]
