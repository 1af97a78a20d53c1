"""What patients have spent: caps, what leaves without a reservation, what an ε can no longer be stated for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import small_study

from fl_components.guard.declaration import declare
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.guard.privacy_account import PrivacyAccount, Spending
from fl_components.site import Site
from fl_components.study import Study
from fl_components.training.private.plan import PrivatePlan, plan_of
from privacy_eval.errors import InputError

JOB = {"job": "job", "round_number": 0}


def private_study(**privacy: object) -> Study:
    return Study.parse(small_study(
        privacy={"mode": "private", "epsilon": 3.0, "discriminator_steps": 2, "trains": "scratch", **privacy},
        audit={"epsilon": 0.25, "tests": ["T1", "T4"]}, training={"rounds": 4, "local_steps": 2}), "test")


STUDY = private_study()
PLAN = plan_of(STUDY)
assert PLAN is not None


def make_site(folder: Path, **policy: object) -> Site:
    return Site.parse({"name": "east", "study": "study.toml", "state": str(folder / "state"),
                       "data": {"root": "data", "dialect": "brats2020"},
                       "policy": {"epsilon": 3.0, "audit_epsilon": 1.0, **policy}}, "test")


def answer(task: str, study: Study = STUDY, value: float = 0.01) -> dict[str, np.ndarray]:
    return {name: np.full(field.shape, 25 if name.startswith("n_") else value if "noised" not in name else 3,
                          field.dtype) for name, field in declare(task, study).items()}  # type: ignore[arg-type]


def reserve(account: PrivacyAccount, task: str = "train", plan: PrivatePlan = PLAN) -> None:
    event = plan.training(plan.steps_per_round) if task == "train" else plan.summary
    account.reserve(event, task=task, **JOB)  # type: ignore[arg-type]


def spend_all(account: PrivacyAccount, plan: PrivatePlan) -> None:
    for _ in range(plan.rounds):
        reserve(account, plan=plan)


def test_a_whole_study_costs_what_it_claims_and_one_round_more_is_refused(tmp_path: Path) -> None:
    account = PrivacyAccount(make_site(tmp_path), STUDY)
    reserve(account, "summarise")
    for _ in range(PLAN.rounds):
        reserve(account)
    guard = Guard(account.site, STUDY)
    for task, times in (("summarise", 1), ("train", PLAN.rounds), ("audit", 1)):
        for time in range(times):
            guard.release(task, answer(task, value=0.01 * (time + 1)), **JOB)  # type: ignore[arg-type]
    assert 2.9 < account.spending().epsilon(1e-5) <= 3
    assert account.spending().epsilon(1e-5) == pytest.approx(PLAN.epsilon_kept)
    assert account.spending().replacing(1e-5) > 5
    with pytest.raises(InputError, match=r"the privacy budget is spent.*the federation goes on without it"):
        reserve(account)
    with pytest.raises(EgressRefusedError, match="budget is spent"):
        guard.release("audit", answer("audit") | {"audit_number": np.array(2.0)}, **JOB)  # type: ignore[arg-type]
    before = [(entry["epsilon_before"], entry["epsilon_spent"]) for entry in account.ledger.entries()
              if entry["decision"] == "reserved"]
    assert all(low < high for low, high in before)
    assert [low for low, _ in before[1:]] == [high for _, high in before[:-1]]


def test_nothing_leaves_that_was_not_reserved_and_each_reservation_is_good_for_one_answer(tmp_path: Path) -> None:
    account = PrivacyAccount(make_site(tmp_path), STUDY)
    guard = Guard(account.site, STUDY)
    with pytest.raises(EgressRefusedError, match="nothing was reserved"):
        guard.release("train", answer("train"), **JOB)  # type: ignore[arg-type]
    reserve(account)
    with pytest.raises(EgressRefusedError, match="nothing was reserved"):
        guard.release("summarise", answer("summarise"), **JOB)  # type: ignore[arg-type]
    for _ in range(2):  # the same answer again tells nothing new
        guard.release("train", answer("train"), **JOB)  # type: ignore[arg-type]
    with pytest.raises(EgressRefusedError, match="nothing was reserved"):
        guard.release("train", answer("train", value=0.02), **JOB)  # type: ignore[arg-type]


def test_a_reservation_of_fewer_steps_does_not_let_a_round_out(tmp_path: Path) -> None:
    account = PrivacyAccount(make_site(tmp_path), STUDY)
    account.reserve(PLAN.training(1), task="train", **JOB)  # type: ignore[arg-type]
    with pytest.raises(EgressRefusedError, match="nothing was reserved"):
        Guard(account.site, STUDY).release("train", answer("train"), **JOB)  # type: ignore[arg-type]


def test_years_and_studies_add_up(tmp_path: Path) -> None:
    site = make_site(tmp_path, epsilon=3.5)
    first, second = PrivacyAccount(site, STUDY), PrivacyAccount(site, private_study(delta=5e-6))
    for _ in range(PLAN.rounds):
        reserve(first)
    alone = first.spending().epsilon(1e-5)
    other = plan_of(second.study)
    assert other is not None
    reserve(second, plan=other)
    assert first.spending().epsilon(1e-5) > alone
    assert first.spending(study=True).epsilon(1e-5) == alone
    with pytest.raises(InputError, match=r"the policy allows 3\.5"):
        spend_all(second, other)


@pytest.mark.parametrize(("policy", "reason"), [({"epsilon": None}, "policy has no epsilon"),
                                                ({"delta": 1e-6}, "exceeds the policy's 1e-06"),
                                                ({"epsilon": 0.2}, "the privacy budget is spent")])
def test_a_site_that_does_not_allow_it_spends_nothing(tmp_path: Path, policy: dict[str, float], reason: str) -> None:
    account = PrivacyAccount(make_site(tmp_path, **policy), STUDY)
    with pytest.raises(InputError, match=reason):
        reserve(account)
    assert account.spending().events == ()
    assert account.ledger.entries()[0]["decision"] == "refused"


def test_patients_of_whom_something_left_without_an_epsilon_have_none(tmp_path: Path) -> None:
    empirical = Study.parse(small_study(), "test")
    site = make_site(tmp_path)
    open_site = site.model_copy(update={"policy": site.policy.model_copy(update={"epsilon": None})})
    Guard(open_site, empirical).release("train", answer("train", empirical), **JOB)  # type: ignore[arg-type]
    account = PrivacyAccount(site, STUDY)
    assert account.spending().epsilon(1e-5) == float("inf")
    with pytest.raises(InputError, match="left without an ε"):
        reserve(account)


def test_a_site_with_an_epsilon_answers_no_study_without_one(tmp_path: Path) -> None:
    empirical = Study.parse(small_study(), "test")
    for task in ("summarise", "train", "audit"):
        with pytest.raises(EgressRefusedError, match="the study claims none"):
            Guard(make_site(tmp_path), empirical).release(task, answer(task, empirical), **JOB)  # type: ignore[arg-type]


def test_a_summary_only_study_sends_no_update(tmp_path: Path) -> None:
    study = private_study(trains="summary")
    guard = Guard(make_site(tmp_path), study)
    guard.release("train", answer("train", study, 0.0), **JOB)  # type: ignore[arg-type]
    with pytest.raises(EgressRefusedError, match="trains nothing on patients"):
        guard.release("train", answer("train", study, 0.01), **JOB)  # type: ignore[arg-type]
    assert PrivacyAccount(guard.site, study).spending() == Spending((), 0)


def test_a_broken_ledger_spends_nothing(tmp_path: Path) -> None:
    account = PrivacyAccount(make_site(tmp_path), STUDY)
    for _ in range(3):
        reserve(account)
    lines = account.ledger.path.read_text().splitlines()
    account.ledger.path.write_text("\n".join([lines[0].replace('"steps": 4', '"steps": 1'), *lines[1:]]) + "\n")
    with pytest.raises(InputError, match="cannot be known"):
        reserve(account)
