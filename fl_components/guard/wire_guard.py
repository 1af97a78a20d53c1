"""The wire guard: looks at every message that a site's process sends, and at every request that reaches it."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_constant import ReturnCode as TaskReturn
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey, ReturnCode
from nvflare.fuel.f3.cellnet.utils import make_reply as cell_reply
from nvflare.fuel.f3.message import Message
from nvflare.fuel.f3.streaming.stream_const import STREAM_CHANNEL, STREAM_DATA_TOPIC, StreamHeaderKey
from nvflare.private.defs import TrainingTopic
from nvflare.widgets.widget import Widget

from fl_components.guard.ledger import Ledger
from fl_components.guard.result_check import ResultCheck
from fl_components.guard.seal import Seal
from fl_components.guard.wire_rules import (
    ANSWERING,
    CONTROL,
    INCOMING,
    OUTGOING,
    PUBLIC_PROPERTIES,
    Process,
    control_refusal,
    header_refusal,
    topic_of,
    wire_refusal,
)

_RECORDED_REFUSALS: Final = 1000
"""A flood of refused messages must not fill the site's disk; beyond it they are counted."""
_STREAMS: Final = 1000
"""How many streams are remembered, the latest."""
_CONTINUED: Final = (STREAM_CHANNEL, STREAM_DATA_TOPIC)
_FRAMING: Final = 1.1
_CONTROL_BYTES: Final = 4 * 2**20
"""What NVFlare's own messages may take beside an answer's arrays, between two answers."""


