"""A site's part in masked sums: its key for a job, a mask of its own a round, and which sums it has taken part in."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fl_components.guard.masked_update import Masking
from fl_components.guard.secure_sum import KEY_BYTES, MaskKey
from fl_components.json_file import read_json, write_json
from fl_components.study import Study
from privacy_eval.errors import InputError


class _Open(NamedTuple):
    """A round whose seed was not told yet."""

    masking: Masking
    question: str


class MaskedRounds:
    """The rounds of one job.

    The same question, that is round and weights, gives the same update. Two sums of it over different sites would tell
    what one of them sent, so once a sum is out, the question is answered for the same sites alone. `summed.json` in
    the site's training folder remembers that over jobs and trainings; somebody who alters the weights is not seen.
    """

    def __init__(self) -> None:
        self._key = MaskKey()
        self._open: dict[int, _Open] = {}

    @property
    def public(self) -> np.ndarray:
        """The site's public key of the job, (32,) uint8."""
        return self._key.public

    def masking(self, weights: Mapping[str, np.ndarray], keys: Mapping[str, np.ndarray], round_number: int,
                study: Study, state: Path) -> Masking:
        """What the answer to a round is masked with.

        Args:
            weights: the network as the server sent it.
            keys: of all sites that are to be summed.
            round_number: counted from 0.
            study: the study.
            state: the site's own state folder.

        Raises:
            InputError: if these weights were summed in this round over other sites.
        """
        made = Masking(self._key, keys, secrets.token_bytes(KEY_BYTES))
        question = _digest_of_weights(weights)
        for entry in _summed(state):
            same = (entry["study"], entry["round"], entry["question"]) == (study.hash, round_number, question)
            if same and entry["sites"] != sorted(made.keys):
                raise InputError(f"round {round_number + 1} was summed over {', '.join(entry['sites'])}; the same over "
                                 f"{', '.join(sorted(made.keys))} would tell what one site sent. Train with the same "
                                 "sites, or under another seed of the study")
        self._open[round_number] = _Open(made, question)
        return made

    def reveal(self, round_number: int, study: Study, state: Path) -> np.ndarray:
        """The seed of the site's own mask, (32,) uint8, after it was written down which sum this makes possible.

        Raises:
            InputError: if the round was not answered in this job, or its seed was told before.
        """
        opened = self._open.pop(round_number, None)
        if opened is None:
            raise InputError(f"the server asks for the seed of round {round_number + 1}, which is not open in this job")
        entry = {"study": study.hash, "round": round_number, "question": opened.question,
                 "sites": sorted(opened.masking.keys)}
        if entry not in (earlier := _summed(state)):
            write_json(_file(state), {"sums": [*earlier, entry]})
        return np.frombuffer(opened.masking.seed, np.uint8)


def _digest_of_weights(weights: Mapping[str, np.ndarray]) -> str:
    state = hashlib.sha256()
    for name, value in sorted(weights.items()):
        state.update(f"{name} {value.dtype.str} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    return state.hexdigest()


def _summed(state: Path) -> list[dict[str, Any]]:
    return list(read_json(_file(state))["sums"]) if _file(state).exists() else []


def _file(state: Path) -> Path:
    return state / "training" / "summed.json"
