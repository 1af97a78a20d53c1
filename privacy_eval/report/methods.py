"""The methods paragraphs, written from the parameters of the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from privacy_eval.attacks.attributes import PLACE_MM, VOLUME_FACTOR
from privacy_eval.attacks.blind import BLIND_FOLDS, BLIND_INFLATION, BLIND_REPEATS
from privacy_eval.attacks.copying import LEAST_IN_CELL, MOST_CELLS
from privacy_eval.attacks.density import COMPONENTS, NEIGHBOURS
from privacy_eval.attacks.replicas import REPLICA_QUANTILE
from privacy_eval.battery import CONDITIONS, ISOLATED_LEAST, ISOLATED_SHARE, Measure, Setting
from privacy_eval.site import controls
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.spaces.voxels import COARSE_VOXELS, MAXIMUM_VOXELS
from privacy_eval.statistics.permutation import DRAWS
from privacy_eval.verdict.combine import AuditResult
from privacy_eval.verdict.decision import CONVENTIONAL_POWER
from privacy_eval.verdict.policy import BLIND_MINIMUM, REQUIRED_CONTROL_POWER, AuditPolicy

SPACES: Final = {
    "voxels": f"voxels (cubes averaged to at most {MAXIMUM_VOXELS:,} a sequence, each sequence divided by its root "
              "mean square, the mean of the {public} images taken away, scaled to length 1)",
    "coarse": f"coarse (the same with at most {COARSE_VOXELS:,})",
    "embedding": "embedding (features of a network trained on simulated subjects alone)",
    "anatomy": "anatomy (each cube's shares of CSF, grey and white matter, the tumour counted as white matter)",
    "tumour": "tumour (each cube's shares of whole tumour, core and enhancing part)",
}


def methods(result: AuditResult) -> list[str]:
    """Paragraphs a methods section could print; they hold for this run and name nothing that was not done."""
    present, setting = result.answers.sites, result.answers.setting
    return [_patients(result, present), _spaces(setting), _family(result), _statistics(setting),
            _tolerances(result.policy), _controls(result.policy, setting), _departure(present, setting)]


def _patients(result: AuditResult, present: Sequence[SiteStatistics]) -> str:
    at = "; ".join(f"{site.site} {site.n_members} and {site.n_holdout}" for site in present)
    blind = result.validity.estimate
    return (f"The unit is the patient; several images of a patient give one score. At {len(present)} of "
            f"{len(result.sites)} sites, {blind.n_members} members were compared with {blind.n_holdout} holdout "
            f"patients of the same site, set apart at random before training (members and holdout: {at}). Sites are "
            "strata.")


def _spaces(setting: Setting) -> str:
    public = "public reference" if setting.reference else "released"
    named = "; ".join(SPACES[space].format(public=public) for space in setting.spaces)
    return (f"Every image was registered once to a template: moved and stretched along its axes so that its foreground "
            f"has the mean position and extent of the {public} images'. Images were compared in "
            f"{_number(len(setting.spaces), 'space')}, by Euclidean distance: {named}.")


def _family(result: AuditResult) -> str:
    policy = result.policy
    listed = "; ".join(f"{test.id} in {_listed([found.measure for found in test.findings])}" for test in result.tests)
    count = sum(len(test.findings) for test in result.tests)
    audits = (f"α = {policy.alpha:g} over {_number(policy.releases, 'planned release')}; this is audit "
              f"{result.audit_number} of the study")
    return (f"The family that decides has {_number(count, 'measure')} ({listed}), corrected by Holm's method at level "
            f"{result.level:.3g} ({audits}). Each bound is one-sided at {1 - result.level:.3g}. A test is spoken for "
            "by its gravest variant.")


def _statistics(setting: Setting) -> str:
    parts = ["AUCs were combined by van Elteren's weights, with Hanley and McNeil's bounds; counts by an exact test "
             "stratified by site, with Newcombe's limits and Mantel-Haenszel weights."]
    if setting.reference:
        parts.append(f"Densities (T2): Gaussian kernels on at most {COMPONENTS} principal components (DOMIAS), "
                     f"{NEIGHBOURS} nearest neighbours (DPI).")
    if setting.of(("T3",)):
        parts.append("T3's threshold was fixed on a random half of the holdout; all members and the other half were "
                     "judged by it.")
    parts.append(f"T6 counts patients with a synthetic image nearer than the {REPLICA_QUANTILE:.0%} quantile of the "
                 "distances from holdout patients to their nearest member.")
    parts.append(f"T7 and T8: labels permuted {DRAWS} times, patient by patient, inside each site; sites' deviates "
                 f"combined by Stouffer's method; cells of T7 by k-means, at most {MOST_CELLS}, each of more than "
                 f"{LEAST_IN_CELL} synthetic images.")
    if setting.reference:
        parts.append(f"T9: the {ISOLATED_SHARE:.0%} of patients, at least {ISOLATED_LEAST}, farthest from every public "
                     "image.")
    if setting.labels:
        parts.append(f"T11: a volume is right within a factor {VOLUME_FACTOR:g}, a place within {PLACE_MM:g} mm.")
    return " ".join(parts)


def _tolerances(policy: AuditPolicy) -> str:
    return (f"Tolerances, agreed on before the audit: AUC {policy.tolerance_auc:g}; T3's difference of rates "
            f"{policy.tolerance_rate:g}; replicas {policy.tolerance_replicas:g}; attributes "
            f"{policy.tolerance_attributes:g}. Power is that of the first step of Holm's method; the smallest leak "
            f"seen is that reported with {CONVENTIONAL_POWER:.0%} power; both are by formula for AUCs and by "
            f"{policy.simulations} simulated audits (seed {policy.simulation_seed}) for counts.")


def _controls(policy: AuditPolicy, setting: Setting) -> str:
    remembers = (f", and a generator whose output is {controls.BLEND:.0%} the remembered scan" if setting.generator
                 else "")
    untrained = ", and a generator that saw no site" if setting.generator else ""
    return (f"Positive control: copies of {controls.LEAKED_SHARE:.0%} of each site's members with noise of "
            f"{controls.COPY_NOISE:.0%} of the image's SD, mixed into the release{remembers}; required power "
            f"{REQUIRED_CONTROL_POWER:g}. Negative control: people nobody trained on{untrained}, judged at "
            f"{policy.control_alpha:g}. Blind baseline: logistic regression, {BLIND_FOLDS} folds drawn "
            f"{BLIND_REPEATS} times, standard error multiplied by {BLIND_INFLATION:.2f} because out-of-fold scores are "
            f"not independent; below {BLIND_MINIMUM} members or holdout patients a site cannot support a pass.")


def _departure(present: Sequence[SiteStatistics], setting: Setting) -> str:
    limits = sorted({site.minimum_count for site in present})
    hidden = (f"counts from 1 to {' or '.join(str(limit - 1) for limit in limits if limit > 1)} as one code"
              if max(limits) > 1 else "counts as they are")
    if setting.summed:
        hidden = "and counts under masks that cancel in the sum over all sites, the only thing the server could read"
    scalars = sum(len(measure.scalars) for measure in setting.measures) * len(CONDITIONS)
    return (f"Each site returned {scalars} numbers on the release and the two controls, and five on itself: U "
            f"statistics, standard normal deviates, {hidden}. No patient's score, distance or nearest image left.")


def _listed(measures: Sequence[Measure]) -> str:
    return ", ".join(measure.variant for measure in measures)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
