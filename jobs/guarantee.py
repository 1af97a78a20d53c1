"""What a study's report says of differential privacy, after the hazards that NIST SP 800-226 asks to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fl_components.guard.ledger import Ledger
from fl_components.guard.privacy_account import Spending
from fl_components.site import Site
from fl_components.study import Study
from fl_components.training.private.accounting import epsilon_spent, prv_epsilon, replacement_epsilon
from fl_components.training.private.plan import NO_GUARANTEE, PrivatePlan, plan_of
from privacy_eval.report import Guarantee, Table
from privacy_eval.statistics.tradeoff import auc_ceiling, posterior_ceiling, tpr_ceiling

PRIORS: Final = (0.01, 0.1, 0.5)
NOT_COVERED: Final = (
    "The choice of settings: whoever tried several ε, rates or learning rates on these patients and kept the best "
    "spent more, unless each trial is in the ledger.",
    "The numbers of patients, and which of them are in which part of the split: public here.",
    "The time that steps take, and everything else that a computer tells beside its output.",
    "Gaps between floating-point numbers: noise comes from 64 bits of entropy a draw and sums are rounded to a coarser "
    "grid, which narrows that channel and does not prove it closed.",
    "A person at two sites, or under two names: what the sites state adds up.",
    "What others publish of the same patients.",
)


def privacy_data(study: Study, sites: Sequence[Site]) -> dict[str, Any]:
    """The report's `privacy`: by site what was spent, by its own ledger where that is at hand, else what the study
    allows at most; and the largest of them.

    Args:
        study: what is claimed.
        sites: those whose ledgers are here.
    """
    plan = plan_of(study)
    if plan is None:
        return {"mode": "empirical", "epsilon": None, "delta": None, "adjacency": None, "statement": NO_GUARANTEE}
    ledgers = {site.name: Spending.of(Ledger(site.ledger).entries()) for site in sites}
    by_site = {name: _site(plan, ledgers.get(name)) for name in study.sites}
    stated = [site["epsilon"] for site in by_site.values()]
    worst = None if None in stated else max(stated)
    return {"mode": "private", "epsilon": worst, "delta": plan.delta, "adjacency": plan.adjacency,
            "epsilon_claimed": plan.epsilon, "unit": "one patient, with all scans", "sites": by_site,
            "mechanism": {"noise": plan.training_noise, "summary_noise": plan.summary_noise, "clip": plan.clip,
                          "rate": plan.rate, "steps": plan.rounds * plan.steps_per_round,
                          "audit_epsilon": plan.audit_epsilon, "audits": plan.audits},
            "statement": _statement(plan, worst)}


def _site(plan: PrivatePlan, spending: Spending | None) -> dict[str, Any]:
    head = {"delta": plan.delta, "adjacency": plan.adjacency}
    if spending is None:
        return {**head, "source": "the study's claim, kept by the site's own account", "epsilon": plan.epsilon_kept,
                "epsilon_prv": plan.epsilon_prv, "epsilon_replacing": plan.epsilon_replacing}
    if spending.unaccounted:
        return {**head, "source": "the site's ledger", "epsilon": None, "epsilon_prv": None, "epsilon_replacing": None,
                "statement": f"no ε: {spending.unaccounted} answers left without one"}
    events = spending.events
    return {**head, "source": "the site's ledger, over all studies", "epsilon": epsilon_spent(events, plan.delta),
            "epsilon_prv": prv_epsilon(events, plan.delta),
            "epsilon_replacing": replacement_epsilon(events, plan.delta)}


def _statement(plan: PrivatePlan, worst: float | None) -> str:
    if worst is None:
        return f"{NO_GUARANTEE[:12]}: of a site's patients something left without an ε"
    return f"ε = {worst:.3g} at δ = {plan.delta:g} for each patient of each site ({plan.adjacency})"


def guarantee_section(study: Study, data: dict[str, Any]) -> Guarantee:
    """The same for the page."""
    plan = plan_of(study)
    if plan is None:
        return Guarantee(f"Differential privacy: {NO_GUARANTEE}. What was measured is all that is known.")
    facts = {
        "Unit of privacy": "one patient, with all scans and images of that patient",
        "Neighbouring relation": f"{plan.adjacency}; a patient replaced by another is stated apart",
        "Trust model": "each site trusts its own machine alone: server, other sites and whoever gets the release are "
                       "all taken for attackers, who may work together",
        "Mechanism": _mechanism(plan),
        "What is released": "; ".join(plan.released),
        "Composition": "Rényi differential privacy over everything in each site's ledger, all studies and years, with "
                       "Opacus' formulas; PRV beside it",
        "Randomness": "the operating system's entropy for noise and draws; no seed, nothing recorded",
    }
    rows = [[name, _number(site["epsilon"]), f"{site['delta']:g}", _number(site["epsilon_prv"]),
             _number(site["epsilon_replacing"]), site["source"]] for name, site in data["sites"].items()]
    table = Table("What each patient has spent", ("site", "ε", "δ", "ε by PRV", "ε for replacing", "source"), rows,
                  "ε is the smallest number the accounting proves; PRV is tighter, of one direction of the relation.")
    plain = () if data["epsilon"] is None else _plain(data["epsilon"], plan.delta)
    return Guarantee(f"{data['statement'][0].upper()}{data['statement'][1:]}.", facts, (table,), plain, NOT_COVERED)


def _mechanism(plan: PrivatePlan) -> str:
    summary = f"Gaussian sums of clipped vectors, noise {plan.summary_noise:.3g} times the sensitivity"
    if plan.training_noise is None:
        return f"summary: {summary}; nothing is trained on patients"
    steps = plan.rounds * plan.steps_per_round
    return (f"DP-SGD on the discriminator alone: {steps} sums, each patient in one with probability {plan.rate:g} "
            f"(Poisson), one gradient a patient clipped to {plan.clip:g}, noise {plan.training_noise:.3g} times that; "
            f"the generator is post-processing. Summary: {summary}. Audits: discrete Laplace noise, "
            f"ε = {plan.audit_epsilon:g} each")


def _plain(epsilon: float, delta: float) -> tuple[str, ...]:
    beliefs = ", ".join(f"{prior:.0%} → at most {posterior_ceiling(epsilon, prior):.1%}" for prior in PRIORS)
    said = [f"Whoever believes with some probability that a person was among the patients, and then sees everything "
            f"that left, can come to believe it with at most this probability (but for a chance of {delta:g}): "
            f"{beliefs}.",
            f"No attack has an AUC above {auc_ceiling(epsilon, delta):.4f}, nor finds more than "
            f"{tpr_ceiling(epsilon, delta, 0.01):.1%} of the patients at 1 % false alarms. The attacks on this page "
            "measure what some attacks reach; this bounds what any can."]
    if epsilon >= 5:
        said.append(f"At ε = {epsilon:.3g} that bound promises almost nothing by itself: read it with the measured "
                    "attacks.")
    return tuple(said)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
