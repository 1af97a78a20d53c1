"""Poisson sampling: each patient comes into a step by a coin of its own, whose chance is public."""

from __future__ import annotations

from dataclasses import dataclass, field

from fl_components.training.private.entropy import Entropy, uniform
from privacy_eval.errors import InputError


@dataclass
class Draw:
    """Who came into one step. It is good for one noised sum: another network on the same draw would be a second
    release of the same patients, which the plan does not account for.

    Attributes:
        patients: indices in the site's list, any number of them, none included.
    """

    patients: tuple[int, ...]
    _used: bool = field(default=False, repr=False)

    def take(self) -> tuple[int, ...]:
        """The patients, once.

        Raises:
            InputError: the second time.
        """
        if self._used:
            raise InputError("private step: a draw of patients was used for two sums, the plan accounts for one; draw "
                             "anew for each network")
        self._used = True
        return self.patients


def poisson_draw(patients: int, rate: float, entropy: Entropy) -> Draw:
    """Toss a coin for each patient.

    A shuffled list cut into batches is no such draw: there everybody comes exactly once, and the ε of Poisson sampling
    does not hold (Chua et al. 2024, arXiv 2403.17673).

    Args:
        patients: how many there are.
        rate: each one's chance, in (0, 1]; a public constant that never follows from `patients`.
        entropy: where the coins come from.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"Expected 0 < rate={rate} <= 1.")
    chances = uniform(entropy, patients)
    return Draw(tuple(index for index, chance in enumerate(chances) if chance < rate))
