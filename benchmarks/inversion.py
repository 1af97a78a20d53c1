"""Can a curious server draw a subject's images out of one local update?

Gradient matching (Zhu et al. 2019, DLG, arXiv 1906.08935; Geiping et al. 2020, arXiv 2003.14053): images are sought
for which the gradient of the loss against a scan (L1, tissue means, second moments) points where the update points. L1
gives away, for each voxel, on which side of the generator's image the scan lies, the moments how far their tissue's
lie; so what is scored is the subject's residual to its painted anatomy: the correlation, over brain voxels and
sequences, of the residual found and the true one. The attacker is told more than a server knows: the subject's anatomy
and contrast.

What the update is, from more to less told:

- "one gradient": the plain gradient of that loss on one subject, with the noise known. No site sends this;
- "one step, noise known": one local step of the recipe on one subject, adversarial loss and Adam included, and the
  noise known: a site draws it from a seed made of the study's seed and its own name, which the server knows;
- "one step": the same, with the noise unknown;
- "one step, crafted weights": the noise known, and instead of the study's start the server sent weights whose last
  layer is twenty times as strong, so that known noise dithers what the sign of an error tells;
- "a round": the recipe's local steps on several members with augmentation, the first of them attacked, noise unknown;
- "another's step": the null: one step on another subject, scored against this one, the noise known.

Mean over subjects with the 95 % bootstrap interval. Subjects are thinned to every fourth voxel, the network is small.

    python -m benchmarks.inversion [RUN] [--subjects N] [--iterations N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated, load_hospitals
from benchmarks.intervals import interval_of_mean
from benchmarks.poison import coarse
from benchmarks.results import write_result
from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_generator
from fl_components.networks.conditions import one_hot, painted_volume
from fl_components.networks.generator import Noise, draw_noise
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.study import Study
from fl_components.training.batch import collate, shuffled_batches
from fl_components.training.gan_step import fidelity
from fl_components.training.local import LocalTrainer
from jobs.output import Talk

ROUND_MEMBERS: Final = 8
"""Subjects that a whole round is trained on."""
STRENGTH: Final = 20.0
"""Of the crafted last layer against the study's start."""
_UNDECIDED: Final = 0.5
"""Share of a term's mean size below which its sign counts as undecided, so that gradients can be matched."""
_DEPENDENT: Final = 1e-4
"""Singular value, as a share of the largest, below which a direction counts as one of the others'."""
_RATE: Final = 0.01
_SEED: Final = 0


class Seen(NamedTuple):
    """What the server has: the weights it sent, the direction that came back, the noise, if it knows that, and whether
    the direction is a plain gradient."""

    weights: Weights
    direction: Weights
    noise: Noise | None
    plain: bool = False


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=at_least_one, default=12, help="attacked subjects, of the heaviest site")
    parser.add_argument("--iterations", type=at_least_one, default=150)
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Attack every subject in every way, write the result."""
    run, talk = arguments.run, Talk()
    study = tiny_study(run.study())
    site = max(study.sites, key=study.weight)
    members = coarse(coarse({site: load_hospitals(run, "members", arguments.subjects + ROUND_MEMBERS)[site]}))[site]
    targets, company = members[:arguments.subjects], members[arguments.subjects:]
    found: dict[str, list[float]] = {}
    with talk.stage("Inverting updates") as advance:
        for number, target in enumerate(targets):
            for name, seen in views(study, target, targets[number - 1], company).items():
                residual = invert(study, seen, target, arguments.iterations)
                found.setdefault(name, []).append(similarity(residual, target))
            advance((number + 1) / len(targets), "")
    ways = {name: interval_of_mean(np.array(values)) for name, values in found.items()}
    for name, row in ways.items():
        talk.say(f"{name:28s} {row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})")
    weights = weights_of(build_generator(study))
    facts: dict[str, Any] = {"ways": ways, "parameters": sum(value.size for value in weights.values()),
                             "intensities": int(np.median([4 * (s.labels > 0).sum() for s in targets]))}
    write_result("inversion", facts, {"subjects": len(targets), "iterations": arguments.iterations,
                                      "members of a round": ROUND_MEMBERS, "steps of a round":
                                      study.training.local_steps}, study_hash=run.study().hash,
                 simulated=all_simulated(run))
    return 0


def tiny_study(study: Study) -> Study:
    """The study at four times its spacing, with a network of two levels."""
    grid = study.grid.model_copy(update={"shape": tuple(-(-size // 4) for size in study.grid.shape),
                                         "spacing_mm": 4 * study.grid.spacing_mm})
    network = study.network.model_copy(update={"generator_channels": (8, 16), "discriminator_channels": 4,
                                               "discriminator_layers": 1, "latent_size": 4})
    training = study.training.model_copy(update={"precision": "float32"})
    return study.model_copy(update={"grid": grid, "network": network, "training": training})


def views(study: Study, target: Subject, other: Subject, company: Sequence[Subject]) -> dict[str, Seen]:
    """What each way of training on the target, or on another subject, shows the server."""
    start = weights_of(build_generator(study))
    plain = study.model_copy(update={"training": study.training.model_copy(update={"augmentation": None})})
    noise = noise_of_site(plain, target)
    crafted = {name: value * np.float32(STRENGTH if name == "head.weight" else 1) for name, value in start.items()}
    one = trained(plain, [target], start, 1)
    return {"one gradient": Seen(start, gradient_of(plain, start, target, noise), noise, plain=True),
            "one step, noise known": Seen(start, one, noise),
            "one step": Seen(start, one, None),
            "one step, crafted weights": Seen(crafted, trained(plain, [target], crafted, 1), noise),
            "a round": Seen(start, trained(study, [target, *company[1:]], start, study.training.local_steps), None),
            "another's step": Seen(start, trained(plain, [other], start, 1), noise)}


def trained(study: Study, members: Sequence[Subject], weights: Weights, steps: int) -> Weights:
    """The update a site sends."""
    with tempfile.TemporaryDirectory() as folder:
        return LocalTrainer(study, members, Path(folder) / "states", _SEED).train(weights, 0, steps).update


def noise_of_site(study: Study, subject: Subject) -> Noise:
    """The noise of a site's first step on one subject, drawn again from its seed."""
    rng = torch.Generator().manual_seed(_SEED * 1_000_003)
    next(shuffled_batches([subject], 1, rng))
    return draw_noise(1, study.network.latent_size, study.grid.shape, rng)


