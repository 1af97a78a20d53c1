"""An update under masks: what a site makes of its own, and what the server makes of the sum of all.

The pairwise masks of `secure_sum` cancel once all have answered. A site whose answer comes too late, after the round
was given up and repeated without it, would be betrayed by them: what its neighbours' masks add up to is known by then.
So each site adds a mask of its own, as Bonawitz et al. do, and tells its seed only once the server holds all answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from fl_components.guard.declaration import CURVES, update_bound, update_fields
from fl_components.guard.fields import Declaration
from fl_components.guard.fixed_point import FixedPoint
from fl_components.guard.secure_sum import MaskKey, digest_of_keys, stream_of, unmasked_sum
from fl_components.study import Study
from privacy_eval.errors import InputError

LOSS_BOUND: Final = 1000.0
"""Larger losses are drawn as this large; the curves alone depend on them."""


class Masking(NamedTuple):
    """`key`: the site's own, of this job; `keys`: of all sites that are to be summed, as the server passed them on;
    `seed`: 32 random bytes, the key of the mask of its own, never used twice."""

    key: MaskKey
    keys: Mapping[str, np.ndarray]
    seed: bytes

    def facts(self) -> dict[str, Any]:
        """For the ledger. Sites that compare `keys` of one job find a server that gave them different ones."""
        return {"sites": sorted(self.keys), "keys": digest_of_keys(self.keys)}


def masked_update(study: Study, site: str, masking: Masking, fields: Mapping[str, np.ndarray], job: str,
                  round_number: int, task: str = "train") -> dict[str, np.ndarray]:
    """The site's share of the average as whole numbers, under masks.

    Args:
        study: gives the site's share, the bound and the order of the fields.
        site: this site.
        masking: its key, and everybody's.
        fields: as `update_fields` declares them, their norm within the study's bound on such updates.
        job: NVFlare's identifier of the job.
        round_number: counted from 0. Each job and round is masked once.
        task: "train" or "segment".

    Returns:
        The same names and shapes, uint32; uniformly distributed for whoever lacks this site's secrets with the others.

    Raises:
        InputError: if the sum would be over too few sites or a stranger, or as `MaskKey.mask` says.
    """
    if strangers := sorted(set(masking.keys) - set(study.sites)):
        raise InputError(f"masked update: a key of '{strangers[0][:60]}', which is not a site of the study; do not "
                         "trust this server")
    least = study.federation.least_updates(len(study.sites))
    if len(masking.keys) < least:
        raise InputError(f"masked update: keys of {len(masking.keys)} sites; the study sums at least {least}")
    declaration, share = update_fields(task, study, round_number), study.weight(site)
    parts = [point_of(study, name, task).encode(_bounded(name, fields[name]), share).ravel() for name in declaration]
    purpose = f"{study.hash}/{task}/{job}/{round_number}"
    masked = masking.key.mask(np.concatenate(parts), site, masking.keys, purpose)
    return _cut(masked + stream_of(masking.seed, masked), declaration)


def mean_update(study: Study, masked: Mapping[str, Mapping[str, np.ndarray]],
                seeds: Mapping[str, bytes], task: str = "train", round_number: int = 0) -> dict[str, np.ndarray]:
    """The mean over the sites by their shares, from what `masked_update` made of each.

    Args:
        study: gives the shares.
        masked: by site; exactly those whose keys were used, else the result is noise.
        seeds: of the sites' own masks; with one missing or wrong the result is noise, too.
        task: "train" or "segment".
        round_number: counted from 0.

    Returns:
        Fields as `update_fields` declares them. In each coordinate the mean is off by at most
        `FixedPoint.largest_error` divided by the sum of the sites' shares, and by what rounding to float32 adds.
    """
    declaration = update_fields(task, study, round_number)
    total = unmasked_sum({site: np.concatenate([fields[name].ravel() for name in declaration])
                          for site, fields in masked.items()})
    for site in masked:
        total = total - stream_of(seeds[site], total)
    shares = sum(study.weight(site) for site in masked)
    return {name: np.asarray(point_of(study, name, task).decode(value) / shares, declaration[name].dtype)
            for name, value in _cut(total, declaration).items()}


def point_of(study: Study, name: str, task: str = "train") -> FixedPoint:
    """How a field is written as whole numbers: no coordinate of an update exceeds the update's norm."""
    bound = LOSS_BOUND if name in CURVES else update_bound(task, study)
    return FixedPoint(bound, len(study.sites))


def _bounded(name: str, value: np.ndarray) -> np.ndarray:
    return np.clip(value, -LOSS_BOUND, LOSS_BOUND) if name in CURVES else value


def _cut(values: np.ndarray, declaration: Declaration) -> dict[str, np.ndarray]:
    """One row of values as the declared fields."""
    sizes = [int(np.prod(field.shape)) for field in declaration.values()]
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    return {name: piece.reshape(field.shape)
            for (name, field), piece in zip(declaration.items(), pieces, strict=True)}
