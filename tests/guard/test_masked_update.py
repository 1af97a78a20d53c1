"""Masked updates: the sum is the plain aggregate, one of them is noise, and the guard holds the bound before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from scipy import stats
from small_run import small_study

from fl_components.guard.declaration import TRAINING_SCALARS, declare, refusal, tensor_norm, training_fields
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.guard.masked_update import LOSS_BOUND, Masking, masked_update, mean_update, point_of
from fl_components.guard.result_check import ResultCheck
from fl_components.guard.seal import Seal
from fl_components.guard.secure_sum import MaskKey
from fl_components.guard.signed_keys import KeySigner
from fl_components.networks.build import declared_shapes
from fl_components.server.aggregation import aggregate
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError

SITES = {"east": 3.0, "north": 2.0, "south": 1.0, "west": 1.0}
MASKED = {"secure_aggregation": True, "update_norm_bound": 50.0}
STUDY = Study.parse(small_study(sites=SITES, federation=MASKED), "test")
PLAIN = STUDY.model_copy(update={"federation": STUDY.federation.model_copy(update={"secure_aggregation": False})})
SEEDS = {site: bytes([k] * 32) for k, site in enumerate((*SITES, "mallory"))}
Fields = dict[str, np.ndarray]


def update(seed: int, norm: float = 1.0) -> Fields:
    rng = np.random.default_rng(seed)
    fields = {name: rng.normal(size=field.shape).astype(field.dtype) for name, field in training_fields(STUDY).items()}
    scale = norm / tensor_norm(fields)
    return {name: np.asarray(value * scale if value.ndim else value, value.dtype) for name, value in fields.items()}


def maskings(*sites: str) -> dict[str, Masking]:
    keys = {site: MaskKey() for site in sites}
    public = {site: key.public for site, key in keys.items()}
    return {site: Masking(key, public, SEEDS[site]) for site, key in keys.items()}


def exchange(updates: dict[str, Fields]) -> dict[str, Fields]:
    return {site: masked_update(STUDY, site, masking, updates[site], "job", 0)
            for site, masking in maskings(*updates).items()}


@settings(max_examples=15)
@given(st.sampled_from([tuple(SITES), ("east", "north", "west"), ("north", "south", "west")]), st.integers(0, 2**31),
       st.floats(1e-3, 49.9))
def test_the_mean_is_the_plain_aggregate(sites: tuple[str, ...], seed: int, norm: float) -> None:
    updates = {site: update(seed + k, norm) for k, site in enumerate(sites)}
    found = mean_update(STUDY, exchange(updates), SEEDS)
    assert refusal(declare("train", PLAIN), found) is None
    plain = aggregate(PLAIN, updates, declared_shapes(STUDY))
    present = sum(STUDY.weight(site) for site in sites)
    for name, value in plain.items():
        error = point_of(STUDY, name).largest_error / present
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=error + 1e-6 * norm)
    for name in TRAINING_SCALARS:
        mean = sum(STUDY.weight(site) * float(updates[site][name]) for site in sites) / present
        assert float(found[name]) == pytest.approx(mean, abs=point_of(STUDY, name).largest_error / present)


def test_one_update_is_noise_and_names_nothing_of_what_it_hides() -> None:
    zeros = {name: np.zeros(field.shape, field.dtype) for name, field in training_fields(STUDY).items()}
    for held in (zeros, update(1, 49.0)):
        sent = exchange(dict.fromkeys(SITES, held))["north"]
        values = np.concatenate([value.ravel() for value in sent.values()])
        assert refusal(declare("train", STUDY), sent) is None
        assert stats.kstest(values / 2.0**32, "uniform").pvalue > 1e-6
        assert stats.chisquare(np.bincount(values.view(np.uint8), minlength=256)).pvalue > 1e-6


def test_every_bit_of_what_is_sent_counts() -> None:
    sent = exchange({site: update(k) for k, site in enumerate(SITES)})
    before = mean_update(STUDY, sent, SEEDS)
    name = next(iter(before))
    sent["north"][name].reshape(-1)[0] ^= 1
    after = mean_update(STUDY, sent, SEEDS)
    assert after[name].reshape(-1)[0] != before[name].reshape(-1)[0]
    assert sum(not np.array_equal(before[key], after[key]) for key in before) == 1


@pytest.mark.parametrize("lost", SITES)
def test_without_one_of_the_sites_the_sum_is_noise(lost: str) -> None:
    sent = exchange({site: update(k) for k, site in enumerate(SITES)})
    del sent[lost]
    assert tensor_norm(mean_update(STUDY, sent, SEEDS)) > 10 * STUDY.federation.update_norm_bound


def test_without_one_seed_the_sum_is_noise() -> None:
    """What a round that was given up leaves behind, whoever's answer comes late."""
    sent = exchange({site: update(k) for k, site in enumerate(SITES)})
    found = mean_update(STUDY, sent, {**SEEDS, "west": bytes([9] * 32)})
    assert tensor_norm(found) > 10 * STUDY.federation.update_norm_bound


