"""What runs a job: NVFlare's simulator, its POC, or a provisioned federation. All take the same jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from fl_components.evaluation.arms import arms_of
from fl_components.site import Site
from fl_components.study import Study

JobName = Literal["train", "audit", "evaluate"]
Heartbeats = dict[str, dict[str, Any]]
"""What each site on this machine says of its own process, by the site's name."""
Progress = Callable[[Heartbeats], None]
"""Called a few times a second while a job runs; may raise, which ends the job."""


@dataclass(frozen=True)
class Job:
    """One submission.

    `sites` are asked, in the study's order; the others are left out. A training of many rounds can take several jobs:
    `training` (32 hexadecimal digits) is its identity, `until` the round, counted from 1, after which this job ends at
    the latest; the server goes on from its checkpoint of that training, if it has one.
    """

    name: JobName
    study: Study
    sites: tuple[str, ...]
    training: str = "0" * 32
    until: int = 0

    @property
    def questions(self) -> int:
        """How many questions the job asks its sites at most, one after the other."""
        if self.name == "train":
            return 2 + 2 * self.study.training.rounds
        if self.name == "audit":
            return 2
        settings = self.study.evaluation
        return 2 + len(arms_of(self.study)) * (2 * settings.rounds + 1)


class JobFailedError(RuntimeError):
    """A job did not finish; the message names the site or the reason, and the log.

    Args:
        message: one line.
        sites: whom it is known to be due to.
    """

    def __init__(self, message: str, sites: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.sites = tuple(sites)


class JobRefusedError(JobFailedError):
    """A party said itself why it cannot do its part: the same job would end the same way again."""


class Engine(Protocol):
    """Runs jobs one after the other. Entering it starts what they need; leaving it ends every process it started,
    also after an error."""

    def __enter__(self) -> Self:
        """Start the parties, if they are this engine's to start.

        Raises:
            InputError: if the run folder or the machine cannot be used.
            JobFailedError: if a party does not come up.
        """
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """End what was started."""
        ...

    def local_sites(self) -> list[Site]:
        """The study's sites whose files are on this machine; none in a federation across hospitals.

        Can be asked before the engine is entered.
        """
        ...

    def present(self) -> frozenset[str] | None:
        """Names of the sites that could take part in a job now; None where that is not known before it runs.

        Sites that this engine started itself and that have died are started again first.
        """
        ...

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        """Run one job and return its result (`ServerHome.result`), status "done" or, short of the study's last round,
        "paused".

        Raises:
            JobRefusedError: if a site or the server said why it cannot.
            JobFailedError: if a site or the server failed, or NVFlare ended it; no process of this job is left.
        """
        ...
