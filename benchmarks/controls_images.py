"""Control on images: a generator that learnt its patients by heart must be called LEAK, on other patients never.

A seed draws its own patients, split, start of the networks and release. The demo's network is trained on the members
without augmentation, far too often, and with pix2pix's own L1 weight; its release is sampled as the product samples one
(public anatomies, drawn contrasts, no real mask). Then one site audits it twice, by the very code of the audit job:

- leaky: the members it was trained on, against holdout;
- clean: as many other patients, whom it never saw, against the same holdout.

    python -m benchmarks.controls_images [--seeds 10] [--steps 1200]

The exit code is 1 if a leaky audit is not a LEAK or a clean one is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from benchmarks.arguments import at_least_one
from benchmarks.central import central_training
from benchmarks.results import write_result
from benchmarks.small_hospital import draw_subjects, painted_images, population_of, public_anatomies, small_study
from fl_components.client.generator_errors import generator_errors
from fl_components.client.images_sent import images_of
from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.embedding import EmbeddingSpace
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import Weights, load_weights
from fl_components.server.population import ContrastPopulation
from fl_components.study import Study
from jobs.output import Talk
from privacy_eval.site.audit import AuditTerms, audit_site
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.space import Space
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy, Verdict

BY_HEART: Final[dict[str, Any]] = {"augmentation": None, "batch_size": 1, "generator_rate": 1e-3, "l1_weight": 100.0,
                                   "mean_weight": 0.0, "spread_weight": 0.0, "rounds": 20, "ema_decay": 0.7,
                                   "precision": "auto"}
"""Training settings under which a generator memorises: no augmentation, and the loss of pix2pix (1611.07004) alone.

At a rate of 2e-3 without the average over rounds, 600 steps gave T4 AUCs from .79 to .98, by the seed."""

SHOWN: Final = ("T4.exact", "T4.site", "T1.voxels")
"""Measures whose AUCs are reported."""


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything.

    Attributes:
        patients: members, and as many others.
        holdout: patients that both audits compare with.
        unseen: patients of the negative control.
        volumes: of the release, and as many public subjects.
        steps: of training.
        embedding: whether the audit has its learned space.
    """

    patients: int = 16
    holdout: int = 24
    unseen: int = 6
    volumes: int = 40
    steps: int = 1200
    embedding: bool = True


class Cohort(NamedTuple):
    """A seed's patients, split at random."""

    members: list[Subject]
    holdout: list[Subject]
    others: list[Subject]
    unseen: list[Subject]


class Audits(NamedTuple):
    """One seed: the audit by its members, the audit by patients it never saw, and the processor seconds of all."""

    leaky: AuditResult
    clean: AuditResult
    seconds: float


