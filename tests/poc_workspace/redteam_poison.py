"""Sites that poison training: one behind its own guards, one that took them away. It exists in tests alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants

from fl_components.client.heartbeat import Heartbeat
from fl_components.client.open_site import OpenSite, open_site
from fl_components.client.train_executor import TrainExecutor
from fl_components.cohort.cohort import Cohort
from fl_components.guard.declaration import tensor_norm
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.networks.build import declared_shapes
from fl_components.training.local import LocalTrainer

Fields = dict[str, Any]


class Case(NamedTuple):
    """What a poisoner has at hand: its own honest answer, the last one of its that went out, what it received."""

    honest: Fields
    last: Fields
    received: dict[str, np.ndarray]
    opened: OpenSite

    @property
    def first(self) -> str:
        return next(name for name, value in self.honest.items() if value.ndim)


Poison = Callable[[Case], Fields]


def tensors(make: Callable[[np.ndarray], np.ndarray]) -> Poison:
    return lambda case: {name: make(value) if value.ndim else value for name, value in case.honest.items()}


def first(make: Callable[[np.ndarray], object]) -> Poison:
    return lambda case: {**case.honest, case.first: make(case.honest[case.first])}


def honest(case: Case) -> Fields:
    return case.honest


def largest_admitted(case: Case) -> Fields:
    """As long as the study admits, and away from where training goes."""
    factor = np.float32(-0.999 * case.opened.study.federation.update_norm_bound / tensor_norm(case.honest))
    return tensors(lambda value: factor * value)(case)


def flipped_labels(case: Case) -> Fields:
    """Trained with the anatomy's labels turned round."""
    site, study = case.opened
    members = [replace(member, labels=np.where(member.labels > 0, 7 - member.labels, 0).astype(np.uint8))
               for member in Cohort.load(site, study).subjects("members")]
    trainer = LocalTrainer(study, members, site.state / "training/flipped", 1)
    return {**case.honest, **trainer.train(case.received, 0, study.training.local_steps).update}


def without_first(case: Case) -> Fields:
    return {name: value for name, value in case.honest.items() if name != case.first}


POISONS: Final[dict[str, Poison]] = {
    "honest": honest,
    "last_again": lambda case: case.last,
    "nan": tensors(lambda value: np.full_like(value, np.nan)),
    "infinity": first(lambda value: np.full_like(value, np.inf)),
    "times_1000": tensors(lambda value: np.float32(1000) * value),
    "sign_flip": tensors(np.negative),
    "largest_admitted": largest_admitted,
    "labels_flipped": flipped_labels,
    "free_rider": tensors(np.zeros_like),
    "free_rider_again": tensors(lambda value: -np.zeros_like(value)),
    "missing_tensor": without_first,
    "extra_tensor": lambda case: {**case.honest, "extra": np.zeros(4, np.float32)},
    "oversized": lambda case: {**case.honest, "extra": np.zeros(48 * 2**18, np.float32)},
    "other_shape": first(lambda value: value[..., None]),
    "broadcast": first(lambda value: np.zeros((1,) * value.ndim, np.float32)),
    "other_type": first(lambda value: value.astype(np.float64)),
    "text": first(lambda value: "a text"),
    "no_weights": honest, "claimed_weight": honest, "other_round": honest, "another_name": honest, "late": honest,
    "twice": honest}
"""One a round, in this order; what the last ones do is in how they are sent (`PoisonTrainer`)."""
ORDER: Final = tuple(POISONS)


def keep(opened: OpenSite, name: str, fields: Mapping[str, Any]) -> None:
    """The generator's tensors, where they are arrays at all."""
    folder = opened.site.ledger.parent / "rounds"
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{name}.npz", **{name: fields[name] for name in declared_shapes(opened.study)
                                        if isinstance(fields.get(name), np.ndarray)})


