"""Homomorphic encryption is tried where TenSEAL is installed; elsewhere one line says how to install it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import benchmarks.homomorphic as homomorphic

TENSORS = {"a": 5, "b": 5000}


@pytest.mark.skipif(importlib.util.find_spec("tenseal") is not None, reason="TenSEAL is installed")
def test_without_tenseal_one_line_says_what_to_install() -> None:
    with pytest.raises(SystemExit, match=r"pip install 'fedsynth\[he\]'") as stopped:
        homomorphic.main()
    assert "\n" not in str(stopped.value)


def test_a_sum_decrypts_and_so_does_one_site_s_update() -> None:
    pytest.importorskip("tenseal")
    keys = homomorphic.Keys()
    plain = homomorphic.updates(TENSORS, np.random.default_rng(0))
    messages = [homomorphic.encrypted(keys.site, update) for update in plain.values()]
    total = homomorphic.decrypted(keys.site, homomorphic.summed(messages))
    exact = {name: sum(update[name] for update in plain.values()) for name in TENSORS}
    assert homomorphic.largest_difference(total, exact) < 1e-6
    found = homomorphic.oracle(keys, TENSORS)
    assert found["largest_error_of_what_west_decrypts"] < 1e-6 < found["largest_value_of_the_update"]
    assert not found["server_has_a_secret_key"]
