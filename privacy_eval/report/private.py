"""The report of a study that claims an ε: few noised statistics, what they cost, and what stays at the sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from privacy_eval.battery import TESTS, Setting
from privacy_eval.report.gaps import gaps
from privacy_eval.report.methods import SPACES
from privacy_eval.report.model import canaries_section, report_head
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.report.translation import THRESHOLD
from privacy_eval.report.wording import ATTACKERS, VERDICTS, VerdictWords
from privacy_eval.statistics.ranks import null_standard_error
from privacy_eval.verdict.decision import CONVENTIONAL_POWER
from privacy_eval.verdict.policy import BLIND_MINIMUM, Verdict
from privacy_eval.verdict.private import PrivateAuditResult

KEPT: Final = "kept at the sites"
"""In place of an outcome that is judged inside each site and not told."""

_CONTROLS_UNKNOWN: Final = ("It takes for granted that the audit itself worked at every site: the random split and "
                            "both controls are judged there, and not told.")
_FEW: Final = ("It does not cover what the battery's other tests saw: copies of a few people (T6, T7), rates (T3), "
               "attributes (T11) and further spaces stay in the sites' own editions.")

WORDS: Final[Mapping[Verdict, VerdictWords]] = {
    Verdict.LEAK: VerdictWords(
        VERDICTS[Verdict.LEAK].headline,
        "Holm's method, over the noised measures, rejects at least one.",
        ("At least one attack told the people trained on from people of the same hospitals who were not, more often "
         "than chance and the noise together allow.",),
        (*VERDICTS[Verdict.LEAK].does_not_mean, _CONTROLS_UNKNOWN)),
    Verdict.NO_LEAK_FOUND: VerdictWords(
        "The attacks listed below found no leak, and would have seen one of the stated size through the noise.",
        "Every upper bound, widened by the noise, is within its tolerance, no measure is rejected, and nothing that "
        "the server knows weakens the audit.",
        VERDICTS[Verdict.NO_LEAK_FOUND].means[:1],
        (*VERDICTS[Verdict.NO_LEAK_FOUND].does_not_mean, _FEW, _CONTROLS_UNKNOWN)),
    Verdict.INCONCLUSIVE: VerdictWords(
        VERDICTS[Verdict.INCONCLUSIVE].headline,
        "No measure is rejected, yet an upper bound, widened by the noise, exceeds its tolerance, or something weakens "
        "the audit: an abstaining site, or few patients.",
        ("No attack succeeded beyond chance and the noise, yet a leak of the size to be excluded could hide in them.",
         "More patients, or a larger ε, would settle it; the reasons below say about how many patients."),
        (*VERDICTS[Verdict.INCONCLUSIVE].does_not_mean, _FEW)),
}


def private_report(result: PrivateAuditResult, *, simulated: bool = False, warnings: Sequence[str] = (),
                   canaries: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """As `model.audit_report`'s public edition, with the same keys, and `private`: what was paid for what.

    A site's own edition is `model.audit_report` of that site's full statistics alone.

    Args:
        result: the combined audit.
        simulated: True if every cohort behind it is simulated.
        warnings: the caller's own, printed besides the audit's.
        canaries: T10, as `model.audit_report` takes it.
    """
    words = WORDS[result.verdict]
    present = [site for site in result.sites if not site.abstained]
    sizes = {name: sum(getattr(site, name) for site in present) for name in ("n_members", "n_holdout")}
    return {
        **report_head(result, words, "public", simulated, warnings),
        "controls": {name: {"outcome": KEPT, "tests": []} for name in ("positive", "negative")},
        "validity": {"id": "V0", "outcome": KEPT, **sizes, "about": asdict(QUESTIONS["V0"])},
        "apart": [],
        "unanswered": [],
        "translation": {"threshold": THRESHOLD, "rows": []},
        "residual_risk": [],
        "untested": _untested(result, canaries is not None),
        "canaries": None if canaries is None else canaries_section(canaries),
        "policy": asdict(result.policy) | {"tests": list(result.policy.tests)},
        "setting": asdict(Setting()) | {"spaces": list(Setting().spaces)},
        "methods": _methods(result),
        "private": _statement(result),
    }


def _statement(result: PrivateAuditResult) -> dict[str, Any]:
    """What is claimed of the audit's answer, and of nothing else."""
    present = [site for site in result.sites if not site.abstained]
    first = present[0].statistics
    return {
        "epsilon": result.epsilon,
        "delta": 0.0,
        "statistics": {name: found.epsilon for name, found in first.items()},
        "unit": "the patient: all images of one patient count as one",
        "adjacency": "one patient's data, of a member or of a holdout patient, replaced by another person's; numbers "
                     "of patients are public and unchanged",
        "mechanism": "discrete Laplace noise on the doubled U statistic, an integer; the sensitivity is twice the "
                     "larger number of patients; the statistics are added up by basic composition",
        "noise": "drawn once a question, exactly, from the operating system's source of randomness, without a seed; "
                 "the same question gets the same noise and costs nothing more",
        "charged": "every member and every holdout patient of a site, in the site's own ledger",
        "covers": "what the sites answered to this audit, given the release",
        "not_covered": [
            "Training, the contrasts' summaries, the generator and the release: no ε of the whole study follows from "
            "this one. Where training has its own, sum both only in one adjacency.",
            "Other audits, of this study or another: each question is charged anew, and a site's ledger holds the sum. "
            "An audit without noise of the same patients is in no sum.",
            "Numbers of patients; whether and when a site answers, abstains, fails or refuses; how long it takes.",
            "What a site tells of its own edition, its verdict included. A patient of two sites pays at both.",
        ],
        "sites": [{"site": site.site, "noise_sd": site.statistics[next(iter(first))].noise_variance ** 0.5,
                   "sampling_se": null_standard_error(site.n_members, site.n_holdout)} for site in present],
        "kept": _kept(result),
    }


