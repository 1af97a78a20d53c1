"""The jobs as NVFlare recipes: class paths and a few plain arguments, so the same job runs in every environment."""

from __future__ import annotations

from typing import Final

from nvflare.job_config.api import FedJob
from nvflare.recipe.spec import Recipe

from fl_components.client.audit_executor import AuditExecutor
from fl_components.client.train_executor import TrainExecutor
from fl_components.server.audit_controller import AuditController
from fl_components.server.train_controller import TrainController
from jobs.engine import Job

CLASS_ALLOW_LIST: Final = [
    "fl_components.client.train_executor.TrainExecutor",
    "fl_components.client.audit_executor.AuditExecutor",
    "fl_components.server.train_controller.TrainController",
    "fl_components.server.audit_controller.AuditController",
]
"""Exact classes a party must allow (`class_allow_list` in NVFlare's resources.json) to take part in our jobs."""

_STUDY: Final = {"study_hash": "[0-9a-f]{64}"}
SITE_COMPONENTS: Final = {CLASS_ALLOW_LIST[0]: {**_STUDY, "training": "[0-9a-f]{32}"}, CLASS_ALLOW_LIST[1]: _STUDY}
"""What a job may have built at a site: executors by exact path, each with the whole range of its arguments."""


class FedsynthRecipe(Recipe):
    """One of our jobs, for its sites alone. Nothing is shipped in `custom/`: every party runs what it installed.

    A training starts with as many sites as a round needs at least; an audit needs all that it asks.

    Args:
        job: what to run; of the study it carries the hash alone.
    """

    def __init__(self, job: Job) -> None:
        study = job.study
        training = job.name == "train"
        least = study.federation.least_updates(len(study.sites)) if training else len(job.sites)
        made = FedJob(name=f"{study.name}-{job.name}", min_clients=least)
        made.set_app_packages(["fl_components"])
        made.to_server(TrainController(study.hash, job.training, job.sites, job.until) if training
                       else AuditController(study.hash, job.sites))
        for site in job.sites:
            executor = TrainExecutor(study.hash, job.training) if training else AuditExecutor(study.hash)
            made.to(executor, site, tasks=list(executor.tasks()))
        super().__init__(made)
        # NVFlare's default of 2 s between a site's questions for work would be most of a short round.
        # A site that its server counts as gone is waited for no longer than this many seconds; the default is 60.
        self.add_server_config({"server": {"task_request_interval": 0.2}, "dead_client_grace_period": 10})
