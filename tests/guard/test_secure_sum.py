"""Masks cancel in the sum, and nothing else shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fl_components.guard.secure_sum import KEY_BYTES, MaskKey, digest_of_keys, unmasked_sum
from privacy_eval.errors import InputError

SITES = ("east", "north", "west")


def masked(values: dict[str, np.ndarray], purpose: str = "audit") -> dict[str, np.ndarray]:
    keys, public = keys_of(*values)
    return {site: keys[site].mask(of_site, site, public, purpose) for site, of_site in values.items()}


def keys_of(*sites: str) -> tuple[dict[str, MaskKey], dict[str, np.ndarray]]:
    keys = {site: MaskKey() for site in sites}
    return keys, {site: key.public for site, key in keys.items()}


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4), min_size=3, max_size=6),
       st.sampled_from([np.uint32, np.uint64]))
def test_the_sum_is_the_sum_modulo_the_types_range(rows: list[list[int]], kind: type) -> None:
    size = 2 ** (8 * np.dtype(kind).itemsize)
    values = {f"site-{k}": np.array([value % size for value in row], kind) for k, row in enumerate(rows)}
    found = unmasked_sum(masked(values))
    assert found.dtype == kind
    assert found.tolist() == [sum(column) % size for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
@pytest.mark.parametrize("held", [0, 3])
def test_what_a_site_sends_is_uniform_whatever_it_holds(held: int, kind: type) -> None:
    count = 40_000
    sent = masked({site: np.full(count, held, kind) for site in SITES})["north"]
    scaled = sent.astype(np.float64) / 2.0 ** (8 * sent.itemsize)
    assert stats.kstest(scaled, "uniform").pvalue > 1e-6
    octets = np.bincount(sent.view(np.uint8), minlength=256)
    assert stats.chisquare(octets).pvalue > 1e-6
    assert len(set(sent[:2000].tolist())) > 1990


def test_two_sites_together_see_no_more_of_a_third_than_its_masks() -> None:
    """What north sends, less the masks it shares with east, is still uniform."""
    keys, public = keys_of(*SITES)
    zeros = np.zeros(40_000, np.uint32)
    north, east = (keys[site].mask(zeros, site, public, "t") for site in ("north", "east"))
    assert stats.kstest((north + east).astype(np.float64) / 2**32, "uniform").pvalue > 1e-6


def test_without_one_site_there_is_no_sum() -> None:
    sent = masked({site: np.array([1, 2], np.uint64) for site in SITES})
    sent.pop("west")
    assert unmasked_sum(sent).tolist() != [2, 4]


def test_another_purpose_site_or_key_has_other_masks() -> None:
    keys, public = keys_of(*SITES, "south")
    zeros = np.zeros(1, np.uint64)
    three = {site: public[site] for site in SITES}
    sent = [keys["east"].mask(zeros, "east", among, purpose)[0]
            for among, purpose in ((three, "a"), (three, "b"), (public, "a"),
                                   ({**three, "west": MaskKey().public}, "a"))]
    assert len(set(sent)) == 4
    assert public["east"].shape == (KEY_BYTES,)


def test_a_purpose_serves_once() -> None:
    keys, public = keys_of(*SITES)
    keys["east"].mask(np.zeros(1, np.uint32), "east", public, "job/round 1")
    with pytest.raises(InputError, match="was masked before"):
        keys["east"].mask(np.ones(1, np.uint32), "east", public, "job/round 1")


def test_different_lists_of_keys_do_not_unmask() -> None:
    """A server that tells one site of another key gets noise, not a sum."""
    keys, public = keys_of(*SITES)
    held = np.zeros(3, np.uint32)
    sent = {site: keys[site].mask(held, site, {**public, **({"west": MaskKey().public} if site == "east" else {})}, "a")
            for site in SITES}
    assert unmasked_sum(sent).any()


def test_the_digest_is_of_every_name_and_key() -> None:
    _, public = keys_of(*SITES)
    assert digest_of_keys(public) == digest_of_keys(dict(reversed(public.items())))
    others = ({**public, "east": public["west"]}, {**public, "south": public["west"]},
              {site: public[site] for site in SITES[:2]})
    assert len({digest_of_keys(public), *map(digest_of_keys, others)}) == 4


def test_two_sites_a_changed_key_and_no_key_are_refused() -> None:
    keys, public = keys_of(*SITES)
    one = np.ones(1, np.uint64)
    with pytest.raises(InputError, match="keys of 2 sites"):
        keys["east"].mask(one, "east", {site: public[site] for site in ("east", "west")}, "audit")
    with pytest.raises(InputError, match="came back changed"):
        keys["east"].mask(one, "east", {**public, "east": public["west"]}, "audit")
    for no_key in (np.zeros(KEY_BYTES, np.uint8), np.zeros(3, np.uint8)):
        with pytest.raises(InputError, match="is none"):
            keys["east"].mask(one, "east", {**public, "west": no_key}, "audit")
