"""The code held to the closed list of what may depend on a patient in a study that claims an ε."""

from __future__ import annotations

from typing import get_args

import pytest
from small_run import small_study
from test_privacy_account import PLAN, STUDY

from fl_components.guard.declaration import EVALUATION, PUBLIC_SCALARS, TRAINING_SCALARS, Task, declare
from fl_components.guard.private_list import ABOUT_NOBODY, accounted, charged_event, unlisted
from fl_components.site import EgressPolicy
from fl_components.study import Study

LISTED = [task for task in get_args(Task) if task not in EVALUATION]


@pytest.mark.parametrize("task", LISTED)
@pytest.mark.parametrize("canaries", [0, 4])
def test_every_declared_field_is_on_the_list(task: str, canaries: int) -> None:
    study = STUDY.model_copy(update={"canaries": STUDY.canaries.model_copy(update={"per_site": canaries})})
    fields = set(declare(task, study))  # type: ignore[arg-type]
    assert fields <= accounted(task, study) | ABOUT_NOBODY[task]
    assert not accounted(task, study) & ABOUT_NOBODY[task]
    assert unlisted(task, study, sorted(fields)) is None


@pytest.mark.parametrize("task", LISTED)
def test_what_depends_on_patients_is_charged_and_nothing_else(task: str) -> None:
    assert bool(accounted(task, STUDY)) == (charged_event(task, PLAN) is not None)


def test_the_lists_name_every_task_but_the_evaluations_and_so_do_the_defaults() -> None:
    assert set(ABOUT_NOBODY) == set(LISTED) == set(EgressPolicy().tasks)
    assert set(get_args(Task)) == set(get_args(get_args(EgressPolicy.model_fields["tasks"].annotation)[0]))


def test_no_number_computed_on_a_patient_is_beside_the_update() -> None:
    assert not set(declare("train", STUDY)) & (set(TRAINING_SCALARS) - set(PUBLIC_SCALARS))
    assert {name for name in declare("train", STUDY) if name.startswith("loss.")} == set(PUBLIC_SCALARS)
    assert not any(name.startswith("contrast.") for name in declare("summarise", STUDY))


@pytest.mark.parametrize("task", [*EVALUATION, "label", "evaluate", "cross_site_validation", ""])
def test_a_task_that_is_not_on_the_list_is_refused(task: str) -> None:
    assert "not on the private mode's list" in str(unlisted(task, STUDY, []))


def test_a_field_that_is_not_on_the_list_is_refused() -> None:
    assert "'loss.discriminator'" in str(unlisted("train", STUDY, ["loss.discriminator"]))
    assert "'contrast.mean'" in str(unlisted("summarise", STUDY, ["contrast.mean"]))
    assert unlisted("train", Study.parse(small_study(), "test"), ["loss.discriminator"]) is None
