"""The base of our controllers: opens the server's home, and says in the job's own result how it ended."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.guard.declaration import Task, declare, refusal
from fl_components.server.ask import Answers, MissingSitesError, ask_sites
from fl_components.server.home import ServerHome
from fl_components.study import Study
from privacy_eval.errors import InputError


class StudyController(ModelController):
    """Subclasses implement `carry_out`; whatever it raises ends the job as failed, with the reason in one line.

    Args:
        study_hash: the study the job was made for; the server refuses any other.
        sites: the study's sites that take part in this job.
    """

    job: ClassVar[str]
    """Name of the job's result file."""

    def __init__(self, study_hash: str, sites: Sequence[str]) -> None:
        super().__init__(ignore_result_error=True)  # who failed is ours to find and name
        self.study_hash = study_hash
        self.sites = list(sites)

    @abstractmethod
    def carry_out(self, study: Study, home: ServerHome) -> None:
        """The job; it ends with `home.write_result(self.job, "done", …)`."""

    def ask_declared(self, study: Study, task: Task, data: Mapping[str, np.ndarray], round_number: int = 0) -> Answers:
        """The answer of every site of the job, held to its declaration.

        Raises:
            MissingSitesError, RuntimeError: as `ask_sites`; the latter also naming a site whose answer is not declared.
        """
        answers = ask_sites(self, study, self.sites, task, data, round_number)
        declaration = declare(task, study, round_number)
        for site, fields in answers.items():
            if reason := refusal(declaration, fields):
                raise RuntimeError(f"site '{site}': its answer to '{task}' is refused: {reason}")
        return answers

    def run(self) -> None:
        """NVFlare's entry."""
        home = ServerHome.of_process(str(self.fl_ctx.get_job_id()))
        try:
            study = home.study(self.study_hash)
            if unknown := sorted(set(self.sites) - set(study.sites)):
                raise InputError(f"the job names site '{unknown[0]}', which is none of the study's "
                                 f"({', '.join(study.sites)}); submit it with those")
            self.carry_out(study, home)
        except Exception as error:
            missing = error.sites if isinstance(error, MissingSitesError) else ()
            self.panic(home.write_failure(self.job, error, missing))
