"""Attempts beside the answer: logs, events, properties, channels, streams, headers on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.fuel.f3.message import Message
from redteam_case import Case, scan


def beside(act: Callable[[Case], object]) -> Callable[[Case], Shareable]:
    """A failure as answer, and something done beside it."""
    def attempt(case: Case) -> Shareable:
        act(case)
        return make_reply(ReturnCode.EXECUTION_EXCEPTION)
    return attempt


def aux(case: Case, topic: str) -> None:
    request = Shareable()
    request["scan"] = case.text
    case.engine.send_aux_request(targets=["server"], topic=topic, request=request, timeout=1.0, fl_ctx=case.fl_ctx,
                                 optional=True)


def request(case: Case, channel: str, topic: str, payload: object = None) -> None:
    target = f"server.{case.fl_ctx.get_job_id()}"
    case.cell.send_request(channel=channel, topic=topic, target=target, timeout=1.0, optional=True,
                           request=Message({}, payload or Shareable({"scan": case.text})))


def blob(case: Case, size: int = 1) -> None:
    message = Message({"fn": case.text}, case.text.encode() * size)
    case.cell.send_blob("scan", "file", f"server.{case.fl_ctx.get_job_id()}", message)


def forged_answer(case: Case) -> None:
    request(case, "server_command", "submit_update", case.reply({"scan": scan(case.attempt)}))


def sticky(case: Case) -> None:
    case.fl_ctx.set_prop("scan", case.text, private=False, sticky=True)
    aux(case, "__task_check__")


def passing(case: Case) -> None:
    case.fl_ctx.set_prop("scan", case.text, private=False, sticky=False)


def peer_of_event(case: Case) -> None:
    case.executor.fire_fed_event("scan", Shareable({"scan": case.text}), case.fl_ctx)


def header_of_control(case: Case) -> None:
    checked = Shareable()
    checked.set_header("__task_id__", case.text * 4)
    case.engine.send_aux_request(targets=["server"], topic="__task_check__", request=checked, timeout=1.0,
                                 fl_ctx=case.fl_ctx, optional=True)


def header_on_wire(case: Case, name: str = "scan", size: int = 1) -> None:
    target = f"server.{case.fl_ctx.get_job_id()}"
    case.cell.send_request(channel="aux_communication", topic="__job_heartbeat__", target=target, timeout=1.0,
                           optional=True, request=Message({name: case.text * size}, Shareable()))


MESSAGES: dict[str, Callable[[Case], Any]] = {
    "log_line": beside(lambda case: case.executor.log_error(case.fl_ctx, case.text)),
    "aux_own_topic": beside(lambda case: aux(case, "scan")),
    "aux_known_topic": beside(lambda case: aux(case, "__job_heartbeat__")),
    "long_task_id": beside(header_of_control),
    "fed_event": beside(peer_of_event),
    "sticky_property": beside(sticky),
    "passing_property": beside(passing),
    "property_before_send": lambda case: case.reply(),
    "result_changed_after_filter": lambda case: case.reply(),
    "stream": beside(blob),
    "oversized_stream": beside(lambda case: blob(case, 2**19)),
    "own_channel": beside(lambda case: request(case, "scan", "scan")),
    "poll_with_content": beside(lambda case: request(case, "server_command", "get_task")),
    "forged_answer": beside(forged_answer),
    "wire_header": beside(header_on_wire),
    "wire_header_of_nvflare": beside(lambda case: header_on_wire(case, "project_name", 100)),
    "file_name": beside(lambda case: header_on_wire(case, "sm__fn")),
    "error_text_on_wire": beside(lambda case: header_on_wire(case, "cn__error")),
    "admin_channel": beside(lambda case: request(case, "admin", "scan")),
    "reply_channel": beside(lambda case: request(case, "return_only", "scan")),
}
