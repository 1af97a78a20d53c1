"""Signal equations: what a pulse sequence makes of T1, T2, T2* and proton density. Times in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

T1_RELAXIVITY: Final = 4.5e-3
T2_RELAXIVITY: Final = 5.5e-3
"""Of gadolinium chelates in blood, per millimolar and millisecond (Rohrer et al., Invest. Radiol. 2005)."""


@dataclass(frozen=True)
class Tissue:
    """What voxels are made of: `t1`, `t2`, `t2_star` in ms, `density` of protons relative to water; arrays alike."""

    t1: np.ndarray
    t2: np.ndarray
    t2_star: np.ndarray
    density: np.ndarray

    def with_gadolinium(self, millimolar: np.ndarray) -> Tissue:
        """The tissue after contrast agent: rates rise in proportion to its concentration."""
        rise = T2_RELAXIVITY * millimolar
        return Tissue(1 / (1 / self.t1 + T1_RELAXIVITY * millimolar), 1 / (1 / self.t2 + rise),
                      1 / (1 / self.t2_star + rise), self.density)


@dataclass(frozen=True)
class SpinEcho:
    """A (turbo) spin echo; `echo` is the effective echo time."""

    repetition: float
    echo: float

    def signal(self, tissue: Tissue) -> np.ndarray:
        """Density-weighted recovery times decay; of the order of 0 to 1."""
        return tissue.density * (1 - np.exp(-self.repetition / tissue.t1)) * np.exp(-self.echo / tissue.t2)


@dataclass(frozen=True)
class Flair:
    """An inversion-prepared turbo spin echo that nulls CSF when the inversion time is right."""

    repetition: float
    echo: float
    inversion: float

    def signal(self, tissue: Tissue) -> np.ndarray:
        """Magnitude of the inverted, recovering magnetisation at the inversion time, times decay."""
        recovery = 1 - 2 * np.exp(-self.inversion / tissue.t1) + np.exp(-self.repetition / tissue.t1)
        return tissue.density * np.abs(recovery) * np.exp(-self.echo / tissue.t2)

    @staticmethod
    def null(repetition: float, t1: float) -> float:
        """The inversion time at which tissue of this T1 vanishes."""
        return float(t1 * np.log(2 / (1 + np.exp(-repetition / t1))))


@dataclass(frozen=True)
class Mprage:
    """Inversion, a train of `readouts` small flips `spacing` apart whose middle is at `inversion`, and a pause.

    The steady state of Deichmann et al., "Optimization of 3-D MP-RAGE sequences for structural brain imaging",
    NeuroImage 2000.
    """

    repetition: float
    inversion: float
    spacing: float
    flip_degrees: float
    readouts: int
    echo: float

    def signal(self, tissue: Tissue) -> np.ndarray:
        """Transverse magnetisation at the middle of the train."""
        angle = np.deg2rad(self.flip_degrees)
        half = self.readouts // 2
        before = np.exp(-(self.inversion - half * self.spacing) / tissue.t1)
        pause = self.repetition - self.inversion - (self.readouts - half) * self.spacing
        after = np.exp(-pause / tissue.t1)
        one = np.exp(-self.spacing / tissue.t1)
        decay = np.cos(angle) * one
        level = (1 - one) / (1 - decay)
        train = decay**self.readouts
        # one cycle maps m to offset + slope * m; the steady state is its fixed point
        slope = -before * train * after
        offset = (((1 - before) - level) * train + level - 1) * after + 1
        steady = offset / (1 - slope)
        middle = level + ((1 - before) - steady * before - level) * decay**half
        return tissue.density * np.abs(middle) * np.sin(angle) * np.exp(-self.echo / tissue.t2_star)


Pulse = SpinEcho | Flair | Mprage
