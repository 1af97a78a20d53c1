"""The base of our controllers: opens the server's home, and says in the job's own result how it ended."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.server.home import ServerHome
from fl_components.study import Study


class StudyController(ModelController):
    """Subclasses implement `carry_out`; whatever it raises ends the job as failed, with the reason in one line.

    Args:
        study_hash: the study the job was made for; the server refuses any other.
    """

    job: ClassVar[str]
    """Name of the job's result file."""

    def __init__(self, study_hash: str) -> None:
        super().__init__(ignore_result_error=True)  # who failed is ours to find and name
        self.study_hash = study_hash

    @abstractmethod
    def carry_out(self, study: Study, home: ServerHome) -> None:
        """The job; it ends with `home.write_result(self.job, "done", …)`."""

    def run(self) -> None:
        """NVFlare's entry."""
        home = ServerHome.of_process()
        try:
            self.carry_out(home.study(self.study_hash), home)
        except Exception as error:
            self.panic(home.write_failure(self.job, error))
