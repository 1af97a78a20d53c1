"""Relaxation times of the tissues of a head at a field strength."""

from __future__ import annotations

from typing import Final

import numpy as np

from fl_components.cohort.simulate.signal import Tissue

TABLE: Final = {  # T1, T2, T2* in ms at 1.5 T, the same at 3 T, proton density relative to water
    "CSF": (4200, 1700, 1000, 4300, 1600, 900, 1.00),
    "cortex": (1060, 98, 72, 1430, 92, 52, 0.80),
    "deep grey": (860, 86, 56, 1150, 78, 42, 0.80),
    "iron": (760, 66, 34, 1000, 56, 24, 0.77),
    "white": (600, 79, 64, 810, 70, 50, 0.70),
    "white lesion": (1000, 140, 100, 1250, 128, 80, 0.82),
    "oedema": (1450, 240, 160, 1780, 215, 130, 0.92),
    "solid tumour": (1250, 128, 90, 1520, 116, 70, 0.86),
    "diffuse tumour": (2000, 330, 210, 2350, 290, 170, 0.95),
    "necrosis": (1900, 300, 200, 2300, 270, 160, 0.95),
    "cyst": (2700, 700, 450, 3000, 620, 400, 0.98),
    "blood": (520, 55, 22, 600, 45, 14, 0.82),
    "calcification": (850, 45, 9, 1000, 40, 6, 0.45),
    "vessel": (1400, 60, 40, 1650, 45, 28, 0.55),
    "fat": (260, 70, 40, 370, 65, 30, 0.85),
    "bone": (500, 20, 2, 600, 18, 1.5, 0.08),
}
"""Rounded from Stanisz et al., Magn. Reson. Med. 2005, Wansapura et al., JMRI 1999, and reviews of brain tumours.

`diffuse tumour` is brighter than oedema on T2 and darker on FLAIR, as low-grade astrocytomas are (the T2-FLAIR mismatch
sign, Patel et al., Clin. Cancer Res. 2017). `vessel` has the low density that stands for flow voids; `blood` is a
subacute haemorrhage.
"""

PARENCHYMA: Final = tuple(name for name in TABLE if name not in ("CSF", "fat", "bone"))
"""Tissues that mix inside one voxel's tissue compartment; CSF is a compartment of its own."""


def properties(names: tuple[str, ...], field_tesla: float) -> Tissue:
    """(n,) relaxation times and density; between and beyond 1.5 and 3 T by the power law through both."""
    rows = np.array([TABLE[name] for name in names])
    exponent = np.log2(field_tesla / 1.5)
    times = rows[:, :3] * (rows[:, 3:6] / rows[:, :3]) ** exponent
    return Tissue(times[:, 0], times[:, 1], times[:, 2], rows[:, 6])


def mixture(fractions: np.ndarray, pure: Tissue) -> Tissue:
    """Tissue of voxels that mix several: rates and densities average with the fractions.

    Args:
        fractions: (n tissues, voxels), not negative; they need not sum to 1.
        pure: (n,) properties of each tissue.
    """
    share = fractions / np.maximum(fractions.sum(axis=0), 1e-6)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float32) @ share

    floor = 1e-6
    return Tissue(1 / np.maximum(mean(1 / pure.t1), floor), 1 / np.maximum(mean(1 / pure.t2), floor),
                  1 / np.maximum(mean(1 / pure.t2_star), floor), mean(pure.density))
