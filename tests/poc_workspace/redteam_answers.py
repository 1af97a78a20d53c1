"""Attempts in a task's answer: in its fields, around them, in its headers, or in the way it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from redteam_case import Case, Fields, interleaved, scan

from fl_components.guard.declaration import declare


def with_field(change: Callable[[Case, Fields], None], record: bool = True) -> Callable[[Case], Shareable]:
    def attempt(case: Case) -> Shareable:
        fields = case.released() if record else case.fields()
        change(case, fields)
        return case.reply(fields)
    return attempt


def with_reply(change: Callable[[Case, Shareable], None]) -> Callable[[Case], Shareable]:
    """An answer that may leave, with something more to it."""
    def attempt(case: Case) -> Shareable:
        reply = case.reply()
        change(case, reply)
        return reply
    return attempt


def raising(error: type[Exception]) -> Callable[[Case], Shareable]:
    def attempt(case: Case) -> Shareable:
        raise error(case.text)
    return attempt


def put(name: str, make: Callable[[Case], Any]) -> Callable[[Case, Fields], None]:
    def change(case: Case, fields: Fields) -> None:
        fields[name or case.first()] = make(case)
    return change


class Tagged(np.ndarray):
    """An array with something on it."""


def tagged(case: Case) -> np.ndarray:
    array = np.zeros(declare(case.task, case.study)[case.first()].shape, np.float32).view(Tagged)
    array.secret = case.text  # type: ignore[attr-defined]
    return array


class Liar(Shareable):
    """A reply that tells its reader another story than its sender."""

    def get_return_code(self, default: str = ReturnCode.OK) -> str:
        return ReturnCode.TASK_ABORTED


def lying(case: Case) -> Shareable:
    liar = Liar()
    liar.update(case.reply())
    liar["scan"] = case.text
    return liar


def sized(case: Case) -> np.ndarray:
    return np.frombuffer(scan(case.attempt).tobytes()[:4096], np.float32)


def not_a_number(case: Case) -> np.ndarray:
    fields = case.fields()[case.first()]
    fields.ravel().view(np.uint32)[:] = 0x7FC00000 | 0x4142
    return fields


def in_mantissa(case: Case) -> np.ndarray:
    shape = declare(case.task, case.study)[case.first()].shape
    return interleaved(case.text, int(np.prod(shape))).reshape(shape)


def replay(case: Case) -> Shareable:
    if not case.executor.replayed:
        case.executor.replayed = case.released()
    return case.reply(case.executor.replayed)


def recorded_secret(case: Case) -> Shareable:
    fields = case.fields()
    fields[case.first()] = in_mantissa(case)
    return case.reply(case.released(fields))


def too_late(case: Case) -> Shareable:
    return case.reply(case.released(round_number=5000))


def too_strong(case: Case) -> Shareable:
    return case.reply(case.released(case.fields(1e6)))


def failure_with_content(case: Case) -> Shareable:
    reply = case.reply({"scan": scan(case.attempt)})
    reply.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    return reply


def changed_cookies(case: Case) -> Shareable:
    case.shareable.set_cookie_jar({"scan": case.text})
    return case.reply()


ANSWERS: dict[str, Callable[[Case], Any]] = {
    "extra_tensor": with_field(put("scan", lambda case: scan(case.attempt))),
    "other_shape": with_field(put("", sized)),
    "other_type": with_field(put("", lambda case: scan(case.attempt))),
    "float16": with_field(put("", lambda case: np.zeros(8, np.float16))),
    "object_array": with_field(put("", lambda case: np.array([case.text], dtype=object))),
    "text_as_scalar": with_field(put("loss.l1", lambda case: case.text)),
    "nested": with_field(put("", lambda case: {"scan": scan(case.attempt)})),
    "array_with_attribute": with_field(put("", tagged)),
    "nan_payload": with_field(put("", not_a_number)),
    "unrecorded": with_field(put("", in_mantissa), record=False),
    "changed_after_record": with_field(put("", in_mantissa)),
    "first_of_replay": replay,
    "replayed": replay,
    "metrics": lambda case: case.reply({"scan": case.text}, DataKind.METRICS),  # type: ignore[dict-item]
    "full_weights": lambda case: case.reply(None, DataKind.WEIGHTS),
    "statistics": lambda case: case.reply({"scan": scan(case.attempt)}, DataKind.STATISTICS),
    "no_dxo": lambda case: Shareable({"scan": case.text}),
    "extra_key": with_reply(lambda case, reply: reply.update(scan=case.text)),
    "header": with_reply(lambda case, reply: reply.set_header("scan", case.text)),
    "error_header": with_reply(lambda case, reply: reply.set_header("__error__", case.text)),
    "peer_properties": with_reply(lambda case, reply: reply.set_peer_props({"scan": case.text})),
    "task_name_header": with_reply(lambda case, reply: reply.set_header("__task_name__", case.text)),
    "audit_header": with_reply(lambda case, reply: reply.set_header("__audit_event_id__", case.text)),
    "root_id_header": with_reply(lambda case, reply: reply.set_header("__msg_root_id__", case.text)),
    "cookies_of_reply": with_reply(lambda case, reply: reply.set_cookie_jar({"scan": case.text})),
    "cookies_of_task": changed_cookies,
    "metadata": lambda case: DXO(DataKind.WEIGHT_DIFF, data=case.released(), meta={"scan": case.text}).to_shareable(),
    "return_code": lambda case: make_reply(case.text),
    "failure_with_content": failure_with_content,
    "exception": raising(ValueError),
    "runtime_error": raising(RuntimeError),
    "key_error": raising(KeyError),
    "not_shareable": lambda case: {"scan": case.text},
    "lying_reply": lying,
    "thousand_rounds": too_late,
    "excessive_norm": too_strong,
    "inside_the_declaration": recorded_secret,
}
