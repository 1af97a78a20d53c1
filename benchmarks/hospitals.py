"""The hospitals of a run, as benchmarks read them: each site's subjects of one part of the split."""

from __future__ import annotations

from itertools import islice

import numpy as np

from fl_components.cohort.cohort import Cohort
from fl_components.cohort.split import Part
from fl_components.cohort.subject import Subject
from jobs.run_folder import RunFolder

Hospitals = dict[str, list[Subject]]
"""Subjects by site, in the study's order of sites."""


def load_hospitals(run: RunFolder, part: Part, limit: int | None = None) -> Hospitals:
    """Subjects of one part of every site's split, at most `limit` a site.

    Raises:
        InputError: if the study, a site or its prepared cohort is missing or invalid.
    """
    study = run.study()
    return {site.name: list(islice(Cohort.load(site, study).subjects(part), limit)) for site in run.sites(study)}


def pooled(hospitals: Hospitals) -> list[Subject]:
    """Everybody's subjects."""
    return [subject for subjects in hospitals.values() for subject in subjects]


def site_masks(hospitals: Hospitals) -> dict[str, np.ndarray]:
    """Which of `pooled`'s subjects, bool (n,), belong to "all" and to each site."""
    owners = np.array([site for site, subjects in hospitals.items() for _ in subjects])
    return {"all": np.ones(len(owners), bool)} | {site: owners == site for site in hospitals}


def all_simulated(run: RunFolder) -> bool:
    """Whether no site of the run holds a real person."""
    return all(site.data.simulated for site in run.sites(run.study()))
