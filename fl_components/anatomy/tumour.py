"""Tumours: reaction-diffusion growth, the push on the tissue around, and the three labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.deform import exponentiate, upsample
from fl_components.anatomy.field import random_field
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA

FRONT_WIDTH_MM: Final = 6.0
"""sqrt(diffusivity / growth rate) in white matter: how far cells wander while they double."""
REACHED: Final = 0.16
"""Share of the cells' limit at which tissue looks abnormal on T2 (Swanson et al., Br. J. Cancer 2008)."""
NEVER: Final = 1e3
"""Arrival time of places the tumour does not reach; one unit is 1 / growth rate."""
MARGIN: Final = 1.6
"""Growth goes on until the tumour has this multiple of its volume, so that its outskirts are known too."""
REACH_MM: Final = 58.0
"""Half the size of the box around the seeds in which growth is computed."""
LONGEST: Final = 12.0
"""Growth stops here at the latest, in units of 1 / growth rate."""
CORTEX_SPARED: Final = 0.3
"""How much later grey matter swells than white, in shares of the tumour's age: oedema follows white matter and spares
the cortex (Ho, Rojas, Eisenberg, "Cerebral edema", Am. J. Roentgenol. 2012)."""
NEIGHBOURS: Final = tuple((tuple(slice(0, -1) if other == axis else slice(None) for other in range(3)),
                           tuple(slice(1, None) if other == axis else slice(None) for other in range(3)))
                          for axis in range(3))
"""Along each axis, every voxel but the last and every voxel but the first."""


@dataclass(frozen=True)
class TumourTraits:
    """What makes one tumour: its whole `volume_ml`, and how it is made up.

    `core_share` of the volume is core (necrotic and enhancing), the rest oedema. `rim_mm` is the thickness of the
    enhancing rim around the necrosis: 0 is a core that does not enhance (low grade), a large value a core that enhances
    all through. `white_preference` is how many times faster cells move in white than in grey matter, `push_mm` how far
    the core moves its surroundings, `roughness` 0 to 1 how irregular the sub-regions are.
    """

    volume_ml: float
    core_share: float
    rim_mm: float
    white_preference: float
    push_mm: float
    roughness: float


def arrival_times(tissues: np.ndarray, seeds: np.ndarray, delays: np.ndarray, traits: TumourTraits,
                  spacing_mm: float, mobility: np.ndarray | float = 1.0, rooms: np.ndarray | None = None) -> np.ndarray:
    """When a growing tumour reaches each voxel.

    Fisher-Kolmogorov growth, du/dt = div(D grad u) + u (1 - u) with time in units of 1 / growth rate (Swanson et al.,
    "A quantitative model for differential motility of gliomas", Cell Prolif. 2000): D is large in white matter,
    smaller in grey matter, 0 in CSF and outside. A voxel is reached when u passes `REACHED`.

    Args:
        tissues: (3, X, Y, Z) probabilities of CSF, grey and white matter.
        seeds: (n, 3) voxels where the foci start.
        delays: (n,) time at which each focus starts; the first is 0.
        traits: the tumour's volume and white-matter preference.
        spacing_mm: voxel size.
        mobility: (X, Y, Z) factor in [0, 1] on the diffusivity, for tissue that is uneven within its kind.
        rooms: (X, Y, Z) integers: no cell crosses between two rooms other than 0; None is one room.

    Returns:
        (X, Y, Z) float32, `NEVER` where growth stopped before the front came.
    """
    reach = int(np.ceil(REACH_MM / spacing_mm))
    low = np.maximum(seeds.min(axis=0) - reach, 0)
    box = tuple(slice(start, stop) for start, stop in zip(low, seeds.max(axis=0) + reach + 1, strict=True))
    mobile = np.broadcast_to(np.float32(mobility), tissues.shape[1:])[box]
    diffusivity = mobile * _diffusivity(tissues[(slice(None), *box)], traits.white_preference)
    target = MARGIN * traits.volume_ml * 1000 / spacing_mm**3
    arrival = np.full(tissues.shape[1:], NEVER, np.float32)
    arrival[box] = _front(diffusivity, seeds - low, delays, target, spacing_mm, None if rooms is None else rooms[box])
    return arrival


