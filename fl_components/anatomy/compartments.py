"""Rooms of the skull by template coordinates: two cerebral halves, the hindbrain, and the ways between them.

The falx parts the halves down to the corpus callosum, the tentorium parts the cerebrum from the cerebellum but for its
notch around the brain stem. The planes are read off the MNI152 template; they are approximations, good to about 5 mm.
"""

from __future__ import annotations

from typing import Final

import numpy as np

OPEN, LEFT, RIGHT, HINDBRAIN = range(4)
"""Rooms; a tumour may pass between two of them only through `OPEN`."""

MIDLINE_MM: Final = 8.0
"""Half the width of what joins the two halves: callosum, massa intermedia, the walls of the third ventricle."""


def below_tentorium(template_mm: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: cerebellum and lower stem, below a tent that falls sidewards and backwards from its notch."""
    x, y, z = template_mm
    tent = -0.5 * np.abs(x) - np.where(y < -45, -0.4 * (y + 45), 0.9 * (y + 45))
    return (z < tent) & (y < -18) & ((np.abs(x) < 60) | (z < -40))


def hindbrain(template_mm: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: where no tumour of the cerebrum starts, a generous cut around the cerebellum.

    Takes (3, X, Y, Z) template millimetres (RAS), as all functions here.
    """
    x, y, z = template_mm
    infratentorial = z < np.clip(-16 - 0.45 * (y + 40), -40, 2)
    return infratentorial & (y < -18) & ((np.abs(x) < 60) | (z < -40))


def brain_stem(template_mm: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: the box around midbrain, pons and medulla."""
    x, y, z = template_mm
    return (np.abs(x) < 14) & (y < -8) & (y > -46) & (z < -4)


def commissures(template_mm: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: near the midline, where tissue of the two halves meets: under the callosum's arch, with it."""
    x, y, z = template_mm
    arch = (z >= 0) & (((y + 4) / 40) ** 2 + ((z - 2) / 27) ** 2 < 1)
    below = (z < 0) & (((y + 8) / 24) ** 2 + (z / 16) ** 2 < 1)
    return (np.abs(x) < MIDLINE_MM) & (arch | below)


def rooms(template_mm: np.ndarray) -> np.ndarray:
    """(X, Y, Z) int8: which room each voxel lies in."""
    found = np.where(template_mm[0] < 0, LEFT, RIGHT).astype(np.int8)
    found[below_tentorium(template_mm)] = HINDBRAIN
    found[commissures(template_mm) | brain_stem(template_mm)] = OPEN
    return found
