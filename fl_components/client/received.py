"""What a site accepts as a global network: weights that an honest server's rounds could have led to.

A study's hash pins the network and the recipe, not the weights: a malicious server could send weights made to read a
site's subjects out of its update. Honest weights start from the study's seed, and an honest round moves them by an
aggregate of admitted updates, whose length the study bounds.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fl_components.guard.declaration import clip_norm, tensor_norm, update_bound
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Study
from privacy_eval.errors import InputError

_ROUNDING: Final = 1e-3
"""Share of the allowed distance that float32 sums may add."""
_START: Final = 1e-6
"""How far a starting weight may be off: two machines' torch may round differently."""


class Received(NamedTuple):
    """The weights of a round, counted from 0, that a site accepted."""

    round_number: int
    weights: Weights


def require_plausible(weights: Weights, round_number: int, study: Study, folder: Path) -> None:
    """Refuse weights that no honest server of this study could send now; keep what is accepted for the next round.

    Round 0 must bring the weights that the study's seed gives. Later ones must lie within `reach` a round of those
    accepted last; a site that accepted none yet, since it joined late, measures from the start. The same round may
    come again, after a restart, with the same weights alone.

    Args:
        weights: as received.
        round_number: as the server names it, counted from 0.
        study: gives start, bound and number of rounds.
        folder: where the site keeps this training (`fl_components.training.states.training_folder`): what another
            training brought is no reference.

    Raises:
        InputError: saying in one line what was found; nothing is kept then.
    """
    if not 0 <= round_number < study.training.rounds:
        raise InputError(f"round {round_number + 1}: the study has {study.training.rounds}; the server asks for more "
                         "than was agreed on")
    start = weights_of(build_generator(study))
    last = load_received(study, folder) if round_number else None
    require_reachable(Received(round_number, weights), start, last, reach(study))
    _keep(weights, round_number, study, folder)


def require_reachable(found: Received, start: Weights, last: Received | None, farthest: float) -> None:
    """Refuse weights that no honest rounds lead to from those accepted last, or from the start.

    Args:
        found: as received. Round 0 must bring the start.
        start: what the study's seed gives.
        last: what was accepted last; None if nothing was.
        farthest: what an honest round moves, see `reach`.

    Raises:
        InputError: saying in one line what was found.
    """
    _require_same_form(found.weights, start)
    if found.round_number:
        _require_near(found, last or Received(0, start), farthest)
    elif not all(np.allclose(found.weights[name], value, rtol=0, atol=_START) for name, value in start.items()):
        raise InputError("round 1: the server's network is not the one the study's seed gives; ask the consortium's "
                         "lead, a server that sends other weights can read more out of an update")


def reach(study: Study, task: str = "train") -> float:
    """The farthest that one honest round moves the network, in L2 norm.

    Every admitted update is at most the study's bound, or `clip_norm` long, and so is a weighted mean of them. A
    coordinate-wise trimmed mean or median of n of them is at most sqrt(n) times that: the square of each coordinate is
    at most the sum of the sites' squares there.
    """
    longest = min(update_bound(task, study), clip_norm(task, study) or math.inf)
    return longest * (1.0 if study.federation.aggregation == "mean" else math.sqrt(len(study.sites)))


def load_received(study: Study, folder: Path) -> Received | None:
    """What the site accepted last in this training; None if nothing.

    Raises:
        InputError: if the file is damaged.
    """
    path = _file(folder)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            facts = stored.metadata()
            if facts["study"] != study.hash:
                return None
            return Received(int(facts["round"]), {name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not the weights received last ({error}); remove it, and the site measures from the "
                         "study's start") from None


def _require_same_form(weights: Weights, start: Weights) -> None:
    if set(weights) != set(start):
        raise InputError(f"the server's weights have {len(weights)} tensors, not the {len(start)} of the study's "
                         "network; is its package another version?")
    for name, value in start.items():
        found = weights[name]
        if (found.shape, found.dtype) != (value.shape, value.dtype):
            raise InputError(f"the server's weights: a tensor of shape {found.shape} and type {found.dtype}, "
                             f"expected {value.shape} and {value.dtype}; is its package another version?")
        if not np.isfinite(found).all():
            raise InputError("the server's weights hold NaN or infinity; ask the consortium's lead")


def _require_near(found: Received, last: Received, farthest: float) -> None:
    round_number, weights = found
    allowed = abs(round_number - last.round_number) * farthest
    moved = tensor_norm({name: value.astype(np.float64) - last.weights[name] for name, value in weights.items()})
    if not moved <= allowed * (1 + _ROUNDING) + _START * math.sqrt(sum(value.size for value in weights.values())):
        raise InputError(f"round {round_number + 1}: the server's network moved by {moved:.4g} since round "
                         f"{last.round_number + 1}, the study's bounds allow {allowed:.4g}; ask the consortium's lead")


def _keep(weights: Weights, round_number: int, study: Study, folder: Path) -> None:
    path = _file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, partial,
              metadata={"study": study.hash, "round": str(round_number)})
    partial.replace(path)


def _file(folder: Path) -> Path:
    return folder / "received.safetensors"
