"""Growth inside a given anatomy: a new focus about a place, and a present one growing on, within the skull's rooms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import (
    FRONT_SPEED_MM,
    Biology,
    Lesion,
    Orders,
    Voxels,
    count_voxels,
    first,
    orders_of,
    signed_distance,
)
from fl_components.anatomy.field import random_field
from fl_components.anatomy.sampler import seed_chance
from fl_components.anatomy.tumour import NEVER, REACHED, TumourTraits, arrival_beyond, arrival_times, sparing_cortex
from fl_components.vocabulary import OEDEMA

ATTEMPTS: Final = 5
"""Seeds that are tried for one place: growth along white matter carries a tumour's centre away from its seed."""
STAYING: Final = 8.0
"""A millimetre deeper counts as much as so many nearer to where the part was, when a tumour is composed anew."""


@dataclass(frozen=True)
class Shape:
    """A focus to grow: its volume and the shares of core and necrosis in it."""

    volume_ml: float
    core_share: float
    necrosis_share: float

    def voxels(self, voxel_ml: float) -> Voxels:
        """The same in voxels."""
        whole = max(round(self.volume_ml / voxel_ml), 1)
        return Voxels(whole, whole, whole).composed(whole, self.core_share, self.necrosis_share)

    @classmethod
    def of(cls, voxels: Voxels, voxel_ml: float) -> Shape:
        """The shape of so many voxels."""
        return cls(voxels.whole * voxel_ml, voxels.core / voxels.whole, voxels.necrosis / voxels.whole)


def admissible(head: Head) -> np.ndarray:
    """(X, Y, Z) bool: where a focus may start: solid tissue off the brain stem, free of tumour."""
    brain = head.pushed
    return ((seed_chance(brain, False) > 0) | (seed_chance(brain, True) > 0)) & ~head.tumour


def planted(head: Head, target: np.ndarray, shape: Shape, biology: Biology, rng: np.random.Generator) -> Lesion:
    """A new focus whose centre of mass comes as near to a place as growth allows.

    Args:
        head: in whose present brain it grows; other foci are in its way.
        target: (3,) voxel coordinates.
        shape: its volume and composition.
        biology: how it grows.
        rng: source of uneven tissue and irregular regions.
    """
    places = np.argwhere(admissible(head))
    free = head.tissue & ~head.tumour
    uneven = np.minimum(random_field(rng, free.shape, 11.0 / head.grid.spacing_mm), 1)
    mobility = np.where(head.tumour, 0, np.exp(0.6 * biology.roughness * (uneven - 1)))
    wobble = random_field(rng, free.shape, 5.0 / head.grid.spacing_mm)
    voxels = shape.voxels(head.voxel_ml)
    aim, best, tried = target.astype(float), (np.inf, np.empty(0)), set()
    for _ in range(ATTEMPTS):
        seed = places[((places - aim) ** 2).sum(axis=1).argmin()]
        if tuple(seed) in tried:
            break
        tried.add(tuple(seed))
        arrival = _arrival(head, seed, shape, biology, mobility)
        grown = first(arrival, free & (arrival < NEVER), voxels.whole)
        if not grown.any():
            break
        error = target - np.argwhere(grown).mean(axis=0)
        if (distance := float(np.linalg.norm(error))) < best[0]:
            best = distance, arrival
        aim = aim + error
    arrival = best[1] if best[1].size else np.full(free.shape, NEVER, np.float32)
    return _lesion(head, arrival, wobble, voxels, biology)


def resized(head: Head, index: int, voxels: Voxels) -> Lesion:
    """The focus at another size: its outline grows on by reaction-diffusion, or goes back."""
    lesion, stamp, orders = head.lesions[index], head.stamps[index], present_orders(head, index)
    if voxels.whole > int((stamp > 0).sum()):
        others = head.tumour & (stamp == 0)
        cells = _cells(stamp > 0, head.grid.spacing_mm)
        arrival = arrival_beyond(head.pushed.tissues, cells, lesion.biology.white_preference,
                                 voxels.whole * head.voxel_ml, head.grid.spacing_mm, np.where(others, 0.0, 1.0),
                                 head.rooms)
        whole = np.where(stamp > 0, orders.whole, np.where(others, NEVER, arrival)).astype(np.float32)
        orders = replace(orders, whole=whole)
    return _changed(head, index, orders, voxels)


