"""What the machine adds: slices, truncated k-space, motion, coils, noise, and skull left by the stripping."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from fl_components.anatomy.field import random_field
from fl_components.cohort.simulate.scanner import Acquisition, Scanner


def slice_matrix(length: int, spacing_mm: float, slice_mm: float, gap_mm: float) -> np.ndarray:
    """(length, length) matrix of acquiring thick slices along an axis and interpolating them back to its voxels.

    Each slice averages the voxels it overlaps; voxels are then read linearly between slice centres. Rows sum to 1.
    """
    pitch = slice_mm + gap_mm
    edges = (np.arange(length + 1) - length / 2) * spacing_mm
    half = int(np.ceil(length * spacing_mm / (2 * pitch)))
    centres = np.arange(-half, half + 1) * pitch
    low, high = centres[:, None] - slice_mm / 2, centres[:, None] + slice_mm / 2
    overlap = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    covered = overlap.sum(axis=1) > 0
    centres, average = centres[covered], overlap[covered] / overlap[covered].sum(axis=1, keepdims=True)
    voxels = (edges[1:] + edges[:-1]) / 2
    position = np.clip((voxels - centres[0]) / pitch, 0, len(centres) - 1)[:, None]
    interpolate = np.maximum(0, 1 - np.abs(position - np.arange(len(centres))))
    return (interpolate @ average).astype(np.float32)


def apply_along(matrix: np.ndarray, volume: np.ndarray, axis: int) -> np.ndarray:
    """Multiply every line of the volume along an axis by the matrix."""
    return np.moveaxis(np.tensordot(volume, matrix, axes=(axis, 1)), -1, axis)


def acquire(rng: np.random.Generator, signal: np.ndarray, acquisition: Acquisition, scanner: Scanner,
            noise_level: float) -> np.ndarray:
    """The magnitude image of a signal: thick slices, truncated k-space, motion between lines, complex noise.

    Noise enters k-space before truncation, so it is spatially correlated, and the magnitude makes it Rician.

    Args:
        rng: source of motion and noise.
        signal: (X, Y, Z) true transverse magnetisation times receive sensitivity.
        acquisition: slices, share of k-space and noise.
        scanner: habits of motion and misregistration.
        noise_level: standard deviation of each channel, in units of the signal.

    Returns:
        (X, Y, Z) float32, ≥ 0.
    """
    axis = acquisition.slice_axis
    profile = slice_matrix(signal.shape[axis], scanner.spacing_mm, acquisition.slice_mm, acquisition.gap_mm)
    sliced = apply_along(profile, signal, axis)
    space = fft.fftn(sliced.astype(np.complex64), workers=1)
    phase_axis = next(other for other in (1, 0) if other != axis)
    for other in range(3):
        shape = [1, 1, 1]
        shape[other] = signal.shape[other]
        frequency = fft.fftfreq(signal.shape[other]).astype(np.float32)
        shift = rng.normal(0, scanner.misregistration_mm) / scanner.spacing_mm
        filtered = np.exp(-2j * np.pi * frequency * shift)
        if other == phase_axis:
            filtered = filtered * np.exp(-2j * np.pi * frequency * _motion(rng, len(frequency), scanner))
        space *= filtered.reshape(shape).astype(np.complex64)
    scale = noise_level * np.sqrt(signal.size)
    space.real += scale * rng.standard_normal(space.shape, dtype=np.float32)
    space.imag += scale * rng.standard_normal(space.shape, dtype=np.float32)
    for other in range(3):
        if other != axis:
            space *= _window(signal.shape[other], acquisition.kept, other)
    return np.abs(fft.ifftn(space, workers=1))


def _window(length: int, kept: float, axis: int) -> np.ndarray:
    """The acquired part of k-space along an axis, shaped to multiply a volume: a box with a slightly soft edge."""
    frequency = np.abs(fft.fftfreq(length)) * 2
    shape = [1, 1, 1]
    shape[axis] = length
    return np.clip((kept - frequency) * length / 4 + 0.5, 0, 1).astype(np.float32).reshape(shape)


def _motion(rng: np.random.Generator, lines: int, scanner: Scanner) -> np.ndarray:
    """(lines,) displacement in voxels during each phase-encoding line, in FFT order; 0 if the patient lay still.

    Breathing and pulsation sway, and now and then the head jerks; sway shows as ghosts, jerks as blur.
    """
    if rng.uniform() > scanner.motion:
        return np.zeros(lines)
    time = np.arange(lines)
    sway = np.sin(2 * np.pi * time / rng.uniform(2.5, 9) + rng.uniform(0, 2 * np.pi))
    jerk = rng.normal(0, 0.6) * (time > rng.uniform(0.2, 0.8) * lines)
    size = scanner.ghost_mm / scanner.spacing_mm * rng.uniform(0.4, 1.0)
    return fft.ifftshift(size * (sway + jerk))


def receive_pattern(rng: np.random.Generator, shape: tuple[int, ...], scanner: Scanner) -> np.ndarray:
    """(X, Y, Z) sensitivity of the coil array: elements on a ring around the head, bright nearby; mean 1."""
    index = np.indices(shape, dtype=np.float32)
    centre = (np.array(shape, np.float32).reshape(3, 1, 1, 1) - 1) / 2
    offset = (index - centre) * scanner.spacing_mm
    start = rng.uniform(0, 2 * np.pi)
    power = np.zeros(shape, np.float32)
    for element in range(scanner.coil_elements):
        angle = start + 2 * np.pi * element / scanner.coil_elements
        place = np.array([115 * np.cos(angle), 130 * np.sin(angle), rng.uniform(-20, 50)]).reshape(3, 1, 1, 1)
        power += 1 / (1 + ((offset - place) ** 2).sum(axis=0) / 95.0**2) ** 2
    pattern = np.sqrt(power)
    pattern /= pattern.mean()
    return (1 + scanner.coil_depth * (pattern - 1)).clip(0.2).astype(np.float32)


def transmit_bias(rng: np.random.Generator, shape: tuple[int, ...], scanner: Scanner) -> np.ndarray:
    """(X, Y, Z) smooth multiplicative field of the scanner's strength around 1."""
    return np.exp(scanner.bias * random_field(rng, shape, 70.0 / scanner.spacing_mm))


