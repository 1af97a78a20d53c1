from __future__ import annotations

import numpy as np
import pytest
import torch
from small_run import CONTRAST, small_study
from torch import nn

from fl_components.contrast import VECTOR_SIZE, Contrast
from fl_components.contrast import paint as paint_array
from fl_components.networks.build import build_discriminator, build_generator, declared_shapes
from fl_components.networks.conditions import one_hot, paint, paint_softly
from fl_components.networks.generator import draw_noise
from fl_components.networks.weights import load_weights, weights_of
from fl_components.study import Study
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
SHAPE = (10, 12, 9)  # odd sizes: a skip must still fit


@pytest.fixture
def anatomy() -> torch.Tensor:
    return one_hot(torch.randint(0, 7, (2, *SHAPE), generator=torch.Generator().manual_seed(1)))


CONTRASTS = torch.from_numpy(np.stack([Contrast(CONTRAST, np.ones(6, bool)).vector()] * 2))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_paint_is_the_lookup_table(anatomy: torch.Tensor) -> None:
    labels = anatomy.argmax(1)[0].numpy()
    expected = paint_array(labels, Contrast(CONTRAST.astype(np.float32), np.ones(6, bool)))
    np.testing.assert_allclose(paint(anatomy, CONTRASTS)[0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("contrast_input", [True, False])
def test_images_have_four_sequences_and_an_empty_background(anatomy: torch.Tensor, contrast_input: bool) -> None:
    study = Study.parse(small_study(network={"generator_channels": [4, 8, 8], "discriminator_channels": 4,
                                             "latent_size": 4, "contrast_input": contrast_input}), "test")
    images = build_generator(study)(anatomy, CONTRASTS, draw_noise(2, 4, SHAPE, rng(0)))
    assert images.shape == (2, 4, *SHAPE)
    assert images.dtype == torch.float32
    assert (images * anatomy[:, :1] == 0).all()


def test_style_and_texture_each_change_the_output(anatomy: torch.Tensor) -> None:
    generator = build_generator(STUDY)
    first, second = draw_noise(2, 4, SHAPE, rng(0)), draw_noise(2, 4, SHAPE, rng(1))
    base = generator(anatomy, CONTRASTS, first)
    for noise in (first._replace(style=second.style), first._replace(texture=second.texture)):
        assert (generator(anatomy, CONTRASTS, noise) - base).abs().max() > 1e-4
    torch.testing.assert_close(generator(anatomy, CONTRASTS, first), base)


def test_contrast_is_used_only_where_asked(anatomy: torch.Tensor) -> None:
    study = Study.parse(small_study(network={"generator_channels": [4, 8], "discriminator_channels": 4,
                                             "latent_size": 4, "contrast_input": False}), "test")
    noise = draw_noise(2, 4, SHAPE, rng(0))
    blind, seeing = build_generator(study), build_generator(STUDY)
    torch.testing.assert_close(blind(anatomy, CONTRASTS, noise), blind(anatomy, CONTRASTS * 0.5, noise))
    assert (seeing(anatomy, CONTRASTS, noise) - seeing(anatomy, CONTRASTS * 0.5, noise)).abs().max() > 0.01


def test_discriminator_scores_patches(anatomy: torch.Tensor) -> None:
    anatomy = one_hot(torch.zeros(1, 24, 28, 24, dtype=torch.long))
    scores = build_discriminator(STUDY, 1)(torch.rand(1, 4, 24, 28, 24), anatomy, CONTRASTS[:1])
    assert scores.shape[1] == 1
    assert scores[0, 0].numel() > 1


def test_no_running_statistics_anywhere() -> None:
    for network in (build_generator(STUDY), build_discriminator(STUDY, 1)):
        assert not list(network.buffers())
        assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def test_every_party_starts_from_the_same_generator_and_its_own_discriminator() -> None:
    first, second = weights_of(build_generator(STUDY)), weights_of(build_generator(STUDY))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    a, b = build_discriminator(STUDY, 1), build_discriminator(STUDY, 2)
    assert any(not torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_weights_round_trip_and_match_their_declaration() -> None:
    weights = weights_of(build_generator(STUDY))
    assert {name: value.shape for name, value in weights.items()} == declared_shapes(STUDY)
    doubled = {name: 2 * value for name, value in weights.items()}
    loaded = weights_of(load_weights(build_generator(STUDY), doubled))
    assert all(np.array_equal(loaded[name], doubled[name]) for name in doubled)
    with pytest.raises(InputError, match=r"^weights for Generator: found \S+ missing, expected \(.*train again[^\n]*$"):
        load_weights(build_generator(STUDY), {"head.bias": weights["head.bias"]})
    with pytest.raises(InputError, match=r"found head.bias \(4,\), expected \(32,\)"):
        load_weights(build_generator(STUDY), weights | {"head.bias": np.zeros(4, np.float32)})
    with pytest.raises(InputError, match=r"found more \(1,\), expected none"):
        load_weights(build_generator(STUDY), weights | {"more": np.zeros(1, np.float32)})


def test_soft_painting_keeps_flat_tissue_and_averages_a_border() -> None:
    labels = torch.full((1, 9, 9, 9), 3)
    labels[:, 5:] = 2
    labels[:, :, :2] = 0
    contrast = torch.zeros(1, VECTOR_SIZE)
    contrast[:, 4:8], contrast[:, 8:12] = 0.2, 0.8  # tissues 2 and 3
    soft = paint_softly(one_hot(labels), contrast)[0, 0]
    torch.testing.assert_close(soft[1:4, 2:], torch.full((3, 7, 9), 0.8))
    torch.testing.assert_close(soft[7:, 2:], torch.full((2, 7, 9), 0.2))
    torch.testing.assert_close(soft[4:6, 5, 5], torch.tensor([0.8 - 0.12 * 0.6, 0.2 + 0.12 * 0.6]))
    assert soft[:, :2].abs().max() == 0