def composed(head: Head, index: int, voxels: Voxels) -> Lesion:
    """The focus with other parts: near the present ones, but the deeper part deep, so that rims go all around."""
    stamp, orders, spacing = head.stamps[index], present_orders(head, index), head.grid.spacing_mm
    present = count_voxels(stamp)
    if voxels.core != present.core:
        orders = replace(orders, core=orders.core / STAYING + signed_distance(stamp > 0, spacing))
    if (voxels.core, voxels.necrosis) != (present.core, present.necrosis):
        core = first(orders.core, stamp > 0, voxels.core)
        orders = replace(orders, necrosis=orders.necrosis / STAYING + signed_distance(core, spacing))
    return _changed(head, index, orders, voxels)


def _changed(head: Head, index: int, orders: Orders, voxels: Voxels) -> Lesion:
    """The focus in the present brain with these orders; its push follows its core."""
    lesion, stamp = head.lesions[index], head.stamps[index]
    free = head.tissue & ~head.tumour | (stamp > 0)
    before = (stamp > 0) & (stamp != OEDEMA)
    after = first(orders.core, first(orders.whole, free & (orders.whole < NEVER), voxels.whole), voxels.core)
    share = lesion.biology.push_share
    push = lesion.push + head.push_of(after, share) - head.push_of(before, share)
    return Lesion(orders, voxels, lesion.biology, push, head.push)


def present_orders(head: Head, index: int) -> Orders:
    """Orders in the present brain that give back the focus' present labels."""
    stamp = head.stamps[index]
    allowed = head.tissue & ~head.tumour | (stamp > 0)
    return orders_of(stamp, allowed, head.grid.spacing_mm, ~head.tissue)


def _arrival(head: Head, seed: np.ndarray, shape: Shape, biology: Biology, mobility: np.ndarray) -> np.ndarray:
    traits = TumourTraits(shape.volume_ml, shape.core_share, 0.0, biology.white_preference, 0.0, biology.roughness)
    arrival = arrival_times(head.pushed.tissues, seed[None], np.zeros(1), traits, head.grid.spacing_mm, mobility,
                            head.rooms)
    return sparing_cortex(arrival, head.pushed.tissues)


def _lesion(head: Head, arrival: np.ndarray, wobble: np.ndarray, voxels: Voxels, biology: Biology) -> Lesion:
    """A grown focus: its core by arrival, made ragged, its necrosis by depth in that core (see `label_tumour`)."""
    free = head.tissue & ~head.tumour
    whole = first(arrival, free & (arrival < NEVER), voxels.whole)
    end = float(arrival[whole].max(initial=0.5))
    core_order = np.minimum(arrival, 2 * end + 1) + 0.3 * biology.roughness * max(end, 0.5) * wobble
    core_order = ndimage.gaussian_filter(core_order, 0.5).astype(np.float32)
    core = first(core_order, whole, voxels.core)
    necrosis_order = signed_distance(core, head.grid.spacing_mm) * (1 + 0.3 * biology.roughness * wobble)
    orders = Orders(arrival, core_order, necrosis_order.astype(np.float32), np.zeros(free.shape, bool))
    return Lesion(orders, voxels, biology, head.push_of(core, biology.push_share), head.push)


def _cells(tumour: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(X, Y, Z) cells of a tumour that is there: `REACHED` at its outline, more the longer the front has passed."""
    age = np.maximum(-signed_distance(tumour, spacing_mm), 0) / FRONT_SPEED_MM
    return np.where(tumour, 1 / (1 + (1 / REACHED - 1) * np.exp(-age)), 0).astype(np.float32)
