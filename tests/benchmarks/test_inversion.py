from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import small_study
from test_updates import subject as any_subject

from benchmarks.inversion import Known, Seen, gradient_of, invert, noise_of_site, similarity, tiny_study
from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_generator
from fl_components.networks.conditions import painted_volume
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.gan_step import GanStep
from fl_components.training.local import LocalTrainer

STUDY = tiny_study(Study.parse(small_study(
    grid={"shape": [32, 36, 32], "spacing_mm": 5.0},
    training={"rounds": 1, "local_steps": 1, "precision": "float32", "augmentation": None}), "test"))


def subject(seed: int) -> Subject:
    return any_subject(seed, STUDY.grid)


def test_similarity_is_a_correlation_with_the_true_residual() -> None:
    one = subject(1)
    true = one.images - painted_volume(one.labels, one.contrast)
    assert similarity(3 * true, one) == pytest.approx(1)
    assert similarity(-true, one) == pytest.approx(-1)
    assert abs(similarity(np.random.default_rng(0).standard_normal(true.shape), one)) < 0.1


def test_the_noise_of_a_sites_first_step_is_what_its_seed_gives(tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that knows the seed knows the noise."""
    drawn = []
    inner = GanStep._noise
    monkeypatch.setattr(GanStep, "_noise", lambda *given: drawn.append(inner(*given)) or drawn[-1])
    LocalTrainer(STUDY, [subject(1)], tmp_path / "states", 0).train(weights_of(build_generator(STUDY)), 0, 1)
    expected = noise_of_site(STUDY, subject(1))
    torch.testing.assert_close(drawn[0].texture, expected.texture)
    torch.testing.assert_close(drawn[0].style, expected.style)


def test_a_plain_gradient_is_inverted_and_anothers_is_not() -> None:
    """The attack works where it should: what it fails on afterwards is not for want of an attack."""
    one, start = subject(1), weights_of(build_generator(STUDY))
    noise = noise_of_site(STUDY, one)
    views = [Seen(start, gradient_of(STUDY, start, person, noise), noise, plain=True) for person in (one, subject(2))]
    own, other = (similarity(invert(STUDY, seen, one, 60), one) for seen in views)
    assert own > 0.25
    assert abs(other) < 0.1


def test_what_moments_say_of_a_scan_is_a_sign_in_a_known_direction() -> None:
    """Of two scans whose voxels differ on no side of the generator's images the gradients differ in those directions
    alone."""
    one = subject(1)
    known = Known(STUDY, weights_of(build_generator(STUDY)), one, noise_of_site(STUDY, one))
    expected = known.parts.expected.detach()
    gradients = [known.gradient(known.missed(expected + step)).detach() for step in (0.3, 0.3 + 0.2 * torch.rand(
        expected.shape, generator=torch.Generator().manual_seed(0)))]
    difference, directions = gradients[1] - gradients[0], known.moments()
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(directions)), atol=1e-4, rtol=0)
    left = difference - directions.T @ (directions @ difference)
    assert difference.norm() > 0.05 * gradients[0].norm()
    assert left.norm() < 0.01 * difference.norm()
