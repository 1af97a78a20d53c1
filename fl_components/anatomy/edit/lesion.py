"""One focus of a tumour, as three orders in which its voxels become whole tumour, core and necrosis.

An order is a number a voxel; the focus of a given volume is the voxels that come first. So volumes are met to the
voxel, the three regions are nested by construction, and growing or shrinking goes through the shapes that orders hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy import ndimage

from fl_components.anatomy.deform import warp
from fl_components.anatomy.tumour import FRONT_WIDTH_MM, NEVER, push_displacement
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, TUMOUR

FRONT_SPEED_MM: Final = 2 * FRONT_WIDTH_MM
"""How far the front moves in white matter in one unit of time: 2 sqrt(D rho), Fisher's speed."""
MARGIN_MM: Final = 12.0
"""An order is known this far beyond the present outline, so that a push cannot run out of voxels."""
SMALLEST_PART: Final = 0.02
"""A separate piece below this share of the tumour is a speck of the nearest focus."""


class Voxels(NamedTuple):
    """Numbers of voxels: `necrosis` within `core` within `whole`."""

    whole: int
    core: int
    necrosis: int

    def scaled(self, factor: float) -> Voxels:
        """The same composition at another size."""
        return self.composed(max(round(self.whole * factor), 1))

    def composed(self, whole: int, core_share: float | None = None, necrosis_share: float | None = None) -> Voxels:
        """So many voxels with these shares of the whole, by default the present ones."""
        core = self.core / self.whole if core_share is None else core_share
        necrosis = self.necrosis / self.whole if necrosis_share is None else necrosis_share
        n_core = min(round(whole * core), whole)
        return Voxels(whole, n_core, min(round(whole * necrosis), n_core))


@dataclass(frozen=True)
class Biology:
    """How a focus grows: see `TumourTraits`; `push_share` is its push as a share of the core's radius."""

    white_preference: float = 6.0
    roughness: float = 0.5
    push_share: float = 0.25


@dataclass(frozen=True)
class Orders:
    """(X, Y, Z) float32 each, small first, `NEVER` where the focus cannot be; `seated`: bool, tissue whatever is below.

    `seated` is for a tumour that was given: it stays where it is, though what was restored below it may be fluid.
    """

    whole: np.ndarray
    core: np.ndarray
    necrosis: np.ndarray
    seated: np.ndarray

    def moved(self, displacement: np.ndarray, spacing_mm: float) -> Orders:
        """The orders where tissue carried them."""
        if not displacement.any():
            return self
        latest = self.whole[self.whole < NEVER].max(initial=0.0)
        fields = np.stack([np.minimum(self.whole, 2 * abs(latest) + 1), self.core, self.necrosis, self.seated])
        whole, core, necrosis, seated = warp(fields, displacement, spacing_mm)
        return Orders(np.where(whole > latest, NEVER, whole), core, necrosis, seated > 0.5)

    def regions(self, voxels: Voxels, allowed: np.ndarray) -> np.ndarray:
        """(X, Y, Z) uint8 tumour labels: the first voxels of each order, each region within the one before."""
        whole = first(self.whole, (allowed | self.seated) & (self.whole < NEVER), voxels.whole)
        core = first(self.core, whole, voxels.core)
        necrosis = first(self.necrosis, core, voxels.necrosis)
        labels = np.where(whole, OEDEMA, 0).astype(np.uint8)
        labels[core] = ENHANCING
        labels[necrosis] = NECROTIC
        return labels


@dataclass(frozen=True)
class Lesion:
    """A focus.

    Attributes:
        orders: of its voxels, in the brain as `reference` had pushed it.
        voxels: how large its regions are.
        biology: how it grows.
        push: its own part of the push's velocity, (3, x, y, z) on every other voxel.
        reference: velocity of all pushes together when the orders were made.
    """

    orders: Orders
    voxels: Voxels
    biology: Biology
    push: np.ndarray
    reference: np.ndarray

    def stamp(self, push: np.ndarray, allowed: np.ndarray, spacing_mm: float) -> np.ndarray:
        """Its labels in the brain under a push, (X, Y, Z) uint8."""
        displacement = push_displacement(push - self.reference, allowed.shape, spacing_mm)
        return self.orders.moved(displacement, spacing_mm).regions(self.voxels, allowed)


