"""Asking every site of the study one thing, and naming who did not answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.study import Study


def ask_sites(controller: ModelController, study: Study, task: str, data: Mapping[str, np.ndarray],
              round_number: int) -> dict[str, dict[str, np.ndarray]]:
    """Send a task to all sites of the study and wait for all, at most `federation.round_timeout_s`.

    Args:
        controller: the controller that runs.
        study: its sites are asked.
        task: the task's name.
        data: arrays sent along; NVFlare sends no empty task.
        round_number: counted from 0.

    Returns:
        Each site's fields by the site's name. The name is NVFlare's authenticated one, not the site's claim.

    Raises:
        RuntimeError: naming the sites that failed or were silent.
    """
    model = FLModel(params=dict(data), params_type=ParamsType.FULL, current_round=round_number)
    replies = controller.send_model_and_wait(
        task_name=task, data=model, targets=list(study.sites), min_responses=None,
        timeout=math.ceil(study.federation.round_timeout_s))
    answers = {reply.meta["client_name"]: reply.params for reply in replies}
    if silent := [site for site in study.sites if site not in answers]:
        raise RuntimeError(f"no usable answer to '{task}' in round {round_number + 1} from site(s) "
                           f"{', '.join(silent)}; see the site's own log")
    return answers
