"""Where an edit puts a focus: the target in millimetres, in a named region, or drawn; and what cannot be put there."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.edit.growth import Shape, admissible, planted
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


def checked_target(head: Head, target: np.ndarray, origin: np.ndarray | None, what: str) -> np.ndarray:
    """A target in voxels, if a focus can lie there.

    Args:
        head: in which it is to lie.
        target: (3,) voxels.
        origin: (3,) voxels from which `what` counts, None if it names template millimetres.
        what: the key that asked for it, for messages.

    Raises:
        InputError: naming the nearest place that can.
    """
    places = np.argwhere(admissible(head))
    distances = np.linalg.norm(places - target, axis=1) * head.grid.spacing_mm
    nearest = places[distances.argmin()]
    inside = np.asarray(head.pushed.mask)
    index = tuple(np.rint(target).astype(int))
    within = all(0 <= place < length for place, length in zip(index, inside.shape, strict=True)) and inside[index]
    if within and distances.min() <= max(NEAR_MM, 1.5 * head.grid.spacing_mm):
        return target
    why = "lies in fluid or the brain stem" if within else "leaves the brain"
    raise InputError(f"{what}: {why}; the nearest that can is {what} = {_asked(head, nearest, origin)}")


def template_target(head: Head, at_mm: tuple[float, float, float], what: str) -> np.ndarray:
    """The voxel that shows a place of template space (errors as `checked_target`)."""
    offset = head.pushed.template_mm - np.array(at_mm).reshape(3, 1, 1, 1)
    distance = np.sqrt((offset**2).sum(axis=0))
    target = np.array(np.unravel_index(distance.argmin(), distance.shape))
    if distance.min() > 2 * head.grid.spacing_mm or not head.pushed.mask[tuple(target)]:
        places = admissible(head)
        nearest = np.argwhere(places)[distance[places].argmin()]
        raise InputError(f"{what}: {list(at_mm)} lies outside the brain; the nearest that can is {what} = "
                         f"{_asked(head, nearest, None)}")
    return checked_target(head, target, None, what)


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


def check_reached(head: Head, target: np.ndarray, origin: np.ndarray | None, what: str) -> None:
    """Whether the last focus came to lie where it was asked for.

    Raises:
        InputError: if it is farther off than growth explains, naming where it can lie.
    """
    place = centre(head.stamps[-1] > 0)
    missed = float(np.linalg.norm(place - target)) * head.grid.spacing_mm
    asked = 0.0 if origin is None else float(np.linalg.norm(target - origin)) * head.grid.spacing_mm
    if missed > max(1.5 * head.grid.spacing_mm, 6.0) + MISSED_SHARE * asked:
        raise InputError(f"{what}: a focus of {(head.stamps[-1] > 0).sum() * head.voxel_ml:.1f} ml cannot be centred "
                         f"there, it stays {missed:.0f} mm off; the nearest that can is {what} = "
                         f"{_asked(head, place, origin)}, or resize it first")


def check_region(head: Head, name: str) -> None:
    """Whether most of the last focus lies in a region.

    Raises:
        InputError: if not, with the largest volume that does.
    """
    stamp, order = head.stamps[-1] > 0, head.lesions[-1].orders.whole
    inside = region(name, head.pushed.template_mm)
    share = float(inside[stamp].mean())
    if share >= MAJORITY:
        return
    ranked = inside[stamp][np.argsort(order[stamp], kind="stable")]
    majority = np.flatnonzero(np.cumsum(ranked) >= MAJORITY * np.arange(1, ranked.size + 1))
    fits = (majority[-1] + 1) * head.voxel_ml if majority.size else 0.0
    raise InputError(f"to '{name}': only {share:.0%} of {stamp.sum() * head.voxel_ml:.1f} ml would lie in it; at most "
                     f"{fits:.1f} ml fit, so resize to that first or name a larger region")


def _asked(head: Head, place: np.ndarray, origin: np.ndarray | None) -> list[float]:
    """A place in the terms of the key that asked: millimetres from the origin, or of the template."""
    if origin is not None:
        return [round(float(value), 1) for value in (place - origin) * head.grid.spacing_mm]
    nearest = tuple(np.rint(place).astype(int))
    return [round(float(value), 1) for value in head.pushed.template_mm[(slice(None), *nearest)]]
