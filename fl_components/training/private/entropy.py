"""Where noise and draws of the private mode come from: the operating system's entropy, never a seed."""

from __future__ import annotations

import secrets
from typing import Final, Protocol

import numpy as np

_DOUBLE_BITS: Final = 53
_TWO_PI: Final = 2 * np.pi


class Entropy(Protocol):
    """A source of independent, uniformly distributed bytes; tests alone put another in the place of `OsEntropy`."""

    def take(self, count: int) -> bytes:
        """So many bytes."""


class OsEntropy:
    """The operating system's cryptographic generator. It has no seed and no state of ours, so none can be kept."""

    def take(self, count: int) -> bytes:
        """So many bytes."""
        return secrets.token_bytes(count)


def uniform(entropy: Entropy, count: int) -> np.ndarray:
    """(count,) float64 on the multiples of 2^-53 in [0, 1)."""
    whole = np.frombuffer(entropy.take(8 * count), np.uint64)
    return (whole >> np.uint64(64 - _DOUBLE_BITS)) * 2.0**-_DOUBLE_BITS


def normal(entropy: Entropy, count: int) -> np.ndarray:
    """(count,) float64 standard normal, by Box and Muller from 64 and 53 bits each.

    The radius is taken from 64 bits: values reach 9.4 standard deviations, and what is cut off beyond has the
    probability 2^-64 a draw. The gaps between floating-point numbers are those of float64 (Mironov, CCS 2012): the
    mechanism rounds its result to a coarser grid, which narrows that channel and does not prove it closed.
    """
    pairs = (count + 1) // 2
    whole = np.frombuffer(entropy.take(8 * pairs), np.uint64).astype(np.float64)
    radius = np.sqrt(-2 * np.log((whole + 0.5) * 2.0**-64))
    angle = _TWO_PI * uniform(entropy, pairs)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
