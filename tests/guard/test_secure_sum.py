"""Masks cancel in the sum, and nothing else shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.guard.secure_sum import KEY_BYTES, MaskKey, unmasked_sum
from privacy_eval.errors import InputError

SITES = ("east", "north", "west")


def masked(values: dict[str, list[int]], purpose: str = "audit") -> dict[str, np.ndarray]:
    keys = {site: MaskKey() for site in values}
    public = {site: key.public for site, key in keys.items()}
    return {site: keys[site].mask(of_site, site, public, purpose) for site, of_site in values.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**40), min_size=4, max_size=4), min_size=3, max_size=6))
def test_the_sum_is_the_sum(rows: list[list[int]]) -> None:
    values = {f"site-{k}": row for k, row in enumerate(rows)}
    assert unmasked_sum(masked(values)) == [sum(column) for column in zip(*rows, strict=True)]


def test_what_a_site_sends_looks_the_same_whatever_it_holds() -> None:
    """Bits of masked zeros and of masked counts are fair coins."""
    for held in (0, 3):
        sent = masked({site: [held] * 1000 for site in SITES})["north"]
        ones = np.unpackbits(sent.view(np.uint8)).mean()
        assert abs(ones - 0.5) < 4 * 0.5 / np.sqrt(1000 * 64)
        assert len(set(sent.tolist())) == 1000


def test_all_but_one_site_cannot_be_left_out() -> None:
    sent = masked({site: [1, 2] for site in SITES})
    sent.pop("west")
    assert unmasked_sum(sent) != [2, 4]


def test_another_purpose_has_another_mask() -> None:
    keys = {site: MaskKey() for site in SITES}
    public = {site: key.public for site, key in keys.items()}
    first, second = (keys["east"].mask([7], "east", public, purpose) for purpose in ("a", "b"))
    assert first != second
    assert public["east"].shape == (KEY_BYTES,)


def test_two_sites_and_a_changed_key_are_refused() -> None:
    keys = {site: MaskKey() for site in SITES}
    public = {site: key.public for site, key in keys.items()}
    with pytest.raises(InputError, match="keys of 2 sites"):
        keys["east"].mask([1], "east", {site: public[site] for site in ("east", "west")}, "audit")
    with pytest.raises(InputError, match="came back changed"):
        keys["east"].mask([1], "east", {**public, "east": public["west"]}, "audit")