def arrival_beyond(tissues: np.ndarray, cells: np.ndarray, white_preference: float, volume_ml: float,
                   spacing_mm: float, mobility: np.ndarray | float = 1.0,
                   rooms: np.ndarray | None = None) -> np.ndarray:
    """When a tumour that is there already, and grows on, reaches each voxel (see `arrival_times`).

    Args:
        tissues: (3, X, Y, Z) probabilities of CSF, grey and white matter.
        cells: (X, Y, Z) the tumour's cells now, share of their limit; `REACHED` and more is tumour.
        white_preference: how many times faster cells move in white than in grey matter.
        volume_ml: the whole volume up to which it grows, with the usual margin.
        spacing_mm: voxel size.
        mobility: as for `arrival_times`.
        rooms: as for `arrival_times`.

    Returns:
        (X, Y, Z) float32 time from now, 0 where the tumour is, `NEVER` where it does not come.
    """
    present = np.argwhere(cells >= REACHED)
    reach = int(np.ceil(REACH_MM / spacing_mm))
    low = np.maximum(present.min(axis=0) - reach, 0)
    box = tuple(slice(start, stop) for start, stop in zip(low, present.max(axis=0) + reach + 1, strict=True))
    mobile = np.broadcast_to(np.float32(mobility), tissues.shape[1:])[box]
    diffusivity = mobile * _diffusivity(tissues[(slice(None), *box)], white_preference)
    target = MARGIN * volume_ml * 1000 / spacing_mm**3
    arrival = np.full(tissues.shape[1:], NEVER, np.float32)
    arrival[box] = _front(diffusivity, np.empty((0, 3), int), np.empty(0), target, spacing_mm,
                          None if rooms is None else rooms[box], cells[box].astype(np.float32))
    return arrival


def sparing_cortex(arrival: np.ndarray, tissues: np.ndarray) -> np.ndarray:
    """(X, Y, Z) arrival times, later in grey matter; `NEVER` stays.

    Args:
        arrival: (X, Y, Z) times at which cells come.
        tissues: (3, X, Y, Z) probabilities of CSF, grey and white matter.
    """
    age = max(float(arrival[arrival < NEVER].max(initial=0.0)), 1.0)
    grey = tissues[1] / np.maximum(tissues.sum(axis=0), 0.05)
    return np.where(arrival < NEVER, arrival + CORTEX_SPARED * age * grey, NEVER).astype(np.float32)


def _diffusivity(tissues: np.ndarray, white_preference: float) -> np.ndarray:
    """(X, Y, Z) in mm² per unit time; 0 where CSF or the outside is the likeliest."""
    csf, grey, white = tissues
    mixed = FRONT_WIDTH_MM**2 * (white + grey / white_preference)
    return np.where(grey + white > np.maximum(csf, 0.5), mixed, 0).astype(np.float32)


