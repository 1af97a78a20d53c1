"""How threads wait for one another; to be settled before torch is imported."""

from __future__ import annotations

import os


def let_waiting_threads_sleep() -> None:
    """They spin for a moment and then sleep (GNU OpenMP), unless the environment says otherwise.

    Where other programs use the cores too, they would hold up one another; asleep at once, they are slow on idle cores.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "50000")
