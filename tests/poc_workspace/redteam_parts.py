"""Hostile parts for the red-team suite; they exist in tests alone and are put into a kit's lists by a test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.workflows.model_controller import ModelController
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey
from nvflare.fuel.f3.message import Message
from nvflare.private.admin_defs import Message as AdminMessage
from nvflare.widgets.widget import Widget

from fl_components.client.open_site import OpenSite, open_site
from fl_components.guard.declaration import declare
from fl_components.guard.egress import Guard
from fl_components.guard.ledger import Ledger
from fl_components.server.home import ServerHome

Fields = dict[str, np.ndarray]


def secret(attempt: str) -> str:
    return f"<SCAN:{attempt}>"


def scan(attempt: str) -> np.ndarray:
    """A "scan" whose bytes hold the secret many times."""
    return np.frombuffer(secret(attempt).encode() * 256, np.uint8).copy()


def interleaved(text: str, size: int) -> np.ndarray:
    """Small numbers with three bytes of the text in each mantissa, again and again."""
    raw = np.frombuffer((text.encode() * size)[: 3 * size], np.uint8).reshape(-1, 3)
    words = np.concatenate([raw & 0x7F, np.full((size, 1), 0x36, np.uint8)], axis=1)
    return words.copy().view("<f4").ravel()


class HostileExecutor(Executor):
    """Tries on each task what the server's task names; everything that a listed, colluding class can reach."""

    def __init__(self, study_hash: str, training: str) -> None:
        super().__init__()
        self.study_hash, self.training = study_hash, training
        self.opened: OpenSite | None = None
        self.guard: Guard | None = None
        self.pending = ""
        self.replayed: Fields = {}
        self.edited: list[Path] = []

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.AFTER_TASK_RESULT_FILTER and self.pending == "result_changed_after_filter":
            fl_ctx.get_prop(FLContextKey.TASK_RESULT)["scan"] = secret(self.pending)
        if event_type == EventType.BEFORE_SEND_TASK_RESULT and self.pending == "property_before_send":
            fl_ctx.set_prop("scan", secret(self.pending), private=False, sticky=False)

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        if self.opened is None:
            self.opened = open_site(fl_ctx, self.study_hash)
            self.guard = Guard(*self.opened)
        for path in self.edited:  # or every attempt that follows would be refused for it
            change(path, path.read_text().replace(EDIT, ""))
        self.edited = []
        data = from_shareable(shareable).data
        attempt = np.asarray(data["attempt"]).astype(np.uint8).tobytes().decode()
        self.pending = attempt
        note(self.opened, attempt)
        cookies = shareable.get_cookie_jar()
        return ATTEMPTS[attempt](Case(self, attempt, task_name, fl_ctx, shareable, cookies))


def note(opened: OpenSite, attempt: str) -> None:
    """Where the site's records were when an attempt began."""
    folder = opened.site.ledger.parent
    counts = [len(Ledger(folder / name).entries()) for name in ("ledger.jsonl", "wire.jsonl")]
    with (folder / "attempts.jsonl").open("a") as stream:
        stream.write(json.dumps({"attempt": attempt, "ledger": counts[0], "wire": counts[1]}) + "\n")


class Case:
    """One attempt at one site."""

    def __init__(self, executor: HostileExecutor, attempt: str, task: str, fl_ctx: FLContext, shareable: Shareable,
                 cookies: dict[str, Any] | None) -> None:
        self.executor, self.attempt, self.task, self.fl_ctx = executor, attempt, task, fl_ctx
        self.shareable, self.cookies = shareable, cookies
        self.engine = fl_ctx.get_engine()
        self.cell = self.engine.get_cell()
        self.text = secret(attempt)
        assert executor.opened is not None
        self.study = executor.opened.study

    def fields(self, value: float = 1e-3) -> Fields:
        declared = declare(self.task, self.study)
        return {name: np.full(field.shape, value, field.dtype) for name, field in declared.items()}

    def released(self, fields: Fields | None = None, round_number: int = 0) -> Fields:
        """As an honest executor: through the guard, into the ledger."""
        assert self.executor.guard is not None
        new = self.fields(float(np.random.default_rng().uniform(0, 1e-3)))
        return self.executor.guard.release(self.task, fields or new,
                                           job=self.fl_ctx.get_job_id(), round_number=round_number)

    def reply(self, fields: Fields | None = None, kind: str = DataKind.WEIGHT_DIFF) -> Shareable:
        return DXO(kind, data=self.released() if fields is None else fields).to_shareable()

    def first(self) -> str:
        return next(name for name, field in declare(self.task, self.study).items() if field.shape)


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


