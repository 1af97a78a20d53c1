from __future__ import annotations

import numpy as np
import pytest

from fl_components.cohort.simulate.scanner import NAMED, Scanner, draw_scanner
from fl_components.cohort.simulate.signal import Mprage
from fl_components.cohort.simulate.tissue import properties
from fl_components.vocabulary import SEQUENCES

EVERY = [*NAMED, *(draw_scanner(np.random.default_rng(seed)) for seed in range(30))]


def signals(scanner: Scanner, sequence: str) -> dict[str, float]:
    names = ("CSF", "cortex", "white", "oedema", "solid tumour", "necrosis")
    values = scanner.sequences[sequence].pulse.signal(properties(names, scanner.field_tesla))
    return dict(zip(names, values.tolist(), strict=True))


@pytest.mark.parametrize("scanner", EVERY, ids=lambda scanner: scanner.name)
def test_contrasts_are_those_of_the_sequences(scanner: Scanner) -> None:
    assert set(scanner.sequences) == set(SEQUENCES)
    t1, t2, flair = (signals(scanner, name) for name in ("T1", "T2", "FLAIR"))
    assert t1["white"] > t1["cortex"] > t1["CSF"]
    assert t1["oedema"] < t1["white"]
    assert t2["CSF"] > 0.95 * t2["oedema"]  # fluid has not recovered when repetition is short
    assert t2["oedema"] > t2["cortex"] > t2["white"]
    assert flair["oedema"] > flair["cortex"] > flair["CSF"]
    assert flair["oedema"] > 1.2 * flair["white"]
    assert flair["necrosis"] > flair["CSF"]


@pytest.mark.parametrize("scanner", EVERY, ids=lambda scanner: scanner.name)
def test_tumour_brightens_with_gadolinium(scanner: Scanner) -> None:
    plain = properties(("solid tumour",), scanner.field_tesla)
    pulse = scanner.sequences["T1ce"].pulse
    enhanced = plain.with_gadolinium(np.array([scanner.gadolinium]))
    white = signals(scanner, "T1ce")["white"]
    assert pulse.signal(enhanced)[0] > 1.15 * pulse.signal(plain)[0]
    assert pulse.signal(enhanced)[0] > 1.05 * white


def test_scanners_are_distinct() -> None:
    descriptions = {(scanner.field_tesla, repr(scanner.sequences)) for scanner in EVERY}
    assert len(descriptions) == len(EVERY)
    assert {scanner.field_tesla for scanner in NAMED} == {1.5, 3.0}
    assert len({isinstance(scanner.sequences["T1"].pulse, Mprage) for scanner in NAMED}) == 2
    assert len({scanner.sequences["FLAIR"].pulse for scanner in NAMED}) == len(NAMED)