def test_a_late_answer_does_not_betray_its_site() -> None:
    """Given up without west, repeated with the other three, who train the same; then west's answer comes."""
    updates = {site: update(k) for k, site in enumerate(SITES)}
    lost = exchange(updates)
    rest = mean_update(STUDY, exchange({site: updates[site] for site in SITES if site != "west"}), SEEDS)
    kept_secret = dict.fromkeys(SITES, bytes(32))  # nobody told a seed in the round that was given up
    whole = mean_update(STUDY, lost, kept_secret)
    name = next(iter(rest))
    share = STUDY.weight("west")
    guess = (whole[name] - (1 - share) * rest[name]) / share
    assert np.abs(guess - updates["west"][name]).min() > 1e-3
    told = mean_update(STUDY, lost, SEEDS)
    guess = (told[name] - (1 - share) * rest[name]) / share
    np.testing.assert_allclose(guess, updates["west"][name], atol=1e-5)  # which is why the seeds are kept


def test_rounds_and_jobs_have_masks_of_their_own_and_a_round_is_masked_once() -> None:
    masking, fields = maskings(*SITES)["east"], update(1)
    sent = [masked_update(STUDY, "east", masking, fields, *when) for when in (("a", 0), ("a", 1), ("b", 0))]
    name = next(iter(fields))
    assert not any(np.array_equal(sent[i][name], sent[j][name]) for i, j in ((0, 1), (0, 2), (1, 2)))
    with pytest.raises(InputError, match="masked before"):
        masked_update(STUDY, "east", masking, update(2), "a", 1)


def test_strangers_and_too_small_sums_are_refused() -> None:
    with pytest.raises(InputError, match="'mallory', which is not a site"):
        masked_update(STUDY, "east", maskings(*SITES, "mallory")["east"], update(1), "job", 0)
    with pytest.raises(InputError, match="keys of 2 sites; the study sums at least 3"):
        masked_update(STUDY, "east", maskings("east", "west")["east"], update(1), "job", 0)


def test_a_loss_out_of_range_does_not_spoil_the_round() -> None:
    updates = {site: update(k) for k, site in enumerate(SITES)}
    updates["east"]["loss.adversarial"] = np.array(1e9)
    found = mean_update(STUDY, exchange(updates), SEEDS)
    assert float(found["loss.adversarial"]) == pytest.approx(3 / 7 * LOSS_BOUND, abs=2)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "study.toml").write_text(tomli_w.dumps(small_study(sites=SITES, federation=MASKED)))
    (tmp_path / "site.toml").write_text(tomli_w.dumps({
        "name": "east", "study": "study.toml", "state": "state", "data": {"root": "data", "dialect": "brats2020"},
        "policy": {"maximum_update_norm": 60.0}}))
    return Site.from_file(tmp_path / "site.toml")


def test_the_guard_masks_and_the_ledger_has_the_plain_norm_and_the_masked_digests(site: Site) -> None:
    guard, masking, fields = Guard(site, STUDY), maskings(*SITES)["east"], update(1, 7.0)
    sent = guard.release("train", fields, job="job", round_number=0, masking=masking)
    assert {value.dtype for value in sent.values()} == {np.dtype(np.uint32)}
    (entry,) = guard.ledger.entries()
    assert entry["norm"] == pytest.approx(7.0, rel=1e-5)
    assert entry["masked"] == masking.facts()
    assert entry["bytes"] == 4 * sum(value.size for value in fields.values())
    assert not any("norm" in tensor for tensor in entry["tensors"])
    assert set(entry["scalars"]) == set(TRAINING_SCALARS)
    assert not any(float(fields[name]) == entry["scalars"][name] for name in TRAINING_SCALARS)


