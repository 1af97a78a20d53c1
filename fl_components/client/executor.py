"""The base of every executor of ours: opens the site, answers a task, hands the answer to the guard."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from nvflare.apis.dxo import DXO, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants
from threadpoolctl import threadpool_limits

from fl_components.client.heartbeat import Heartbeat
from fl_components.client.open_site import OpenSite, open_site
from fl_components.guard.egress import Guard
from fl_components.guard.masked_update import Masking
from fl_components.guard.result_check import KINDS
from fl_components.guard.signed_keys import KeySigner


class TaskAborted(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The server or the operator asked the site to stop."""


class SiteExecutor(Executor):
    """Subclasses implement `answer`; what it returns leaves the site only through the guard.

    Whatever goes wrong is replied as a bare return code: texts of exceptions can hold paths and names, so they go
    into the site's own log and heartbeat alone.

    Args:
        study_hash: the study the job was made for; the site refuses any other.
    """

    def __init__(self, study_hash: str) -> None:
        super().__init__()
        self.study_hash = study_hash
        self._opened: tuple[OpenSite, Guard, Heartbeat] | None = None
        self._signer: KeySigner | None = None

    @abstractmethod
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks it answers."""

    @abstractmethod
    def answer(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
               heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """The fields of the answer, as `fl_components.guard.declaration` declares them for the task."""

    @property
    def signer(self) -> KeySigner:
        """Of keys for masks; there once the site was opened."""
        assert self._signer is not None
        return self._signer

    def masking(self) -> Masking | None:
        """What the guard is to mask the answer just given with; None if nothing."""
        return None

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """NVFlare's entry."""
        if task_name not in self.tasks():
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            opened, guard, heartbeat = self._open(fl_ctx)
        except Exception as error:
            self.log_exception(fl_ctx, f"cannot open the site: {error}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        round_number = int(shareable.get_header(AppConstants.CURRENT_ROUND, 0))
        try:
            guard.require_allowed(task_name, job=fl_ctx.get_job_id(), round_number=round_number)
            with threadpool_limits(opened.site.compute.threads):  # numpy's and scikit-learn's, beside torch's
                fields = self.answer(task_name, round_number, from_shareable(shareable).data, opened, heartbeat,
                                     abort_signal)
            passed = guard.release(task_name, fields, job=fl_ctx.get_job_id(), round_number=round_number,
                                   masking=self.masking())
        except TaskAborted:
            return make_reply(ReturnCode.TASK_ABORTED)
        except Exception as error:
            heartbeat.fail(str(error))
            self.log_exception(fl_ctx, f"task {task_name} failed: {error}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return DXO(KINDS[task_name], data=passed).to_shareable()

    def _open(self, fl_ctx: FLContext) -> tuple[OpenSite, Guard, Heartbeat]:
        if self._opened is None:
            opened = open_site(fl_ctx, self.study_hash)
            torch.set_num_threads(opened.site.compute.threads)
            self._signer = KeySigner.of_process(fl_ctx, opened.site.name, self.study_hash)
            self._opened = opened, Guard(opened.site, opened.study), Heartbeat(
                opened.site.state, fl_ctx.get_job_id())
        return self._opened


def scalar(value: float) -> np.ndarray:
    """A scalar field of an answer."""
    return np.array(value, dtype=np.float64)


def stop_if(abort_signal: Signal) -> None:
    """Raise `TaskAborted` if the task was aborted."""
    if abort_signal.triggered:
        raise TaskAborted
