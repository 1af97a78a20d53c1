"""What a GAN step and a released volume cost at each preset's size: seconds and memory.

    python -m benchmarks.sizes [--presets tiny small paper brats] [--repeats N]

Each figure is of a process of its own, with all of torch's threads; the memory is what the process held at its peak
beyond networks and inputs. A volume is sampled on one core, rendered in slabs, and written as five compressed files.
"The whole at once" is the same rendering without slabs, for comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from benchmarks.alone import Cost, cost_of
from benchmarks.arguments import at_least_one
from benchmarks.gan_step import random_batch
from benchmarks.results import quartiles, write_result
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.conditions import one_hot
from fl_components.networks.generator import draw_noise
from fl_components.networks.precision import choose_precision
from fl_components.networks.slabs import images_in_slabs
from fl_components.server.release_files import nifti_bytes
from fl_components.study import PRESETS, Study
from fl_components.training.augment import augment
from fl_components.training.gan_step import GanStep
from fl_components.training.window import Window
from jobs.output import Talk

Work = Callable[[], object]


def study_of(preset: str) -> Study:
    """A study of a preset, otherwise as small as can be."""
    return Study.parse({"name": "sizes", "preset": preset, "seed": 0, "sites": {"one": 1.0}}, preset)


def step(preset: str) -> Work:
    """A step with its augmentation, on the preset's patch."""
    study = study_of(preset)
    rng = torch.Generator().manual_seed(0)
    batch, settings = random_batch(study, rng), study.training
    gan = GanStep(build_generator(study), build_discriminator(study, 0), settings, choose_precision("auto"))

    def once() -> None:
        window = Window.draw(study.grid, settings.patch, rng)
        warped = augment(batch, settings.augmentation, study.grid, rng, window) if settings.augmentation else batch
        gan(warped, rng, window.origin)

    return once


def rendering(preset: str, slabs: bool = True) -> Work:
    """The generator's forward pass over a volume."""
    study, precision = study_of(preset), choose_precision("auto")
    generator = precision.place(build_generator(study)).eval()
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(7, study.grid.shape, generator=rng, dtype=torch.uint8)
    vector = torch.rand(1, VECTOR_SIZE, generator=rng).to(precision.device)

    @torch.inference_mode()
    def once() -> torch.Tensor:
        noise = draw_noise(1, generator.latent_size, study.grid.shape, rng)
        with precision.autocast():
            if slabs:
                return images_in_slabs(generator, labels, vector, noise, precision)
            return generator(precision.lay_out(one_hot(labels[None].long())), vector, noise._replace(
                style=noise.style.to(precision.device), texture=precision.lay_out(noise.texture))).cpu()

    return once


def sampling(preset: str) -> Work:
    """An anatomy with a tumour, on one core."""
    torch.set_num_threads(1)
    sampler, rng = AnatomySampler(study_of(preset).grid), np.random.default_rng(0)
    return lambda: sampler.sample(rng)


def writing(preset: str) -> Work:
    """The five files of a volume, compressed, in memory; smooth intensities, which compress as scans do."""
    grid = study_of(preset).grid
    labels = AnatomySampler(grid).sample(np.random.default_rng(0)).labels
    stored = labels[None] * np.int16(1000) + np.random.default_rng(0).integers(0, 300, (4, *grid.shape), dtype=np.int16)
    stored *= labels > 0

    def once() -> int:
        files = [nifti_bytes(labels, 1, grid.affine, {})] + [nifti_bytes(one, 1e-4, grid.affine, {}) for one in stored]
        return sum(map(len, files))

    return once


def row(preset: str, repeats: int, talk: Talk) -> dict[str, Any]:
    """A row of the table."""
    study = study_of(preset)
    with talk.stage(f"{preset}: a step"):
        steps = cost_of(step, preset, repeats=repeats, warm_up=1)
    with talk.stage(f"{preset}: a volume"):
        sampled = cost_of(sampling, preset, repeats=repeats)
        rendered = cost_of(rendering, preset, repeats=repeats)
        whole = cost_of(rendering, preset, False)
        written = cost_of(writing, preset, repeats=repeats)
    patch = study.training.patch
    return {"preset": preset, "grid": _by(study.grid.shape), "patch": _by(patch) if patch else "the whole",
            **_figures("step", steps), **_figures("sampling", sampled), **_figures("rendering", rendered),
            "mib_whole": whole.mib, **_figures("writing", written)}


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _figures(name: str, cost: Cost) -> dict[str, Any]:
    return {f"seconds_{name}": quartiles(cost.seconds), f"mib_{name}": cost.mib}


REPEATS: Final = 3


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--repeats", type=at_least_one, default=REPEATS)
    arguments = parser.parse_args()
    talk = Talk()
    rows = [row(preset, arguments.repeats, talk) for preset in arguments.presets]
    write_result("sizes", {"sizes": rows, "precision": choose_precision("auto").name,
                           "threads": torch.get_num_threads()}, {"repeats": arguments.repeats})


if __name__ == "__main__":
    main()
