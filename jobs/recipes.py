"""The jobs as NVFlare recipes: class paths and one plain argument each, so the same job runs in every environment."""

from __future__ import annotations

from typing import Final, Literal

from nvflare.job_config.api import FedJob
from nvflare.recipe.spec import Recipe

from fl_components.client.audit_executor import AuditExecutor
from fl_components.client.train_executor import TrainExecutor
from fl_components.server.audit_controller import AuditController
from fl_components.server.train_controller import TrainController
from fl_components.study import Study

JobName = Literal["train", "audit"]

CLASS_ALLOW_LIST: Final = [
    "fl_components.client.train_executor.TrainExecutor",
    "fl_components.client.audit_executor.AuditExecutor",
    "fl_components.server.train_controller.TrainController",
    "fl_components.server.audit_controller.AuditController",
]
"""Exact classes a party must allow (`class_allow_list` in NVFlare's resources.json) to take part in our jobs."""

SITE_COMPONENTS: Final = {path: {"study_hash": "[0-9a-f]{64}"} for path in CLASS_ALLOW_LIST[:2]}
"""What a job may have built at a site: executors by exact path, each with the whole range of its arguments."""


class FedsynthRecipe(Recipe):
    """One of our jobs. Nothing is shipped in `custom/`: every party runs the package it installed.

    Args:
        name: which job.
        study: the study; the job carries its hash alone.
    """

    def __init__(self, name: JobName, study: Study) -> None:
        job = FedJob(name=f"{study.name}-{name}", min_clients=len(study.sites))
        job.set_app_packages(["fl_components"])
        if name == "train":
            job.to_server(TrainController(study.hash))
            train = TrainExecutor(study.hash)
            job.to_clients(train, tasks=list(train.tasks()))
        else:
            job.to_server(AuditController(study.hash))
            audit = AuditExecutor(study.hash)
            job.to_clients(audit, tasks=list(audit.tasks()))
        super().__init__(job)
        # NVFlare's default of 2 s between a site's questions for work would be most of a short round.
        self.add_server_config({"server": {"task_request_interval": 0.2}})
