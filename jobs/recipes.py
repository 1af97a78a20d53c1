"""The jobs as NVFlare recipes: class paths and a few plain arguments, so the same job runs in every environment."""

from __future__ import annotations

from typing import Final

from nvflare.job_config.api import FedJob
from nvflare.recipe.spec import Recipe

from fl_components.client.audit_executor import AuditExecutor
from fl_components.client.evaluate_executor import EvaluateExecutor
from fl_components.client.executor import SiteExecutor
from fl_components.client.train_executor import TrainExecutor
from fl_components.server.audit_controller import AuditController
from fl_components.server.controller import StudyController
from fl_components.server.evaluate_controller import EvaluateController
from fl_components.server.train_controller import TrainController
from jobs.engine import Job

_STUDY: Final = {"study_hash": "[0-9a-f]{64}"}
SITE_COMPONENTS: Final = {
    "fl_components.client.train_executor.TrainExecutor": {**_STUDY, "training": "[0-9a-f]{32}"},
    "fl_components.client.audit_executor.AuditExecutor": _STUDY,
    "fl_components.client.evaluate_executor.EvaluateExecutor": _STUDY,
}
"""What a job may have built at a site: executors by exact path, each with the whole range of its arguments."""

CLASS_ALLOW_LIST: Final = [
    *SITE_COMPONENTS,
    "fl_components.server.train_controller.TrainController",
    "fl_components.server.audit_controller.AuditController",
    "fl_components.server.evaluate_controller.EvaluateController",
]
"""Exact classes a party must allow (`class_allow_list` in NVFlare's resources.json) to take part in our jobs."""

_OF_MASKS: Final = ("train_keys", "train_reveal")


class FedsynthRecipe(Recipe):
    """One of our jobs, for its sites alone. Nothing is shipped in `custom/`: every party runs what it installed.

    A training starts with as many sites as a round needs at least; other jobs need all that they ask.

    Args:
        job: what to run; of the study it carries the hash alone.
    """

    def __init__(self, job: Job) -> None:
        study = job.study
        least = study.federation.least_updates(len(study.sites)) if job.name == "train" else len(job.sites)
        made = FedJob(name=f"{study.name}-{job.name}", min_clients=least)
        made.set_app_packages(["fl_components"])
        made.to_server(_controller(job))
        for site in job.sites:
            executor = _executor(job)
            made.to(executor, site, tasks=[task for task in executor.tasks()
                                           if study.federation.secure_aggregation or task not in _OF_MASKS])
        super().__init__(made)
        # NVFlare's default of 2 s between a site's questions for work would be most of a short round.
        # A site that its server counts as gone is waited for no longer than this many seconds; the default is 60.
        self.add_server_config({"server": {"task_request_interval": 0.2}, "dead_client_grace_period": 10})


def _controller(job: Job) -> StudyController:
    if job.name == "train":
        return TrainController(job.study.hash, job.training, job.sites, job.until)
    kind = AuditController if job.name == "audit" else EvaluateController
    return kind(job.study.hash, job.sites)


def _executor(job: Job) -> SiteExecutor:
    if job.name == "train":
        return TrainExecutor(job.study.hash, job.training)
    return AuditExecutor(job.study.hash) if job.name == "audit" else EvaluateExecutor(job.study.hash)
