"""Running a job in NVFlare's simulator: in a process of its own, watched, and cleared away whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fl_components.environment import RUN_VARIABLE
from fl_components.site import Site
from jobs.engine import Job, Progress
from jobs.run_folder import RunFolder
from jobs.watch import MARKER, end_all, forget, watch


class Simulator:
    """The engine with every site in a process of its own on this machine (`jobs.engine.Engine`).

    Args:
        run: where everything is.
    """

    def __init__(self, run: RunFolder) -> None:
        self.folder = run
        self._jobs = 0

    def __enter__(self) -> Self:
        """Nothing to start: each job brings its own processes."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Nothing to end."""

    def local_sites(self) -> list[Site]:
        """See `Engine`."""
        return self.folder.sites(self.folder.study())

    def present(self) -> frozenset[str] | None:
        """See `Engine`; not known: a job starts its sites."""
        return None

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        """See `Engine`."""
        marker = uuid.uuid4().hex
        workspace = _fresh_workspace(job, self.folder)
        sites = [site for site in self.local_sites() if site.name in job.sites]
        forget(job.name, self.folder, sites)
        self._jobs += 1
        log = self.folder.nvflare / f"{job.name}{f'-{self._jobs}' if self._jobs > 1 else ''}.log"
        environment = {**os.environ, RUN_VARIABLE: str(self.folder.path.resolve()), MARKER: marker,
                       "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        asked = json.dumps({"name": job.name, "sites": job.sites, "training": job.training, "until": job.until})
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobs.simulation", asked, str(self.folder.path.resolve()),
                 str(workspace.parent)],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0)
            try:
                return watch(process, "the simulator", job.name, self.folder, sites, log, on_progress)
            finally:
                end_all(marker)
                process.wait()


def _fresh_workspace(job: Job, run: RunFolder) -> Path:
    """The simulator's workspace with our classes allowed: it takes the list only from there."""
    from jobs.recipes import CLASS_ALLOW_LIST

    workspace = (run.nvflare / f"{job.study.name}-{job.name}").resolve()
    shutil.rmtree(workspace, ignore_errors=True)
    local = workspace / "local"
    local.mkdir(parents=True)
    resources = {"format_version": 2, "class_allow_list": CLASS_ALLOW_LIST, "allow_log_streaming": False}
    (local / "resources.json").write_text(json.dumps(resources, indent=1))
    return workspace


def _simulate(job: Job, workspace_root: Path) -> None:
    """Inside the process: build the recipe and run it."""
    from nvflare.recipe import SimEnv

    from jobs.recipes import FedsynthRecipe

    clients = list(job.sites)
    FedsynthRecipe(job).execute(SimEnv(clients=clients, num_threads=len(clients), workspace_root=str(workspace_root),
                                       log_config="concise"))


if __name__ == "__main__":
    _asked = json.loads(sys.argv[1])
    _simulate(Job(**{**_asked, "study": RunFolder(Path(sys.argv[2])).study(), "sites": tuple(_asked["sites"])}),
              Path(sys.argv[3]))
