"""Coins, commitment and opening of canaries, and their share of a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from privacy_eval.attacks.coins import CanaryCoins, require_canary_share, toss_coins, verify_opening
from privacy_eval.errors import InputError

NAMES = st.lists(st.text('ab",é\n', max_size=6), max_size=5, unique=True)


def coins_of(names: list[str]) -> CanaryCoins:
    return CanaryCoins(tuple(names), tuple(index % 2 == 0 for index in range(len(names))), bytes(range(32)))


def test_coins_are_fair_and_independent() -> None:
    """The share of heads of 4000 coins, and of equal neighbours: 1 in 10 million runs fails by chance."""
    inside = np.array(toss_coins([f"canary-{index}" for index in range(4000)]).inside)
    assert binomtest(int(inside.sum()), 4000).pvalue > 5e-8
    assert binomtest(int((inside[1:] == inside[:-1]).sum()), 3999).pvalue > 5e-8


def test_every_toss_has_its_own_salt_and_commitment() -> None:
    first, second = toss_coins(["a", "b"]), toss_coins(["a", "b"])
    assert len(first.salt) == 32
    assert first.salt != second.salt
    assert first.commitment != second.commitment


def test_commitment_is_the_hash_of_the_canonical_line() -> None:
    line = '{"inside":[true,false],"names":["a","b"],"salt":"' + bytes(range(32)).hex() + '"}'
    coins = coins_of(["a", "b"])
    assert coins.to_json() == line
    assert coins.commitment == hashlib.sha256(line.encode()).hexdigest()


@given(NAMES)
def test_json_brings_the_coins_back_and_opens_the_commitment(names: list[str]) -> None:
    coins = coins_of(names)
    back = CanaryCoins.from_json(coins.to_json())
    assert back == coins
    verify_opening(back, coins.commitment)


def test_opening_survives_another_layout_of_the_file() -> None:
    coins = coins_of(["a", "b"])
    pretty = json.dumps(json.loads(coins.to_json()), indent=2)
    assert CanaryCoins.from_json(pretty).commitment == coins.commitment


@pytest.mark.parametrize(
    "change",
    [{"inside": (False, False)}, {"names": ("a", "c")}, {"names": ("b", "a")}, {"salt": bytes(32)}],
)
def test_another_opening_is_refused(change: dict) -> None:
    coins = coins_of(["a", "b"])
    with pytest.raises(InputError, match="expected the published"):
        verify_opening(replace(coins, **change), coins.commitment)


def test_names_cannot_be_cut_elsewhere() -> None:
    assert coins_of(["ab", "c"]).commitment != coins_of(["a", "bc"]).commitment
    assert coins_of(['a","b']).commitment != coins_of(["a", "b"]).commitment


def test_a_log_line_does_not_open_the_coins() -> None:
    coins = coins_of(["a", "b"])
    assert coins.salt.hex() not in repr(coins)
    assert "True" not in repr(coins)
    assert "salt" not in repr(coins)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no readable record"),
        ("[]", "no readable record"),
        ('{"names": []}', "no readable record"),
        ('{"names": [], "inside": [], "salt": "xy"}', "no readable record"),
        ('{"names": [], "inside": [], "salt": 3}', "no readable record"),
        ('{"names": [1], "inside": [true], "salt": "00"}', "another type"),
        ('{"names": ["a"], "inside": [1], "salt": "00"}', "another type"),
        ('{"names": "a", "inside": [true], "salt": "00"}', "another type"),
        ('{"names": ["a"], "inside": [], "salt": "00"}', "1 names and 0 coins"),
        ('{"names": ["a", "a"], "inside": [true, true], "salt": "00"}', "'a' twice"),
        ('{"names": [], "inside": [], "salt": "00"}', "salt of 1 bytes"),
    ],
)
def test_a_broken_record_is_one_line_of_what_to_do(text: str, found: str) -> None:
    with pytest.raises(InputError, match=found) as error:
        CanaryCoins.from_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("n_canaries", "n_members"), [(0, 5), (1, 10), (5, 50), (5, 59), (40, 400)])
def test_a_tenth_of_the_members_may_be_planted(n_canaries: int, n_members: int) -> None:
    assert require_canary_share(n_canaries, n_members) is None
    with pytest.raises(InputError, match=rf"found {n_canaries + 1} for {n_members} members, expected at most"):
        require_canary_share(n_canaries + 1, n_members)