def first(order: np.ndarray, candidates: np.ndarray, count: int) -> np.ndarray:
    """(X, Y, Z) bool: the `count` candidates that come first, equal ones by index."""
    places = np.flatnonzero(candidates)
    chosen = places[np.argsort(order.ravel()[places], kind="stable")[:count]]
    mask = np.zeros(order.size, bool)
    mask[chosen] = True
    return mask.reshape(order.shape)


def count_voxels(labels: np.ndarray) -> Voxels:
    """The regions' sizes in an anatomy's labels."""
    necrosis, oedema, enhancing = (int((labels == part).sum()) for part in TUMOUR)
    return Voxels(necrosis + oedema + enhancing, necrosis + enhancing, necrosis)


def orders_of(labels: np.ndarray, allowed: np.ndarray, spacing_mm: float, seated: np.ndarray) -> Orders:
    """Orders that give back a present focus exactly, and shrink it towards its core.

    Inside, a voxel's place between the core and the outline: its distance from the one over the sum of both distances.
    Just outside, the distance. The core's and the necrosis' orders are signed distances from their present borders;
    where there is none, the depth inside the region around.

    Args:
        labels: (X, Y, Z) labels of this focus alone, 0 elsewhere.
        allowed: (X, Y, Z) bool, where it may grow.
        spacing_mm: voxel size.
        seated: see `Orders`.
    """
    whole = labels > 0
    core = (labels == NECROTIC) | (labels == ENHANCING)
    depth = signed_distance(whole, spacing_mm)
    core_order = signed_distance(core, spacing_mm) if core.any() else depth
    inner = whole & (core_order <= 0) if core.any() else whole & (depth <= np.quantile(depth[whole], 0.1))
    from_inner = np.maximum(signed_distance(inner, spacing_mm), 0)
    level = from_inner / np.maximum(from_inner - depth, 1e-3)
    tie = _from_centre(whole) * spacing_mm  # decides between equal distances, too small to do more
    middle = depth / max(-float(depth.min()), spacing_mm)  # 0 at the outline, -1 in the deepest place
    inside = np.where(inner, middle - 1, level - 1)
    outside = np.where(allowed & (depth <= MARGIN_MM), depth / FRONT_SPEED_MM, NEVER)
    necrosis = labels == NECROTIC
    necrosis_order = signed_distance(necrosis, spacing_mm) if necrosis.any() else core_order
    order = np.where(whole, inside, outside) + 1e-5 * tie
    return Orders(order.astype(np.float32), core_order + 1e-3 * tie, necrosis_order + 1e-3 * tie, seated & whole)


def _from_centre(mask: np.ndarray) -> np.ndarray:
    """(X, Y, Z) float32 distance from the mask's centre of mass in voxels."""
    offset = np.indices(mask.shape, np.float32) - np.argwhere(mask).mean(axis=0, dtype=np.float32).reshape(3, 1, 1, 1)
    return np.asarray(np.sqrt((offset**2).sum(axis=0)), np.float32)


def signed_distance(mask: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Millimetres to the mask, negative inside it: to the nearest voxel of the other kind."""
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    return (outside - inside).astype(np.float32)


def foci(labels: np.ndarray) -> list[np.ndarray]:
    """The tumour's separate foci as label maps (X, Y, Z), the largest first; specks go with the nearest one."""
    tumour = np.isin(labels, TUMOUR)
    parts, count = ndimage.label(tumour, structure=np.ones((3, 3, 3)))
    if count == 0:
        return []
    sizes = np.bincount(parts.ravel())[1:]
    large = [part for part in np.argsort(-sizes, kind="stable") + 1 if sizes[part - 1] > SMALLEST_PART * tumour.sum()]
    kept = np.isin(parts, large)
    nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    owner = np.where(tumour, parts[tuple(nearest)], 0)
    return [np.where(owner == part, labels, 0).astype(np.uint8) for part in large]
