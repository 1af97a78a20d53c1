"""A policy that changes after the guard began: nothing leaves any more, and the next job does not start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tomli_w
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.fuel.f3.cellnet.defs import CellChannel
from nvflare.private.admin_defs import Message as Order
from nvflare.private.defs import TrainingTopic
from small_run import small_study
from test_site_filter import TASKS, context
from test_wire_guard import Wired

from fl_components.guard.declaration import declare
from fl_components.guard.egress import Guard
from fl_components.guard.ledger import Ledger
from fl_components.guard.seal import Seal, policy_digest
from fl_components.guard.site_filter import SiteFilter
from fl_components.site import EgressPolicy
from privacy_eval.errors import InputError


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(tomli_w.dumps(small_study()))
    write_site(tmp_path / "site.toml")
    return tmp_path / "site.toml"


def write_site(path: Path, state: str = "state", **policy: object) -> None:
    path.write_text(tomli_w.dumps({"name": "east", "study": "study.toml", "state": state,
                                   "data": {"root": "data", "dialect": "brats2020"}, "policy": policy}))


def answered(seal: Seal, job: str = "job") -> DXO:
    """An answer that the executor's guard recorded."""
    rng = np.random.default_rng()
    fields = {name: np.full(field.shape, rng.uniform(0, 1e-3), field.dtype)
              for name, field in declare("train", seal.study).items()}
    return DXO(DataKind.WEIGHT_DIFF, Guard(seal.site, seal.study).release("train", fields, job=job, round_number=0))


def test_it_holds_while_nothing_changes_and_breaks_with_either_file(site_file: Path) -> None:
    seal = Seal(site_file)
    assert seal.broken() is None
    write_site(site_file, maximum_rounds=10**6)
    assert "changed after the site was started" in str(seal.broken())
    write_site(site_file)
    assert seal.broken() is None
    study = site_file.with_name("study.toml")
    study.write_text(study.read_text() + "\n# a wider network\n")
    assert seal.broken() is not None
    study.unlink()
    assert seal.broken() is not None


def test_it_can_be_held_to_what_was_found_earlier(site_file: Path) -> None:
    early = Seal(site_file)
    write_site(site_file, maximum_rounds=10**6)
    late = Seal(site_file)
    assert late.broken() is None
    late.hold_to(early.digest)
    assert late.broken() is not None


def test_a_site_without_its_study_has_no_seal(site_file: Path) -> None:
    site_file.with_name("study.toml").unlink()
    with pytest.raises(InputError, match=r"study\.toml"):
        Seal(site_file)


def test_nothing_passes_the_site_filter_once_a_job_edited_the_policy(site_file: Path) -> None:
    seal = Seal(site_file)
    site_filter = SiteFilter(str(site_file), TASKS)
    assert site_filter.process(answered(seal).to_shareable(), context()).get_return_code() == ReturnCode.OK
    write_site(site_file, "elsewhere/state", maximum_rounds=10**6, maximum_update_norm=1e9)
    reply = site_filter.process(answered(seal).to_shareable(), context())
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    last = Ledger(seal.site.ledger).entries()[-1]  # not where the edited file would have it
    assert (last["decision"], last["wall"]) == ("refused", "site filter")
    assert "start the site again" in last["reason"]


def test_the_sites_own_process_starts_no_job_under_another_policy(site_file: Path) -> None:
    parent = Wired(site_file.parent, "parent")

    def obeys(topic: str) -> bool:
        return parent.passes(CellChannel.CLIENT_MAIN, topic, Order(topic, ""), "add_incoming_request_filter")

    assert obeys(TrainingTopic.START_JOB)
    write_site(site_file, maximum_rounds=10**6)
    assert not obeys(TrainingTopic.START_JOB)
    assert obeys(TrainingTopic.ABORT)
    (refused,) = parent.refusals()
    assert refused["topic"] == TrainingTopic.START_JOB
    assert "start the site again" in refused["reason"]


def test_a_job_is_held_to_the_policy_that_the_sites_own_process_found(site_file: Path) -> None:
    """As if a hostile class had edited it before the guards of its process were made."""
    Wired(site_file.parent, "parent")
    write_site(site_file, maximum_rounds=10**6)
    job = Wired(site_file.parent)
    reply = job.guard._sealed(answered(Seal(site_file)).to_shareable(), context())
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    attached = [entry for entry in Ledger(site_file.with_name("wire.jsonl")).entries() if entry["event"] == "attached"]
    assert [entry["process"] for entry in attached] == ["parent", "job"]
    assert attached[0]["seal"] != attached[1]["seal"]


def test_every_answer_is_recorded_with_the_policy_it_was_judged_by(site_file: Path) -> None:
    seal = Seal(site_file)
    answered(seal)
    (entry,) = Ledger(seal.site.ledger).entries()
    assert entry["policy"] == policy_digest(EgressPolicy())
    assert policy_digest(EgressPolicy(maximum_rounds=7)) != entry["policy"]