@pytest.mark.parametrize(("norm", "masked", "words"), [
    (51.0, True, "exceeds the study's 50, and masked it could not be checked"),
    (61.0, True, "exceeds the policy's 60"), (1.0, False, "there is no key for it")])
def test_what_may_not_leave_plain_does_not_leave_masked(site: Site, norm: float, masked: bool, words: str) -> None:
    guard = Guard(site, STUDY)
    with pytest.raises(EgressRefusedError, match=words):
        guard.release("train", update(1, norm), job="job", round_number=0,
                      masking=maskings(*SITES)["east"] if masked else None)
    (entry,) = guard.ledger.entries()
    assert entry["decision"] == "refused"
    assert words in entry["reason"]


def test_the_second_wall_passes_what_was_masked_and_recorded_and_nothing_else(site: Site) -> None:
    guard, masking = Guard(site, STUDY), maskings(*SITES)["east"]
    check = ResultCheck(Seal(site.study.parent / "site.toml"), "site filter")
    fields = update(1)
    sent = guard.release("train", fields, job="job", round_number=0, masking=masking)
    unrecorded = masked_update(STUDY, "east", masking, fields, "job", 1)
    changed = {name: value ^ np.uint32(1) for name, value in sent.items()}
    for refused in (fields, unrecorded, changed):
        reply = check.passed(DXO(DataKind.WEIGHT_DIFF, dict(refused)).to_shareable(), "train", "job")
        assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    passed = check.passed(DXO(DataKind.WEIGHT_DIFF, dict(sent)).to_shareable(), "train", "job")
    for name, value in from_shareable(passed).data.items():
        np.testing.assert_array_equal(value, sent[name])


def test_a_key_leaves_and_is_recorded_without_a_norm(site: Site) -> None:
    guard, key = Guard(site, STUDY), MaskKey()
    signed = KeySigner("east", "job", None).signed(key.public)
    sent = guard.release("train_keys", {"key": signed}, job="job", round_number=0)
    np.testing.assert_array_equal(sent["key"], signed)
    (entry,) = guard.ledger.entries()
    assert "norm" not in entry
    reply = ResultCheck(Seal(site.study.parent / "site.toml"), "site filter").passed(
        DXO(DataKind.WEIGHT_DIFF, dict(sent)).to_shareable(), "train_keys", "job")
    assert reply.get_return_code() == ReturnCode.OK


@pytest.mark.parametrize(("federation", "sites", "words"), [
    ({"aggregation": "median"}, 4, "cannot see single updates to sort"),
    ({"aggregation": "trimmed_mean"}, 4, "cannot see single updates to sort"),
    ({"clip_norm": 1.0}, 4, "cannot see single updates to clip"),
    ({}, 2, r"2 site\(s\), expected at least 3"),
    ({"minimum_updates": 2}, 4, "minimum_updates = 2, expected at least 3"),
    ({"update_norm_bound": 3000.0}, 4, "rounded too coarsely"),
])
def test_what_does_not_go_with_masks_is_refused_with_the_reason(federation: dict[str, object], sites: int,
                                                                words: str) -> None:
    content = small_study(sites=dict.fromkeys(list(SITES)[:sites], 1.0),
                          federation={"secure_aggregation": True, **federation})
    with pytest.raises(InputError, match=f"key 'federation': secure_aggregation with .*{words}"):
        Study.parse(content, "test")


@pytest.mark.parametrize(("sites", "least"), [(3, 3), (4, 3), (6, 4)])
def test_a_masked_sum_is_over_three_sites_at_least(sites: int, least: int) -> None:
    study = Study.parse(small_study(sites={f"s{k}": 1.0 for k in range(sites)},
                                    federation={"secure_aggregation": True}), "test")
    assert study.federation.least_updates(sites) == least
