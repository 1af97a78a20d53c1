"""Where synthetic subjects come from: the release, baselines, bad generators, and what separates causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import torch
from scipy import ndimage

from benchmarks.hospitals import Hospitals, pooled
from fl_components.anatomy.brain import BrainTraits
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy
from fl_components.anatomy.tumour import push_displacement
from fl_components.cohort.case import Case, Scan
from fl_components.cohort.prepare import make_subject
from fl_components.cohort.simulate.hospital import site_profile
from fl_components.cohort.simulate.patient import BEYOND_CONTOUR, Patient, PatientTraits, native_grid
from fl_components.cohort.simulate.scanner import Scanner
from fl_components.cohort.simulate.structure import build_structure
from fl_components.cohort.simulate.subject import scan
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.evaluation.public_images import public_subject
from fl_components.evaluation.realism.bad import blurred, collapsed, painted, wrong_contrast
from fl_components.json_file import read_json
from fl_components.networks.build import build_generator, build_networks
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.generator import Generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.public_start import begin_publicly
from fl_components.networks.weights import load_weights
from fl_components.server.population import ContrastPopulation, random_protocols
from fl_components.study import Study
from fl_components.vocabulary import SEQUENCES, TUMOUR
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

RELEASE: Final = "release"
BASELINES: Final = ("lookup table", "public simulator", "simulator-only generator")
"""What no patient's image taught, in the release's contrasts or the sites': a generator that does not beat them has
learned nothing worth patients' images."""
NOTHING: Final = ("public simulator, random protocols", "simulator-only generator, random protocols")
"""The same in contrasts of random protocols: what knows nothing of any patient."""
BAD: Final = ("blurred", "mode-collapsed", "wrong contrast", "sequences exchanged")
SEPARATING: Final = ("members' anatomies, generated images", "sampled anatomies, simulated images",
                     "release's generator, random protocols")
"""Half real, half synthetic: which half costs the Dice? And the release but for the sites' contrasts."""
FADE_MM: Final = (1.5, 4.0)
"""Range of the width over which oedema fades at a simulated tumour's edge, where its growth is not known."""
_STREAM: Final = 41


@dataclass
class Images:
    """Makes synthetic subjects by name, each kind once.

    Attributes:
        run: whose generator, population and hospitals.
        study: its study.
        members: by site.
        released: the release's volumes as subjects.
        count: subjects a kind.
    """

    run: RunFolder
    study: Study
    members: Hospitals
    released: Sequence[Subject]
    count: int
    _made: dict[str, list[Subject]] = field(default_factory=dict)

    def require_generators(self) -> None:
        """Both generators are there, said before anything is trained (errors as `load_generator` and
        `begin_publicly`)."""
        self._generator(), self._public_generator()

    def make(self, name: str) -> list[Subject]:
        """The subjects of one of `RELEASE`, `BASELINES`, `NOTHING`, `BAD` and `SEPARATING`."""
        if name not in self._made:
            self._made[name] = self._makers()[name]()
        return self._made[name]

    def _makers(self) -> dict[str, Callable[[], list[Subject]]]:
        released = list(self.released[:self.count])
        return {RELEASE: lambda: released, "lookup table": partial(painted, released),
                "public simulator": lambda: self._publicly(released, self._told()),
                "simulator-only generator": partial(self._rendered, released, self._public_generator),
                NOTHING[0]: lambda: self._publicly(released, random_protocols(simulated=True)),
                NOTHING[1]: lambda: self._rendered(self._in_random_contrasts(released), self._public_generator),
                "blurred": partial(blurred, released), "mode-collapsed": partial(collapsed, released),
                "wrong contrast": partial(wrong_contrast, released),
                "sequences exchanged": partial(exchanged, released),
                SEPARATING[0]: lambda: self._rendered(self._some_members(), self._generator),
                SEPARATING[1]: self._scanned,
                SEPARATING[2]: lambda: self._rendered(self._in_random_contrasts(released), self._generator)}

    def _told(self) -> ContrastPopulation:
        """Of contrasts, by what the sites told."""
        return ContrastPopulation.from_summaries(self.study, read_json(self.run.server.population_file))

    def _in_random_contrasts(self, subjects: Sequence[Subject]) -> list[Subject]:
        """The same anatomies, to be rendered in the contrasts of random protocols."""
        population, rng = random_protocols(simulated=True), np.random.default_rng([self.study.seed, _STREAM])
        return [replace(subject, contrast=population.draw(subject.labels, rng)) for subject in subjects]

    def _publicly(self, subjects: Sequence[Subject], population: ContrastPopulation) -> list[Subject]:
        """The public simulator's images of the same anatomies."""
        rng = np.random.default_rng([self.study.seed, _STREAM])
        return [public_subject(subject.labels, population, self.study.grid, rng) for subject in subjects]

    def _rendered(self, subjects: Sequence[Subject], build: Callable[[], Generator]) -> list[Subject]:
        """A generator's images of the subjects' anatomies and contrasts."""
        precision = choose_precision(self.study.training.precision)
        generator = precision.place(build()).eval()
        rng = torch.Generator().manual_seed(self.study.seed + _STREAM)
        examples = [(subject.labels, subject.contrast) for subject in subjects]
        made = render_as_drawn(generator, examples, [rng] * len(examples), precision)
        return [replace(subject, images=images, contrast=measure_contrast(images, subject.labels))
                for subject, images in zip(subjects, made, strict=True)]

    def _generator(self) -> Generator:
        return load_weights(build_generator(self.study), self.run.server.load_generator())

    def _public_generator(self) -> Generator:
        """The publicly trained start, which has seen no hospital."""
        return begin_publicly(build_networks(self.study, self.study.seed)[0], "generator", self.study.network)

    def _some_members(self) -> list[Subject]:
        everybody = pooled(self.members)
        chosen = np.random.default_rng([self.study.seed, _STREAM]).permutation(len(everybody))[:self.count]
        return [everybody[k] for k in chosen]

    def _scanned(self) -> list[Subject]:
        """Sampled anatomies in the hospitals' scanners, the sites in turns."""
        made = []
        for k in range(self.count):
            scanner, _ = site_profile(k % len(self.study.sites), self.study.seed)
            made.append(scanned_anatomy(scanner, self.study, np.random.default_rng([self.study.seed, _STREAM, k])))
        return made


