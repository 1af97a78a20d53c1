from __future__ import annotations

import numpy as np
import pytest

from fl_components.anatomy import tumour
from fl_components.anatomy.compartments import HINDBRAIN, LEFT, OPEN, RIGHT, rooms


@pytest.mark.parametrize(("place", "room"), [
    ((-20, 30, 30), LEFT), ((20, 30, 30), RIGHT), ((-3, 30, 50), LEFT), ((3, 30, 50), RIGHT),
    ((0, 0, 22), OPEN),        # body of the corpus callosum
    ((2, 30, 4), OPEN),        # its genu
    ((0, -25, -20), OPEN),     # brain stem
    ((-25, -60, -40), HINDBRAIN), ((25, -60, -40), HINDBRAIN),
    ((30, -85, -5), RIGHT),    # occipital pole, above the tentorium
])
def test_landmarks_lie_in_their_rooms(place: tuple[int, int, int], room: int) -> None:
    assert rooms(np.array(place, float).reshape(3, 1))[0] == room


def test_no_cell_passes_a_wall_but_all_pass_its_opening() -> None:
    diffusivity = np.full((21, 11, 11), 30.0, np.float32)
    seed, start = np.array([[5, 5, 5]]), np.zeros(1)
    walled = np.where(np.arange(21) < 10, LEFT, RIGHT).reshape(-1, 1, 1) * np.ones((1, 11, 11), int)
    closed = tumour._front(diffusivity, seed, start, 1e9, 4.0, walled)
    assert (closed[10:] == tumour.NEVER).all()
    assert (closed[:10] < tumour.NEVER).all()

    gap = walled.copy()
    gap[8:12, 5, 5] = OPEN
    opened = tumour._front(diffusivity, seed, start, 1e9, 4.0, gap)
    free = tumour._front(diffusivity, seed, start, 1e9, 4.0)
    assert (opened[12:] < tumour.NEVER).all()
    assert (opened[12:] > free[12:]).all()


def test_a_focus_at_the_wall_does_not_leap_it() -> None:
    diffusivity = np.full((9, 9, 9), 30.0, np.float32)
    walled = np.where(np.arange(9) < 4, LEFT, RIGHT).reshape(-1, 1, 1) * np.ones((1, 9, 9), int)
    focus = tumour._focus(diffusivity, (3, 4, 4), 4.0, walled)
    assert focus[3, 4, 4] > 0.8
    assert (focus[4:] == 0).all()
