"""Sensitivity, rows, and every silent error that private training of a GAN is known for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_case import NoEntropy, SeededEntropy, noised_sum, parameters, plan
from torch import nn

from fl_components.networks.conditions import one_hot
from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision
from fl_components.study import Study, TrainingSettings
from fl_components.training.batch import Batch
from fl_components.training.gan_step import fidelity
from fl_components.training.private.blocks import ROUNDING
from fl_components.training.private.entropy import Entropy, OsEntropy, normal, uniform
from fl_components.training.private.gradients import patient_row, require_private
from fl_components.training.private.optimiser import PrivateOptimiser
from fl_components.training.private.plan import PrivatePlan, plan_of
from fl_components.training.private.sampling import Draw, poisson_draw
from fl_components.training.private.step import PrivateGanStep
from fl_components.training.public_scan import Conditions, public_scans
from privacy_eval.errors import InputError

CPU = Precision(torch.device("cpu"), bfloat16=False)


def row(seed: int, scale: float) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(seed)
    return tuple(scale * torch.randn(p.shape, generator=rng) for p in parameters())


rows = st.lists(st.tuples(st.integers(0, 2**31), st.sampled_from([0.0, 1e-9, 0.1, 1.0, 37.0, 1e6, 1e20])), max_size=6)


@settings(max_examples=60)
@given(others=rows, patient=st.tuples(st.integers(0, 2**31), st.sampled_from([1e-3, 1.0, 1e9, 1e30])),
       clip=st.sampled_from([0.01, 1.0, 30.0]))
def test_a_patient_moves_the_sum_by_at_most_the_clip(others: list[tuple[int, float]], patient: tuple[int, float],
                                                     clip: float) -> None:
    def total(of: list[tuple[int, float]]) -> torch.Tensor:
        optimiser = PrivateOptimiser(parameters(), plan(clip=clip), 1e-3, NoEntropy())
        return noised_sum(optimiser, [row(*one) for one in of])

    moved = total([*others, patient]) - total(others)
    assert float(moved.norm()) <= clip * (1 + ROUNDING)


@settings(max_examples=40)
@given(images=st.lists(st.sampled_from([0.0, 1.0, 1e8, float("nan"), float("inf")]), min_size=1, max_size=5))
def test_however_many_images_a_patient_has_it_is_one_row_of_at_most_the_clip(images: list[float]) -> None:
    trained = parameters((5,))
    losses = [lambda value=value: (trained[0] * value).sum() + trained[0].sum() for value in images]
    found = patient_row(trained, losses)
    optimiser = PrivateOptimiser(trained, plan(), 1e-3, NoEntropy())
    moved = noised_sum(optimiser, [found])
    assert len(found) == 1
    assert bool(torch.isfinite(moved).all())
    assert float(moved.norm()) <= 1 + ROUNDING


def test_the_rows_are_those_of_a_vectorised_gradient() -> None:
    torch.manual_seed(0)
    network = Discriminator(4, 2)
    batch = patients_batch(3)
    anatomy = one_hot(batch.labels)
    trained = list(network.parameters())
    values = {name: value.detach() for name, value in network.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], *one: torch.Tensor) -> torch.Tensor:
        scores = torch.func.functional_call(network, weights, tuple(part[None] for part in one))
        return 0.5 * (scores - 1).square().mean()

    expected = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0, 0))(
        values, batch.images, anatomy, batch.contrast)
    step = gan_step(network)
    for index in range(3):
        found = patient_row(trained, [lambda index=index: step.on_real(one_of(batch, index))])
        for name, part in zip(values, found, strict=True):
            torch.testing.assert_close(part, expected[name][index], rtol=1e-3, atol=1e-5)


def test_an_empty_step_is_noised_and_counted() -> None:
    optimiser = PrivateOptimiser(parameters((4000,)), plan(noise=2.0, clip=3.0), 1e-3, OsEntropy())
    noise = noised_sum(optimiser, [])
    assert float(noise.std()) == pytest.approx(6.0, rel=0.06)
    optimiser = PrivateOptimiser(parameters(), plan(), 1e-3, OsEntropy())
    for _ in range(3):
        optimiser.step()
    assert optimiser.counted() == plan().training(3)


def test_noise_repeats_for_nobody_who_knows_a_seed() -> None:
    sums = []
    for _ in range(2):
        torch.manual_seed(7)
        np.random.default_rng(7)
        sums.append(noised_sum(PrivateOptimiser(parameters((50,)), plan(), 1e-3, OsEntropy()), []))
    assert not torch.equal(*sums)


def test_the_noise_is_normal_and_the_chances_uniform() -> None:
    drawn = normal(SeededEntropy(1), 200_001)
    assert drawn.shape == (200_001,)
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.01)
    assert np.mean(drawn > 1.96) == pytest.approx(0.025, abs=0.002)
    assert abs(np.corrcoef(drawn[:100_000], drawn[100_001:])[0, 1]) < 0.02  # the two of a pair
    assert np.all((uniform(OsEntropy(), 1000) >= 0) & (uniform(OsEntropy(), 1000) < 1))


@pytest.mark.parametrize("patients", [3, 7, 19, 20, 21])
def test_neither_rate_nor_divisor_follows_from_the_number_of_patients(patients: int) -> None:
    made = PrivateOptimiser(parameters(), plan(rate=0.1, batch=4), 1e-3, NoEntropy())
    for _ in range(patients):
        made.add(row(1, 1.0))
    made.step()
    assert made._engine.expected_batch_size == 4
    assert made.accountant.history == [(1.0, 0.1, 1)]


def test_draws_are_poisson_and_not_shuffled_batches() -> None:
    entropy = SeededEntropy(3)
    sizes = np.array([len(poisson_draw(40, 0.1, entropy).patients) for _ in range(4000)])
    assert sizes.mean() == pytest.approx(4, abs=0.15)
    assert sizes.var() == pytest.approx(40 * 0.1 * 0.9, rel=0.1)  # batches of a shuffled list have no variance
    assert (sizes == 0).any()
    with pytest.raises(ValueError, match="rate"):
        poisson_draw(3, 0.0, entropy)


def test_a_draw_is_good_for_one_network() -> None:
    draw = Draw((1, 2))
    assert draw.take() == (1, 2)
    with pytest.raises(InputError, match="used for two sums"):
        draw.take()


def test_what_is_kept_beside_the_parameters_is_refused() -> None:
    for network in (nn.BatchNorm3d(2), nn.utils.spectral_norm(nn.Conv3d(1, 1, 1)),
                    nn.InstanceNorm3d(2, track_running_stats=True)):
        with pytest.raises(InputError, match="no noise covers"):
            require_private(network)
    require_private(Discriminator(4, 2))


def test_a_row_of_a_whole_batch_is_refused() -> None:
    optimiser = PrivateOptimiser(parameters(), plan(), 1e-3, NoEntropy())
    with pytest.raises(InputError, match="one gradient a patient"):
        optimiser.add(tuple(torch.zeros(2, *p.shape) for p in parameters()))


def test_neither_the_generators_step_nor_a_stray_pass_changes_the_discriminators_sum() -> None:
    sums = []
    batch = patients_batch(2)
    for disturbed in (False, True):
        torch.manual_seed(0)
        step = gan_step(Discriminator(4, 2), entropy=NoEntropy())
        public = Conditions(batch.labels, batch.contrast)
        if disturbed:
            before = [value.clone() for value in step.trained]
            step.generate(public, torch.Generator().manual_seed(1))
            step.discriminator(batch.images, one_hot(batch.labels), batch.contrast).sum().backward()
            assert all(torch.equal(*pair) for pair in zip(before, step.trained, strict=True))
        rows = [patient_row(step.trained, [lambda step=step, i=i: step.on_real(one_of(batch, i))]) for i in range(2)]
        sums.append(noised_sum(step.optimiser, rows))
    torch.testing.assert_close(*sums)


def test_public_scans_hold_the_generator_whatever_the_discriminator_says() -> None:
    """A discriminator of zeros gives no gradient: what is left brings images nearer to scans of their conditions."""
    torch.manual_seed(0)
    network = Discriminator(4, 2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    step = gan_step(network)
    labels = torch.randint(0, 7, (2, 16, 16, 16)).sort(dim=1).values
    public = Conditions(labels, torch.cat([torch.rand(2, 24), torch.ones(2, 6)], dim=1))
    anatomy, contrast, noise = step._placed(public, torch.Generator().manual_seed(1))

    scans = public_scans(public, torch.Generator().manual_seed(2)).images

    def error() -> float:
        with torch.no_grad():
            return fidelity(step.generator.parts(anatomy, contrast, noise), scans, anatomy, step.settings)[0].item()

    before = error()
    for k in range(40):
        step.generate(public, torch.Generator().manual_seed(k))
    assert error() < 0.95 * before


def test_a_patients_row_knows_neither_the_other_patients_nor_the_public_images() -> None:
    batch = patients_batch(3)
    torch.manual_seed(0)
    step = gan_step(Discriminator(4, 2))
    alone = patient_row(step.trained, [lambda: step.on_real(one_of(batch, 0))])
    step.optimiser.add(patient_row(step.trained, [lambda: step.on_real(one_of(batch, 1))]))
    step._make(Conditions(batch.labels, batch.contrast), torch.Generator().manual_seed(1))
    again = patient_row(step.trained, [lambda: step.on_real(one_of(batch, 0))])
    assert all(torch.equal(*pair) for pair in zip(alone, again, strict=True))


def test_a_step_of_the_gan_counts_once_and_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    step = gan_step(Discriminator(4, 2))
    batch = patients_batch(2)
    rng = torch.Generator().manual_seed(1)
    public = Conditions(batch.labels, batch.contrast)
    for drawn in ([], [[one_of(batch, 0)]], [[one_of(batch, 0), one_of(batch, 1)], [one_of(batch, 1)]]):
        loss = step.discriminate(drawn, public, rng)
        assert 0 <= loss < 100
    assert step.optimiser.counted() == plan().training(3)
    other = gan_step(Discriminator(4, 2))
    other.load_state(step.state())
    assert all(torch.equal(*pair) for pair in zip(step.trained, other.trained, strict=True))


def test_few_parameters_are_trained_where_few_are_wanted() -> None:
    few, all_of_them = (gan_step(Discriminator(4, 2), trains) for trains in ("adapted", "all"))
    count = [sum(p.numel() for p in step.trained) for step in (few, all_of_them)]
    assert count[0] < count[1] / 5
    assert sum(p.requires_grad for p in few.discriminator.parameters()) == len(few.trained)


def test_a_plan_follows_from_the_study_and_keeps_its_epsilon() -> None:
    made = plan_of(private_study())
    assert made is not None
    assert 2.9 < made.epsilon_kept <= 3
    assert made.epsilon_prv < made.epsilon_kept < made.epsilon_replacing
    assert made.steps_per_round == 2 * 4
    assert made.training(8).noise == made.training_noise


def test_no_part_of_a_plan_can_contradict_its_epsilon() -> None:
    made = plan_of(private_study())
    assert made is not None
    for change in ({"training_noise": made.training_noise and made.training_noise / 4}, {"rounds": 50}, {"rate": 0.4},
                   {"audits": 9}, {"epsilon": 2.0}, {"summary_noise": 0.3}):
        with pytest.raises(InputError, match="its parts cost"):
            PrivatePlan(**{**vars(made), **change})


@pytest.mark.parametrize("table", [{"mode": "private", "noise": 1.0}, {"mode": "private", "sigma": 1.0}])
def test_noise_cannot_be_stated(table: dict[str, object]) -> None:
    with pytest.raises(InputError, match="unknown key"):
        private_study(table)


def test_an_epsilon_is_not_stated_beside_a_mode_without_one() -> None:
    with pytest.raises(InputError, match="claims no ε"):
        private_study({"mode": "empirical", "epsilon": 3.0})
    assert plan_of(private_study({})) is None


def test_a_study_whose_audits_have_no_price_is_refused() -> None:
    with pytest.raises(InputError, match=r"audit\.epsilon"):
        plan_of(private_study(audit={}))


def test_nothing_is_trained_where_the_summary_is_all() -> None:
    made = plan_of(private_study({"mode": "private", "epsilon": 3.0, "trains": "summary"}))
    assert made is not None
    assert (made.training_noise, made.steps_per_round) == (None, 0)
    assert 2.9 < made.epsilon_kept <= 3
    with pytest.raises(InputError, match="spends nothing on training"):
        made.training(1)


def private_study(privacy: dict[str, object] | None = None, audit: dict[str, object] | None = None) -> Study:
    stated = {"mode": "private", "epsilon": 3.0} if privacy is None else privacy
    return Study.parse({"name": "t", "preset": "tiny", "seed": 1, "sites": {"a": 1, "b": 1}, "privacy": stated,
                        "audit": {"epsilon": 0.5} if audit is None else audit,
                        "training": {"rounds": 3, "local_steps": 2}}, "t")


def patients_batch(count: int) -> Batch:
    rng = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 7, (count, 16, 16, 16), generator=rng)
    return Batch(torch.rand(count, 4, 16, 16, 16, generator=rng), labels, torch.rand(count, 30, generator=rng))


def one_of(batch: Batch, index: int) -> Batch:
    return Batch(*(part[index:index + 1] for part in batch))


def gan_step(network: Discriminator, trains: str = "all", entropy: Entropy | None = None) -> PrivateGanStep:
    generator = Generator((4, 8), 4)
    chosen = TrainingSettings(rounds=1, local_steps=1)
    return PrivateGanStep(generator, network, plan(), chosen, trains, CPU,  # type: ignore[arg-type]
                          entropy or OsEntropy())
