"""A federation on this machine: provisioned kits, one party a kit, mutual TLS between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from fl_components.environment import RUN_VARIABLE
from fl_components.site import Site
from jobs.engine import JobFailedError
from jobs.run_folder import RunFolder
from jobs.watch import MARKER, end_all
from poc_workspace.admin import Admin, refusals
from poc_workspace.lockdown import lock_server, lock_site
from poc_workspace.nvflare_command import Nvflare
from poc_workspace.party import Party
from poc_workspace.project import ADMIN, PROJECT, RESERVED, SERVER, free_port, project, provision
from privacy_eval.errors import InputError

_START_S: Final = 180.0
_STARTS: Final = 3
"""How often a party is started before its end is believed: a machine that is busy makes NVFlare give up early."""
_FAREWELL_S: Final = 20.0
_JOIN_S: Final = 90.0
"""How long a site may take from its start, or the server's, until the server counts it as connected."""


class Deployment:
    """One run folder's server and sites, below `<run>/poc`.

    ::

        home/         HOME of every process, so that `~/.nvflare` of the user stays as it is
        deployment/   kits with keys and certificates, each with its own log; made anew by `prepare`
        storage/      the server's jobs and snapshots
        jobs/         what is submitted
        logs/         what the parties' processes and NVFlare's commands print

    Args:
        run: the run folder; the sites' settings must be in it.
        sites: the study's sites.
        marker: value of `jobs.watch.MARKER` for all processes.
        say: told if a party had to be started again, a line each.

    Raises:
        InputError: if the run folder's path or a site's name is one that NVFlare cannot work with.
    """

    def __init__(self, run: RunFolder, sites: Sequence[Site], marker: str,
                 say: Callable[[str], None] = lambda line: None) -> None:
        self.run, self.sites, self.marker, self._say = run, list(sites), marker, say
        self.folder = run.path.resolve() / "poc"
        if any(letter.isspace() for letter in str(self.folder)):
            raise InputError(f"{self.folder}: the path holds a blank, which NVFlare's launcher splits; move the run")
        if names := sorted(RESERVED & {site.name for site in sites}):
            raise InputError(f"{run.study_file}: a site is called '{names[0]}', a server's own name; rename the site")
        self.folder.mkdir(mode=0o700, exist_ok=True)  # private keys follow
        (self.folder / ".gitignore").write_text("*\n")
        self._base = {**{key: value for key, value in os.environ.items() if key != RUN_VARIABLE},
                      MARKER: marker, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.nvflare = Nvflare(self.folder / "home", self.folder / "logs", self._base)
        self.parties: dict[str, Party] = {}
        self._kits = self.folder / "deployment" / PROJECT / "prod_00"
        self._waiting: list[subprocess.Popen[bytes]] = []

    @property
    def logs(self) -> Path:
        """Where everybody's words are."""
        return self.nvflare.logs

    def prepare(self) -> None:
        """Provision new kits at a free port and lock every party down.

        Raises:
            JobFailedError: if NVFlare cannot provision.
        """
        for name in ("deployment", "storage", "jobs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        provision(project([site.name for site in self.sites], free_port()), self.folder / "deployment", self.nvflare)
        lock_server(self.kit("server"), self.folder / "storage")
        for site in self.sites:
            lock_site(self.kit(site.name), self.run.site_file(site.name))

    def kit(self, party: str) -> Path:
        """A party's startup kit; the server's by the name 'server'."""
        return self._kits / (SERVER if party == "server" else party)

    @property
    def admin(self) -> Admin:
        """The administrator."""
        return Admin(self._kits / ADMIN, self.nvflare)

    def start(self) -> None:
        """Start every party and wait until all sites are connected; one whose process ends meanwhile, again.

        Raises:
            JobFailedError: if one does not come up.
        """
        # The server's owner says where its home is; a site gets that from its own privacy scope.
        self._add("server", {RUN_VARIABLE: str(self.run.path.resolve())})
        for site in self.sites:
            self._add(site.name, {})
        starts = Counter(self.parties.keys())
        deadline = time.monotonic() + _START_S
        while missing := {site.name for site in self.sites} - (self.admin.connected() or frozenset()):
            if dead := self.dead():
                self._start_again(dead, starts)
                deadline = time.monotonic() + _START_S
            elif time.monotonic() > deadline:
                raise JobFailedError(f"not connected after {_START_S:.0f} s: {', '.join(sorted(missing))}; "
                                     f"logs: {self.logs}", sorted(missing))

    def _start_again(self, dead: Sequence[str], starts: Counter[str]) -> None:
        for name in dead:
            if starts[name] == _STARTS:
                self.require_alive()
            starts[name] += 1
            party = self.parties[name]
            self._say(f"'{name}' ended before it was connected (exit code {party.exit_code}); it is started again, "
                      f"{starts[name]} of {_STARTS}; log: {party.log}")
            party.start()

    def require_alive(self) -> None:
        """Raise `JobFailedError` if a party's process has ended."""
        for name in self.dead():
            raise JobFailedError(f"'{name}': its NVFlare process ended (exit code {self.parties[name].exit_code}); "
                                 f"log: {self.parties[name].log}", () if name == "server" else (name,))

    def require_server(self) -> None:
        """Raise `JobFailedError` if the server's process has ended: its job cannot end well. A site's death is the
        server's to notice: a round may go on without it."""
        server = self.parties["server"]
        if server.exit_code is not None:
            raise JobFailedError(f"the server's NVFlare process ended (exit code {server.exit_code}); log: "
                                 f"{server.log}")

    def dead(self) -> list[str]:
        """Parties that were started and whose process has ended."""
        return [name for name, party in self.parties.items() if party.exit_code is not None]

    def revive(self) -> frozenset[str]:
        """Start dead parties again, as a service manager would, give them time to connect, and say who is connected.

        Raises:
            JobFailedError: if the server does not come up.
        """
        server, begun = self.parties["server"], time.monotonic()
        while True:
            for name in self.dead():  # again and again: one that was just killed still looks alive
                self.parties[name].start()
            connected, now = self.admin.connected(), time.monotonic()
            late = now - begun > _START_S
            if connected is None and late:
                raise JobFailedError(f"the server does not answer; log: {server.log}")
            young = {name for name, party in self.parties.items()
                     if name != "server" and now - max(party.started, server.started) < _JOIN_S}
            if connected is not None and (late or young <= connected):
                return connected
            time.sleep(0.5)

    def submit(self, job: Path) -> str:
        """Submit an exported job with the administrator's kit and return NVFlare's identifier (see `Admin`)."""
        return self.admin.submit(job)

    def wait(self, job_id: str) -> tuple[subprocess.Popen[bytes], Path]:
        """A process that lives as long as NVFlare runs the job, and its log (see `Admin`)."""
        process, log = self.admin.wait(job_id)
        self._waiting.append(process)
        return process, log

    def explain(self, job_id: str) -> str:
        """Why a job ended without a result, in one line, as far as NVFlare's server knows."""
        meta = self.admin.meta(job_id)
        refused = "; ".join(f"{site}: {reason}" for site, reason in refusals(meta).items())
        return refused or f"NVFlare ended the job as {meta.get('status', 'unknown')}"

    def clear(self, job_id: str) -> None:
        """End what is left of a job, at the server by the administrator, on this machine whatever that says."""
        if self.parties["server"].exit_code is None:
            self.admin.end(job_id, _FAREWELL_S)
        for party in self.parties.values():
            party.end(job_id)

    def stop(self) -> None:
        """End every process of the deployment; none is left, whatever state it was in."""
        end_all(self.marker)
        for process in self._waiting:
            process.wait()
        for party in self.parties.values():
            party.end()

    def _add(self, name: str, extra: dict[str, str]) -> None:
        environment = {**self._base, "HOME": str(self.folder / "home"), **extra}
        self.parties[name] = Party(self.kit(name), "server" if name == "server" else "client", environment,
                                   self.logs / f"{name}.log", PROJECT if name == "server" else name)
        self.parties[name].start()
