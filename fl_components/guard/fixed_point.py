"""Real numbers as whole ones modulo 2^32: masks hide those perfectly, and their sums are exact."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from privacy_eval.errors import InputError

_HALF: Final = 2**31
COARSEST_BITS: Final = 20
"""A bound that leaves fewer binary places is refused: an update's values are about 10^-3."""


class FixedPoint:
    """Shares of values as multiples of 2^-bits.

    With P parts, sum over parts of |share · value| ≤ `bound` in each coordinate, and `bits` the largest k for which
    bound · 2^k + P ≤ 2^31 − 1:

    - a part is rounded to the nearest multiple of 2^-k, once; in float64 the product before it is off by at most
      2^31 · 2^-52 multiples. So a part is off by at most (1/2 + 2^-21) · 2^-k;
    - whole numbers add up exactly modulo 2^32, in any order, whatever masks cancel between them;
    - the sum of the rounded parts is at most bound · 2^k + P < 2^31 in size, so that it is the one representative of
      its residue in [−2^31, 2^31), which `decode` returns.

    Hence what `decode` returns is off by at most `largest_error` = P · (1/2 + 2^-21) · 2^-k from the sum of the parts.

    Args:
        bound: of the sum of the parts' sizes, in each coordinate.
        parts: the most parts of a sum.

    Raises:
        InputError: if the bound leaves fewer than `COARSEST_BITS` binary places.
    """

    def __init__(self, bound: float, parts: int) -> None:
        self.bound, self.parts = bound, parts
        self.bits = math.floor(math.log2((_HALF - 1 - parts) / bound))
        if self.bits < COARSEST_BITS:
            raise InputError(f"a bound of {bound:g} leaves {self.bits} binary places of 32 bits, expected at least "
                             f"{COARSEST_BITS}; lower it to {_HALF // 2**COARSEST_BITS - 1}")

    @property
    def largest_error(self) -> float:
        """Of a decoded sum, in each coordinate."""
        return self.parts * (0.5 + 2.0**-21) * 2.0**-self.bits

    def encode(self, values: np.ndarray, share: float) -> np.ndarray:
        """One part: share · values, uint32 of the same shape.

        Args:
            values: finite, at most `bound` in size.
            share: in (0, 1]; those of all parts sum to at most 1.

        Raises:
            InputError: if a value is larger or not finite: the sum could come out as another number.
        """
        if not np.all(np.abs(values) <= self.bound):  # false for NaN, too
            raise InputError(f"a value beyond {self.bound:g}, or none, cannot be part of a masked sum")
        return np.rint(np.asarray(values, np.float64) * (share * 2.0**self.bits)).astype(np.int64).astype(np.uint32)

    def decode(self, total: np.ndarray) -> np.ndarray:
        """The sum of the parts, float64 of the same shape, from their sum modulo 2^32."""
        return total.astype(np.uint32).view(np.int32) * 2.0**-self.bits
