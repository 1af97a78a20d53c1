"""Named regions by template coordinates: lobes and hemispheres.

No voxel atlas ships with an installed package, so lobes are cut by planes through published landmarks of the MNI152
space. They are approximations: a voxel near a sulcus may be on the other side of it. Of the sources,

- central sulcus: from the hand knob at about (±37, -25, 57) (Yousry et al., Brain 1997; Rizzo et al., Neuroinformatics
  2022) down to the Sylvian fissure at about (±55, -8, 15);
- parieto-occipital sulcus to preoccipital notch: from about (±10, -72, 41) to (±50, -59, -12);
- Sylvian fissure: from about (±40, 20, -13) to (±55, -37, 21) (Talairach and Tournoux, "Co-planar stereotaxic atlas of
  the human brain", 1988);
- insula: around (±37, -2, 5), 54 mm long (Türe et al., J. Neurosurg. 1999).

Between them lie deep nuclei, callosum and brain stem, which belong to no lobe.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fl_components.anatomy.compartments import below_tentorium, brain_stem, commissures

LOBES: Final = ("frontal", "parietal", "temporal", "occipital", "insula")
SIDES: Final = ("left", "right")
HEMISPHERES: Final = tuple(f"{side} hemisphere" for side in SIDES)
REGIONS: Final = (*(f"{side} {lobe}" for side in SIDES for lobe in LOBES), *HEMISPHERES)
"""Every name an edit may give."""


def region(name: str, template_mm: np.ndarray) -> np.ndarray:
    """Voxels of a region.

    Args:
        name: one of `REGIONS`.
        template_mm: (3, …) template coordinates, RAS millimetres.

    Returns:
        (…) bool.
    """
    side, part = name.split(" ")
    half = template_mm[0] < 0 if side == "left" else template_mm[0] >= 0
    above = ~below_tentorium(template_mm) & ~brain_stem(template_mm)
    return half & above & (True if part == "hemisphere" else lobe(part, template_mm))


def lobe(name: str, template_mm: np.ndarray) -> np.ndarray:
    """Voxels of one of `LOBES`, both sides, as `region`."""
    masks = _partition(template_mm)
    taken = np.zeros(template_mm.shape[1:], bool)
    for part, mask in masks.items():
        if part == name:
            return mask & ~taken
        taken |= mask
    raise ValueError(f"no lobe '{name}'")


def _partition(template_mm: np.ndarray) -> dict[str, np.ndarray]:
    """Masks in the order in which they take voxels."""
    lateral, y, z = np.abs(template_mm[0]), template_mm[1], template_mm[2]
    insula = ((lateral - 37) / 8.5) ** 2 + ((y + 2) / 27) ** 2 + ((z - 5) / 16) ** 2 < 1
    deep = (lateral / 30) ** 2 + ((y + 5) / 34) ** 2 + ((z - 6) / 20) ** 2 < 1
    occipital = y < -64 - 0.25 * (z - 10)
    below_sylvian = z < np.minimum(-12 - 0.6 * (y - 18), 22)
    temporal = below_sylvian & (y < 24) & (lateral > 14) & ((z < 6) | (lateral > 34))
    frontal = y > -8 - 0.42 * (z - 15)
    everywhere = np.ones(lateral.shape, bool)
    return {"insula": insula, "deep": deep | commissures(template_mm), "occipital": occipital, "temporal": temporal,
            "frontal": frontal, "parietal": everywhere}
