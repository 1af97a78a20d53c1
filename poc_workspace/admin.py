"""What an administrator's kit can do in a federation: submit a job, see it end, end it, see who is connected."""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any, Final

from jobs.engine import JobFailedError
from poc_workspace.nvflare_command import Nvflare

_ENDED: Final = ("FINISHED", "FAILED", "ABANDONED")
_DELETED: Final = "SUBMIT_TOKEN_JOB_DELETED"


class Admin:
    """An administrator.

    Args:
        kit: the startup kit.
        nvflare: NVFlare's command line.
    """

    def __init__(self, kit: Path, nvflare: Nvflare) -> None:
        self.kit, self.nvflare = kit, nvflare

    def connected(self) -> frozenset[str] | None:
        """Names of the sites that the server counts as connected; None if the server does not answer in time."""
        try:
            reply = self._ask("system", "status")
        except JobFailedError:
            return None  # a busy machine or a cut network: who wants to know asks again
        if reply["status"] != "ok":
            return None
        return frozenset(str(client["client_name"]) for client in reply["data"].get("clients", ()))

    def submit(self, job: Path, token: str | None = None) -> str:
        """Submit an exported job and return NVFlare's identifier.

        A command that hung may have been obeyed: it is repeated once with the same token, by which NVFlare knows the
        job again, so that no second one runs beside the one that is waited for.

        Args:
            job: the exported job.
            token: to be known again by (`unfinished`); a new one if None.

        Raises:
            JobFailedError: if it is refused, or hangs again.
        """
        words = ("job", "submit", "-j", str(job), "--submit-token", token or uuid.uuid4().hex)
        try:
            reply = self._ask(*words)
        except JobFailedError:
            reply = self._ask(*words)
        if reply["status"] != "ok":
            raise JobFailedError(f"the server refused the job: {reply.get('message')}; log: "
                                 f"{self.nvflare.logs / 'submit.log'}")
        return str(reply["data"]["job_id"])

    def wait(self, job_id: str) -> tuple[subprocess.Popen[bytes], Path]:
        """A process that lives as long as NVFlare runs the job, and the log where it says how that ended."""
        return self.nvflare.start("job", "wait", job_id, "--interval", "1", *self._as_admin())

    def meta(self, job_id: str) -> dict[str, Any]:
        """What NVFlare's server knows of a job; empty if it does not answer."""
        return dict(self._ask("job", "meta", job_id).get("data") or {})

    def unfinished(self, token: str) -> str | None:
        """NVFlare's identifier of the job that this administrator submitted with a token; None if it came to none, or
        the job is over.

        Raises:
            JobFailedError: if the server does not answer.
        """
        reply = self._ask("job", "list", "--submit-token", token)
        if reply["status"] == "ok":
            jobs = reply["data"]
            return str(jobs[0]["job_id"]) if jobs and not _over(jobs[0]) else None
        if reply.get("error_code") == _DELETED:
            return None
        raise JobFailedError(f"the server does not say what became of an earlier job: {reply.get('message')}; log: "
                             f"{self.nvflare.logs / 'list.log'}")

    def ended(self, job_id: str) -> bool:
        """Whether NVFlare is through with a job."""
        return _over(self.meta(job_id))

    def end(self, job_id: str, patience_s: float) -> None:
        """Have a job ended, unless it is, and wait until it is or nothing more can be done.

        A job that a crash of the server left behind is "running" for ever. It cannot be ended, and is in nobody's way.
        """
        deadline = time.monotonic() + patience_s
        while not self.ended(job_id):
            if self._ask("job", "abort", job_id, "--force")["status"] != "ok" or time.monotonic() > deadline:
                return
            time.sleep(1)

    def _ask(self, *words: str) -> dict[str, Any]:
        return self.nvflare.ask(*words, *self._as_admin())

    def _as_admin(self) -> tuple[str, str]:
        return "--startup-kit", str(self.kit)


def _over(meta: dict[str, Any]) -> bool:
    return str(meta.get("status", "")).startswith(_ENDED)


def refusals(meta: dict[str, Any]) -> dict[str, str]:
    """Sites that refused a job when it was handed to them, and why."""
    lines = [str(line).partition(": ") for line in meta.get("job_deploy_detail") or ()]
    return {site: reason for site, _, reason in lines if reason != "OK"}
