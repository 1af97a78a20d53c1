"""The base of executors that train: updates no longer than agreed, under masks where the study wants them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Final

import numpy as np
from nvflare.apis.signal import Signal

from fl_components.client.executor import SiteExecutor
from fl_components.client.heartbeat import Heartbeat
from fl_components.client.masked_rounds import MaskedRounds
from fl_components.client.open_site import OpenSite
from fl_components.guard.declaration import clipped, update_bound
from fl_components.guard.masked_update import Masking
from fl_components.guard.secure_sum import keys_among, weights_among
from fl_components.networks.weights import Weights
from fl_components.study import Study

_ROUNDING: Final = 1e-5
"""Share of the bound that float32 may add when an update is scaled to it."""


class UpdateExecutor(SiteExecutor):
    """Subclasses implement `work`; "train_keys" and "train_reveal", which masks need, are answered here."""

    def __init__(self, study_hash: str) -> None:
        super().__init__(study_hash)
        self._rounds = MaskedRounds()
        self._masking: Masking | None = None

    @abstractmethod
    def work(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
             heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """The fields of the answer to a task that is not about masks."""

    def masking(self) -> Masking | None:
        """See the base class."""
        return self._masking

    def answer(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
               heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """See the base class."""
        self._masking = None
        if task not in ("train_keys", "train_reveal"):
            return self.work(task, round_number, data, opened, heartbeat, abort_signal)
        heartbeat.begin(task, round_number, 1)
        heartbeat.end()
        return {"key": self.signer.signed(self._rounds.public)} if task == "train_keys" else {
            "seed": self._rounds.reveal(round_number, opened.study, opened.site.state)}

    def mask_with(self, data: Mapping[str, np.ndarray], round_number: int, opened: OpenSite) -> None:
        """Have the answer masked, if the study wants it; the question holds weights and everybody's keys."""
        if opened.study.federation.secure_aggregation:
            keys = self.signer.genuine(keys_among(data))
            self._masking = self._rounds.masking(weights_among(data), keys, round_number, opened.study,
                                                 opened.site.state)


def agreed_length(update: Mapping[str, np.ndarray], task: str, study: Study) -> Weights:
    """The update scaled to the study's bound if it is longer: what an honest site sends counts.

    A lower bound of the site's own refuses instead, in the guard.
    """
    return clipped(update, (1 - _ROUNDING) * update_bound(task, study))
