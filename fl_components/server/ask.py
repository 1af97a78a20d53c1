"""Asking sites one thing, and naming who did not answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.study import Study

Answers = dict[str, dict[str, np.ndarray]]
"""Fields by the site's name; nothing about them is checked yet."""


class Replies(NamedTuple):
    """`answers`: of the sites asked; `absent`: asked, but silent or failed; `refused`: name and reason of the rest."""

    answers: Answers
    absent: list[str]
    refused: list[tuple[str, str]]


class MissingSitesError(RuntimeError):
    """A job cannot go on for want of answers.

    Args:
        message: one line.
        sites: who was asked and was silent or failed.
    """

    def __init__(self, message: str, sites: Sequence[str]) -> None:
        super().__init__(message)
        self.sites = tuple(sites)


def ask_round(controller: ModelController, study: Study, sites: Sequence[str], task: str,
              data: Mapping[str, np.ndarray], round_number: int) -> Replies:
    """Send a task to sites of the study and wait for all of them, at most `federation.round_timeout_s`.

    A site's name is NVFlare's authenticated one, not its claim. Which question a reply answers is settled by the task
    id that NVFlare draws for each: a reply that repeats an earlier one, or comes too late, matches no open task and is
    dropped by NVFlare. A round number in a reply's header, which our sites do not send, is the sender's word: a wrong
    one is refused here, but a right one proves nothing (see `fl_components.server.admission` for repeated contents).

    Args:
        controller: the controller that runs.
        study: how long to wait.
        sites: who is asked.
        task: the task's name.
        data: arrays sent along; NVFlare sends no empty task.
        round_number: counted from 0.
    """
    model = FLModel(params=dict(data), params_type=ParamsType.FULL, current_round=round_number)
    replies = controller.send_model_and_wait(
        task_name=task, data=model, targets=list(sites), min_responses=None,
        timeout=math.ceil(study.federation.round_timeout_s))
    answers: Answers = {}
    refused: list[tuple[str, str]] = []
    for reply in replies:
        name, claimed = str(reply.meta["client_name"]), reply.current_round
        if name not in sites:
            refused.append((name, "it was not asked"))
        elif claimed not in (None, round_number):
            refused.append((name, f"it claims to be of round {_one_higher(claimed)}, not {round_number + 1}"))
        elif name in answers:
            refused.append((name, "it answered twice; its first answer counts"))
        else:
            answers[name] = _fields(reply)
    heard = {*answers, *(name for name, _ in refused)}
    return Replies(answers, [site for site in sites if site not in heard], refused)


def _one_higher(claimed: object) -> str:
    return str(claimed + 1) if isinstance(claimed, int) else repr(claimed)[:20]


def _fields(reply: FLModel) -> dict[str, np.ndarray]:
    """The reply's fields; none, which no declaration admits, if it holds no table."""
    return {str(name): value for name, value in reply.params.items()} if isinstance(reply.params, dict) else {}


def scalars_of(answers: Answers) -> dict[str, dict[str, float]]:
    """The scalars of answers that were held to their declaration, as JSON takes them."""
    return {site: {name: float(value) for name, value in fields.items() if not value.ndim}
            for site, fields in answers.items()}


def ask_sites(controller: ModelController, study: Study, sites: Sequence[str], task: str,
              data: Mapping[str, np.ndarray], round_number: int) -> Answers:
    """`ask_round` where every site asked is needed.

    Raises:
        MissingSitesError: naming the sites that failed or were silent.
        RuntimeError: naming a site whose reply was refused.
    """
    replies = ask_round(controller, study, sites, task, data, round_number)
    for name, reason in replies.refused:
        raise RuntimeError(f"site '{name}': its answer to '{task}' is refused: {reason}")
    if replies.absent:
        raise MissingSitesError(f"no usable answer to '{task}' in round {round_number + 1} from site(s) "
                                f"{', '.join(replies.absent)}; see the site's own log", replies.absent)
    return replies.answers
