"""Hostile parts for the red-team suite; they exist in tests alone and are put into a kit's lists by a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nvflare.apis.dxo import from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.workflows.model_controller import ModelController
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey
from nvflare.fuel.f3.message import Message
from nvflare.private.admin_defs import Message as AdminMessage
from nvflare.widgets.widget import Widget
from redteam_answers import ANSWERS
from redteam_case import Case, Fields, note, secret
from redteam_files import FILES, restore
from redteam_messages import MESSAGES

from fl_components.client.open_site import OpenSite, open_site
from fl_components.guard.egress import Guard
from fl_components.server.home import ServerHome

ATTEMPTS = {**ANSWERS, **FILES, **MESSAGES}
"""Each is made once a site, in this order."""
ORDERS = ("sys.shell", "sys.info", "sys.report_env", "info.show_errors", "info.show_stats", "comp_caller.call",
          "sys.configure_site_log", "train.configure_job_log", "train.shutdown", "train.restart")
"""Sent by the server to a site's own process."""


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
        restore(self.edited)
        self.edited = []
        data = from_shareable(shareable).data
        attempt = np.asarray(data["attempt"]).astype(np.uint8).tobytes().decode()
        self.pending = attempt
        note(self.opened, attempt)
        cookies = shareable.get_cookie_jar()
        return ATTEMPTS[attempt](Case(self, attempt, task_name, fl_ctx, shareable, cookies))


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
