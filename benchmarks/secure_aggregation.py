"""What a round costs when updates are masked: bytes, seconds at a site and at the server, and the error of the sum.

    python -m benchmarks.secure_aggregation

Everything between a trained update and the aggregate is timed, in turns: at a site the guard with its ledger, plain or
masking; at the server the aggregate of four plain updates, or the sum of four masked ones. Errors are against the
mean in float64. `python -m benchmarks.homomorphic` has the same sizes under homomorphic encryption.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.results import quartiles, write_result
from fl_components.guard.declaration import training_fields
from fl_components.guard.egress import Guard
from fl_components.guard.masked_update import Masking, mean_update, point_of
from fl_components.guard.secure_sum import KEY_BYTES, MaskKey
from fl_components.networks.build import declared_shapes
from fl_components.server.aggregation import aggregate
from fl_components.site import Site
from fl_components.study import Study

SITES: Final = {"east": 4.0, "north": 3.0, "south": 2.0, "west": 1.0}
REPEATS: Final = 9
NORM: Final = 2.0
"""Of an update: the demo's are .7 to 3.1."""
Fields = dict[str, np.ndarray]


def studies(secure: bool = False) -> dict[str, Study]:
    """The demo's study, and one whose generator has a million parameters."""
    base = {"name": "secure", "preset": "tiny", "seed": 0, "sites": SITES, "federation": {"secure_aggregation": secure}}
    large = {"network": {"generator_channels": (28, 56, 104), "discriminator_channels": 16}}
    return {"the demo's generator": Study.parse(base, "demo"),
            "a generator of a million parameters": Study.parse(base | large, "large")}


def update_of(study: Study, seed: int) -> Fields:
    """Fields as a round of training yields them, random, of norm `NORM`."""
    rng = np.random.default_rng(seed)
    fields = training_fields(study)
    deviation = NORM / sum(int(np.prod(field.shape)) for field in fields.values()) ** 0.5
    return {name: np.asarray(rng.normal(0, deviation, field.shape), field.dtype) for name, field in fields.items()}


def sites_of(folder: Path) -> dict[str, Site]:
    return {name: Site.parse({"name": name, "study": "study.toml", "state": str(folder / name / "state"),
                              "data": {"root": "data", "dialect": "brats2020"}}, "benchmark") for name in SITES}


def a_round(study: Study, masked: bool, updates: dict[str, Fields], folder: Path,
            job: str) -> tuple[Fields, int, float, float]:
    """One round: the mean, the bytes of one site's answer, and the seconds at one site and at the server."""
    keys = {name: MaskKey() for name in SITES} if masked else {}
    public = {name: key.public for name, key in keys.items()}
    seeds = {name: bytes([k] * KEY_BYTES) for k, name in enumerate(SITES)}
    sent, seconds = {}, []
    for name, site in sites_of(folder).items():
        guard, masking = Guard(site, study), Masking(keys[name], public, seeds[name]) if masked else None
        started = time.perf_counter()
        sent[name] = guard.release("train", updates[name], job=job, round_number=0, masking=masking)
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    mean = mean_update(study, sent, seeds) if masked else aggregate(study, sent, declared_shapes(study))
    at_server = time.perf_counter() - started
    return mean, sum(value.nbytes for value in sent["east"].values()), float(np.median(seconds)), at_server


def compare(plain: Study, secure: Study, repeats: int) -> list[dict[str, Any]]:
    """One row for plain updates and one for masked ones, each repeat timing both."""
    updates = {name: update_of(plain, k) for k, name in enumerate(SITES)}
    exact = {name: np.sum([plain.weight(site) * updates[site][name].astype(np.float64) for site in SITES], axis=0)
             for name in declared_shapes(plain)}
    rows: dict[bool, dict[str, Any]] = {}
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(-1, repeats):  # the first is not counted
            for masked, study in ((False, plain), (True, secure)):
                mean, size, at_site, at_server = a_round(study, masked, updates, Path(folder), f"job {repeat}")
                error = np.concatenate([(mean[name] - exact[name]).ravel() for name in exact])
                if repeat >= 0:
                    times[masked].append((at_site, at_server))
                rows[masked] = {"updates": "masked" if masked else "plain", "bytes": size,
                                "largest_error": float(np.abs(error).max()),
                                "typical_error": float(np.sqrt(np.square(error).mean()))}
    return [{**rows[masked], "seconds_site": quartiles([pair[0] for pair in times[masked]]),
             "seconds_server": quartiles([pair[1] for pair in times[masked]])} for masked in (False, True)]


def main() -> None:
    """Measure and write the result."""
    plain, secure = studies(), studies(secure=True)
    rows = [{"model": name, "values": sum(math.prod(shape) for shape in declared_shapes(plain[name]).values()), **row}
            for name in plain for row in compare(plain[name], secure[name], REPEATS)]
    study = next(iter(secure.values()))
    stated = point_of(study, next(iter(declared_shapes(study)))).largest_error
    write_result("secure_aggregation", {"rounds": rows, "stated_largest_error": stated},
                 {"repeats": REPEATS, "sites": len(SITES)})


if __name__ == "__main__":
    main()