def _kept(result: PrivateAuditResult) -> list[str]:
    """Tests that were measured at the sites and of which nothing left."""
    told = {test.id for test in result.tests}
    return [test for test in TESTS if test not in told]


def _untested(result: PrivateAuditResult, canaries: bool) -> list[dict[str, str]]:
    why = "measured inside each site, and kept in its own edition"
    rows = [{"id": test, "subject": QUESTIONS[test].name.lower(), "why": why} for test in _kept(result)]
    rows += [{"id": test.id, "subject": f"variants other than '{test.worst.measure.variant}'", "why": why}
             for test in result.tests]
    rows += [gap._asdict() for gap in gaps(Setting(), "it never leaves its site; a site attacks its own and keeps the "
                                           "result in its internal edition", canaries)]
    return rows + [{"id": name, "subject": f"the attacker {name}", "why": f"who {does}: none of the noised measures is "
                    "that attacker's"} for name, does in ATTACKERS.items() if name[:2] in ("K0", "K1")
                   and name not in result.attackers]


def _methods(result: PrivateAuditResult) -> list[str]:
    policy, present = result.policy, [site for site in result.sites if not site.abstained]
    listed = ", ".join(found.measure.id for test in result.tests for found in test.findings)
    at = "; ".join(f"{site.site} {site.n_members} and {site.n_holdout}" for site in present)
    return [
        f"The unit is the patient. At {len(present)} of {len(result.sites)} sites members were compared with holdout "
        f"patients of the same site, set apart at random before training (members and holdout: {at}). Sites are "
        "strata.",
        f"Every image was registered once to a template of public images; T1 and T2 compare in "
        f"{SPACES['voxels'].format(public='public reference')}, by Euclidean distance.",
        f"The family that decides: {listed}, by Holm's method at level {result.level:.3g} (α = {policy.alpha:g} over "
        f"{policy.releases} planned, audit {result.audit_number} of the study). Each site's doubled U statistic left "
        f"with discrete Laplace noise, ε = {result.epsilon / len(result.tests):.3g} each. AUCs were averaged over "
        "sites by the inverse of their variance under the null, sampling and noise together. P-values, bounds (Hanley "
        "and McNeil's sampling error, one-sided) and power take the noise's own distribution, convolved with the "
        "normal one of sampling, from its characteristic function.",
        f"Tolerance, agreed on before the audit: AUC {policy.tolerance_auc:g}. Power is that of the first step of "
        f"Holm's method; the smallest leak seen is that reported with {CONVENTIONAL_POWER:.0%} power. A site with "
        f"fewer than {BLIND_MINIMUM} members or holdout patients cannot support a pass.",
        f"Each site returned {3 + len(result.tests)} numbers: members, holdout patients, the number of the audit, and "
        "the noised statistics. All other measures, both controls and V0 were taken and stayed.",
    ]