def head_shell(rng: np.random.Generator, inside: np.ndarray, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares of fat (scalp, and marrow in the bone) and bone around the brain, (X, Y, Z) each in [0, 1]."""
    distance = ndimage.distance_transform_edt(inside < 0.5, sampling=spacing_mm).astype(np.float32)
    thickness = 6.5 + 1.2 * random_field(rng, inside.shape, 22.0 / spacing_mm)
    scalp = _ramp(distance - thickness) * _ramp(thickness + 6.0 - distance)
    bone = _ramp(distance - 1.5) * (1 - _ramp(distance - thickness))
    marrow = 0.35 * bone * (np.abs(distance - thickness / 2 - 0.7) < 1.6)
    outside = 1 - inside
    return ((scalp + marrow) * outside).astype(np.float32), ((bone - marrow) * outside).astype(np.float32)


def _ramp(value: np.ndarray) -> np.ndarray:
    """0 below -1.5 mm, 1 above 1.5 mm."""
    return np.clip(value / 3 + 0.5, 0, 1)


def stripping_mask(rng: np.random.Generator, inside: np.ndarray, scanner: Scanner) -> np.ndarray:
    """(X, Y, Z) bool: what a brain extraction keeps; it wobbles around the surface and leaves patches of skull."""
    spacing = scanner.spacing_mm
    depth = ndimage.gaussian_filter(inside, 3.0 / spacing) - 0.5  # falls from ½ to -½ over about 8 mm
    wobble = 0.05 * random_field(rng, inside.shape, 10.0 / spacing)
    patches = np.clip(random_field(rng, inside.shape, 9.0 / spacing) - 2.4 + 0.8 * scanner.residual_skull, 0, 0.8)
    parts, _ = ndimage.label(depth + wobble + 0.55 * patches > 0.02)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()
