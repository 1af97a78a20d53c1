"""The server's checkpoint: everything a training needs to go on, in one file that a crash leaves old or new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from fl_components.durable import replace_durably
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Study
from privacy_eval.errors import InputError

_WEIGHTS: Final = "weights."
_SMOOTHED: Final = "smoothed."


@dataclass(frozen=True)
class Checkpoint:
    """A training after some rounds.

    Attributes:
        training: its identity, 32 hexadecimal digits.
        rounds: how many are done.
        weights: the generator that the next round starts from.
        smoothed: the exponential average of the generators so far.
        record: what happened, as JSON values: `curves`, `rejected`, `absent` of all rounds, and `seen`, site and digest
            of each admitted update.
    """

    training: str
    rounds: int
    weights: Weights
    smoothed: Weights
    record: Mapping[str, list[Any]] = field(
        default_factory=lambda: {"curves": [], "rejected": [], "absent": [], "seen": []})

    @classmethod
    def start(cls, study: Study, training: str) -> Checkpoint:
        """Before the first round."""
        weights = weights_of(build_generator(study))
        return cls(training, 0, weights, weights)


def write_checkpoint(path: Path, study: Study, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint and wait until it is on disk."""
    tensors = {prefix + name: np.ascontiguousarray(value)
               for prefix, weights in ((_WEIGHTS, checkpoint.weights), (_SMOOTHED, checkpoint.smoothed))
               for name, value in weights.items()}
    record = json.dumps(checkpoint.record, allow_nan=False)
    facts = {"study": study.hash, "training": checkpoint.training, "rounds": str(checkpoint.rounds), "record": record}
    metadata = facts | {"digest": _digest(tensors, facts)}
    replace_durably(path, lambda partial: save_file(tensors, partial, metadata=metadata))


def read_checkpoint(path: Path, study: Study, training: str) -> Checkpoint | None:
    """Read the checkpoint of this training of this study; None if there is none, or another's.

    Raises:
        InputError: if the file is damaged.
    """
    facts = _facts(path)
    if facts is None or (facts["study"], facts["training"]) != (study.hash, training):
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise _damaged(path, error) from None
    if facts.pop("digest") != _digest(tensors, facts):
        raise _damaged(path, "its digest is another one")
    return Checkpoint(training, int(facts["rounds"]), _part(tensors, _WEIGHTS), _part(tensors, _SMOOTHED),
                      json.loads(facts["record"]))


def rounds_done(path: Path, training: str) -> int:
    """Rounds of a training that its checkpoint holds; 0 without one.

    Raises:
        InputError: if the file is damaged.
    """
    facts = _facts(path)
    return int(facts["rounds"]) if facts is not None and facts["training"] == training else 0


def _facts(path: Path) -> dict[str, str] | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            facts = dict(stored.metadata())
    except Exception as error:
        raise _damaged(path, error) from None
    if missing := {"study", "training", "rounds", "record", "digest"} - set(facts):
        raise _damaged(path, f"without {', '.join(sorted(missing))}")
    return facts


def _damaged(path: Path, found: object) -> InputError:
    return InputError(f"{path}: damaged ({' '.join(str(found).split())[:80]}), expected the checkpoint of a training; "
                      "remove it and train anew without --resume")


def _part(tensors: Mapping[str, np.ndarray], prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _digest(tensors: Mapping[str, np.ndarray], facts: Mapping[str, str]) -> str:
    state = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        state.update(f"{name} {tensors[name].dtype.str} {tensors[name].shape}".encode())
        state.update(tensors[name].tobytes())
    return state.hexdigest()
