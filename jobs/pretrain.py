"""`fedsynth pretrain`: networks that ship, made from simulated subjects alone."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from fl_components.networks.precision import choose_precision
from fl_components.networks.public_start import public_start_file
from fl_components.networks.shipped import save_network
from fl_components.study import Study
from fl_components.training.embedding import Recipe, sample_pool, train_embedding
from fl_components.training.labeller import LabellerRecipe, sample_anatomies, train_labeller
from fl_components.training.public_gan import POOL, train_publicly
from jobs.output import Talk
from jobs.workers import worker_pool
from privacy_eval.errors import InputError

OnStep = Callable[[int, float], None]


def embedding(output: Path, talk: Talk, seed: int, steps: int, recipe: Recipe | None = None) -> dict[str, Any]:
    """Train the audit's embedding and write its weights; a file that is there is replaced at the end.

    Args:
        output: the .safetensors file.
        talk: progress.
        seed: of the anatomies, the initial weights and every draw.
        steps: of training.
        recipe: how, by default as the shipped weights were made.

    Raises:
        InputError: if the output cannot be a file.
    """
    _require_file(output)
    recipe = recipe or Recipe()
    with talk.stage(f"Sampling {recipe.subjects} simulated subjects") as advance, worker_pool() as pool:
        anatomies = sample_pool(recipe, seed, pool, lambda done: advance(done / recipe.subjects, ""))
    return _train("embedding", lambda on_step: train_embedding(anatomies, recipe, seed, steps, on_step), output, talk,
                  seed, steps, recipe.subjects)


def labeller(output: Path, talk: Talk, seed: int, steps: int, recipe: LabellerRecipe | None = None) -> dict[str, Any]:
    """Train the labeller and write its weights; arguments and errors as `embedding`."""
    _require_file(output)
    recipe = recipe or LabellerRecipe()
    with talk.stage(f"Sampling {recipe.subjects} simulated subjects") as advance, worker_pool() as pool:
        anatomies = sample_anatomies(recipe, seed, pool, lambda done: advance(done / recipe.subjects, ""))
    return _train("labeller", lambda on_step: train_labeller(anatomies, recipe, seed, steps, on_step), output, talk,
                  seed, steps, recipe.subjects)


def generator(study_file: Path, output: Path | None, talk: Talk, seed: int, steps: int) -> dict[str, Any]:
    """Train generator and discriminator of a study's sizes, for private studies to begin with, and write both.

    Args:
        study_file: sizes, grid and recipe.
        output: the .safetensors file; by default where the package looks for networks of these sizes.
        talk: progress.
        seed: of the subjects, the first weights and every draw.
        steps: of training.

    Raises:
        InputError: if the study is not valid or the output cannot be a file.
    """
    study = Study.from_file(study_file)
    path = output or public_start_file(study.network)
    _require_file(path)
    return _train("generator", lambda on_step: train_publicly(study, seed, steps, lambda done, losses: on_step(
        done, losses.l1)), path, talk, seed, steps, POOL)


def _require_file(output: Path) -> None:
    if output.is_dir():
        raise InputError(f"--output {output}: is a folder; expected the name of a .safetensors file")


def _train(name: str, train: Callable[[OnStep], nn.Module], output: Path, talk: Talk, seed: int, steps: int,
           subjects: int) -> dict[str, Any]:
    losses: list[float] = []
    with talk.stage(f"Training the {name} for {steps} steps") as advance:
        def on_step(done: int, loss: float) -> None:
            losses.append(loss)
            advance(done / steps, f"loss {loss:.3f}")

        network = train(on_step)
    last = losses[-max(1, steps // 10):]
    digest = save_network(network, output, _provenance(name, subjects, seed, steps))
    return {"weights": str(output), "sha256": digest, "bytes": output.stat().st_size,
            "parameters": sum(parameter.numel() for parameter in network.parameters()), "seed": seed, "steps": steps,
            "last_loss": round(sum(last) / len(last), 4), "seconds": round(sum(talk.seconds.values()), 1)}


def _provenance(name: str, subjects: int, seed: int, steps: int) -> dict[str, str]:
    """What the weights file says of where it comes from."""
    return {"command": f"fedsynth pretrain {name} --seed {seed} --steps {steps}", "seed": str(seed),
            "steps": str(steps), "trained_on": f"{subjects} simulated subjects of the public sampler, no scan",
            "precision": choose_precision("auto").name, "python": platform.python_version(),
            **{package: version(package) for package in ("fedsynth", "numpy", "scipy", "torch")}}