def _front(diffusivity: np.ndarray, seeds: np.ndarray, delays: np.ndarray, target: float, spacing_mm: float,
           rooms: np.ndarray | None = None, present: np.ndarray | None = None) -> np.ndarray:
    """Grow from foci, or from the cells that are present, until `target` voxels are reached; their arrival times."""
    step = spacing_mm**2 / (12 * FRONT_WIDTH_MM**2)
    weights = diffusion_weights(diffusivity, step, spacing_mm, rooms)
    cells = np.zeros_like(diffusivity) if present is None else present.copy()
    arrival = np.where(cells >= REACHED, 0, NEVER).astype(np.float32)
    waiting = sorted(zip(delays.tolist(), map(tuple, seeds.tolist()), strict=True))
    growth = np.float32(np.expm1(step))
    time, reached, steps_left = 0.0, int((arrival < NEVER).sum()), int(LONGEST / step)
    while reached < target and steps_left:
        while waiting and waiting[0][0] <= time:
            focus = _focus(diffusivity, waiting.pop(0)[1], spacing_mm, rooms)
            new = (focus >= REACHED) & (arrival == NEVER)
            arrival[new] = time + REACHED - focus[new]  # the focus is there at once, but still ordered from its middle
            reached += int(new.sum())
            np.maximum(cells, focus, out=cells)
        before = cells.copy()
        diffuse(cells, weights)
        cells += growth * cells * (1 - cells) / (1 + growth * cells)  # the logistic equation's exact solution
        new = (cells >= REACHED) & (arrival == NEVER)
        fraction = (REACHED - before[new]) / np.maximum(cells[new] - before[new], 1e-6)
        arrival[new] = time + step * np.clip(fraction, 0, 1)
        reached += int(new.sum())
        time += step
        steps_left -= 1
    return arrival


def _focus(diffusivity: np.ndarray, seed: tuple[int, int, int], spacing_mm: float,
           rooms: np.ndarray | None = None) -> np.ndarray:
    """Cells of a young focus: a Gaussian as wide as the front, in tissue of the seed's room only."""
    if rooms is not None:
        diffusivity = np.where((rooms == rooms[seed]) | (rooms == 0), diffusivity, 0)
    axes = np.ogrid[tuple(slice(0, length) for length in diffusivity.shape)]
    squared = sum(((axis - place) * spacing_mm) ** 2 for axis, place in zip(axes, seed, strict=True))
    return np.where(diffusivity > 0, 0.9 * np.exp(-squared / (2 * FRONT_WIDTH_MM**2)), 0).astype(np.float32)


def diffusion_weights(diffusivity: np.ndarray, step: float, spacing_mm: float,
                      rooms: np.ndarray | None = None) -> list[np.ndarray]:
    """Share of the difference between neighbours that crosses their face in one step, one array an axis.

    Faces take the harmonic mean of the two sides, so nothing crosses into a voxel of diffusivity 0; the faces between
    two `rooms` are closed, those of room 0 are open to all. With
    step ≤ spacing² / (12 max D) every eigenvalue of the explicit step lies in [0, 1] (Gershgorin): it can neither
    overshoot nor alternate between neighbouring voxels.
    """
    scale = step / spacing_mm**2
    weights = []
    for before, after in NEIGHBOURS:
        one, other = diffusivity[before], diffusivity[after]
        weight = (scale * 2 * one * other / np.maximum(one + other, 1e-12)).astype(np.float32)
        if rooms is not None:
            here, there = rooms[before], rooms[after]
            weight[(here != there) & (here != 0) & (there != 0)] = 0
        weights.append(weight)
    return weights


def diffuse(cells: np.ndarray, weights: list[np.ndarray]) -> None:
    """One explicit step of diffusion in place; conserves the sum of `cells`."""
    flows = [weight * (cells[after] - cells[before])
             for weight, (before, after) in zip(weights, NEIGHBOURS, strict=True)]
    for flow, (before, after) in zip(flows, NEIGHBOURS, strict=True):
        cells[before] += flow
        cells[after] -= flow


def time_at_volume(arrival: np.ndarray, volume_ml: float, spacing_mm: float) -> float:
    """The time at which the tumour had this volume, the latest one if it never grew that large; 0 if there is none."""
    reached = np.sort(arrival[arrival < NEVER])
    if reached.size == 0:
        return 0.0
    return float(reached[min(round(volume_ml * 1000 / spacing_mm**3), reached.size) - 1])


