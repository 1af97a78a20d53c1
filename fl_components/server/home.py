"""What the server keeps: the study, the model, the progress, the result of each job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import load_file, save_file

from fl_components.durable import replace_durably
from fl_components.environment import run_folder
from fl_components.json_file import read_json, write_json
from fl_components.networks.weights import Weights
from fl_components.study import Study
from privacy_eval.errors import InputError

ALL_SITES: Final = "all sites"
"""In place of a site's name in the curves of masked rounds, of which the mean alone is known; no site is called so."""


class ServerHome:
    """The server's part of a run folder.

    `server/train.json` and `server/audit.json` are each job's own word on how it ended, and the only one to believe:
    NVFlare's job status can say COMPLETED for a model nobody trained.

    Args:
        run: the run folder.
        nvflare_job: NVFlare's identifier of the job that writes here; it is in the result, so that no other job's is
            taken for it.
    """

    def __init__(self, run: Path, nvflare_job: str | None = None) -> None:
        self.run, self.nvflare_job = run, nvflare_job
        self.folder = run / "server"
        self.generator_file = self.folder / "generator.safetensors"
        self.checkpoint_file = self.folder / "checkpoint.safetensors"
        self.population_file = self.folder / "population.json"
        self.calibration_file = self.folder / "calibration.json"
        self.release = run / "release"

    @classmethod
    def of_process(cls, nvflare_job: str | None = None) -> ServerHome:
        """The home of this process (see `fl_components.environment`)."""
        return cls(run_folder(), nvflare_job)

    def study(self, study_hash: str | None = None) -> Study:
        """The server's copy of the study.

        Raises:
            InputError: if it is not the one a job was made for.
        """
        path = self.run / "study.toml"
        study = Study.from_file(path)
        if study_hash is not None and study.hash != study_hash:
            raise InputError(f"{path}: its hash is {study.hash[:12]}…, the job was made for {study_hash[:12]}…; "
                             "every party must hold the same study.toml")
        return study

    def result_file(self, job: str) -> Path:
        """Where a job says how it ended."""
        return self.folder / f"{job}.json"

    def write_result(self, job: str, status: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Record how far a job is: status "running", "done", or "paused" where another job is to go on."""
        write_json(self.result_file(job), {"status": status, "nvflare_job": self.nvflare_job, **facts})

    def write_failure(self, job: str, error: Exception, missing: Sequence[str] = ()) -> str:
        """Record that a job failed, beside what it wrote before; returns the reason in one line.

        Args:
            job: its name.
            error: why.
            missing: sites whose answers were needed and did not come.
        """
        reason = " ".join(str(error).split())
        written = self.result(job) if self.result_file(job).exists() else {}
        if written.get("nvflare_job") != self.nvflare_job:
            written = {}
        write_json(self.result_file(job), {**written, "status": "failed", "nvflare_job": self.nvflare_job,
                                           "reason": reason, "missing": list(missing)})
        return reason

    def result(self, job: str) -> dict[str, Any]:
        """Read what `write_result` wrote; an `InputError` if the job never ran."""
        return dict(read_json(self.result_file(job)))

    def contributors(self, study: Study) -> tuple[str, ...]:
        """The sites of which the training admitted an update; all of the study's if it was trained elsewhere."""
        trained = self.result("train").get("curves", []) if self.result_file("train").exists() else []
        named = {site for row in trained for site in row.get("sites", [row["site"]])}
        return tuple(site for site in study.sites if site in named) or tuple(study.sites)

    def save_generator(self, weights: Weights, study: Study, **facts: str) -> None:
        """Write the generator atomically, with the study's hash in its metadata."""
        replace_durably(self.generator_file,
                        lambda partial: save_file(weights, partial, metadata={"study": study.hash, **facts}))

    def load_generator(self) -> dict[str, np.ndarray]:
        """The trained generator's weights.

        Raises:
            InputError: if there is none or it is damaged.
        """
        if not self.generator_file.exists():
            raise InputError(f"{self.generator_file}: no trained generator; run 'fedsynth train' first")
        try:
            return load_file(self.generator_file)
        except Exception as error:
            raise InputError(f"{self.generator_file}: cannot be read ({error}); train again") from None
