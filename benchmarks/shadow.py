"""Does an attacker who trains shadow generators beat the battery's plain scores?

Ten generators of the demo's network are trained on random halves of one population, in pairs of complements. Each is
the target once; the eight of the other pairs are its shadows, so that every patient is in four and out of four, and
nothing tells of the target's own split. LiRA and RMIA (`privacy_eval.attacks.shadow`) take T4's score (the generator
is queried with the patient's anatomy and contrast) and T1's (distance to the nearest of the released volumes).

Two regimes: "memorising" (no augmentation, far too many steps) and "recipe" (the demo's own, with augmentation). AUCs
are means over the ten targets; intervals and paired differences to the plain score resample patients, not pairs.

    python -m benchmarks.shadow
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from benchmarks.controls_images import BY_HEART, sample_release, train
from benchmarks.membership import t1_score, t4_score
from benchmarks.results import write_result
from benchmarks.small_hospital import draw_subjects, painted_images, population_of, public_anatomies, small_study
from fl_components.cohort.subject import Subject
from fl_components.study import Study
from jobs.output import Talk
from privacy_eval.attacks.shadow import lira_scores, random_halves, rmia_scores
from privacy_eval.spaces.voxels import VoxelSpace
from privacy_eval.statistics.counts import clopper_pearson

FPR: Final = 0.1
_RESAMPLES: Final = 2000
_PLAIN: Final = "plain"


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything.

    Attributes:
        pairs: of generators.
        patients: whom the halves are drawn of.
        population: further patients, whom no generator sees: RMIA's.
        volumes: of each release.
    """

    pairs: int = 5
    patients: int = 32
    population: int = 12
    volumes: int = 24


STEPS: Final = {"memorising": 200, "recipe": 200}
"""Of each generator on 16 patients: 12 epochs, in which memorising has begun and is not complete."""

REGIMES: Final[dict[str, dict[str, Any]]] = {"memorising": BY_HEART, "recipe": {"rounds": 6, "precision": "auto"}}
"""What differs from the demo's training settings."""


class Scores(NamedTuple):
    """One test's scores at every generator: of the patients (g, n), of the population (g, m)."""

    patients: np.ndarray
    population: np.ndarray


def main() -> None:
    """The command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    talk, sizes, regimes = Talk(), Sizes(), dict[str, dict[str, Any]]()
    for regime, steps in STEPS.items():
        inside, tests = run_regime(regime, steps, sizes, talk.say)
        regimes[regime] = {name: compare(scores, inside, np.random.default_rng(0)) for name, scores in tests.items()}
        write_result("shadow", {"regimes": regimes}, {
            "targets": len(inside), "shadows a target": len(inside) - 2, "patients": sizes.patients,
            "population": sizes.population, "released": sizes.volumes, **{f"{k} steps": STEPS[k] for k in regimes}},
            simulated=True)


def run_regime(regime: str, steps: int, sizes: Sizes,
               say: Callable[[str], None]) -> tuple[np.ndarray, dict[str, Scores]]:
    """Train every generator of a regime: who was in, bool (g, n), and T4's and T1's scores."""
    rng = np.random.default_rng([1, 0])  # both regimes have the same patients and halves
    study = small_study(0, **REGIMES[regime])
    subjects = draw_subjects(study, sizes.patients + sizes.population, rng)
    patients = subjects[:sizes.patients]
    inside = random_halves(sizes.pairs, sizes.patients, rng)
    public = painted_images(public_anatomies(study, sizes.volumes, rng), population_of(subjects), rng)
    space, found = VoxelSpace.fit(public), []
    for k, half in enumerate(inside):
        members = [patient for patient, is_in in zip(patients, half, strict=True) if is_in]
        found.append(scores_of(study, members, subjects, steps, k, space, sizes.volumes))
        say(f"{regime}: generator {k + 1} of {len(inside)}")
    both = np.array(found)
    return inside, {name: Scores(*np.split(both[:, row], [sizes.patients], axis=1))
                    for row, name in enumerate(("T4", "T1"))}


def scores_of(study: Study, members: Sequence[Subject], subjects: Sequence[Subject], steps: int, seed: int,
              space: VoxelSpace, volumes: int) -> np.ndarray:
    """T4's and T1's scores of all subjects at one new generator and its release, (2, n)."""
    weights = train(study, members, steps, seed)
    release = sample_release(study, weights, population_of(members), volumes, np.random.default_rng([2, seed]))
    return np.array([t4_score(study, weights)(subjects), t1_score(space, release.images)(subjects)])


def attacks(scores: Scores, inside: np.ndarray) -> dict[str, np.ndarray]:
    """Every attack's scores of the patients with each generator as the target, (g, n)."""
    found: dict[str, list[np.ndarray]] = {}
    for target in range(len(inside)):
        others = np.arange(len(inside)) // 2 != target // 2
        known = scores.patients[target], scores.patients[others], inside[others]
        people = scores.population[target], scores.population[others]
        for name, values in {
                _PLAIN: known[0],
                "LiRA online": lira_scores(*known), "LiRA offline": lira_scores(*known, online=False),
                "RMIA online": rmia_scores(*known, *people),
                "RMIA offline": rmia_scores(*known, *people, online=False)}.items():
            found.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in found.items()}


def compare(scores: Scores, inside: np.ndarray, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A row an attack: AUC, its difference to the plain score, true-positive rates at a false-positive rate of 10 %.

    Returns:
        `attack`; `auc` and `difference`, means over the targets with 95 % bootstrap intervals over patients; `tpr`, a
        mean over the targets; `tpr_first`, of the first target alone with its Clopper-Pearson interval.
    """
    n = inside.shape[1]
    counts = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    rows, plain = [], np.zeros(0)
    for name, values in attacks(scores, inside).items():
        aucs = mean_auc(values, inside, np.vstack([np.ones(n, int), counts]))
        plain = aucs if name == _PLAIN else plain
        hits, members = true_positives(values[0], inside[0]), int(inside[0].sum())
        low, high = clopper_pearson(hits, members, 0.975)
        rows.append({"attack": name, "auc": _interval(aucs), "difference": _interval(aucs - plain),
                     "tpr": float(np.mean([true_positives(v, at) / at.sum()
                                           for v, at in zip(values, inside, strict=True)])),
                     "tpr_first": {"estimate": hits / members, "low": low, "high": high}})
    return rows


def mean_auc(values: np.ndarray, inside: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean AUC over the targets where patient i is taken counts[r, i] times, shape (r,)."""
    aucs = []
    for scores, at in zip(values, inside, strict=True):
        wins = np.sign(scores[at][:, None] - scores[~at][None, :]) / 2 + 0.5
        members, holdout = counts[:, at], counts[:, ~at]
        pairs = members.sum(axis=1) * holdout.sum(axis=1)
        aucs.append(np.einsum("rm,mh,rh->r", members, wins, holdout, optimize=True) / np.maximum(pairs, 1))
    return np.mean(aucs, axis=0)


def true_positives(scores: np.ndarray, inside: np.ndarray) -> int:
    """Members above the lowest threshold that at most 10 % of the others pass."""
    others = np.sort(scores[~inside])[::-1]
    return int(np.sum(scores[inside] > others[int(FPR * len(others))]))


def _interval(values: np.ndarray) -> dict[str, float]:
    """The first value, and the middle 95 % of the others."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {"estimate": float(values[0]), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