def beside(act: Callable[[Case], object]) -> Callable[[Case], Shareable]:
    """A failure as answer, and something done beside it."""
    def attempt(case: Case) -> Shareable:
        act(case)
        return make_reply(ReturnCode.EXECUTION_EXCEPTION)
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


EDIT = "\n# maximum_rounds = 1000000\n"


def change(path: Path, text: str) -> None:
    """At once: both sites of the test have one file of the study."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def edited(find: Callable[[OpenSite, Path], Path]) -> Callable[[Case], Shareable]:
    """Changes one of the site's own files, then sends what else would leave."""
    def attempt(case: Case) -> Shareable:
        assert case.executor.opened is not None
        stated = Path(case.fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES)["site_file"])
        path = find(case.executor.opened, stated)
        case.executor.edited.append(path)
        change(path, path.read_text() + EDIT)
        return recorded_secret(case)
    return attempt


def too_late(case: Case) -> Shareable:
    return case.reply(case.released(round_number=5000))


def too_strong(case: Case) -> Shareable:
    return case.reply(case.released(case.fields(1e6)))


def failure_with_content(case: Case) -> Shareable:
    reply = case.reply({"scan": scan(case.attempt)})
    reply.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    return reply


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


def changed_cookies(case: Case) -> Shareable:
    case.shareable.set_cookie_jar({"scan": case.text})
    return case.reply()


ATTEMPTS: dict[str, Callable[[Case], Any]] = {
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
    "thousand_rounds": too_late,
    "excessive_norm": too_strong,
    "policy_edited": edited(lambda opened, site_file: site_file),
    "study_edited": edited(lambda opened, site_file: opened.site.study),
    "inside_the_declaration": recorded_secret,
}
ORDERS = ("sys.shell", "sys.info", "sys.report_env", "info.show_errors", "info.show_stats", "comp_caller.call",
          "sys.configure_site_log", "train.configure_job_log", "train.shutdown", "train.restart")


class HostileController(ModelController):
    """Asks every site for every attempt, then the sites' own processes for what a server must not get."""

    def __init__(self, study_hash: str, training: str, sites: list[str], until: int) -> None:
        super().__init__(ignore_result_error=True)
        self.study_hash, self.training, self.sites, self.until = study_hash, training, sites, until

    def run(self) -> None:
        home = ServerHome.of_process()
        sites = list(home.study(self.study_hash).sites)
        home.write_result("train", "running")
        for number, attempt in enumerate(ATTEMPTS):
            model = FLModel(params={"attempt": np.frombuffer(attempt.encode(), np.uint8).copy()},
                            params_type=ParamsType.FULL, current_round=number)
            self.send_model_and_wait(task_name="train", data=model, targets=sites, min_responses=None, timeout=20)
        answers = {f"{site} {topic}": self._order(site, topic) for site in sites for topic in ORDERS}
        home.write_result("train", "done", answers=answers)

    def _order(self, site: str, topic: str) -> str:
        body = "cat /etc/hostname" if topic == "sys.shell" else "x"
        reply = self.engine.get_cell().send_request(
            channel="admin", topic=topic, target=site, timeout=2.0, optional=True,
            request=Message({}, AdminMessage(topic, body)))
        payload = reply.payload if reply is not None else None
        if isinstance(payload, AdminMessage):
            return str(payload.body)
        return str(reply.get_header(MessageHeaderKey.RETURN_CODE))


class WireTap(Widget):
    """Writes every byte that the guard let out of a job's process, at the site: the evidence that tests judge."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        if event_type == EventType.START_RUN:
            core = fl_ctx.get_engine().get_cell().core_cell
            core.add_outgoing_request_filter("*", "*", self.listen)
            core.add_outgoing_reply_filter("*", "*", self.listen)

    def listen(self, message: Message) -> None:
        payload = message.payload
        content = bytes(payload) if isinstance(payload, bytes | bytearray | memoryview) else repr(payload).encode()
        with Path(self.path).open("ab") as stream:
            stream.write(repr(message.headers).encode() + b"\n" + content + b"\n")