def mass_effect(arrival: np.ndarray, inside: np.ndarray, traits: TumourTraits, spacing_mm: float) -> np.ndarray:
    """The displacement by which the core pushes tissue outwards; it fades towards the skull, which gives no way.

    Args:
        arrival: (X, Y, Z) arrival times.
        inside: (X, Y, Z) probability of being brain.
        traits: the tumour's volume, core and push.
        spacing_mm: voxel size.

    Returns:
        (3, X, Y, Z) float32 millimetres: the voxel at x shows what lay at x + u(x).
    """
    core_end = time_at_volume(arrival, traits.volume_ml * traits.core_share, spacing_mm)
    velocity = push_velocity(arrival <= core_end, inside, traits.push_mm, spacing_mm)
    return push_displacement(velocity, inside.shape, spacing_mm)


def push_velocity(core: np.ndarray, inside: np.ndarray, push_mm: float, spacing_mm: float) -> np.ndarray:
    """The velocity field whose exponential is the push of a core, on every other voxel: (3, x, y, z) millimetres."""
    solid = core.astype(np.float32)
    radius_mm = np.cbrt(solid.sum() * spacing_mm**3 * 3 / (4 * np.pi))
    density = ndimage.gaussian_filter(solid, max(0.8 * radius_mm, 6.0) / spacing_mm)
    pull = np.stack(np.gradient(density)).astype(np.float32)
    strength = np.linalg.norm(pull, axis=0).max()
    if strength == 0:
        return pull[:, ::2, ::2, ::2]
    give = np.clip(1 - 2 * ndimage.gaussian_filter(1 - inside, 6.0 / spacing_mm), 0, 1)
    return (push_mm / strength * pull * give)[:, ::2, ::2, ::2]  # smooth, so every other voxel is enough


def push_displacement(velocity: np.ndarray, shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    """The displacement of a velocity field on every other voxel: (3, X, Y, Z) millimetres."""
    return upsample(exponentiate(velocity, 2 * spacing_mm), shape, 2)


def label_tumour(rng: np.random.Generator, arrival: np.ndarray, allowed: np.ndarray, traits: TumourTraits,
                 spacing_mm: float) -> np.ndarray:
    """The tumour's sub-regions, nested by arrival: necrotic core, enhancing rim, oedema.

    Args:
        rng: source of the irregularity.
        arrival: (X, Y, Z) arrival times.
        allowed: (X, Y, Z) bool, where tumour may be.
        traits: volume, shares, rim and roughness.
        spacing_mm: voxel size.

    Returns:
        (X, Y, Z) uint8: `NECROTIC`, `OEDEMA`, `ENHANCING`, 0 elsewhere. A core without enhancement is `NECROTIC`, as
        in BraTS, whose label 1 is the necrotic and the non-enhancing core.
    """
    arrival = np.where(allowed, arrival, NEVER)
    end = time_at_volume(arrival, traits.volume_ml, spacing_mm)
    whole = largest_parts(arrival <= end, spacing_mm)
    wobble = random_field(rng, arrival.shape, 5.0 / spacing_mm)
    ragged = np.where(whole, arrival + 0.3 * traits.roughness * max(end, 0.5) * wobble, NEVER)
    core = largest_parts(ragged <= time_at_volume(ragged, traits.volume_ml * traits.core_share, spacing_mm), spacing_mm)
    labels = np.where(whole, OEDEMA, 0).astype(np.uint8)
    labels[core] = NECROTIC
    if traits.rim_mm > 0:
        depth = ndimage.distance_transform_edt(core, sampling=spacing_mm) - 0.5 * spacing_mm
        ripple = random_field(rng, arrival.shape, 4.0 / spacing_mm)
        labels[core & (depth <= traits.rim_mm * (1 + 0.6 * traits.roughness * ripple))] = ENHANCING
    return labels


def largest_parts(mask: np.ndarray, spacing_mm: float, minimum_ml: float = 0.4) -> np.ndarray:
    """The mask, its holes filled, without specks below `minimum_ml`; the largest part always stays."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    keep = sizes * spacing_mm**3 / 1000 >= minimum_ml
    keep[sizes.argmax()] = True
    keep[0] = False
    return keep[parts]
