"""`fedsynth cohort`: simulated hospitals, and the check of any site's subjects."""

from __future__ import annotations

import shutil
from concurrent.futures import as_completed
from itertools import islice
from pathlib import Path
from typing import Any, Final

import tomli_w

from fl_components.cohort.check import CohortCheck, check_site
from fl_components.cohort.cohort import prepare_cohort, split_path
from fl_components.cohort.sheet import thumbnail_sheet
from fl_components.cohort.simulate.hospital import DIALECT, SITE_NAMES, case_name, simulate_subject, site_sizes
from fl_components.cohort.split import PARTS, read_split
from fl_components.durable import replace_durably
from fl_components.guard.declaration import EVALUATION
from fl_components.json_file import write_json
from fl_components.site import EgressPolicy, Site
from fl_components.study import Study
from fl_components.toml_model import read_toml
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.workers import worker_pool
from privacy_eval.errors import InputError

SEED: Final = 20260101
"""Of simulated studies; the simulated hospitals are the same in every run."""
CANARIES: Final = 3
"""Planted at each simulated hospital: a tenth of the members of the smallest."""
PRIVATE: Final[dict[str, Any]] = {
    "privacy": {"mode": "private", "expected_batch": 5, "discriminator_steps": 2, "trains": "adapted"},
    "audit": {"epsilon": 0.5}, "training": {"local_steps": 20}}
"""What a simulated study that claims an ε says beside it."""
_SHOWN: Final = 6
"""Subjects on a site's sheet."""


def simulate(path: Path, talk: Talk, n_sites: int = 4, rounds: int | None = None,
             epsilon: float | None = None) -> dict[str, Any]:
    """Make simulated hospitals in a run folder; what is there already is kept.

    Args:
        path: the run folder; made if missing. A `study.toml` in it must name simulated sites.
        talk: progress.
        n_sites: how many hospitals.
        rounds: of training, if not the preset's.
        epsilon: that a new study claims for each patient, and new sites allow; none is claimed if None.

    Raises:
        InputError: if the folder's study was written by somebody else, or its sites are not simulated ones.
    """
    run = RunFolder(path)
    content = _study_content(run, n_sites, rounds, epsilon)
    study = Study.parse(content, str(run.study_file))
    for name in study.sites:
        _check_simulated(run, name)
    _write(run.study_file, tomli_w.dumps(content))
    jobs = []
    for index, (name, size) in enumerate(zip(study.sites, site_sizes(n_sites), strict=True)):
        folder = run.site_folder(name)
        if not run.site_file(name).exists():
            _write(run.site_file(name), _simulated_site(name, index, study))
        jobs += [(name, index, k, folder / "data", folder / "truth", SEED) for k in range(size)]
        _fit_to_size(Site.from_file(run.site_file(name)), {case_name(name, k) for k in range(size)})
    title = f"Simulating {len(jobs)} subjects at {n_sites} hospitals"
    with talk.stage(title) as advance, worker_pool() as pool:
        for done, future in enumerate(as_completed([pool.submit(simulate_subject, *job) for job in jobs]), 1):
            advance(done / len(jobs), future.result())
    return {"study": str(run.study_file), "study_hash": study.hash,
            "subjects": dict(zip(study.sites, site_sizes(n_sites), strict=True))}


def check(path: Path, talk: Talk, only: str | None = None) -> dict[str, Any]:
    """Check and prepare the cohorts of a run's sites; write each site's `check.json` and `sheet.png` into its state.

    Args:
        path: the run folder, or one site's `site.toml` where there is none, as at a hospital.
        talk: gets what was found against what is expected.
        only: one site's name, or None for all of the study's; it may be one that gives anatomies only, which the study
            does not name.

    Raises:
        InputError: if a site is unknown or a subject cannot be used; the first such is named.
    """
    study, sites = _asked(path, only)
    results: dict[str, Any] = {}
    with worker_pool() as pool:
        for site in sites:
            with talk.stage(f"Checking and preparing the subjects of {site.name}") as advance:
                found = check_site(site, study, lambda done, total: advance(done / total, ""), pool)
            _tell(talk, found)
            write_json(site.state / "check.json", found.model_dump(mode="json"))
            if found.problems:
                more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
                raise InputError(f"{found.problems[0]}{more}")
            cohort = prepare_cohort(site, study, executor=pool)
            sheet = site.state / "sheet.png"
            thumbnail_sheet(islice(cohort.subjects("members"), _SHOWN), sheet)
            sizes = {part: len(getattr(cohort.split, part)) for part in PARTS}
            results[site.name] = {**sizes, "doubts": len(found.doubts), "sheet": str(sheet)}
    return {"sites": results}


