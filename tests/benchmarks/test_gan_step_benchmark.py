from __future__ import annotations

import torch

from benchmarks.gan_step import measure, random_batch
from fl_components.study import Study

STUDY = Study.parse({
    "name": "bench", "preset": "tiny", "seed": 3, "sites": {"one": 1.0},
    "grid": {"shape": (8, 12, 8), "spacing_mm": 20.0},
    "network": {"generator_channels": (2, 3), "discriminator_channels": 2, "discriminator_layers": 1}}, "test")


def test_the_batch_is_a_batch_of_the_study() -> None:
    batch = random_batch(STUDY, torch.Generator().manual_seed(0))
    assert batch.images.shape == (1, 4, 8, 12, 8)
    assert batch.labels.unique().tolist() == list(range(7))
    assert batch.contrast.shape == (1, 30)
    assert not batch.images[:, :, batch.labels[0] == 0].any()


def test_a_row_says_what_ran_and_how_long_it_took() -> None:
    threads = torch.get_num_threads()
    row = measure(STUDY, 1, 3)
    torch.set_num_threads(threads)
    assert row["grid"] == "8×12×8"
    assert row["threads"] == 1
    for key in ("seconds_float32", "seconds_ours", "times_faster", "augmentation_share"):
        assert 0 < row[key]["low"] <= row[key]["median"] <= row[key]["high"]
    assert row["augmentation_share"]["high"] < 1
