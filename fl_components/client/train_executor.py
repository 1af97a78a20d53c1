"""Training at the site: the contrast summary once, then the generator's update each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from nvflare.apis.signal import Signal

from fl_components.client.executor import scalar, stop_if
from fl_components.client.heartbeat import Heartbeat
from fl_components.client.open_site import OpenSite
from fl_components.client.received import require_plausible
from fl_components.client.training_seed import training_seed
from fl_components.client.update_executor import UpdateExecutor, agreed_length
from fl_components.cohort.canaries import Canaries, plant_canaries
from fl_components.cohort.cohort import Cohort
from fl_components.cohort.subject import Subject
from fl_components.guard.secure_sum import weights_among
from fl_components.training.local import LocalTrainer
from fl_components.training.states import keep_only, training_folder

if TYPE_CHECKING:
    from fl_components.client.private_rounds import PrivateRounds


class TrainExecutor(UpdateExecutor):
    """Answers "summarise" and "train", and what masks need: "train_keys" before, "train_reveal" after.

    Args:
        study_hash: see the base class.
        training: identity of the training, 32 hexadecimal digits; what the site keeps of any other is removed.
    """

    def __init__(self, study_hash: str, training: str) -> None:
        super().__init__(study_hash)
        self.training = training
        self._members: list[Subject] | None = None
        self._canaries: Canaries | None = None
        self._private: PrivateRounds | None = None

    def tasks(self) -> tuple[str, ...]:
        """See the base class."""
        return "summarise", "train_keys", "train", "train_reveal"

    def work(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
             heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """See the base class."""
        members = self._load_members(opened)
        states = training_folder(opened.site.state, self.training)
        keep_only(states)
        if task == "summarise":
            heartbeat.begin(task, round_number, 1)
            summary = (self._private_rounds(opened).summarise(members) if opened.study.privacy.private
                       else summarise_contrast(members, opened.site.policy.minimum_count))
            if opened.study.canaries.per_site:
                summary["canaries.commitment"] = digest_bytes(self._plant(opened).coins.commitment)
            heartbeat.end()
            return {**summary, "simulated": scalar(opened.site.data.simulated)}
        return self._train(members, states, round_number, data, opened, heartbeat, abort_signal)

    def _load_members(self, opened: OpenSite) -> list[Subject]:
        if self._members is None:
            cohort = Cohort.load(opened.site, opened.study)
            self._members = [Subject.load(path) for path in cohort.members]
        return self._members

    def _plant(self, opened: OpenSite) -> Canaries:
        if self._canaries is None:
            self._canaries = plant_canaries(opened.site, opened.study, len(self._load_members(opened)))
        return self._canaries

    def _private_rounds(self, opened: OpenSite) -> PrivateRounds:
        if self._private is None:
            from fl_components.client.private_rounds import PrivateRounds  # Opacus, for private studies alone

            self._private = PrivateRounds(opened, self.training)
        return self._private

    def _train(self, members: list[Subject], states: Path, round_number: int, data: Mapping[str, np.ndarray],
               opened: OpenSite, heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        study, weights = opened.study, weights_among(data)
        steps = study.training.local_steps
        heartbeat.begin("train", round_number, steps)
        require_plausible(weights, round_number, study, states)
        self.mask_with(data, round_number, opened)

        def on_step(done: int) -> None:
            stop_if(abort_signal)
            heartbeat.step(done)

        planted = self._plant(opened).planted if study.canaries.per_site else []
        if study.privacy.private:
            fields, precision = self._private_rounds(opened).train(
                [*members, *planted], weights, states, training_seed(opened.site, study), round_number, on_step)
            heartbeat.end(precision=precision)
            return fields
        trainer = LocalTrainer(study, [*members, *planted], states, training_seed(opened.site, study))
        result = trainer.train(weights, round_number, steps, on_step)
        heartbeat.end(precision=result.precision)
        losses = result.losses
        return {**agreed_length(result.update, "train", study), "loss.l1": scalar(losses.l1),
                "loss.adversarial": scalar(losses.adversarial), "loss.discriminator": scalar(losses.discriminator)}


def digest_bytes(digest: str) -> np.ndarray:
    """A hexadecimal digest as the bytes of a field."""
    return np.frombuffer(bytes.fromhex(digest), np.uint8)


def summarise_contrast(members: Sequence[Subject], minimum_count: int) -> dict[str, np.ndarray]:
    """Mean and spread (standard deviation) of the members' contrast, per tissue and sequence.

    A tissue that fewer than `minimum_count` members have is reported as absent: count, mean and spread 0.
    """
    means = np.stack([subject.contrast.mean for subject in members])
    present = np.stack([subject.contrast.present for subject in members])
    count = present.sum(axis=0)
    count[count < minimum_count] = 0
    share = np.where(count, 1 / np.maximum(count, 1), 0)[:, None]
    weights = present[:, :, None] * share
    mean = (means * weights).sum(axis=0)
    spread = np.sqrt((np.square(means - mean) * weights).sum(axis=0))
    return {"contrast.mean": mean.astype(np.float32), "contrast.spread": spread.astype(np.float32),
            "contrast.count": count.astype(np.float32), "n_members": scalar(len(members))}
