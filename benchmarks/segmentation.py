"""A small tumour segmenter: what images are worth to those who would train on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.metrics import compute_dice
from monai.networks.nets import SegResNet
from torch import nn

from fl_components.cohort.subject import Subject
from fl_components.networks.precision import Precision
from fl_components.study import Augmentation, Grid
from fl_components.training.augment import augment
from fl_components.training.batch import Batch
from fl_components.vocabulary import ENHANCING, N_LABELS, NECROTIC, SEQUENCES, TUMOUR

REGIONS: Final = {"whole tumour": TUMOUR, "core": (NECROTIC, ENHANCING), "enhancing": (ENHANCING,)}
"""BraTS's three regions."""

_CLASSES: Final = (0, *TUMOUR)
"""Anatomy label of each of the network's classes; class 0 is everything that is not tumour."""
_CLASS_OF_LABEL: Final = tuple(_CLASSES.index(label) if label in TUMOUR else 0 for label in range(N_LABELS))
_WEIGHTS: Final = (1.0, 5.0, 10.0, 20.0)
"""Of the classes in the loss, roughly as they are rare; without them a short training learns the whole tumour alone."""
_RATE: Final = 4e-3


def train_segmenter(batches: Iterator[Batch], steps: int, augmentation: Augmentation, grid: Grid, precision: Precision,
                    seed: int, on_step: Callable[[int], None]) -> nn.Module:
    """Train MONAI's SegResNet (Myronenko 2018, arXiv 1810.11654) in its smallest form, four sequences to four classes.

    Instance normalisation instead of the paper's group normalisation, whose backward pass takes most of the time on a
    CPU.

    Args:
        batches: endless training data.
        steps: batches to train on; the learning rate rises and falls once over them (one cycle).
        augmentation: as in the GAN's training.
        grid: of the images.
        precision: where and in which format to run.
        seed: of the network's start and the augmentation.
        on_step: called with the number of steps done.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = precision.place(SegResNet(
            init_filters=8, in_channels=len(SEQUENCES), out_channels=len(_CLASSES), blocks_down=(1, 1, 1),
            blocks_up=(1, 1), norm=("INSTANCE", {"affine": True})))
    rng = torch.Generator().manual_seed(seed)
    loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True,
                         weight=torch.tensor(_WEIGHTS, device=precision.device))
    optimiser = torch.optim.AdamW(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps)
    for done, batch in enumerate(islice(batches, steps), 1):
        warped = augment(batch, augmentation, grid, rng)
        wanted = torch.tensor(_CLASS_OF_LABEL)[warped.labels][:, None].to(precision.device)
        with precision.autocast():
            scores = network(precision.lay_out(warped.images))
        optimiser.zero_grad(set_to_none=True)
        loss_of(scores.float(), wanted).backward()
        optimiser.step()
        schedule.step()
        on_step(done)
    return network


@torch.inference_mode()
def dice_of(network: nn.Module, subjects: Sequence[Subject], precision: Precision) -> dict[str, np.ndarray]:
    """Dice of each region (n,), nan where a subject does not have it."""
    rows = []
    for subject in subjects:
        with precision.autocast():
            scores = network(precision.lay_out(torch.from_numpy(subject.images[None])))
        found = torch.tensor(_CLASSES)[scores.float().argmax(dim=1).cpu()]
        rows.append(region_dice(found[0].numpy(), subject.labels))
    return {region: np.array([row[region] for row in rows]) for region in REGIONS}


def region_dice(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Dice of each region of two label maps (X, Y, Z); nan where the truth has none of it."""
    def masks(labels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack([np.isin(labels, region) for region in REGIONS.values()]))[None]

    dice = compute_dice(masks(found), masks(truth))[0]
    return dict(zip(REGIONS, dice.tolist(), strict=True))
