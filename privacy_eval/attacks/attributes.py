"""T11: does a released image tell a member's tumour: its size, its place, its kind?

Threat model: the attacker knows a subject's anatomy from elsewhere, such as a scan of before the tumour, or a coarse
copy of its image, and has the release alone. It looks for the synthetic image that is nearest in that knowledge and
takes that image's tumour for the subject's. The statistic is how often it is right within stated tolerances, on
members (main) against holdout (control): what synthetic data tell about anybody of that kind is useful and no leak,
what they tell about members alone is. The null is equal rates; a pass says nothing of attackers who know more, and
nothing of attributes that the label maps do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.spaces.masks import ENHANCING, TUMOUR, checked_labels
from privacy_eval.spaces.nearest import nearest_target
from privacy_eval.statistics.counts import CountPair, wilson
from privacy_eval.statistics.ranks import Estimate

VOLUME_FACTOR: Final = 1.5
"""A guessed volume is right within this factor, up or down."""
PLACE_MM: Final = 20.0
"""A guessed centroid is right within this distance."""


@dataclass(frozen=True)
class TumourAttributes:
    """What label maps tell of each subject's tumour, arrays of one entry a label map.

    Attributes:
        volume: of the whole tumour, in ml; of slices its area in cm². 0 where there is no tumour.
        centroid: of the whole tumour, (n, axes), in mm from the first voxel; NaN where there is no tumour.
        enhancing_share: the enhancing part's share of the whole tumour, in [0, 1]; 0 where there is none.
        enhancing: whether any of it enhances: a proxy of grade, not the grade, since some high-grade gliomas do not
            enhance and some low-grade ones do.
        upper_side: whether the centroid lies beyond the brain's middle along the first axis: the hemisphere. False
            where there is no tumour.
    """

    volume: np.ndarray
    centroid: np.ndarray
    enhancing_share: np.ndarray
    enhancing: np.ndarray
    upper_side: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, spacing_mm: float | Sequence[float]) -> TumourAttributes:
        """The attributes of label maps (n, *grid) with the values of `spaces.masks`.

        Args:
            labels: two or three axes a map.
            spacing_mm: a voxel's length, one for all axes or one for each.

        Raises:
            InputError: if there are other values in a label map.
        """
        checked = checked_labels(labels, "the attribute test")
        spacing = np.broadcast_to(np.asarray(spacing_mm, float), (labels.ndim - 1,))
        grid_axes = tuple(range(1, labels.ndim))
        tumour = np.isin(checked, TUMOUR)
        size = tumour.sum(axis=grid_axes)
        enhancing = (checked == ENHANCING).sum(axis=grid_axes)
        centroid = np.stack([_centroid(mask) for mask in tumour]) * spacing
        middle = np.array([_centroid(label > 0)[0] for label in checked]) * spacing[0]
        return cls(size * np.prod(spacing / 10), centroid, enhancing / np.maximum(size, 1), enhancing > 0,
                   centroid[:, 0] > middle)


def _centroid(mask: np.ndarray) -> np.ndarray:
    """Mean position in voxels, (axes,); NaN of an empty mask."""
    positions = np.argwhere(mask)
    return positions.mean(axis=0) if len(positions) else np.full(mask.ndim, np.nan)


def infer(known: np.ndarray, labels: np.ndarray, release: np.ndarray, release_labels: np.ndarray,
          spacing_mm: float | Sequence[float], owners: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Attack subjects through what is known of them; whether each guess is right, as in `successes`.

    Args:
        known: vectors of what the attacker knows, (n, features): in the space "anatomy", which does not see the tumour,
            or of images in the space "coarse".
        labels: the subjects' label maps, (n, *grid).
        release: the synthetic images' vectors in the same space, (m, features).
        release_labels: their label maps, (m, *grid).
        spacing_mm: a voxel's length, one for all axes or one for each.
        owners: each row's patient, (n,): of several images of a patient the one nearest to the release is attacked.
            By default every row is a patient.

    Returns:
        Bool arrays of one entry a patient, in the order of the patients' numbers.

    Raises:
        InputError: if there is no synthetic image.
    """
    rows, distances = nearest_target(known, release)
    attacked = np.arange(len(known)) if owners is None else _nearest_rows(distances, owners)
    return successes(labels[attacked], release_labels[rows[attacked]], spacing_mm)


def _nearest_rows(distances: np.ndarray, owners: np.ndarray) -> np.ndarray:
    order = np.argsort(distances, kind="stable")
    return order[np.unique(owners[order], return_index=True)[1]]


