"""What homomorphic encryption as NVFlare offers it costs, and what it does not hide from a server that may ask.

    pip install 'fedsynth[he]' && python -m benchmarks.homomorphic

Runs NVFlare's own parts, without a federation around them: the keys as its `HEBuilder` provisions them, its
`HEModelEncryptor` at the sites, a sum of ciphertexts at the server, its `HEModelDecryptor` at a site. Then it plays a
server that puts one site's update in the place of the average and has it decrypted by another site.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks.results import quartiles, write_result
from benchmarks.secure_aggregation import SITES, studies
from fl_components.networks.build import declared_shapes
from fl_components.networks.weights import Weights

REPEATS: Final = 3
_MISSING: Final = "tenseal is not installed; install it with: pip install 'fedsynth[he]' (Python 3.11 to 3.13)"


class Keys:
    """TenSEAL contexts as `nvflare.lighter.impl.he.HEBuilder` writes them into the startup kits.

    `site` is one file, the same in every site's kit, with the secret key; `server` has no secret key.
    """

    def __init__(self) -> None:
        from nvflare.lighter.impl.he import HEBuilder

        builder = HEBuilder()
        builder.initialize(None, None)
        self.site: bytes = builder.get_serialized_context(is_client=True)
        self.server: bytes = builder.get_serialized_context()


def sizes() -> dict[str, dict[str, int]]:
    """Number of values by tensor, by generator."""
    return {name: {tensor: math.prod(shape) for tensor, shape in declared_shapes(study).items()}
            for name, study in studies().items()}


def updates(tensors: Mapping[str, int], rng: np.random.Generator) -> dict[str, Weights]:
    """An update of each site, of a trained one's order of magnitude."""
    return {site: {name: rng.normal(0, 1e-3, size).astype(np.float32) for name, size in tensors.items()}
            for site in SITES}


def encrypted(keys: bytes, update: Weights) -> bytes:
    """What a site sends: NVFlare's filter, then its serialisation."""
    import tenseal
    from nvflare.apis.fl_context import FLContext
    from nvflare.app_opt.he.model_encryptor import HEModelEncryptor
    from nvflare.fuel.utils import fobs

    encryptor = HEModelEncryptor(weigh_by_local_iter=False)
    encryptor.tenseal_context = tenseal.context_from(keys)
    encryptor.encrypt_layers = [True]
    content, _ = encryptor.encryption(dict(update), FLContext())
    return bytes(fobs.dumps(content))


def summed(messages: list[bytes]) -> dict[str, Any]:
    """What the server makes of them: sums of ciphertexts, by tensor."""
    from nvflare.fuel.utils import fobs

    total, *others = (fobs.loads(message) for message in messages)
    for other in others:
        total = {name: total[name] + other[name] for name in total}
    return dict(total)


def decrypted(keys: bytes, content: Mapping[str, Any]) -> Weights:
    """What a site's NVFlare filter makes of what its server calls the global model."""
    import tenseal
    from nvflare.apis.dxo import DXO, DataKind, MetaKey
    from nvflare.apis.fl_context import FLContext
    from nvflare.apis.shareable import Shareable
    from nvflare.app_opt.he.constant import HE_ALGORITHM_CKKS
    from nvflare.app_opt.he.model_decryptor import HEModelDecryptor

    decryptor = HEModelDecryptor()
    decryptor.tenseal_context = tenseal.context_from(keys)
    sent = DXO(DataKind.WEIGHTS, data={name: value.serialize() for name, value in content.items()}, meta={
        MetaKey.PROCESSED_KEYS: dict.fromkeys(content, True), MetaKey.PROCESSED_ALGORITHM: HE_ALGORITHM_CKKS})
    plain = decryptor.process_dxo(sent, Shareable(), FLContext())
    return {name: np.array(values, np.float32) for name, values in plain.data.items()}


def largest_difference(one: Weights, other: Weights) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def cost(keys: Keys, tensors: Mapping[str, int], repeats: int) -> dict[str, Any]:
    """One row: bytes and seconds of a round of four sites."""
    from nvflare.fuel.utils import fobs

    plain = updates(tensors, np.random.default_rng(0))
    seconds: dict[str, list[float]] = {"encrypt": [], "sum": [], "decrypt": []}
    for _ in range(repeats):
        started = time.perf_counter()
        first = encrypted(keys.site, plain["east"])
        seconds["encrypt"].append(time.perf_counter() - started)
        messages = [first, *(encrypted(keys.site, plain[site]) for site in SITES if site != "east")]
        started = time.perf_counter()
        total = summed(messages)
        seconds["sum"].append(time.perf_counter() - started)
        started = time.perf_counter()
        opened = decrypted(keys.site, total)
        seconds["decrypt"].append(time.perf_counter() - started)
    exact = {name: np.asarray(np.sum([plain[site][name] for site in SITES], axis=0, dtype=np.float64))
             for name in tensors}
    plain_bytes = sum(value.nbytes for value in plain["east"].values())
    ciphertext_bytes = sum(len(value.serialize()) for value in fobs.loads(first).values())
    return {"values": sum(tensors.values()), "tensors": len(tensors), "bytes_plain": plain_bytes,
            "bytes_ciphertexts": ciphertext_bytes, "bytes_encrypted": len(first),
            "times_plain": len(first) / plain_bytes, "largest_error": largest_difference(opened, exact),
            **{f"seconds_{name}": quartiles(values) for name, values in seconds.items()}}


def oracle(keys: Keys, tensors: Mapping[str, int]) -> dict[str, Any]:
    """A server that may have an average decrypted has one site's update decrypted, by another site's filter."""
    import tenseal
    from nvflare.fuel.utils import fobs

    plain = updates(tensors, np.random.default_rng(1))
    of_east = fobs.loads(encrypted(keys.site, plain["east"]))  # the server's copy, never summed
    found = decrypted(keys.site, of_east)  # at west, whose key is east's
    return {"server_has_a_secret_key": tenseal.context_from(keys.server).has_secret_key(),
            "largest_value_of_the_update": max(float(np.abs(value).max()) for value in plain["east"].values()),
            "largest_error_of_what_west_decrypts": largest_difference(found, plain["east"])}


def main() -> None:
    """Measure and write the result."""
    if importlib.util.find_spec("tenseal") is None:
        sys.exit(_MISSING)
    import tenseal

    logging.disable(logging.INFO)
    keys = Keys()
    rows = [{"model": name, **cost(keys, tensors, REPEATS)} for name, tensors in sizes().items()]
    found = {"tenseal": tenseal.__version__, "cost": rows, "oracle": oracle(keys, sizes()["the demo's generator"])}
    write_result("homomorphic", found, {"repeats": REPEATS, "sites": len(SITES)})
    for name, value in found["oracle"].items():
        sys.stdout.write(f"{name.replace('_', ' ')}: {value}\n")


if __name__ == "__main__":
    main()
