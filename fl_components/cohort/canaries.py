"""Canaries: simulated subjects that a site plants among its members by secret coins, so that a leak shows on nobody.

Canary k of a site follows from the study's seed and the site's name alone, so anyone can make it again and check its
score; which canaries were trained on stays at the site until the audit (`privacy_eval.attacks.coins`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, measure_contrast, paint
from fl_components.site import Site
from fl_components.study import Study
from fl_components.vocabulary import N_TISSUES, SEQUENCES
from privacy_eval.attacks.coins import CanaryCoins, require_canary_share, toss_coins
from privacy_eval.errors import InputError

_STREAM: Final = 3
"""First word of the canaries' seeds; 1 and 2 are the release's and the public subjects'."""

_DARKEST: Final = 0.1
_TEXTURE: Final = 0.06
"""SD of a canary's texture; with its random contrast it is unlike anybody, hence easy to remember."""


@dataclass(frozen=True)
class Canaries:
    """A site's canaries of a study: all of them, and the coins that say which are trained on."""

    subjects: tuple[Subject, ...]
    coins: CanaryCoins

    @property
    def planted(self) -> list[Subject]:
        """Those that are trained on."""
        return [subject for subject, inside in zip(self.subjects, self.coins.inside, strict=True) if inside]


def canary_names(study: Study) -> tuple[str, ...]:
    """Names of the canaries of any site."""
    return tuple(f"canary-{k:03d}" for k in range(study.canaries.per_site))


def plant_canaries(site: Site, study: Study, n_members: int) -> Canaries:
    """The site's canaries; its coins are tossed at the first call for a study and kept in `<state>/canaries`.

    Args:
        site: tosses and keeps the coins.
        study: how many canaries, and their seed.
        n_members: the site's patients in training.

    Raises:
        InputError: if a run meant for release plants too many of them for so few members, or the coins on disk are
            damaged or of another number of canaries.
    """
    names = canary_names(study)
    if study.canaries.for_release:
        require_canary_share(len(names), n_members)
    path = site.state / "canaries" / f"{study.hash}.json"
    if not path.exists():
        _write_secret(path, toss_coins(names).to_json())
    coins = CanaryCoins.from_json(path.read_text(encoding="ascii"))
    if coins.names != names:
        raise InputError(f"{path}: holds {len(coins.names)} canaries; expected {len(names)} as the study plants, "
                         "restore the file")
    return Canaries(tuple(make_canary(study, site.name, k) for k in range(len(names))), coins)


def make_canary(study: Study, site: str, k: int) -> Subject:
    """Canary k of a site: a sampled anatomy with a contrast and a texture of its own."""
    word = int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big")
    rng = np.random.default_rng([study.seed, _STREAM, word, k])
    labels = AnatomySampler(study.grid).sample(rng).labels
    means = rng.uniform(_DARKEST, 1, (N_TISSUES, len(SEQUENCES))).astype(np.float32)
    texture = gaussian_filter(rng.standard_normal((len(SEQUENCES), *labels.shape)), (0, 1, 1, 1))
    painted = paint(labels, Contrast(means, np.ones(N_TISSUES, bool))) + _TEXTURE / texture.std() * texture
    images = (np.clip(painted, 0, 1) * (labels > 0)).astype(np.float32)
    return Subject(canary_names(study)[k], images, labels, measure_contrast(images, labels))


def _write_secret(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="ascii")
    partial.replace(path)