def successes(subjects: np.ndarray, guesses: np.ndarray, spacing_mm: float | Sequence[float]) -> dict[str, np.ndarray]:
    """Whether a guessed label map's tumour is that of the subject, within the tolerances.

    Args:
        subjects: label maps, (n, *grid).
        guesses: for each subject the label map of its nearest synthetic image, (n, *grid).
        spacing_mm: a voxel's length, one for all axes or one for each.

    Returns:
        Bool arrays (n,): "volume" within `VOLUME_FACTOR`, "place" within `PLACE_MM`, "enhancement" there or not. To
        guess no tumour is right in volume and place for a subject without one, and wrong for any other.

    Raises:
        InputError: if the shapes differ, or label values are not 0 … 6.
    """
    if subjects.shape != guesses.shape:
        raise InputError(f"attributes: found label maps of shape {subjects.shape} and guesses of {guesses.shape}; "
                         f"expected one guess a subject on the same grid")
    if len(subjects) == 0:
        return {name: np.zeros(0, bool) for name in ("volume", "place", "enhancement")}
    truth, guess = (TumourAttributes.of(labels, spacing_mm) for labels in (subjects, guesses))
    neither = (truth.volume == 0) & (guess.volume == 0)
    smaller, larger = np.minimum(truth.volume, guess.volume), np.maximum(truth.volume, guess.volume)
    apart = np.linalg.norm(truth.centroid - guess.centroid, axis=1)  # NaN where one has no tumour: never within
    return {"volume": larger <= VOLUME_FACTOR * smaller * (1 + 1e-9),  # the factor itself counts, rounded or not
            "place": neither | (apart <= PLACE_MM), "enhancement": truth.enhancing == guess.enhancing}


@dataclass(frozen=True)
class ResidualRisk:
    """How much better than on strangers an attack guesses on members.

    Attributes:
        risk: (main − control) / (1 − control) with bounds, held to [-1, 1]; negative where the control does better; 0
            where both are always right.
        main: rate of right guesses on members, as counted.
        control: rate of right guesses on holdout subjects, as counted.
    """

    risk: Estimate
    main: float
    control: float

    @property
    def warning(self) -> bool:
        """Whether the attack is no better than on strangers: then the risk says nothing but that it failed."""
        return self.main <= self.control


def residual_risk(right: CountPair, confidence: float = 0.95) -> ResidualRisk:
    """The residual risk of Giomi et al. (2023, Anonymeter, PoPETs 2023(2), arXiv 2211.10459) with Wilson's limits.

    1 − risk is the ratio of the rates of wrong guesses, and the Wilson limits of both rates are carried to it by
    MOVER-R (Newcombe, Stat Methods Med Res 25:1774, 2016). Anonymeter carries them to first order, which is liberal
    where the control is mostly right: with equal rates of .95 its lower bound of 95 % lies above 0 in 10 to 12 % of
    draws.

    Args:
        right: right guesses among members and among holdout subjects.
        confidence: of each bound taken alone.
    """
    wrong = CountPair(right.n_members - right.members, right.n_members, right.n_holdout - right.holdout,
                      right.n_holdout)
    least, ratio, most = _ratio(wrong, confidence)
    value, low, high = (max(-1.0, 1 - each) for each in (ratio, most, least))
    return ResidualRisk(Estimate(value, low, high, confidence, right.n_members, right.n_holdout),
                        right.members / right.n_members, right.holdout / right.n_holdout)


def _ratio(pair: CountPair, confidence: float) -> tuple[float, float, float]:
    """Lower bound, value and upper bound of the rate of members over that of holdout; 1 if both are 0."""
    main, control = pair.members / pair.n_members, pair.holdout / pair.n_holdout
    (main_low, main_high), (control_low, control_high) = (
        wilson(pair.members, pair.n_members, confidence), wilson(pair.holdout, pair.n_holdout, confidence))
    product = main * control
    below, above = main_low * (2 * main - main_low), main_high * (2 * main - main_high)
    root = np.sqrt(product**2 - below * control_high * (2 * control - control_high))
    least = below / (product + root) if below > 0 else 0.0
    divisor = control_low * (2 * control - control_low)
    most = (product + np.sqrt(max(product**2 - above * divisor, 0.0))) / divisor if divisor > 0 else np.inf
    value = main / control if control > 0 else (np.inf if main > 0 else 1.0)
    return float(least), float(value), float(most)
