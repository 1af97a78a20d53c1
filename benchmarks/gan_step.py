"""Seconds a GAN step takes: plain float32 against what we run, and the augmentation's share.

    python -m benchmarks.gan_step

Every repeat times all variants one after the other on the same random batch, so that whatever else the machine does
hits all of them; ratios are of the same repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from benchmarks.results import quartiles, write_result
from benchmarks.timing import interleaved
from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.study import Augmentation, Study
from fl_components.training.augment import augment
from fl_components.training.batch import Batch
from fl_components.training.gan_step import GanStep
from fl_components.vocabulary import N_LABELS, SEQUENCES

REPEATS: Final = {"tiny": 31, "small": 9}
"""By preset: the demo's grid, and 64×72×56."""
THREADS: Final = (1, 2)
_WARM_UP: Final = 2


def measure(study: Study, threads: int, repeats: int) -> dict[str, Any]:
    """Time the study's GAN step.

    Args:
        study: grid, networks and recipe.
        threads: torch's threads.
        repeats: timed steps of each variant.

    Returns:
        One row: `seconds_float32`, `seconds_ours`, `times_faster` (medians with quartiles) and `augmentation_share`,
        the augmentation's part of augmentation and our step together.
    """
    torch.set_num_threads(threads)
    batch = random_batch(study, torch.Generator().manual_seed(study.seed))
    ours = choose_precision("auto")
    variants = {"float32": _step(study, batch, Precision(ours.device, bfloat16=False)),
                "ours": _step(study, batch, ours), "augmentation": _augmentation(study, batch)}
    seconds = interleaved(variants, repeats, _WARM_UP)
    return {
        "preset": study.preset, "grid": "×".join(map(str, study.grid.shape)), "threads": threads, "ours": ours.name,
        "seconds_float32": quartiles(seconds["float32"]), "seconds_ours": quartiles(seconds["ours"]),
        "times_faster": quartiles([plain / own for plain, own in
                                   zip(seconds["float32"], seconds["ours"], strict=True)]),
        "augmentation_share": quartiles([part / (part + own) for part, own in
                                         zip(seconds["augmentation"], seconds["ours"], strict=True)])}


def random_batch(study: Study, rng: torch.Generator) -> Batch:
    """A batch of the study's size: any labels and intensities take a step equally long."""
    count, shape = study.training.batch_size, study.grid.shape
    labels = torch.randint(N_LABELS, (count, *shape), generator=rng)
    images = torch.rand(count, len(SEQUENCES), *shape, generator=rng) * (labels > 0)[:, None]
    return Batch(images, labels, torch.rand(count, VECTOR_SIZE, generator=rng))


def _step(study: Study, batch: Batch, precision: Precision) -> Callable[[], object]:
    step = GanStep(build_generator(study), build_discriminator(study, study.seed), study.training, precision)
    rng = torch.Generator().manual_seed(study.seed)
    return lambda: step(batch, rng)


def _augmentation(study: Study, batch: Batch) -> Callable[[], object]:
    settings = study.training.augmentation or Augmentation()
    rng = torch.Generator().manual_seed(study.seed)
    return lambda: augment(batch, settings, study.grid, rng)


def run(repeats: dict[str, int], threads: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each preset and number of threads."""
    studies = {preset: Study.parse({"name": "gan-step", "preset": preset, "seed": 0, "sites": {"one": 1.0}}, preset)
               for preset in repeats}
    return [measure(studies[preset], count, repeats[preset]) for preset in repeats for count in threads]


def main() -> None:
    """Measure and write the result."""
    before = torch.get_num_threads()
    rows = run(REPEATS, THREADS)
    torch.set_num_threads(before)
    write_result("gan_step", {"steps": rows}, {f"repeats at {preset}": n for preset, n in REPEATS.items()})


if __name__ == "__main__":
    main()
