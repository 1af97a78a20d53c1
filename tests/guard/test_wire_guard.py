"""The wire guard with a fake cell: what it lets pass, what it stops, what it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import Shareable
from nvflare.fuel.f3.cellnet.core_cell import CoreCell
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey
from nvflare.fuel.f3.message import Message
from nvflare.fuel.f3.streaming.stream_const import STREAM_CHANNEL, STREAM_DATA_TOPIC, StreamHeaderKey
from nvflare.fuel.utils import fobs
from nvflare.private.admin_defs import Message as AdminMessage
from small_run import small_study

from fl_components.guard.ledger import Ledger
from fl_components.guard.wire_guard import WireGuard

Filters = dict[str, Callable[[Message], Message | None]]


class FakeCell:
    """Keeps the filters that are registered with it, for every channel alone."""

    def __init__(self) -> None:
        self.core_cell = self
        self.filters: Filters = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        def register(channel: str, topic: str, callback: Callable[[Message], Message | None]) -> None:
            assert (channel, topic) == ("*", "*")  # NVFlare's own are there; a special one would replace them
            self.filters[name] = callback
        return register


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(tomli_w.dumps(small_study()))
    (tmp_path / "site.toml").write_text(tomli_w.dumps({
        "name": "east", "study": "study.toml", "state": "state", "data": {"root": "data", "dialect": "brats2020"},
        "policy": {"maximum_message_bytes": 1_000_000}}))
    return tmp_path


class Wired:
    """A guard in a job's process, or in the site's own."""

    def __init__(self, folder: Path, process: str = "job") -> None:
        self.folder, self.cell = folder, FakeCell()
        self.guard = WireGuard(str(folder / "site.toml"))
        engine = SimpleNamespace(get_cell=lambda: self.cell)
        self.manager = FLContextManager(engine=engine, identity_name="east", job_id="job")
        self.context = self.manager.new_context()
        if process == "job":
            self.guard.handle_event(EventType.ABOUT_TO_START_RUN, self.context)
        else:
            self.context.set_prop(FLContextKey.SITE_OBJ, SimpleNamespace(cell=self.cell))
            self.guard.handle_event(EventType.SYSTEM_BOOTSTRAP, self.context)

    def passes(self, channel: str, topic: str, payload: object = b"", way: str = "add_outgoing_request_filter",
               **headers: object) -> bool:
        names = {MessageHeaderKey.CHANNEL: channel, MessageHeaderKey.TOPIC: topic, **headers}
        return self.cell.filters[way](Message(names, payload)) is None

    def refusals(self) -> list[dict]:
        return [e for e in Ledger(self.folder / "wire.jsonl").entries() if e["event"] == "refused"]


def control(**content: object) -> bytes:
    made = Shareable()
    made.update(content)
    return bytes(fobs.dumps(made))


def test_interface_is_nvflares() -> None:
    for way in ("add_outgoing_request_filter", "add_outgoing_reply_filter", "add_incoming_request_filter"):
        assert callable(getattr(CoreCell, way))


def test_what_training_needs_passes_and_is_noted_once(folder: Path) -> None:
    wired = Wired(folder)
    for _ in range(3):
        assert wired.passes("server_command", "get_task", control())
        assert wired.passes("aux_communication", "__task_check__", control())
    first = [e for e in Ledger(folder / "wire.jsonl").entries() if e["event"] == "first"]
    assert [(e["channel"], e["topic"]) for e in first] == [("server_command", "get_task"),
                                                           ("aux_communication", "__task_check__")]
    assert not wired.refusals()


@pytest.mark.parametrize(("channel", "topic"), [
    ("aux_communication", "scan"), ("aux_communication", "fed.event"), ("scan", "get_task"), ("", ""),
    ("return_only", "scan"), ("log_streaming", "error_log"), ("server_command", "submit_result"),
    ("admin", "sys.shell"), ("cellnet.channel", "bulk"), (STREAM_CHANNEL, STREAM_DATA_TOPIC),
    (STREAM_CHANNEL, "sm__ERROR")])
@pytest.mark.parametrize("way", ["add_outgoing_request_filter", "add_outgoing_reply_filter"])
def test_other_messages_are_stopped(folder: Path, channel: str, topic: str, way: str) -> None:
    wired = Wired(folder)
    assert not wired.passes(channel, topic, way=way)
    assert [(e["channel"], e["topic"]) for e in wired.refusals()] == [(channel, topic)]


@pytest.mark.parametrize("payload", [
    control(scan="patient"), control(__headers__={"scan": 1}), control(__headers__={"__topic__": "x" * 65}),
    control(__headers__={"__topic__": b"scan"}), control(__headers__={"__topic__": ["scan"]}), b"x" * 5000])
def test_control_holds_no_content(folder: Path, payload: bytes) -> None:
    assert not Wired(folder).passes("aux_communication", "__task_check__", payload)


def test_control_that_cannot_be_read_raises_and_so_is_dropped_by_nvflare(folder: Path) -> None:
    with pytest.raises(Exception, match=r".+"):
        Wired(folder).passes("aux_communication", "__task_check__", b"scan")


@pytest.mark.parametrize(("name", "value"), [
    ("scan", "patient"), ("sm__fn", "patient"), ("cn__error", "patient"), ("project_name", "patient" * 100)])
def test_headers_hold_no_content(folder: Path, name: str, value: str) -> None:
    wired = Wired(folder)
    assert not wired.passes("aux_communication", "__task_check__", control(), **{name: value})
    assert "header" in wired.refusals()[0]["reason"]


def test_answers_leave_only_while_a_checked_one_is_sent(folder: Path) -> None:
    wired = Wired(folder)
    assert not wired.passes("server_command", "submit_update", b"x")
    wired.guard.handle_event(EventType.BEFORE_SEND_TASK_RESULT, wired.context)
    assert wired.passes("server_command", "submit_update", b"x")
    wired.guard.handle_event(EventType.AFTER_SEND_TASK_RESULT, wired.context)
    assert not wired.passes("server_command", "submit_update", b"x")


def test_a_stream_is_held_to_its_first_part_and_its_size(folder: Path) -> None:
    wired = Wired(folder)
    wired.guard.handle_event(EventType.BEFORE_SEND_TASK_RESULT, wired.context)
    first = {StreamHeaderKey.CHANNEL: "server_command", StreamHeaderKey.TOPIC: "submit_update",
             StreamHeaderKey.STREAM_ID: 7, MessageHeaderKey.ORIGIN: "east"}
    later = {StreamHeaderKey.STREAM_ID: 7, MessageHeaderKey.ORIGIN: "east"}
    part = b"x" * 500_000
    assert not wired.passes(STREAM_CHANNEL, STREAM_DATA_TOPIC, part, **later)
    assert wired.passes(STREAM_CHANNEL, STREAM_DATA_TOPIC, part, **first)
    assert wired.passes(STREAM_CHANNEL, STREAM_DATA_TOPIC, part, **later)
    assert not wired.passes(STREAM_CHANNEL, STREAM_DATA_TOPIC, part, **{**later, StreamHeaderKey.STREAM_ID: 8})
    sent = sum(wired.passes(STREAM_CHANNEL, STREAM_DATA_TOPIC, part, **later) for _ in range(30))
    assert 2 * 500_000 + sent * 500_000 <= 1.1 * 1_000_000 + 4 * 2**20
    assert "maximum_message_bytes" in wired.refusals()[-1]["reason"]


def test_public_property_stops_a_message_and_is_gone(folder: Path) -> None:
    wired = Wired(folder)
    wired.context.set_prop("scan", "patient", private=False, sticky=True)
    assert not wired.passes("server_command", "get_task", control())
    assert wired.passes("server_command", "get_task", control())
    wired.context.set_prop("other", "patient", private=False, sticky=False)
    wired.guard.handle_event(EventType.BEFORE_SEND_TASK_RESULT, wired.context)
    assert "other" not in wired.context.get_all_public_props()


def test_result_changed_after_the_filter_becomes_a_bare_failure(folder: Path) -> None:
    wired = Wired(folder)
    result = DXO(DataKind.WEIGHT_DIFF, data={"scan": "patient"}).to_shareable()
    result.set_header("__task_id__", "17")
    wired.context.set_prop(FLContextKey.TASK_RESULT, result, private=True, sticky=False)
    wired.context.set_prop(FLContextKey.TASK_NAME, "train", private=True, sticky=False)
    wired.context.set_prop(ReservedKey.RUN_NUM, "job", private=False, sticky=True)
    wired.guard.handle_event(EventType.AFTER_TASK_RESULT_FILTER, wired.context)
    wired.guard.handle_event(EventType.BEFORE_SEND_TASK_RESULT, wired.context)
    assert dict(result) == {"__headers__": {"__rc__": ReturnCode.EXECUTION_EXCEPTION, "__task_id__": "17"}}


@pytest.mark.parametrize(("order", "obeyed"), [
    ("train.deploy", True), ("train.start_job", True), ("scheduler.check_resource", True), ("train.abort", True),
    ("sys.shell", False), ("sys.info", False), ("info.show_errors", False), ("comp_caller.call", False),
    ("sys.report_env", False), ("train.restart", False), ("train.shutdown", False), ("made.up", False)])
def test_orders_of_the_server(folder: Path, order: str, obeyed: bool) -> None:
    wired = Wired(folder, "parent")
    way = "add_incoming_request_filter"
    assert wired.passes("admin", "admin", AdminMessage(order, "cat /etc/passwd"), way) is obeyed
    assert not wired.passes("admin", "train.deploy", AdminMessage("sys.shell", "cat /etc/passwd"), way)
    assert not wired.passes("cellnet.channel", "config_vars", None, way)


def test_a_context_without_a_job_is_no_error(folder: Path) -> None:
    guard = WireGuard(str(folder / "site.toml"))
    assert guard.handle_event(EventType.START_RUN, FLContext()) is None
