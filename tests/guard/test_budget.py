"""What a noised audit costs: refused where it is not allowed or spent, charged once an answer, for every study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_run import small_study

from fl_components.guard.declaration import declare
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.site import Site
from fl_components.study import AuditSettings, Study
from privacy_eval.battery import PRIVATE_LIST
from privacy_eval.errors import InputError

AUDIT = {"minimum_subjects": 5, "calibration_subjects": 6}


def study(epsilon: float | None = 0.3, **audit: object) -> Study:
    claimed = {} if epsilon is None else {"epsilon": epsilon}
    return Study.parse(small_study(audit={**AUDIT, **claimed, **audit}), "test")


def guard(folder: Path, of: Study, allowed: float | None = None) -> Guard:
    policy = {} if allowed is None else {"audit_epsilon": allowed}
    site = Site.parse({"name": "east", "study": "study.toml", "state": str(folder / "state"),
                       "data": {"root": "data", "dialect": "brats2020"}, "policy": policy}, "test")
    return Guard(site, of)


def answer(of: Study, noised: float = 17.0, n: float = 25.0) -> dict[str, np.ndarray]:
    head = {"n_members": n, "n_holdout": n, "audit_number": float(n > 0)}
    return {name: np.array(head.get(name, noised), field.dtype) for name, field in declare("audit", of).items()}


def send(by: Guard, fields: dict[str, np.ndarray]) -> dict[str, object]:
    by.release("audit", fields, job="job", round_number=0)
    return by.ledger.entries()[-1]


@pytest.mark.parametrize(("audit", "listed"), [
    ({}, PRIVATE_LIST),
    ({"recipients": "images"}, ("T1.voxels", "T2.voxels")),
    ({"tests": ["T4", "T7"]}, ("T4.exact",)),
])
def test_what_is_declared_is_n_and_the_listed_statistics_alone(audit: dict[str, object],
                                                               listed: tuple[str, ...]) -> None:
    declared = declare("audit", study(**audit))
    assert list(declared) == ["n_members", "n_holdout", "audit_number",
                              *(f"release.{one}.noised_2u" for one in listed)]
    assert all(field.shape == () for field in declared.values())


def test_canaries_are_nobody_and_come_beside() -> None:
    of = Study.parse(small_study(audit={**AUDIT, "epsilon": 1.0}, canaries={"per_site": 4}), "test")
    assert {name for name in declare("audit", of) if name.startswith("canaries.")} == {
        "canaries.T1", "canaries.T4", "canaries.inside", "canaries.salt"}


def test_an_empirical_study_declares_and_charges_what_it_did(tmp_path: Path) -> None:
    of = study(None)
    assert len(declare("audit", of)) > 60
    entry = send(guard(tmp_path, of), answer(of, 0.0))
    assert "epsilon" not in entry


@pytest.mark.parametrize("audit", [{"epsilon": 0.0}, {"epsilon": -1.0}, {"epsilon": 1000.0}, {"tests": ["T7"]}])
def test_a_claim_that_means_nothing_is_refused(audit: dict[str, object]) -> None:
    with pytest.raises(InputError, match="epsilon"):
        study(**audit)  # type: ignore[arg-type]


def test_the_audit_s_policy_has_the_same_family(tmp_path: Path) -> None:
    settings = AuditSettings(epsilon=1.0)
    assert tuple(one.id for one in settings.policy.private_family) == PRIVATE_LIST


def test_nothing_leaves_a_site_that_has_not_allowed_it(tmp_path: Path) -> None:
    of = study()
    by = guard(tmp_path, of)
    with pytest.raises(EgressRefusedError, match=r"policy key audit_epsilon is 0; set it in site\.toml") as caught:
        send(by, answer(of))
    assert "\n" not in str(caught.value)
    with pytest.raises(EgressRefusedError, match="audit_epsilon"):
        send(by, answer(of, 0.0, n=0.0))
    for entry in by.ledger.entries():
        assert entry["decision"] == "refused"
        assert not {"scalars", "answer"} & set(entry)


def test_each_new_answer_is_charged_and_the_same_one_is_free(tmp_path: Path) -> None:
    of = study()
    by = guard(tmp_path, of, 0.6)
    first, again, second = (send(by, answer(of, noised)) for noised in (17.0, 17.0, 18.0))
    account = [tuple(entry[name] for name in ("epsilon", "epsilon_before", "epsilon_spent"))
               for entry in (first, again, second)]
    assert account == [(0.3, 0.0, 0.3), (0.0, 0.3, 0.3), (0.3, 0.3, 0.6)]
    with pytest.raises(EgressRefusedError, match=r"on top of the 0\.6 already spent exceeds .*audit_epsilon = 0\.6"):
        send(by, answer(of, 19.0))
    assert send(by, answer(of, 18.0))["epsilon"] == 0
    assert [entry["decision"] for entry in by.ledger.entries()] == ["sent"] * 3 + ["refused", "sent"]
    assert by.ledger.verify() is None


def test_ten_times_a_tenth_is_one(tmp_path: Path) -> None:
    of = study(0.1)
    by = guard(tmp_path, of, 1.0)
    assert [send(by, answer(of, float(noised)))["epsilon_spent"] for noised in range(10)][-1] == 1.0
    with pytest.raises(EgressRefusedError, match="already spent"):
        send(by, answer(of, 99.0))


def test_patients_pay_for_every_study(tmp_path: Path) -> None:
    """The same bytes of another study are another answer."""
    one, other = study(), study(alpha=0.04)
    send(guard(tmp_path, one, 0.5), answer(one))
    with pytest.raises(EgressRefusedError, match=r"0\.3 already spent"):
        send(guard(tmp_path, other, 0.5), answer(other))
    assert send(guard(tmp_path, other, 0.6), answer(other))["epsilon_spent"] == 0.6


def test_an_abstention_costs_nothing(tmp_path: Path) -> None:
    of = study()
    entry = send(guard(tmp_path, of, 0.1), answer(of, 0.0, n=0.0))
    assert (entry["decision"], entry["epsilon"]) == ("sent", 0)


def test_a_damaged_ledger_pays_for_nothing(tmp_path: Path) -> None:
    of = study()
    by = guard(tmp_path, of, 5.0)
    send(by, answer(of))
    entry = json.loads(by.ledger.path.read_text())
    by.ledger.path.write_text(json.dumps({**entry, "epsilon": 0.0}) + "\n")
    with pytest.raises(EgressRefusedError, match="what was spent cannot be known"):
        send(by, answer(of, 18.0))


def test_few_subjects_stay_however_much_was_paid(tmp_path: Path) -> None:
    of = study()
    with pytest.raises(EgressRefusedError, match="minimum_subjects"):
        send(guard(tmp_path, of, 5.0), answer(of, n=19.0))