def _asked(path: Path, only: str | None) -> tuple[Study, list[Site]]:
    if path.is_file():
        if only is not None:
            raise InputError(f"--site {only}: goes with a run folder, found {path}; leave it out")
        site = Site.from_file(path)
        return Study.from_file(site.study), [site]
    run = RunFolder(path)
    study = run.study()
    if only is None:
        return study, run.sites(study)
    if only not in study.sites and not run.site_file(only).exists():
        raise InputError(f"--site {only}: not a site of the study, which names {', '.join(study.sites)}; nor is there "
                         f"{run.site_file(only)}")
    return study, [run.site(only, study)]


def _study_content(run: RunFolder, n_sites: int, rounds: int | None, epsilon: float | None) -> dict[str, Any]:
    """The folder's simulated study: new, or the one that is there with only what the options ask for changed."""
    content: dict[str, Any] = {"name": "demo", "preset": "tiny", "seed": SEED, "canaries": {"per_site": CANARIES}}
    if run.study_file.exists():
        content = read_toml(run.study_file)
        if not set(Study.parse(content, str(run.study_file)).sites) <= set(SITE_NAMES):
            raise InputError(f"{run.study_file}: names sites that are not simulated; choose another run folder for "
                             "simulated hospitals")
    content["sites"] = dict(zip(SITE_NAMES, site_sizes(n_sites), strict=False))
    if epsilon is not None:
        content |= PRIVATE | {"privacy": {**PRIVATE["privacy"], "epsilon": epsilon}}
    if rounds is not None:
        content["training"] = {**content.get("training", {}), "rounds": rounds}
    return content


def _simulated_site(name: str, index: int, study: Study) -> str:
    # A simulated hospital holds no secret: its split is seeded so that the demo can be repeated.
    privacy = study.privacy
    policy: dict[str, object] = {"tasks": [*EgressPolicy().tasks, *EVALUATION]}
    if privacy.private:  # nothing of an evaluation is accounted for
        policy = {"epsilon": privacy.epsilon, "delta": privacy.delta, "audit_epsilon": study.audit.epsilon}
    return tomli_w.dumps({
        "policy": policy, "name": name, "study": "../../study.toml", "state": "state",
        "data": {"root": "data", "layout": "brats", "dialect": DIALECT, "simulated": True, "split_seed": SEED + index}})


def _check_simulated(run: RunFolder, name: str) -> None:
    """A site that is there already must be a simulated one, with its data in the run folder."""
    path = run.site_file(name)
    if path.exists():
        data = Site.from_file(path).data
        if not data.simulated or data.root != run.site_folder(name).resolve() / "data":
            raise InputError(f"{path}: describes a site that is not simulated; nothing was changed; choose another "
                             "run folder for simulated hospitals")


def _fit_to_size(site: Site, cases: set[str]) -> None:
    """Remove simulated subjects that another number of sites had asked for, and the split they were in."""
    for folder in site.data.root.iterdir() if site.data.root.is_dir() else ():
        if folder.name not in cases:
            shutil.rmtree(folder)
    split = split_path(site)
    if split.exists() and set(read_split(split).subjects) != cases:
        split.unlink()


def _write(path: Path, text: str) -> None:
    replace_durably(path, lambda partial: partial.write_text(text))


def _tell(talk: Talk, found: CohortCheck) -> None:
    for row in found.rows:
        talk.say(f"  {'ok ' if row.ok else 'BAD'} {found.site}: {row.what}: found {row.found}; expected {row.expected}")
    for line in (*found.problems, *found.doubts[:_SHOWN]):
        talk.say(f"      {line}")
    if len(found.doubts) > _SHOWN:
        talk.say(f"      … {len(found.doubts) - _SHOWN} more doubts in the site's check.json")
