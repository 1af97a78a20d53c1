"""A deployment on this machine: provisioned kits, one process a party, mutual TLS between them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fl_components.environment import RUN_VARIABLE
from fl_components.site import Site
from jobs.run_folder import RunFolder
from jobs.watch import MARKER, JobFailedError, end_all
from poc_workspace.lockdown import lock_down
from poc_workspace.nvflare_command import Nvflare
from privacy_eval.errors import InputError

PORT: Final = 8002
"""Where POC's server listens, on every network interface; administrators use the same port."""
_SERVER: Final = "server"
_START_S: Final = 90.0
_MODULES: Final = {"server": "nvflare.private.fed.app.server.server_train",
                   "client": "nvflare.private.fed.app.client.client_train"}


class Deployment:
    """One run folder's server and sites under NVFlare's POC, below `<run>/poc`.

    ::

        home/         HOME of every process, so that `~/.nvflare` of the user stays as it is
        deployment/   kits with keys and certificates, each with its own log; made anew by `prepare`
        jobs/         what is submitted
        logs/         what the parties' processes and NVFlare's commands print

    Args:
        run: the run folder; the sites' settings must be in it.
        sites: the study's sites.
        marker: value of `jobs.watch.MARKER` for all processes.

    Raises:
        InputError: if the run folder's path or a site's name is one that NVFlare cannot work with.
    """

    def __init__(self, run: RunFolder, sites: Sequence[Site], marker: str) -> None:
        self.run, self.sites, self.marker = run, sites, marker
        self.folder = run.path.resolve() / "poc"
        if any(letter.isspace() for letter in str(self.folder)):
            raise InputError(f"{self.folder}: the path holds a blank, which NVFlare's launcher splits; move the run")
        if any(site.name == _SERVER for site in sites):
            raise InputError(f"{run.study_file}: a site is called '{_SERVER}', POC's own name; rename the site")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._waiting: list[subprocess.Popen[bytes]] = []
        self._logs = self.folder / "logs"
        self.folder.mkdir(mode=0o700, exist_ok=True)  # private keys follow
        self._logs.mkdir(exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")
        self._base = {**{key: value for key, value in os.environ.items() if key != RUN_VARIABLE},
                      MARKER: marker, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._nvflare = Nvflare(self.folder, self._base)

    def prepare(self) -> None:
        """Provision new kits and lock every party down.

        Raises:
            InputError: if the port is taken.
            JobFailedError: if NVFlare cannot provision.
        """
        require_free_port(PORT)
        names = [site.name for site in self.sites]
        made = self._nvflare.ask("poc", "prepare", "-c", *names, "--force", log=self._logs / "prepare.log")
        if made["status"] != "ok":
            raise JobFailedError(f"provisioning: {made['message']}; log: {self._logs / 'prepare.log'}")
        lock_down(self.kit(_SERVER))
        for site in self.sites:
            lock_down(self.kit(site.name), self.run.site_file(site.name))

    def kit(self, party: str) -> Path:
        """A party's startup kit.

        Raises:
            JobFailedError: if there is none.
        """
        kits = sorted(self._nvflare.deployment.glob(f"*/prod_*/{party}"))
        if not kits:
            raise JobFailedError(f"{self._nvflare.deployment}: no kit of '{party}'; log: {self._logs / 'prepare.log'}")
        return kits[-1]

    def start(self) -> None:
        """Start every party and wait until all sites are connected.

        Raises:
            JobFailedError: if one does not come up.
        """
        # The server's owner says where its home is; a site gets that from its own privacy scope.
        self._launch(_SERVER, "server", "fed_server.json", {RUN_VARIABLE: str(self.run.path.resolve())})
        for site in self.sites:
            self._launch(site.name, "client", "fed_client.json", {}, f"uid={site.name}")
        deadline = time.monotonic() + _START_S
        while missing := {site.name for site in self.sites} - self._connected():
            self.require_alive()
            if time.monotonic() > deadline:
                raise JobFailedError(f"not connected after {_START_S:.0f} s: {', '.join(sorted(missing))}; "
                                     f"logs: {self._logs}")
            time.sleep(1)

    def require_alive(self) -> None:
        """Raise `JobFailedError` if a party's process has ended."""
        for party, process in self._processes.items():
            if process.poll() is not None:
                raise JobFailedError(f"'{party}': its NVFlare process ended (exit code {process.returncode}); "
                                     f"log: {self._logs / party}.log")

    def submit(self, job: Path) -> str:
        """Submit an exported job with the administrator's kit and return NVFlare's identifier.

        Raises:
            JobFailedError: if it is refused.
        """
        log = self._logs / "submit.log"
        reply = self._nvflare.ask("job", "submit", "-j", str(job), *self._as_admin(), log=log)
        if reply["status"] != "ok":
            raise JobFailedError(f"the server refused the job: {reply['message']}; log: {log}")
        return str(reply["data"]["job_id"])

    def wait(self, job_id: str) -> tuple[subprocess.Popen[bytes], Path]:
        """A process that lives as long as NVFlare runs the job, and the log where it says how that ended."""
        log = self._logs / "job.log"
        self._waiting.append(self._nvflare.start("job", "wait", job_id, "--interval", "1", *self._as_admin(), log=log))
        return self._waiting[-1], log

    def explain(self, job_id: str) -> str:
        """Why a job ended without a result, in one line, as far as NVFlare's server knows."""
        meta = self._nvflare.ask("job", "meta", job_id, *self._as_admin(), log=self._logs / "meta.log").get("data", {})
        refusals = [line for line in meta.get("job_deploy_detail", ()) if not line.endswith(": OK")]
        return "; ".join(refusals) or f"NVFlare ended the job as {meta.get('status', 'unknown')}"

    def stop(self) -> None:
        """End every process of the deployment; none is left, whatever state it was in."""
        end_all(self.marker)
        for process in (*self._processes.values(), *self._waiting):
            process.wait()

    def _launch(self, party: str, kind: str, config: str, extra: dict[str, str], *settings: str) -> None:
        kit = self.kit(party)
        # Not by the kit's start.sh: its shell loop restarts what was killed.
        command = [sys.executable, "-u", "-m", _MODULES[kind], "-m", str(kit), "-s", config, "--set",
                   "secure_train=true", "org=nvidia", "config_folder=config", *settings]
        with (self._logs / f"{party}.log").open("wb") as output:
            self._processes[party] = subprocess.Popen(
                command, env={**self._base, "HOME": str(self.folder / "home"), **extra}, cwd=kit,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0)

    def _connected(self) -> set[str]:
        reply = self._nvflare.ask("system", "status", *self._as_admin(), log=self._logs / "status.log")
        return {client["client_name"] for client in reply.get("data", {}).get("clients", ())}

    def _as_admin(self) -> tuple[str, str]:
        return "--startup-kit", str(self.kit("admin@nvidia.com"))


def require_free_port(port: int) -> None:
    """Raise `InputError` if something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection just closed is no listener
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(f"port {port}: cannot listen there ({error.strerror}), but NVFlare's POC must; end what "
                             f"holds it ('ss -ltnp' names it) and try again") from None