class WireGuard(Widget):
    """Stops what is not among `wire_rules`, and what an event handler put into a result after the site's filter.

    In a job's process it is named in `privacy.json`, in the site's own (parent) process in `resources.json`. What it
    stopped, and sums of what passed, are written into `wire.jsonl` beside the site's ledger. NVFlare drops a message
    whose filter raises, so an error in here stops messages.

    Args:
        site_file: the site's own `site.toml`.
    """

    def __init__(self, site_file: str) -> None:
        super().__init__()
        self.site_file = site_file
        self.process: Process = "job"
        self._held = Seal(Path(site_file))
        self._site = self._held.site
        self._record = Ledger(self._site.ledger.with_name("wire.jsonl"))
        self._check = ResultCheck(self._held, "wire guard")
        self._result: Shareable | None = None
        self._cookies: dict[str, Any] | None = None
        self._manager: Any = None
        self._lock = threading.Lock()
        self._passed: Counter[str] = Counter()
        self._refused = 0
        self._since_answer = 0
        self._answering = False
        self._streams: dict[str, tuple[str, str]] = {}

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's entry."""
        if event_type == EventType.SYSTEM_BOOTSTRAP:
            self._attach("parent", fl_ctx.get_prop(FLContextKey.SITE_OBJ).cell, fl_ctx)
        elif event_type == EventType.ABOUT_TO_START_RUN:  # before any other component hears of the run
            self._attach("job", fl_ctx.get_engine().get_cell(), fl_ctx)
        elif event_type == EventType.BEFORE_TASK_DATA_FILTER:
            self._result = None
            self._cookies = copy.deepcopy(fl_ctx.get_prop(FLContextKey.TASK_DATA).get_cookie_jar())
        elif event_type == EventType.AFTER_TASK_RESULT_FILTER:
            self._result = fl_ctx.get_prop(FLContextKey.TASK_RESULT)
        elif event_type == EventType.BEFORE_SEND_TASK_RESULT:
            self._seal(fl_ctx)
            self._answering = True
        elif event_type == EventType.AFTER_SEND_TASK_RESULT:
            self._answering = False
        elif event_type == EventType.END_RUN:
            self._write("totals", passed=dict(sorted(self._passed.items())), refused=self._refused)

    def _attach(self, process: Process, cell: Any, fl_ctx: FLContext) -> None:  # noqa: ANN401 - NVFlare has no types
        self.process = process
        core = cell.core_cell
        core.add_outgoing_request_filter("*", "*", self.outgoing)
        core.add_outgoing_reply_filter("*", "*", self.outgoing)
        core.add_incoming_request_filter("*", "*", self.incoming)
        self._manager = fl_ctx.get_prop("__manager__")
        if process == "job" and (seen := self._seal_of_parent()):
            self._held.hold_to(seen)
        self._write("attached", job=fl_ctx.get_job_id() or "", seal=self._held.digest)

    def _seal_of_parent(self) -> str | None:
        """What the site's own process, which no job's class runs in, found when the site was started."""
        return next((entry.get("seal") for entry in reversed(self._record.entries())
                     if (entry["event"], entry["process"]) == ("attached", "parent")), None)

    def outgoing(self, message: Message) -> Message | None:
        """NVFlare's callback for a message about to leave: None lets it."""
        size = size_of(message)
        channel, topic = self._purpose("out", message)
        reason = wire_refusal(OUTGOING[self.process], channel, topic) or self._too_large(message, size)
        if self.process == "job" and reason is None:
            reason = self._job_refusal((channel, topic), message)
        elif self.process == "parent" and message.payload is None:
            reason = None  # a bare code: how a refused request is answered
        return self._decide("out", (channel, topic), message, size, reason)

    def incoming(self, message: Message) -> Message | None:
        """NVFlare's callback for a request that arrived: None lets it."""
        channel, topic = self._purpose("in", message)
        reason = wire_refusal(INCOMING[self.process], channel, topic)
        if reason is None and topic == TrainingTopic.START_JOB:
            reason = self._held.broken()
        return self._decide("in", (channel, topic), message, size_of(message), reason)

    def _purpose(self, direction: str, message: Message) -> tuple[str, str]:
        """Channel and topic; the later parts of a stream bear those of its first part only here."""
        purpose = topic_of(message)
        with self._lock:
            return self._streams.get(stream_of(direction, message), purpose) if purpose == _CONTINUED else purpose

    def _decide(self, direction: str, purpose: tuple[str, str], message: Message, size: int,
                reason: str | None) -> Message | None:
        channel, topic = purpose
        with self._lock:
            if reason is None:
                if message.get_header(StreamHeaderKey.STREAM_ID) and channel != STREAM_CHANNEL:
                    self._streams[stream_of(direction, message)] = purpose
                    if len(self._streams) > _STREAMS:
                        self._streams.pop(next(iter(self._streams)))
                if f"{direction} {channel} {topic} messages" not in self._passed:
                    self._write("first", direction=direction, channel=channel, topic=topic)
                self._passed[f"{direction} {channel} {topic} messages"] += 1
                self._passed[f"{direction} {channel} {topic} bytes"] += size
                self._since_answer += size if direction == "out" else 0
                return None
            self._refused += 1
            if self._refused <= _RECORDED_REFUSALS:
                self._write("refused", direction=direction, channel=channel[:200], topic=topic[:200], bytes=size,
                            reason=reason)
        return cell_reply(ReturnCode.FILTER_ERROR)

    def _job_refusal(self, purpose: tuple[str, str], message: Message) -> str | None:
        if purpose in ANSWERING and not self._answering:
            return "an answer while none was checked"
        if self._strip_stickers():
            return "a public context property that is not NVFlare's"
        return header_refusal(message) or (control_refusal(message) if purpose in CONTROL else None)

    def _too_large(self, message: Message, size: int) -> str | None:
        limit = self._site.policy.maximum_message_bytes
        if message.get_header(StreamHeaderKey.OFFSET, 0) + size > _FRAMING * limit + _CONTROL_BYTES:
            return f"a message beyond the policy's maximum_message_bytes = {limit}"
        if self.process == "job" and self._since_answer + size > _FRAMING * limit + _CONTROL_BYTES:
            return f"more than the policy's maximum_message_bytes = {limit} since the last answer"
        return None

    def _strip_stickers(self) -> bool:
        stickers = getattr(self._manager, "public_stickers", {})
        foreign = [name for name in stickers if name not in PUBLIC_PROPERTIES]
        for name in foreign:
            stickers.pop(name, None)
        return bool(foreign)

    def _seal(self, fl_ctx: FLContext) -> None:
        """Handlers of an event after the filters could still change the result and its context."""
        result, self._result = self._result, None
        self._since_answer = 0
        foreign = [name for name in fl_ctx.get_all_public_props() if name not in PUBLIC_PROPERTIES]
        for name in foreign:
            fl_ctx.remove_prop(name, force_removal=True)
        if self._strip_stickers() or foreign:
            self._write("refused", direction="out", channel="context", topic="public property", bytes=0,
                        reason="a public context property that is not NVFlare's")
        if result is not None:
            refill(result, self._cookies, lambda: self._sealed(result, fl_ctx))

    def _sealed(self, result: Shareable, fl_ctx: FLContext) -> Shareable:
        return self._check.passed(result, fl_ctx.get_prop(FLContextKey.TASK_NAME), fl_ctx.get_job_id())

    def _write(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        self._record.append({"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event,
                             "process": self.process, **facts})


_KEPT: Final = (ReservedHeaderKey.TASK_NAME, ReservedHeaderKey.TASK_ID, ReservedHeaderKey.AUDIT_EVENT_ID)


def refill(result: Shareable, cookies: dict[str, Any] | None, make: Callable[[], Shareable]) -> None:
    """Replace a reply's whole content, whatever it is, by another's, with NVFlare's own headers of the task.

    If the other cannot be made, a bare failure takes its place.

    Args:
        result: what NVFlare is about to send; changed in place, since NVFlare holds on to it.
        cookies: the cookies that came with the task, as they came.
        make: makes the new content.
    """
    made = make_reply(TaskReturn.EXECUTION_EXCEPTION)
    kept: dict[str, str] = {}
    try:
        kept = {name: value for name in _KEPT if isinstance(value := result.get_header(name), str)}
        made = make()
    finally:
        result.clear()
        result.update(made)
        for name, value in kept.items():
            result.set_header(name, value)
        if cookies:
            result.set_cookie_jar(cookies)


def stream_of(direction: str, message: Message) -> str:
    """A stream's name: by direction and sender, so that the two ends cannot be taken for each other."""
    return f"{direction} {message.get_header(MessageHeaderKey.ORIGIN)} {message.get_header(StreamHeaderKey.STREAM_ID)}"


def size_of(message: Message) -> int:
    """Bytes of a message's payload; 0 where it is not bytes yet (NVFlare's control)."""
    payload = message.payload
    return len(payload) if isinstance(payload, bytes | bytearray | memoryview) else 0
