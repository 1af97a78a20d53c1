"""What `fedsynth train` knows of its training: the identity, how far it is, every job it took; in `train.json`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from fl_components.json_file import read_json, write_json
from fl_components.server.checkpoint import rounds_done
from fl_components.study import Study
from jobs.engine import Job
from jobs.provenance import provenance
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError


@dataclass
class TrainingRecord:
    """One training, written after every job, so that another command can go on with it.

    `jobs` lists of each job its `rounds` (done after it), `sites`, `left_out`, `reason` (why it did not reach the
    study's last round; None if it did) and `seconds`.
    """

    run: RunFolder
    study: Study
    training: str
    rounds: int = 0
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begun(cls, run: RunFolder, study: Study) -> TrainingRecord:
        """A new training."""
        return cls(run, study, uuid.uuid4().hex)

    @classmethod
    def resumed(cls, run: RunFolder, study: Study) -> TrainingRecord:
        """The unfinished training of a run folder.

        Raises:
            InputError: if there is none, or the study changed since.
        """
        path = run.training_file
        content = read_json(path) if path.exists() else {}
        if "training" not in content:
            raise InputError(f"{path}: no training to go on with; start one with 'fedsynth train {run.path}'")
        if content["status"] == "done":
            raise InputError(f"{path}: the training is finished; to train anew, leave --resume out")
        if content["study"] != study.hash:
            raise InputError(f"{path}: the training was begun with study {content['study'][:12]}…, {run.study_file} "
                             f"is {study.hash[:12]}…; put that study back, or train anew without --resume")
        record = cls(run, study, content["training"], content["rounds"], content["jobs"])
        record.look()
        return record

    def look(self) -> int:
        """Rounds done, as the server's checkpoint says where it is on this machine."""
        self.rounds = max(self.rounds, rounds_done(self.run.server.checkpoint_file, self.training))
        return self.rounds

    def add(self, job: Job, reason: str | None, seconds: float) -> None:
        """Write down how a job ended."""
        self.jobs.append({"rounds": self.rounds, "sites": list(job.sites), "reason": reason,
                          "left_out": [site for site in self.study.sites if site not in job.sites],
                          "seconds": round(seconds, 1)})
        self.write("unfinished")

    def write(self, status: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write `train.json`, status "unfinished" or "done"."""
        write_json(self.run.training_file, {
            "status": status, "training": self.training, "study": self.study.hash, "rounds": self.rounds,
            "jobs": self.jobs, "precision": "", **facts, "provenance": provenance(self.study)})


def unfinished_rounds(run: RunFolder) -> int | None:
    """Rounds of a training in the run folder that was not finished; None if there is none."""
    content = read_json(run.training_file) if run.training_file.exists() else {}
    if content.get("status") != "unfinished":
        return None
    return max(int(content["rounds"]), rounds_done(run.server.checkpoint_file, content["training"]))
