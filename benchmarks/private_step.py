"""Seconds of a private step of the discriminator against one on the same patients as a batch.

    python -m benchmarks.private_step [--repeats 15]

Every repeat times both one after the other, so that whatever else the machine does hits both; the ratio is of the same
repeat. Both see the same real and public images; the private one goes through them one by one, clips and adds noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

import torch

from benchmarks.arguments import at_least_one
from benchmarks.gan_step import random_batch
from benchmarks.results import quartiles, write_result
from benchmarks.timing import interleaved
from fl_components.networks.build import build_networks
from fl_components.networks.conditions import one_hot
from fl_components.networks.precision import choose_precision
from fl_components.study import Study
from fl_components.training.batch import Batch
from fl_components.training.private.entropy import OsEntropy
from fl_components.training.private.gradients import patient_row
from fl_components.training.private.plan import plan_of
from fl_components.training.private.step import PrivateGanStep

PATIENTS: Final = 4
PRESETS: Final = ("tiny", "small")
_WARM_UP: Final = 2


def measure(study: Study, repeats: int) -> dict[str, Any]:
    """Time both on one core.

    Args:
        study: claims an ε; grid and networks.
        repeats: timed steps of each.
    """
    torch.set_num_threads(1)
    batch = random_batch(study, torch.Generator().manual_seed(study.seed))
    variants = {"batch": _batched(study, batch), "private": _private(study, batch)}
    seconds = interleaved(variants, repeats, _WARM_UP)
    return {"preset": study.preset, "grid": "×".join(map(str, study.grid.shape)), "patients": len(batch.labels),
            "seconds_batch": quartiles(seconds["batch"]), "seconds_private": quartiles(seconds["private"]),
            "ratio": quartiles([own / plain for plain, own in
                                zip(seconds["batch"], seconds["private"], strict=True)])}


def _batched(study: Study, batch: Batch) -> Callable[[], object]:
    precision = choose_precision("auto")
    discriminator = precision.place(build_networks(study, study.seed, private=True)[1])
    adam = torch.optim.Adam(discriminator.parameters(), study.training.discriminator_rate)

    def step() -> None:
        with precision.autocast():
            scores = discriminator(precision.lay_out(batch.images), precision.lay_out(one_hot(batch.labels)),
                                   batch.contrast)
        adam.zero_grad(set_to_none=True)
        (scores.float() - 1).square().mean().backward()
        adam.step()

    return step


def _private(study: Study, batch: Batch) -> Callable[[], object]:
    plan = plan_of(study)
    assert plan is not None
    generator, discriminator = build_networks(study, study.seed, private=True)
    made = PrivateGanStep(generator, discriminator, plan, study.training, study.privacy.trains,
                          choose_precision("auto"), OsEntropy())
    scans = [Batch(*(part[k:k + 1] for part in batch)) for k in range(len(batch.labels))]

    def step() -> None:
        for scan in scans:
            made.optimiser.add(patient_row(made.trained, [lambda scan=scan: made.on_real(scan)]))  # type: ignore[misc]
        made.optimiser.step()

    return step


def private_study(preset: str, patients: int) -> Study:
    """A private study of a preset, trained from scratch: the noise of all parameters."""
    return Study.parse({"name": "cost", "preset": preset, "seed": 1, "sites": {"a": 1.0, "b": 1.0},
                        "training": {"batch_size": patients}, "audit": {"epsilon": 0.5},
                        "privacy": {"mode": "private", "trains": "scratch"}}, "benchmark")


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=at_least_one, default=15)
    repeats = parser.parse_args().repeats
    rows = [measure(private_study(preset, PATIENTS), repeats) for preset in PRESETS]
    write_result("private_step", {"rows": rows}, {"repeats": repeats, "patients": PATIENTS})


if __name__ == "__main__":
    main()
