"""`fedsynth plan`: before anything runs, what a private study would cost each patient and could learn of them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fl_components.study import Study
from fl_components.training.private.blocks import BLOCKS
from fl_components.training.private.plan import PrivatePlan, plan_of
from fl_components.training.private.prospect import Group, gradient_groups, together
from jobs.output import Talk
from jobs.plan import Numbers, planned_sites
from privacy_eval.errors import InputError
from privacy_eval.statistics.noised import NoisedAverage
from privacy_eval.statistics.private import NoisedAuc
from privacy_eval.verdict.clean import PlannedSite

LEARNABLE: Final = 5.0
"""Signal to noise over all of training, at best, from which something of the patients can be expected to be learned."""
FROM_SCRATCH: Final = 300
"""Patients a site below which no 3D network is trained from scratch at ε ≤ 10."""
_ASSUMED: Final[dict[str, Any]] = {"name": "planned", "preset": "tiny", "seed": 0, "audit": {"epsilon": 0.5}}
_WIDTH: Final = 110


@dataclass(frozen=True)
class PlanRequest:
    """What `fedsynth plan` was asked.

    Attributes:
        numbers: a run folder, a study file or patients a site, as for `fedsynth audit plan`.
        epsilon, delta, rounds, trains: in place of the study's, where given.
    """

    numbers: Numbers
    epsilon: float | None = None
    delta: float | None = None
    rounds: int | None = None
    trains: str | None = None


def plan_privately(asked: PlanRequest, talk: Talk) -> dict[str, Any]:
    """Plan; tables and advice go to stdout, or all figures come back where JSON is wanted.

    Raises:
        InputError: if the numbers are missing, or what is wanted cannot be accounted for.
    """
    study = _study(asked)
    sites = planned_sites(asked.numbers, study)
    plan = plan_of(study)
    if plan is None:
        raise InputError("fedsynth plan: the study claims no ε (privacy.mode = 'empirical'); give --epsilon")
    groups: list[Group] = []
    if plan.training_noise is not None:
        with talk.stage("Gradients of public subjects"):
            groups = gradient_groups(study, plan)
    found = _figures(study, plan, sites, groups)
    if talk.as_json:
        return found
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(_table(found))
    for sentence in [*_sentences(plan, found), *found["advice"]]:
        console.print(sentence, markup=False, soft_wrap=True)
    return {}


def _study(asked: PlanRequest) -> Study:
    """The study that is planned: the run's or the file's with the options over it, or the tiny preset."""
    numbers = asked.numbers
    if numbers.run is not None:
        given = Study.from_file(numbers.run / "study.toml").model_dump(mode="json", exclude_none=True)
    elif numbers.study is not None:
        given = Study.from_file(numbers.study).model_dump(mode="json", exclude_none=True)
    else:
        count = len((numbers.sites or numbers.members or "1").split(","))
        given = {**_ASSUMED, "sites": {f"site-{k + 1}": 1 for k in range(count)}}
    privacy = dict(given.get("privacy", {}))
    changes = {"epsilon": asked.epsilon, "delta": asked.delta, "trains": asked.trains}
    privacy |= {name: value for name, value in changes.items() if value is not None}
    if asked.epsilon is not None:
        privacy["mode"] = "private"
    training = dict(given.get("training", {})) | ({"rounds": asked.rounds} if asked.rounds else {})
    audit = dict(given.get("audit", {}))
    audit.setdefault("epsilon", 0.5)
    return Study.parse({**given, "privacy": privacy, "training": training, "audit": audit}, "fedsynth plan")


def _figures(study: Study, plan: PrivatePlan, sites: list[PlannedSite], groups: list[Group]) -> dict[str, Any]:
    steps = plan.rounds * plan.steps_per_round
    all_groups = [*groups, together(groups)] if groups else []
    audited = NoisedAverage(tuple(NoisedAuc(site.members * site.holdout, site.members, site.holdout,
                                            plan.audit_epsilon / len(study.audit.policy.private_family))
                                  for site in sites))
    by_site = {}
    for site in sites:
        ratios = {one.name: one.signal_to_noise(site.members, plan) for one in all_groups}
        by_site[site.name] = {
            "members": site.members, "expected_in_a_step": site.members * plan.rate, "signal_to_noise": ratios,
            "over_all_steps_at_best": math.sqrt(steps) * ratios["all trained"] if ratios else 0.0,
            "contrast_noise": BLOCKS[0].noise(plan.summary_noise) / site.members}
    found: dict[str, Any] = {
        "epsilon": plan.epsilon_kept, "epsilon_prv": plan.epsilon_prv, "epsilon_replacing": plan.epsilon_replacing,
        "delta": plan.delta, "adjacency": plan.adjacency, "noise": plan.training_noise, "rate": plan.rate,
        "steps": steps, "summary_noise": plan.summary_noise,
        "parameters": {one.name: one.parameters for one in all_groups}, "sites": by_site,
        "audit": {"epsilon": plan.audit_epsilon, "detectable_auc": audited.minimum_detectable(study.audit.alpha, 0.8)}}
    found["works"] = _works(found)
    return {**found, "advice": _advice(study, plan, found)}


def _works(found: dict[str, Any]) -> bool:
    """Whether training can be expected to learn something of the patients at every site."""
    return bool(found["parameters"]) and all(
        site["over_all_steps_at_best"] >= LEARNABLE for site in found["sites"].values())


def _advice(study: Study, plan: PrivatePlan, found: dict[str, Any]) -> list[str]:
    said = []
    fewest = min(site["members"] for site in found["sites"].values())
    trains = study.privacy.trains
    if trains == "scratch" and fewest < FROM_SCRATCH:
        said.append(f"A 3D network is not trained from scratch at ε ≤ 10 on {fewest} patients a site; about "
                    f"{FROM_SCRATCH} are needed. Begin with a publicly trained one: trains = 'adapted'.")
    if trains in ("all", "scratch") and not found["works"]:
        said.append("Adapt few parameters (trains = 'adapted'): noise is as long as the root of their number.")
    if found["parameters"] and not found["works"]:
        said.append("Noise will outweigh what patients say over the whole training: expect images no better than the "
                    "public generator's. Spend ε on the summary alone (trains = 'summary'), join more patients, or "
                    "take the noise over all sites together.")
    worst = max(site["contrast_noise"] for site in found["sites"].values())
    if worst > 0.05:
        said.append(f"The summary's noise on a mean contrast, {worst:.2f}, is more than patients differ by (0.05): "
                    "public knowledge will decide; raise summary_share.")
    off = [name for name, site in found["sites"].items()
           if not 0.5 <= site["expected_in_a_step"] / plan.expected_batch <= 2]
    if off:
        said.append(f"expected_batch = {plan.expected_batch}, and {', '.join(off)} expect(s) another number in a step: "
                    "patients and public images are not in balance there.")
    if plan.delta > 1 / fewest**1.1:
        said.append(f"δ = {plan.delta:g} is not small against 1 / {fewest} patients: lower it.")
    if plan.epsilon >= 5:
        said.append(f"At ε = {plan.epsilon:g} the bound by itself promises almost nothing; the measured audit carries "
                    "the weight.")
    return said or ["Nothing speaks against it."]


def _sentences(plan: PrivatePlan, found: dict[str, Any]) -> list[str]:
    trained = (f"noise {plan.training_noise:.3g} × the clip in each of {found['steps']} sums, a patient in one with "
               f"probability {plan.rate:g}" if plan.training_noise else "nothing is trained on patients")
    works = "can" if found["works"] else "cannot"
    said = [f"ε = {found['epsilon']:.3g} at δ = {plan.delta:g} ({plan.adjacency}); by PRV {found['epsilon_prv']:.3g}, "
            f"for replacing a patient {found['epsilon_replacing']:.3g}: {trained}; summary noise "
            f"{plan.summary_noise:.3g}.",
            f"An audit at ε = {plan.audit_epsilon:g} sees an AUC of {found['audit']['detectable_auc']:.3f} with 80 % "
            "power."]
    return said + ([f"Training {works} be expected to learn something of the patients."] if plan.training_noise else [])


def _table(found: dict[str, Any]) -> Table:
    table = Table(title="Signal to noise of one step, by group of parameters; and over all steps at best")
    table.add_column("group", no_wrap=True)
    table.add_column("parameters", justify="right")
    for name, site in found["sites"].items():
        table.add_column(f"{name} ({site['members']})", justify="right")
    for group, count in found["parameters"].items():
        table.add_row(group, str(count), *(f"{site['signal_to_noise'][group]:.3g}"
                                           for site in found["sites"].values()))
    table.add_row("over all steps", "", *(f"{site['over_all_steps_at_best']:.3g}" for site in found["sites"].values()))
    table.add_row("noise of a mean contrast", "", *(f"{site['contrast_noise']:.2g}"
                                                    for site in found["sites"].values()))
    return table