def main() -> int:
    """The command line; 0 if every leaky audit is a LEAK and no clean one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=at_least_one, default=10)
    parser.add_argument("--steps", type=at_least_one, default=Sizes.steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # seconds are one core's
    sizes, talk = Sizes(steps=arguments.steps), Talk()
    audits: list[Audits] = []
    for seed in range(arguments.seeds):
        audits.append(run_seed(seed, sizes))
        rows = {"leaky": [row(k, one.leaky, one.seconds) for k, one in enumerate(audits)],
                "clean": [row(k, one.clean, one.seconds) for k, one in enumerate(audits)]}
        write_result("controls_images", {"audits": rows, "summary": summary(audits)}, {  # each seed, lest one be lost
            "seeds": len(audits), "members": sizes.patients, "holdout": sizes.holdout, "released": sizes.volumes,
            "steps": sizes.steps}, simulated=True)
        for name, found in rows.items():
            talk.say(f"seed {seed} {name}: {found[-1]['verdict']}, T4 {found[-1]['T4.exact']['auc']:.3f} (exact), "
                     f"{found[-1]['T4.site']['auc']:.3f} (site), T1 {found[-1]['T1.voxels']['auc']:.3f}")
    return 0 if all(one.leaky.verdict is Verdict.LEAK != one.clean.verdict for one in audits) else 1


def run_seed(seed: int, sizes: Sizes) -> Audits:
    """Draw, train, sample and audit twice."""
    start, rng = time.process_time(), np.random.default_rng([seed, 0])
    study = small_study(seed, **BY_HEART)
    cohort = draw_cohort(study, sizes, rng)
    weights = train(study, cohort.members, sizes.steps, seed)
    population = population_of(cohort.members)
    release = sample_release(study, weights, population, sizes.volumes, rng)
    reference = painted_images(public_anatomies(study, sizes.volumes, rng), population, rng)
    learned = [EmbeddingSpace.shipped(study.grid)] if sizes.embedding else []

    def audit(patients: Sequence[Subject]) -> AuditResult:
        return audited(study, weights, cohort._replace(members=list(patients)), release, reference, learned, rng)

    return Audits(audit(cohort.members), audit(cohort.others), time.process_time() - start)


def draw_cohort(study: Study, sizes: Sizes, rng: np.random.Generator) -> Cohort:
    """Fresh patients in a random order, cut into parts."""
    counts = sizes.patients, sizes.holdout, sizes.patients, sizes.unseen
    drawn = draw_subjects(study, sum(counts), rng)
    mixed = iter([drawn[k] for k in rng.permutation(len(drawn))])
    return Cohort(*(list(islice(mixed, count)) for count in counts))


def train(study: Study, members: Sequence[Subject], steps: int, seed: int) -> Weights:
    """The generator after that many steps on the members."""
    with tempfile.TemporaryDirectory() as folder:
        return central_training(study, members, steps, seed, Path(folder) / "state.pt")


def sample_release(study: Study, weights: Weights, population: ContrastPopulation, volumes: int,
                   rng: np.random.Generator) -> ImageSet:
    """Volumes with their label maps, sampled from public anatomies and drawn contrasts."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), weights))
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    anatomies = public_anatomies(study, volumes, rng)
    examples = [(labels, population.draw(labels, rng)) for labels in anatomies]
    return ImageSet(np.stack(render_as_drawn(generator, examples, [noise] * len(examples), precision)), anatomies)


def audited(study: Study, weights: Weights, cohort: Cohort, release: ImageSet, reference: ImageSet,
            learned: Sequence[Space], rng: np.random.Generator) -> AuditResult:
    """The verdict of a study of this one site."""
    errors = generator_errors(study, weights, cohort.members, cohort.holdout, lambda _: None)
    evidence = SiteEvidence(images_of(cohort.members), images_of(cohort.holdout), images_of(cohort.unseen), errors,
                            (study.grid.spacing_mm,) * 3)
    found = audit_site(evidence, release, reference, learned, rng, AuditTerms(minimum_subjects=8))
    return combine([found.answer], AuditPolicy())


def row(seed: int, result: AuditResult, seconds: float) -> dict[str, Any]:
    """One audit's figures: AUCs with the audit's own one-sided bounds, the verdict and the measures that reject."""
    findings = {found.measure.id: found for test in result.tests for found in test.findings}
    aucs = {name: {"auc": findings[name].estimate.value, "low": findings[name].estimate.low,
                   "high": findings[name].estimate.high} for name in SHOWN}
    caught = [name for name, found in findings.items() if found.decision is Verdict.LEAK]
    return {"seed": seed, **aucs, "adjusted_p": findings["T4.exact"].adjusted_p, "verdict": str(result.verdict),
            "caught": ", ".join(caught) or "–", "seconds": seconds}


def summary(audits: Sequence[Audits]) -> dict[str, dict[str, Any]]:
    """LEAKs out of the seeds, and the lowest and highest AUCs, leaky and clean."""
    found = {}
    for name in ("leaky", "clean"):
        rows = [row(0, getattr(one, name), one.seconds) for one in audits]
        spans = {measure: f"{min(r[measure]['auc'] for r in rows):.3f} to {max(r[measure]['auc'] for r in rows):.3f}"
                 for measure in SHOWN}
        verdicts = [r["verdict"] for r in rows]
        found[name] = {"seeds": len(rows), "leak": verdicts.count(Verdict.LEAK), "void": verdicts.count(Verdict.VOID),
                       **spans, "seconds": float(np.median([r["seconds"] for r in rows]))}
    return found


if __name__ == "__main__":
    sys.exit(main())