class Absolutes(TorchFunctionMode):
    """Within it |x| has a gradient that changes with x, where of the loss itself only signs reach a gradient.

    Attributes:
        of: every x, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Every function as it is, but the absolute value."""
        if func is not torch.Tensor.abs:
            return func(*args, **(kwargs or {}))
        self.of.append(args[0])
        undecided = _UNDECIDED * args[0].detach().square().mean().sqrt()
        return torch.sqrt(args[0].square() + undecided.square() + 1e-12)


class Known:
    """The generator's output on what the attacker is told, and how errors there become a gradient."""

    def __init__(self, study: Study, weights: Weights, subject: Subject, noise: Noise | None) -> None:
        generator = load_weights(build_generator(study), weights)
        batch = collate([subject])
        self.anatomy = one_hot(batch.labels)
        guess = torch.Generator().manual_seed(12345)
        noise = noise or draw_noise(1, generator.latent_size, study.grid.shape, guess)
        self.settings = study.training
        self.names = [name for name, _ in generator.named_parameters()]
        self.parameters = list(generator.parameters())
        self.parts = generator.parts(self.anatomy, batch.contrast, noise)
        self.painted = torch.from_numpy(painted_volume(subject.labels, subject.contrast))[None]

    def missed(self, images: torch.Tensor) -> torch.Tensor:
        """The loss against these images: all of a step but the adversary."""
        return fidelity(self.parts, images, self.anatomy, self.settings)[0]

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """Of a scalar, all parameters in a row; can be differentiated again."""
        parts = torch.autograd.grad(loss, self.parameters, create_graph=True, retain_graph=True, materialize_grads=True)
        return torch.cat([part.ravel() for part in parts])

    def moments(self) -> torch.Tensor:
        """(K, parameters), orthonormal: where the terms of means and second moments point, whatever the scan is.

        Each is an absolute difference of one number of the generated images and one of the scan, so the scan decides on
        its sign alone. In a plain gradient they drown L1, and without them L1's part is left.
        """
        with Absolutes() as terms:
            self.missed(self.painted)
        numbers = torch.cat([term.ravel() for term in terms.of if term.numel() < self.painted.numel()])
        rows = torch.stack([self.gradient(number).detach() for number in numbers])
        rows = torch.nn.functional.normalize(rows[rows.norm(dim=1) > 0])
        _, sizes, directions = torch.linalg.svd(rows, full_matrices=False)
        return directions[sizes > _DEPENDENT * sizes[0]]


def gradient_of(study: Study, weights: Weights, subject: Subject, noise: Noise) -> Weights:
    """Minus the gradient of the loss against the scan on a subject, by parameter: all of a step but the adversary."""
    known = Known(study, weights, subject, noise)
    parts = torch.autograd.grad(known.missed(torch.from_numpy(subject.images)[None]), known.parameters)
    return {name: -part.numpy() for name, part in zip(known.names, parts, strict=True)}


def invert(study: Study, seen: Seen, subject: Subject, iterations: int) -> np.ndarray:
    """The residual, (4, X, Y, Z), of images whose gradient points where the update points.

    Of a plain gradient what moments say is taken away on both sides; after Adam nothing can be told apart, and the
    whole loss is matched.
    """
    known = Known(study, seen.weights, subject, seen.noise)
    wanted = torch.cat([torch.from_numpy(seen.direction[name]).ravel() for name in known.names])
    apart = known.moments() if seen.plain else wanted.new_zeros(0, len(wanted))
    residual = torch.zeros_like(known.painted, requires_grad=True)
    optimiser = torch.optim.Adam([residual], _RATE)
    decline = torch.optim.lr_scheduler.LinearLR(optimiser, 1, 0, iterations)
    for _ in range(iterations):
        with Absolutes():
            gradient = known.gradient(known.missed(known.painted + residual))
        rest, due = (row - apart.T @ (apart @ row) for row in (gradient, wanted))
        mismatch = 1 - torch.nn.functional.cosine_similarity(-rest, due, dim=0)
        (residual.grad,) = torch.autograd.grad(mismatch, [residual])
        optimiser.step()
        decline.step()
    return residual.detach()[0].numpy()


def similarity(residual: np.ndarray, subject: Subject) -> float:
    """Correlation over brain voxels and sequences with the true residual."""
    brain = subject.labels > 0
    true = (subject.images - painted_volume(subject.labels, subject.contrast))[:, brain]
    return float(np.corrcoef(residual[:, brain].ravel(), true.ravel())[0, 1])


if __name__ == "__main__":
    sys.exit(main())
