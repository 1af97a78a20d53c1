"""Masked training at the controller: the same generator as without masks, and a round is a whole or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nvflare.app_common.abstract.fl_model import FLModel
from small_run import small_study

from fl_components.client.masked_rounds import MaskedRounds
from fl_components.guard.declaration import declare, tensor_norm, training_fields
from fl_components.guard.masked_update import masked_update
from fl_components.guard.secure_sum import keys_among, weights_among
from fl_components.guard.signed_keys import KeySigner
from fl_components.server.ask import MissingSitesError
from fl_components.server.home import ALL_SITES, ServerHome
from fl_components.server.train_controller import TrainController
from fl_components.study import Study

FOUR = {"a": 5.0, "b": 1.0, "c": 1.0, "d": 1.0}
PLAIN, MASKED = (Study.parse(small_study(sites=FOUR, federation={"secure_aggregation": secure}), "test")
                 for secure in (False, True))
TRAINING = "a" * 32
Fields = dict[str, np.ndarray]
Spoil = Callable[[str, str, int, Fields], Fields | None]


def update(site: str, round_number: int) -> Fields:
    """Random, of the site and round alone, as local training is."""
    rng = np.random.default_rng([ord(site), round_number])
    return {name: np.asarray(1e-2 * rng.normal(size=field.shape), field.dtype)
            for name, field in training_fields(PLAIN).items()}


class Federation:
    """Sites that mask as `TrainExecutor` does, and a log of what the server saw. `spoil` changes or drops answers."""

    def __init__(self, folder: Path, study: Study, spoil: Spoil = lambda site, task, number, fields: fields) -> None:
        self.folder, self.study, self.spoil = folder, study, spoil
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.seen: list[tuple[str, str, int, Fields]] = []

    def train(self, sites: Sequence[str] = tuple(FOUR)) -> dict[str, Any]:
        """One job: every site begins with a new key."""
        rounds = {site: MaskedRounds() for site in sites}
        job = f"job {len(self.asked)}"

        def send(task_name: str, data: FLModel, targets: Sequence[str], **_: object) -> list[Any]:
            self.asked.append((task_name, tuple(targets)))
            number = data.current_round
            answers = []
            for site in targets:
                fields = self.spoil(site, task_name, number, self.answer(rounds[site], site, task_name, number,
                                                                         data.params, job))
                if fields is not None:
                    self.seen.append((site, task_name, number, fields))
                    answers.append(SimpleNamespace(meta={"client_name": site}, params=fields, current_round=None))
            return answers

        controller = TrainController(self.study.hash, TRAINING, sites, 2)
        controller.send_model_and_wait = send
        server = ServerHome(self.folder / "server")
        controller.carry_out(self.study, server)
        return server.result("train")

    def answer(self, rounds: MaskedRounds, site: str, task: str, number: int, data: Fields, job: str) -> Fields:
        state = self.folder / site
        if task == "train_keys":
            return {"key": self.signer(site).signed(rounds.public)}
        if task == "train_reveal":
            return {"seed": rounds.reveal(number, self.study, state)}
        if task == "train":
            assert set(weights_among(data)) < set(training_fields(self.study))
            if not self.study.federation.secure_aggregation:
                return update(site, number)
            keys = self.signer(site).genuine(keys_among(data))
            masking = rounds.masking(weights_among(data), keys, number, self.study, state)
            return masked_update(self.study, site, masking, update(site, number), job, number)
        return {name: np.full(field.shape, 1, field.dtype) for name, field in declare("summarise", self.study).items()}

    def signer(self, site: str) -> KeySigner:
        return KeySigner(site, self.study.hash, None)

    def generator(self) -> Fields:
        return ServerHome(self.folder / "server").load_generator()


def dropping(lost: str, task: str, round_number: int) -> Spoil:
    return lambda site, asked, number, fields: None if (site, asked, number) == (lost, task, round_number) else fields


def test_the_generator_is_the_one_of_plain_training(tmp_path: Path) -> None:
    plain, masked = Federation(tmp_path / "plain", PLAIN), Federation(tmp_path / "masked", MASKED)
    results = plain.train(), masked.train()
    assert [result["status"] for result in results] == ["done", "done"]
    expected, found = plain.generator(), masked.generator()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)
    assert [task for task, _ in masked.asked] == ["summarise", "train_keys", *["train", "train_reveal"] * 2]


def test_the_curves_are_of_all_sites_together_and_name_who_contributed(tmp_path: Path) -> None:
    result = Federation(tmp_path, MASKED).train()
    assert [(row["round"], row["site"]) for row in result["curves"]] == [(1, ALL_SITES), (2, ALL_SITES)]
    mean = sum(FOUR[site] / 8 * float(update(site, 0)["loss.l1"]) for site in FOUR)
    assert result["curves"][0]["loss.l1"] == pytest.approx(mean, abs=1e-5)
    assert ServerHome(tmp_path / "server").contributors(MASKED) == tuple(FOUR)


def test_nothing_that_the_server_saw_is_near_an_update(tmp_path: Path) -> None:
    federation = Federation(tmp_path, MASKED)
    federation.train()
    for site, task, number, fields in federation.seen:
        if task == "train":
            honest = update(site, number)
            for name, value in fields.items():
                if value.ndim and value.size > 100:
                    assert value.dtype == np.uint32
                    correlation = np.corrcoef(value.ravel().view(np.int32), honest[name].ravel())[0, 1]
                    assert abs(correlation) < 6 / np.sqrt(value.size)


@pytest.mark.parametrize(("lost", "round_number"), [("train_keys", 0), ("train", 0), ("train", 1), ("train_reveal", 1)])
def test_a_site_that_is_missing_costs_the_round_and_the_next_job_repeats_it_without(tmp_path: Path, lost: str,
                                                                                     round_number: int) -> None:
    federation = Federation(tmp_path, MASKED, dropping("c", lost, round_number))
    result = federation.train()
    assert (result["status"], result["rounds"], result["missing"]) == ("paused", round_number, ["c"])
    assert result["absent"] == [{"round": round_number + 1, "site": "c"}]
    asked = [task for task, _ in federation.asked]
    assert asked.count("train_reveal") == round_number + (lost == "train_reveal")
    if lost == "train_reveal":
        return  # see the next test
    federation.spoil = dropping("c", "none", 0)
    result = federation.train(("a", "b", "d"))
    assert (result["status"], result["rounds"]) == ("done", 2)
    sites = [set(row["sites"]) for row in result["curves"]]
    assert sites == [*[set(FOUR)] * round_number, *[{"a", "b", "d"}] * (2 - round_number)]
    assert ServerHome(tmp_path / "server").contributors(MASKED) == (tuple(FOUR) if round_number else ("a", "b", "d"))


def test_once_seeds_were_told_the_round_is_summed_over_the_same_sites_or_not_at_all(tmp_path: Path) -> None:
    federation = Federation(tmp_path, MASKED, dropping("c", "train_reveal", 1))
    federation.train()
    federation.spoil = dropping("c", "none", 0)
    from privacy_eval.errors import InputError

    with pytest.raises(InputError, match="round 2 was summed over a, b, c, d; the same over a, b, d would tell"):
        federation.train(("a", "b", "d"))
    assert federation.train()["status"] == "done"


def test_a_malformed_answer_costs_the_round_and_is_named(tmp_path: Path) -> None:
    def spoil(site: str, task: str, number: int, fields: Fields) -> Fields | None:
        return update(site, number) if (site, task, number) == ("b", "train", 1) else fields

    result = Federation(tmp_path, MASKED, spoil).train()
    assert (result["status"], result["rounds"], result["missing"]) == ("paused", 1, ["b"])
    assert [(row["round"], row["site"]) for row in result["rejected"]] == [(2, "b")]
    assert "expected uint32" in result["rejected"][0]["reason"]


def test_too_few_to_repeat_a_round_ends_the_job_with_names(tmp_path: Path) -> None:
    def spoil(site: str, task: str, number: int, fields: Fields) -> Fields | None:
        return None if task == "train" and site in "bd" else fields

    with pytest.raises(MissingSitesError, match=r"2 admitted.*minimum_updates is 3.*from site\(s\) b, d"):
        Federation(tmp_path, MASKED, spoil).train()


def test_what_a_site_hid_beyond_its_bound_is_seen_in_the_sum(tmp_path: Path) -> None:
    def spoil(site: str, task: str, number: int, fields: Fields) -> Fields:
        noise = np.random.default_rng(0)
        return fields if (site, task) != ("d", "train") else {
            name: np.asarray(noise.integers(0, 2**32, value.shape, np.uint32)) for name, value in fields.items()}

    with pytest.raises(RuntimeError, match="the server cannot tell which: compare the sites' ledgers"):
        Federation(tmp_path, MASKED, spoil).train()
    assert not ServerHome(tmp_path / "server").generator_file.exists()


def test_updates_of_the_test_are_within_the_bound() -> None:
    assert tensor_norm(update("a", 0)) < MASKED.federation.update_norm_bound
