"""A site killed at every write: the account never tells of less than what left, or was computed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_privacy_account import PLAN, STUDY, answer, make_site

from fl_components.guard.egress import Guard
from fl_components.guard.privacy_account import PrivacyAccount
from fl_components.training.private.accounting import SampledGaussian

ROUNDS = 2


class KillAt:
    """Ends the process, without any clean-up, before or after the n-th call that puts something on disk."""

    def __init__(self, point: int) -> None:
        self.point, self.calls = point, 0

    def wrap(self, call: object) -> object:
        def wrapped(*args: object, **named: object) -> object:
            self.count()
            result = call(*args, **named)  # type: ignore[operator]
            self.count()
            return result
        return wrapped

    def count(self) -> None:
        if self.calls == self.point:
            os._exit(9)
        self.calls += 1


def live(folder: Path) -> None:
    """A site's summary and rounds: reserve, compute, release. What was computed and what left is written down."""
    site = make_site(folder)
    account, guard = PrivacyAccount(site, STUDY), Guard(site, STUDY)
    for number in range(ROUNDS):
        account.reserve(PLAN.training(PLAN.steps_per_round), task="train", job="job", round_number=number)
        note(folder / "computed")
        fields = answer("train", value=0.01 * (1 + len((folder / "computed").read_text())))
        guard.release("train", fields, job="job", round_number=number)
        note(folder / "left")


def note(path: Path) -> None:
    with path.open("a") as stream:
        stream.write("x")


def killed(folder: Path, point: int) -> bool:
    """Whether the process was killed, having got to that point."""
    child = os.fork()
    if child == 0:
        kill = KillAt(point)
        os.fsync, os.replace = kill.wrap(os.fsync), kill.wrap(os.replace)  # type: ignore[assignment]
        try:
            live(folder)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_no_death_makes_the_account_fall_short(tmp_path: Path) -> None:
    point, survived = 0, False
    while not survived:
        folder = tmp_path / str(point)
        folder.mkdir()
        survived = not killed(folder, point)
        account = PrivacyAccount(make_site(folder), STUDY)
        _, computed = rounds_of(account), count(folder / "computed")
        assert rounds_of(account) >= computed >= count(folder / "left")
        live(folder)  # the restarted site goes on, and pays for what it does again
        assert rounds_of(account) >= count(folder / "computed")
        assert account.ledger.verify() is None
        point += 1
    assert point > 30
    assert count(folder / "left") == 2 * ROUNDS


def rounds_of(account: PrivacyAccount) -> float:
    steps = sum(event.steps for event in account.spending().events if isinstance(event, SampledGaussian))
    return steps / PLAN.steps_per_round


def count(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


def test_a_process_killed_is_not_taken_for_one_that_ended(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert killed(tmp_path / "a", 0)
    (tmp_path / "b").mkdir()
    assert not killed(tmp_path / "b", 10_000)
    assert count(tmp_path / "b" / "left") == ROUNDS
    with pytest.raises(FileNotFoundError):
        (tmp_path / "a" / "left").read_text()
