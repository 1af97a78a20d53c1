"""Scanners: each site's field strength, protocol, coil, resolution and faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fl_components.cohort.simulate.signal import Flair, Mprage, Pulse, SpinEcho
from fl_components.cohort.simulate.tissue import properties


@dataclass(frozen=True)
class Acquisition:
    """One sequence: its `pulse`, slices `slice_mm` thick and `gap_mm` apart along `slice_axis` (2 is axial).

    `kept` is the share of k-space acquired along each in-plane axis (less rings more: Gibbs), `noise` the standard
    deviation of each channel relative to white matter.
    """

    pulse: Pulse
    slice_mm: float
    gap_mm: float
    slice_axis: int
    kept: float
    noise: float


@dataclass(frozen=True)
class Scanner:
    """A site's machine and habits.

    `coil_elements` receive coils around the head leave a pattern of relative depth `coil_depth`, of which the share
    `coil_corrected` was divided out (amplifying noise in the middle); `bias` is the transmit field's own variation.
    `motion` is the chance that a sequence has ghosts, `ghost_mm` their size; `residual_skull` how much the stripping
    leaves; `gadolinium` the usual concentration in enhancing tumour, mM; `misregistration_mm` between the sequences;
    `spacing_mm` the voxels on disk; `gain` the stored intensity of white matter in each sequence.
    """

    name: str
    field_tesla: float
    sequences: dict[str, Acquisition]
    coil_elements: int
    coil_depth: float
    coil_corrected: float
    bias: float
    motion: float
    ghost_mm: float
    residual_skull: float
    gadolinium: float
    misregistration_mm: float
    spacing_mm: float
    gain: tuple[float, float, float, float]


MPRAGE_3T: Final = Mprage(repetition=2300, inversion=900, spacing=7.0, flip_degrees=9, readouts=176, echo=2.9)
MPRAGE_15T: Final = Mprage(repetition=1900, inversion=1000, spacing=7.5, flip_degrees=10, readouts=160, echo=3.6)

NAMED: Final = (
    Scanner("3 T, 32 channels, MPRAGE", 3.0, {
        "T1": Acquisition(MPRAGE_3T, 3.0, 0.0, 0, 0.95, 0.035),
        "T1ce": Acquisition(MPRAGE_3T, 3.0, 0.0, 0, 0.95, 0.035),
        "T2": Acquisition(SpinEcho(6000, 98), 3.0, 0.5, 2, 0.95, 0.04),
        "FLAIR": Acquisition(Flair(9000, 118, 2480), 3.0, 0.5, 2, 0.85, 0.05)},
        coil_elements=8, coil_depth=0.9, coil_corrected=0.85, bias=0.08, motion=0.08, ghost_mm=0.8, residual_skull=0.15,
        gadolinium=0.55, misregistration_mm=0.2, spacing_mm=3.0, gain=(420, 460, 330, 280)),
    Scanner("1.5 T, thick slices, spin echo", 1.5, {
        "T1": Acquisition(SpinEcho(450, 10), 5.0, 1.0, 2, 0.75, 0.045),
        "T1ce": Acquisition(SpinEcho(450, 10), 5.0, 1.0, 2, 0.75, 0.045),
        "T2": Acquisition(SpinEcho(4200, 92), 5.0, 1.0, 2, 0.75, 0.08),
        "FLAIR": Acquisition(Flair(8500, 105, 2250), 5.0, 1.5, 2, 0.65, 0.09)},
        coil_elements=1, coil_depth=0.1, coil_corrected=0.0, bias=0.05, motion=0.15, ghost_mm=1.2, residual_skull=0.5,
        gadolinium=0.45, misregistration_mm=0.5, spacing_mm=3.2, gain=(900, 1000, 520, 640)),
    Scanner("3 T, spin echo, restless patients", 3.0, {
        "T1": Acquisition(SpinEcho(650, 9), 4.0, 0.4, 2, 0.85, 0.035),
        "T1ce": Acquisition(MPRAGE_3T, 3.0, 0.0, 2, 0.9, 0.045),
        "T2": Acquisition(SpinEcho(4800, 82), 4.0, 0.4, 2, 0.85, 0.05),
        "FLAIR": Acquisition(Flair(11000, 140, 2750), 4.0, 0.4, 2, 0.8, 0.08)},
        coil_elements=6, coil_depth=0.6, coil_corrected=0.4, bias=0.12, motion=0.45, ghost_mm=1.8, residual_skull=0.3,
        gadolinium=0.8, misregistration_mm=0.4, spacing_mm=3.0, gain=(250, 300, 180, 150)),
    Scanner("1.5 T, old FLAIR, coronal T2", 1.5, {
        "T1": Acquisition(SpinEcho(450, 9), 4.5, 0.5, 0, 0.8, 0.04),
        "T1ce": Acquisition(MPRAGE_15T, 3.0, 0.0, 0, 0.85, 0.05),
        "T2": Acquisition(SpinEcho(3500, 110), 4.5, 0.5, 1, 0.7, 0.07),
        "FLAIR": Acquisition(Flair(6500, 95, 1850), 6.0, 0.6, 2, 0.6, 0.07)},
        coil_elements=4, coil_depth=0.45, coil_corrected=0.2, bias=0.06, motion=0.2, ghost_mm=1.0, residual_skull=0.8,
        gadolinium=0.6, misregistration_mm=0.7, spacing_mm=2.8, gain=(1500, 1300, 1100, 900)),
)
"""The four default sites' scanners."""


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """A further scanner: protocol, coil and faults drawn from the ranges in use."""
    field = float(rng.choice([1.5, 3.0]))
    t1 = _draw_t1(rng, field)
    t1ce = t1 if rng.uniform() < 0.6 else _draw_t1(rng, field)
    csf_t1 = float(properties(("CSF",), field).t1[0])
    repetition = float(rng.uniform(6500, 11000))
    inversion = Flair.null(repetition, csf_t1) * float(rng.uniform(0.92, 1.08))
    flair = Flair(repetition, float(rng.uniform(90, 140)), inversion)
    t2 = SpinEcho(float(rng.uniform(3500, 6500)), float(rng.uniform(80, 112)))
    pulses: dict[str, Pulse] = {"T1": t1, "T1ce": t1ce, "T2": t2, "FLAIR": flair}
    noise = rng.uniform(0.03, 0.08)
    sequences = {}
    for name, pulse in pulses.items():
        volumetric = isinstance(pulse, Mprage)
        sequences[name] = Acquisition(
            pulse, slice_mm=3.0 if volumetric else float(rng.uniform(3, 6)),
            gap_mm=0.0 if volumetric else float(rng.uniform(0, 1.2)), slice_axis=int(rng.choice([0, 1, 2, 2, 2])),
            kept=float(rng.uniform(0.65, 0.97)), noise=float(noise * rng.uniform(0.8, 1.3)))
    depth = float(rng.uniform(0.1, 0.9))
    return replace(
        NAMED[0], name=f"{field:g} T, drawn", field_tesla=field, sequences=sequences,
        coil_elements=int(rng.integers(1, 9)), coil_depth=depth, coil_corrected=float(rng.uniform(0.4, 0.9)),
        bias=float(rng.uniform(0.03, 0.12)), motion=float(rng.uniform(0.05, 0.45)),
        ghost_mm=float(rng.uniform(0.6, 1.8)),
        residual_skull=float(rng.uniform(0.1, 0.8)), gadolinium=float(rng.uniform(0.4, 0.8)),
        misregistration_mm=float(rng.uniform(0.2, 0.7)), spacing_mm=float(rng.choice([2.8, 3.0, 3.2])),
        gain=tuple(float(value) for value in rng.uniform(150, 1500) * rng.uniform(0.7, 1.4, 4)))  # type: ignore[arg-type]


def _draw_t1(rng: np.random.Generator, field: float) -> Pulse:
    if rng.uniform() < 0.5:
        return replace(MPRAGE_3T if field > 2 else MPRAGE_15T, flip_degrees=float(rng.uniform(8, 11)))
    return SpinEcho(float(rng.uniform(450, 600) * (1.25 if field > 2 else 1)), float(rng.uniform(8, 15)))
