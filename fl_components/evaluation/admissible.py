"""What cannot be compared, said before anything is trained: one line each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.server.release import Volume, read_release
from fl_components.server.release_manifest import read_manifest, verified_bytes
from fl_components.study import Study
from fl_components.vocabulary import LABELS, TUMOUR
from privacy_eval.errors import InputError


def require_tests(tests: Mapping[str, Sequence[Subject]]) -> None:
    """Test subjects at every site, and enough of them.

    Raises:
        InputError: if there is no site, or a site has fewer than two: a mean over one subject is that subject's score.
    """
    if not any(len(subjects) for subjects in tests.values()):
        raise InputError("no test subjects at any site, expected at least 2 a site; raise cohort.test in study.toml "
                         "before the cohorts are prepared")
    for site, subjects in tests.items():
        if len(subjects) < 2:
            raise InputError(f"site '{site}': {len(subjects)} test subject(s), expected at least 2: a mean over one is "
                             "that subject's score; leave the site out, or bring more subjects")


def require_disjoint(training: Mapping[str, Sequence[Subject]], tests: Mapping[str, Sequence[Subject]]) -> None:
    """Nobody is trained on and tested, neither by name nor, under another name, by anatomy.

    Args:
        training: subjects trained on by site, or by what else they come from, such as a release.
        tests: by site.

    Raises:
        InputError: naming the first test subject that is trained on.
    """
    known = {_print(subject): (origin, subject.name) for origin, subjects in training.items() for subject in subjects}
    for site, subjects in tests.items():
        names = {subject.name for subject in training.get(site, ())}
        for subject in subjects:
            if subject.name in names:
                raise InputError(f"site '{site}': test subject '{subject.name}' is trained on as well; a test set must "
                                 "not overlap the training set, restore the split")
            if _print(subject) in known:
                origin, name = known[_print(subject)]
                raise InputError(f"site '{site}': test subject '{subject.name}' has the anatomy of '{name}' of "
                                 f"{origin}, which is trained on; a test set must not overlap the training set, remove "
                                 "one of the two")


def require_same_labels(labels: Mapping[str, Collection[int]]) -> None:
    """Every site tells the same tumour labels apart.

    Args:
        labels: the labels that occur at each site, in the shared vocabulary.

    Raises:
        InputError: naming the first site that lacks one which another has.
    """
    everywhere = {label for found in labels.values() for label in found} & set(TUMOUR)
    for site, found in labels.items():
        for label in sorted(everywhere - set(found)):
            other = next(name for name, theirs in labels.items() if label in theirs)
            raise InputError(f"site '{site}': no {LABELS[label]} in any subject, but site '{other}' has it; segmenters "
                             "are compared on the same labels, correct data.dialect in site.toml or leave the site out")


def labels_of(subjects: Sequence[Subject]) -> set[int]:
    """The labels that occur in anatomies."""
    return {int(label) for subject in subjects for label in np.unique(subject.labels)}


def released_volumes(folder: Path, study: Study) -> list[Volume]:
    """A release's volumes, if they are this study's.

    Raises:
        InputError: if the folder is no release, a file was changed, or it is of another study or grid.
    """
    manifest = read_manifest(folder)
    if study.hash not in verified_bytes(folder, "dataset_description.json", manifest).decode():
        raise InputError(f"{folder}: a release of another study than '{study.name}' ({study.hash[:12]}); synthesise "
                         "this study's, or evaluate it where its own study is")
    volumes = []
    for volume in read_release(folder):
        if volume.labels.shape != study.grid.shape or not np.allclose(volume.affine, study.grid.affine, atol=1e-3):
            raise InputError(f"{folder}: {volume.name} has a grid of {volume.labels.shape}, the study "
                             f"{study.grid.shape} of {study.grid.spacing_mm:g} mm; synthesise on the study's grid")
        volumes.append(volume)
    return volumes


def _print(subject: Subject) -> str:
    """Of an anatomy: no two people have the same."""
    return hashlib.sha256(subject.labels.tobytes()).hexdigest()
