"""What the server keeps: the study, the model, the progress, the result of each job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from fl_components.environment import run_folder
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import Weights
from fl_components.study import Study
from privacy_eval.errors import InputError


class ServerHome:
    """The server's part of a run folder.

    `server/train.json` and `server/audit.json` are each job's own word on how it ended, and the only one to believe:
    NVFlare's job status can say COMPLETED for a model nobody trained.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / "server"
        self.generator_file = self.folder / "generator.safetensors"
        self.population_file = self.folder / "population.json"
        self.release = run / "release"

    @classmethod
    def of_process(cls) -> ServerHome:
        """The home of this process (see `fl_components.environment`)."""
        return cls(run_folder())

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
        """Record how far a job is: status "running" or "done"."""
        write_json(self.result_file(job), {"status": status, **facts})

    def write_failure(self, job: str, error: Exception) -> str:
        """Record that a job failed; returns the reason in one line."""
        reason = " ".join(str(error).split())
        write_json(self.result_file(job), {"status": "failed", "reason": reason})
        return reason

    def result(self, job: str) -> dict[str, Any]:
        """Read what `write_result` wrote; an `InputError` if the job never ran."""
        return dict(read_json(self.result_file(job)))

    def save_generator(self, weights: Weights, study: Study, **facts: str) -> None:
        """Write the generator atomically, with the study's hash in its metadata."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.generator_file.with_suffix(".partial")
        save_file(weights, partial, metadata={"study": study.hash, **facts})
        partial.replace(self.generator_file)

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