def exchanged(subjects: Sequence[Subject]) -> list[Subject]:
    """Every sequence in the contrast of the next, the last in that of the first."""
    made = [np.roll(subject.images, -1, axis=0) for subject in subjects]
    return [replace(subject, images=images, contrast=measure_contrast(images, subject.labels))
            for subject, images in zip(subjects, made, strict=True)]


def scanned_anatomy(scanner: Scanner, study: Study, rng: np.random.Generator) -> Subject:
    """A sampled anatomy with a hospital's images: all that the hospitals' simulator draws within tissues, and its scan.

    How a sampled tumour's oedema fades is not known, so it fades over a drawn width (`FADE_MM`).
    """
    grid = native_grid(scanner.spacing_mm)
    drawn = AnatomySampler(grid).sample(rng)
    patient = patient_of(drawn, scanner.spacing_mm, rng)
    images = scan(rng, patient, build_structure(rng, patient), scanner).astype(np.float32)
    tumour = np.where(np.isin(drawn.labels, TUMOUR), drawn.labels, 0).astype(np.uint8)
    files = tuple(Path(f"sampled_{sequence}") for sequence in SEQUENCES)
    case = Case("sampled", files, Path("sampled_seg"))
    affine = nib.affines.from_matvec(np.eye(3) * scanner.spacing_mm, np.zeros(3))
    return make_subject(case, Scan(images, tumour, tumour, affine), study.grid)[0]


def patient_of(drawn: SampledAnatomy, spacing_mm: float, rng: np.random.Generator) -> Patient:
    """A sampled anatomy as the hospitals' simulator takes a patient."""
    if drawn.tumour is None or drawn.push is None:
        raise InputError("a sampled anatomy without a tumour; expected one, a segmenter learns from tumours")
    grid = native_grid(spacing_mm)
    brain = drawn.healthy.displaced(push_displacement(drawn.push, grid.shape, spacing_mm), spacing_mm)
    kind = {0.0: "low grade", 99.0: "solid"}.get(drawn.tumour.rim_mm, "ring")
    brain_traits = BrainTraits(**drawn.record["brain"])
    age = 20 + 68 * float(np.clip((brain_traits.atrophy - 0.05) / 0.6, 0, 1))
    traits = PatientTraits(age, kind, brain_traits, drawn.tumour, foci=1)
    outside = np.isin(drawn.labels, TUMOUR)
    distance = ndimage.distance_transform_edt(~outside) - ndimage.distance_transform_edt(outside)
    fade = rng.uniform(*FADE_MM)
    infiltration = 1 / (1 + np.exp(np.clip(distance * spacing_mm / fade - BEYOND_CONTOUR, -30, 30)))
    return Patient(traits, grid, brain, drawn.labels, infiltration.astype(np.float32))
