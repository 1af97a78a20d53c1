from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmenter_case import make_subjects

from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.evaluation.training_sets import (
    BATCH_SIZE,
    TRAINING_SETS,
    Phase,
    TrainingSet,
    phase_batches,
    phase_steps,
    synthetic_subjects,
    tenth,
)
from privacy_eval.errors import InputError

MEMBERS, SYNTHETIC = make_subjects(30), make_subjects(5, 100)


def drawn(phase: Phase, count: int, seed: int = 0, round_number: int = 0) -> list[str]:
    """Names of the subjects of `count` batches, one after the other."""
    known = {subject.labels.tobytes(): subject.name for subject in (*MEMBERS, *SYNTHETIC)}
    batches = phase_batches(phase, MEMBERS, SYNTHETIC, seed, round_number)
    return [known[labels.astype("uint8").tobytes()] for batch in islice(batches, count)
            for labels in batch.labels.numpy()]


@given(st.sampled_from(sorted(TRAINING_SETS)), st.integers(2, 5000))
def test_every_set_takes_the_same_steps(name: TrainingSet, steps: int) -> None:
    parts = phase_steps(TRAINING_SETS[name], steps)
    assert sum(parts) == steps
    assert min(parts) >= 1


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        phase_steps(TRAINING_SETS["synthetic only, then 10 % real"], 1)


def test_sets_hold_what_they_are_called() -> None:
    names = {name: {subject for phase in phases for subject in drawn(phase, 60)}
             for name, phases in TRAINING_SETS.items()}
    real, synthetic = {s.name for s in MEMBERS}, {s.name for s in SYNTHETIC}
    few = {s.name for s in tenth(MEMBERS, 0)}
    assert len(few) == 3
    assert names == {"real": real, "real + synthetic": real | synthetic, "synthetic only": synthetic,
                     "synthetic only, then 10 % real": few | synthetic, "10 % real": few,
                     "10 % real + synthetic": few | synthetic}


def test_mixed_sets_take_turns_however_many_there_are() -> None:
    synthetic = {s.name for s in SYNTHETIC}
    names = drawn(TRAINING_SETS["10 % real + synthetic"][0], 10)
    assert [name in synthetic for name in names] == ([False] * BATCH_SIZE + [True] * BATCH_SIZE) * 5
    assert set(names) >= synthetic


def test_the_tenth_stays_and_the_order_changes_with_the_round() -> None:
    phase = Phase(("tenth",))
    first, again, later = (drawn(phase, 9, seed=2, round_number=number) for number in (0, 0, 1))
    assert first == again
    assert set(first) == set(later) == {s.name for s in tenth(MEMBERS, 2)}
    assert drawn(Phase(("real",)), 30, 2, 0) != drawn(Phase(("real",)), 30, 2, 1)
    assert [s.name for s in tenth(MEMBERS, 2)] != [s.name for s in tenth(MEMBERS, 3)]


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (4, 1), (15, 2), (30, 3)])
def test_a_tenth_is_at_least_one(count: int, expected: int) -> None:
    assert len(tenth(MEMBERS[:count], 0)) == expected


@pytest.mark.parametrize(("source", "members", "synthetic", "kind"), [
    ("real", [], SYNTHETIC, "no real"), ("tenth", [], SYNTHETIC, "no real"),
    ("synthetic", MEMBERS, [], "no synthetic")])
def test_nobody_to_draw_is_refused(source: str, members: list[Subject], synthetic: list[Subject], kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        phase_batches(Phase((source,)), members, synthetic, 0)  # type: ignore[arg-type]


def test_synthetic_subjects_have_their_own_contrast() -> None:
    made = synthetic_subjects([(s.images, s.labels) for s in SYNTHETIC])
    assert [s.name for s in made] == [f"synthetic-{k}" for k in range(5)]
    assert (made[0].contrast.mean == measure_contrast(SYNTHETIC[0].images, SYNTHETIC[0].labels).mean).all()
