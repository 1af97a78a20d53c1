"""What an attempt of the red team has at hand: a secret of its own, and what a listed executor can reach."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from fl_components.client.open_site import OpenSite
from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger

if TYPE_CHECKING:
    from redteam_parts import HostileExecutor

Fields = dict[str, np.ndarray]


def secret(attempt: str) -> str:
    return f"<SCAN:{attempt}>"


def scan(attempt: str) -> np.ndarray:
    """A "scan" whose bytes hold the secret many times."""
    return np.frombuffer(secret(attempt).encode() * 256, np.uint8).copy()


def interleaved(text: str, size: int) -> np.ndarray:
    """Small numbers with three bytes of the text in each mantissa, again and again."""
    raw = np.frombuffer((text.encode() * size)[: 3 * size], np.uint8).reshape(-1, 3)
    words = np.concatenate([raw & 0x7F, np.full((size, 1), 0x36, np.uint8)], axis=1)
    return words.copy().view("<f4").ravel()


def note(opened: OpenSite, attempt: str) -> None:
    """Where the site's records were when an attempt began."""
    folder = opened.site.ledger.parent
    counts = [len(Ledger(folder / name).entries()) for name in ("ledger.jsonl", "wire.jsonl")]
    with (folder / "attempts.jsonl").open("a") as stream:
        stream.write(json.dumps({"attempt": attempt, "ledger": counts[0], "wire": counts[1]}) + "\n")


class Case:
    """One attempt at one site."""

    def __init__(self, executor: HostileExecutor, attempt: str, task: str, fl_ctx: FLContext, shareable: Shareable,
                 cookies: dict[str, Any] | None) -> None:
        self.executor, self.attempt, self.task, self.fl_ctx = executor, attempt, task, fl_ctx
        self.shareable, self.cookies = shareable, cookies
        self.engine = fl_ctx.get_engine()
        self.cell = self.engine.get_cell()
        self.text = secret(attempt)
        assert executor.opened is not None
        self.study = executor.opened.study

    def fields(self, value: float = 1e-3) -> Fields:
        declared = declare(self.task, self.study)
        return {name: np.full(field.shape, value, field.dtype) for name, field in declared.items()}

    def released(self, fields: Fields | None = None, round_number: int = 0) -> Fields:
        """As an honest executor: through the guard, into the ledger."""
        assert self.executor.guard is not None
        new = self.fields(float(np.random.default_rng().uniform(0, 1e-3)))
        return self.executor.guard.release(self.task, fields or new,
                                           job=self.fl_ctx.get_job_id(), round_number=round_number)

    def reply(self, fields: Fields | None = None, kind: str = DataKind.WEIGHT_DIFF) -> Shareable:
        return DXO(kind, data=self.released() if fields is None else fields).to_shareable()

    def first(self) -> str:
        return next(name for name, field in declare(self.task, self.study).items() if field.shape)