class PoisonTrainer(TrainExecutor):
    """Honest, but at "south" and "west"; notes what it received and sent, so that a test can compute the rounds again.

    "south" hands poison to its site's guards, and where they keep it in its honest answer, so that nobody has to start
    the job again. "west", whose filters were taken away, changes its answer after its guard recorded an honest one, and
    how it is sent.
    """

    last: Fields = {}  # noqa: RUF012 - replaced, never changed; NVFlare wants constructors with exported arguments alone
    attack = ""
    reply = earlier = Shareable()

    def answer(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
               heartbeat: Heartbeat, abort_signal: Signal) -> Fields:
        fields = super().answer(task, round_number, data, opened, heartbeat, abort_signal)
        if task == "train":
            keep(opened, f"received-{round_number}", data)
            if opened.site.name == "south":
                made = self.poisoned(Case(fields, self.last, dict(data), opened), round_number)
                fields = made if let_through(made, opened, round_number) else fields
            keep(opened, f"sent-{round_number}", fields)
        return fields

    def poisoned(self, case: Case, round_number: int) -> Fields:
        self.last = POISONS[ORDER[round_number]](case)
        return self.last

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        reply = super().execute(task_name, shareable, fl_ctx, abort_signal)
        if task_name != "train" or fl_ctx.get_identity_name() != "west" or reply.get_return_code() != ReturnCode.OK:
            return reply
        number = int(shareable.get_header(AppConstants.CURRENT_ROUND))
        self.attack = ORDER[number]
        opened = open_site(fl_ctx, self.study_hash)
        honest_fields, received = dict(from_shareable(reply).data), from_shareable(shareable).data
        made = self.poisoned(Case(honest_fields, self.last, received, opened), number)
        keep(opened, f"sent-{number}", made)
        if self.attack == "late":
            note(opened, "late", fl_ctx.get_engine().send_task_result(self.earlier, fl_ctx, 5.0))
        return disguised(self.attack, made)

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.AFTER_TASK_RESULT_FILTER:
            self.reply = fl_ctx.get_prop(FLContextKey.TASK_RESULT)
        if event_type != EventType.AFTER_SEND_TASK_RESULT or not self.attack:
            return
        self.earlier = copy.deepcopy(self.reply)  # with the headers that NVFlare sent it with
        if self.attack == "twice":
            other = {name: -value for name, value in from_shareable(self.earlier).data.items()}
            again = DXO(DataKind.WEIGHT_DIFF, other).update_shareable(copy.deepcopy(self.earlier))
            note(open_site(fl_ctx, self.study_hash), "twice",
                 fl_ctx.get_engine().send_task_result(again, fl_ctx, 5.0))


def let_through(fields: Fields, opened: OpenSite, round_number: int) -> bool:
    """Whether the site's guard would let poison leave; it is recorded as of a job that never was."""
    try:
        Guard(*opened).release("train", fields, job="poison", round_number=round_number)
    except EgressRefusedError:
        return False
    return True


def disguised(attack: str, fields: Fields) -> Shareable:
    """The reply as the attack sends it."""
    if attack == "no_weights":
        return DXO(DataKind.METRICS, {"accuracy": 1.0}).to_shareable()
    if attack == "claimed_weight":
        claims = {MetaKey.NUM_STEPS_CURRENT_ROUND: 10**9, "weight": 1e9, "aggregation_weight": 1e9}
        return DXO(DataKind.WEIGHT_DIFF, fields, meta=claims).to_shareable()
    reply = DXO(DataKind.WEIGHT_DIFF, fields).to_shareable()
    if attack == "other_round":
        reply.set_header(AppConstants.CURRENT_ROUND, 0)
    if attack == "another_name":
        reply.set_header("client_name", "east")
        reply.set_peer_props({ReservedKey.IDENTITY_NAME: "east", FLContextKey.CLIENT_NAME: "east"})
    return reply


def note(opened: OpenSite, name: str, accepted: bool) -> None:
    """What NVFlare said of a message sent out of turn."""
    path: Path = opened.site.ledger.parent / "rounds" / f"{name}.json"
    path.write_text(json.dumps(bool(accepted)))


def poisoned_study(**overrides: object) -> dict[str, object]:
    """Four sites, one round an attack; the heaviest is the compromised one."""
    return {"sites": {"east": 2.0, "north": 1.0, "south": 1.0, "west": 4.0},
            "training": {"rounds": len(ORDER), "local_steps": 2},
            "federation": {"round_timeout_s": 60, "update_norm_bound": 1.0, "minimum_updates": 2}, **overrides}
