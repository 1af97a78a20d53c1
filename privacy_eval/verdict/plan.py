"""What a consortium's numbers of patients can show, said before anything is trained.

Nothing here looks at a patient. Every figure follows from the numbers of members and holdout patients a site, the
policy, and the audit's own bounds and tests: what a release that leaks nothing would show, how often it would pass,
which leak would be found, and how many patients a pass needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from privacy_eval.battery import Measure, Setting
from privacy_eval.errors import InputError
from privacy_eval.verdict.clean import PlannedSite, all_pass
from privacy_eval.verdict.family import fpr_of
from privacy_eval.verdict.policy import BLIND_MINIMUM, REQUIRED_CONTROL_POWER, AuditPolicy
from privacy_eval.verdict.prospects import ASSUMED_CORRELATION, Outlook, Prospect, Unanswerable, unanswerable


@dataclass(frozen=True)
class CleanVerdict:
    """Probability that a clean release is found NO LEAK, under four assumptions on how the measures go together.

    Attributes:
        at_least: whatever the dependence (Bonferroni, Fréchet), voids by chance included.
        independent: if all measures and controls were independent.
        correlated: at `ASSUMED_CORRELATION`, the controls independent of it.
        at_most: if everything that can fail failed together.
    """

    at_least: float
    independent: float
    correlated: float
    at_most: float


@dataclass(frozen=True)
class Plan:
    """What the audit of this consortium could show.

    Attributes:
        sites: as given, those that abstain included.
        policy: the study's.
        level: of the family in the study's first audit.
        first_step: level of Holm's first step: `level` shared among all measures of the family.
        prospects: the family, by test.
        unanswerable: what so few patients cannot answer; not in the family.
        control_power: by kind of measure, the power of the must-fire ones on the positive control.
        void: bounds of the probability of a VOID by chance, by its cause.
        obstacles: why these numbers cannot end in NO LEAK whatever the release, one sentence each.
        clean: probability that a clean release is found NO LEAK; all 0 with an obstacle.
        enlargement: factor on every site's patients with which `clean.correlated` is 80 %; None if 63 is too few.
    """

    sites: tuple[PlannedSite, ...]
    policy: AuditPolicy
    level: float
    first_step: float
    prospects: tuple[Prospect, ...]
    unanswerable: tuple[Unanswerable, ...]
    control_power: dict[str, float]
    void: dict[str, float]
    obstacles: tuple[str, ...]
    clean: CleanVerdict
    enlargement: float | None


def plan(sites: Sequence[PlannedSite], policy: AuditPolicy, setting: Setting | None = None) -> Plan:
    """The prospects of an audit of these sites.

    Args:
        sites: every site's numbers.
        policy: the study's.
        setting: what the audit will have at hand; everything if None.

    Raises:
        InputError: if no site has patients enough to take part, or nothing can be answered.
    """
    present = [site for site in sites if site.takes_part]
    if not present:
        raise InputError(f"plan: none of {len(sites)} sites would take part; expected one with at least "
                         f"{min((site.minimum_subjects for site in sites), default=1)} members and as many holdout")
    groups = _groups(policy.family(setting or Setting()))
    silent = tuple(found for group in groups if (found := unanswerable(present, group)))
    groups = [group for group in groups if group not in [found.measures for found in silent]]
    if not groups:
        raise InputError("plan: these numbers answer no test of the family; give more patients or more tests")
    outlook = Outlook(present, policy, sum(map(len, groups)))
    prospects = tuple(outlook.prospect(group) for group in groups)
    powers = outlook.control_powers([one for group in groups for one in group])
    void = _void(policy, powers, [one for group in groups for one in group])
    obstacles = tuple(_obstacles(sites, powers))
    return Plan(tuple(sites), policy, outlook.level, outlook.first_step, prospects, silent, powers, void, obstacles,
                _clean_verdict(prospects, void, bool(obstacles)), outlook.enlargement_of_all(groups, _no_void(void)))


def _groups(family: Sequence[Measure]) -> list[tuple[Measure, ...]]:
    """Measures of one test, in the order of the tests; T3's also by their rate."""
    groups: dict[tuple[str, float], list[Measure]] = {}
    for one in family:
        groups.setdefault((one.test, fpr_of(one) if one.test == "T3" else 0.0), []).append(one)
    return [tuple(group) for group in groups.values()]


def _void(policy: AuditPolicy, powers: dict[str, float], family: Sequence[Measure]) -> dict[str, float]:
    """At most how often chance alone voids an audit: V0, the negative control, a miss of the positive control.

    A measure whose power on the positive control is too low cannot void an audit; it is an obstacle to a pass.
    """
    known = [powers[one.kind] for one in family if one.must_fire and powers[one.kind] >= REQUIRED_CONTROL_POWER]
    return {"blind_baseline": policy.alpha, "negative_control": policy.control_alpha,
            "positive_control": min(1.0, sum(1 - power for power in known))}


def _obstacles(sites: Sequence[PlannedSite], powers: dict[str, float]) -> list[str]:
    """Why these numbers cap the verdict at INCONCLUSIVE."""
    found = []
    for site in sites:
        numbers = f"Site '{site.name}' has {site.members} members and {site.holdout} holdout patients"
        if not site.takes_part:
            found.append(f"{numbers} and would abstain: it needs {max(2, site.minimum_subjects)} of each.")
        elif min(site.members, site.holdout) < BLIND_MINIMUM:
            found.append(f"{numbers}: below {BLIND_MINIMUM} of either its random split cannot be vouched for.")
    names = {"rank": "The ranks of T1, T2 and T4 see", "count": "The count of T6 sees"}
    found += [f"{names[kind]} the positive control with a power of {power:.2f} only, below {REQUIRED_CONTROL_POWER}: "
              "too few patients to show that the audit works." for kind, power in powers.items()
              if power < REQUIRED_CONTROL_POWER]
    return found


def _clean_verdict(prospects: Sequence[Prospect], void: dict[str, float], capped: bool) -> CleanVerdict:
    if capped:
        return CleanVerdict(0.0, 0.0, 0.0, 0.0)
    passes = [prospect.clean_pass for prospect in prospects for _ in prospect.measures]
    failures = sum(1 - one for one in passes) + sum(void.values())
    return CleanVerdict(max(0.0, 1 - failures), float(np.prod(passes)) * _no_void(void),
                        all_pass(passes, ASSUMED_CORRELATION) * _no_void(void), min(passes))


def _no_void(void: dict[str, float]) -> float:
    return float(np.prod([1 - share for share in void.values()]))
