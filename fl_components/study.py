"""The study: what the consortium agreed on, one `study.toml`, its hash written beside every result."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fl_components.evaluation.settings import EvaluationSettings
from fl_components.privacy import PrivacySettings
from fl_components.toml_model import Settings, SettingsFile, read_toml
from privacy_eval.battery import PRIVATE_LIST
from privacy_eval.errors import InputError
from privacy_eval.verdict.policy import AuditPolicy, Recipients

TEMPLATE_CENTRE_MM: Final = (0.0, -17.0, 5.0)
"""Centre of the MNI152 template's brain in its own RAS millimetres; every subject's brain is centred there."""

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Contrasts = Literal["sites", "random"]
AuditTest = Literal["T1", "T2", "T3", "T4", "T6", "T7", "T11"]


class Grid(Settings):
    """The voxel grid every subject is put on: RAS axes, isotropic, centred on the template's brain."""

    shape: tuple[Count, Count, Count]
    spacing_mm: Positive

    @property
    def affine(self) -> np.ndarray:
        """Voxel index to RAS millimetres, 4×4."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = np.array(TEMPLATE_CENTRE_MM) - self.spacing_mm * (np.array(self.shape) - 1) / 2
        return affine


class CohortSettings(Settings):
    """Shares of a site's subjects; the rest are members."""

    holdout: Fraction = 0.4
    test: Fraction = 0.2

    @model_validator(mode="after")
    def _members_remain(self) -> Self:
        if self.holdout + self.test >= 1:
            raise ValueError(f"holdout {self.holdout} + test {self.test} leave no members; their sum must be below 1")
        return self


class NetworkSettings(Settings):
    """Capacity of the conditional GAN. With `coordinates` it is told where on the grid each voxel lies, which a patch
    alone does not show."""

    generator_channels: tuple[Count, ...] = Field(min_length=2)
    discriminator_channels: Count
    discriminator_layers: Count = 2
    latent_size: Count = 16
    contrast_input: bool = True
    coordinates: bool = False


class Augmentation(Settings):
    """Strength of the transforms every training step applies to image and anatomy together."""

    flip: bool = True
    rotation_degrees: float = Field(default=10.0, ge=0, le=45)
    scale: float = Field(default=0.1, ge=0, lt=0.5)
    elastic_mm: float = Field(default=4.0, ge=0, le=20)
    contrast_jitter: float = Field(default=0.04, ge=0, le=0.5)


class TrainingSettings(Settings):
    """The recipe of local training and its length. A step is on a `patch` of so many voxels, or on the whole grid.

    The weights are of L1, of the error of tissue means, and of those of tumours' spread and healthy tissue's grain
    (`fl_components.training.moments`), beside an adversarial loss of weight 1.
    """

    rounds: Count
    local_steps: Count
    batch_size: Count = 1
    patch: tuple[Count, Count, Count] | None = None
    generator_rate: Positive = 4e-4
    discriminator_rate: Positive = 2e-4
    l1_weight: float = Field(default=5.0, ge=0)
    mean_weight: float = Field(default=4.0, ge=0)
    spread_weight: float = Field(default=1.0, ge=0)
    ema_decay: float = Field(default=0.5, ge=0, lt=1)
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    augmentation: Augmentation | None = Augmentation()


ROBUST_SITES: Final = 3
"""Fewest updates among which one can be outvoted: the median of two is their mean."""
SUMMED_SITES: Final = 3
"""Fewest sites of a masked sum: from the sum of two, each could tell what the other sent."""
MASKED_NORM_BOUND: Final = 2000.0
"""Largest `update_norm_bound` that whole numbers of 32 bits resolve to 2^-20 (`fl_components.guard.fixed_point`)."""


class FederationSettings(Settings):
    """What the server admits, how it aggregates and how long it waits.

    An update whose L2 norm exceeds `update_norm_bound` is rejected, one above `clip_norm` is scaled down to it; `trim`
    is the share of sites that "trimmed_mean" leaves out at either end. A round counts if `minimum_updates` are left.
    While a site is left out, a job has `rounds_per_job` rounds; the next one asks it again.
    With `secure_aggregation` the server learns the sites' sum alone, and each site's own guard holds the bound.
    """

    update_norm_bound: Positive = 20.0
    clip_norm: Positive | None = None
    aggregation: Literal["mean", "median", "trimmed_mean"] = "mean"
    trim: float = Field(default=0.25, gt=0, lt=0.5)
    minimum_updates: Count | None = None
    round_timeout_s: Positive = 900.0
    rounds_per_job: Count = 5
    secure_aggregation: bool = False

    def least_updates(self, n_sites: int) -> int:
        """Admitted updates a round needs.

        By default more than half of the sites: a dead one of three or more stops nobody, what is released is still
        most sites' work, and of two sites both are needed, since the average of one is that one's update.
        """
        if self.minimum_updates is not None:
            return self.minimum_updates
        least = SUMMED_SITES if self.secure_aggregation else ROBUST_SITES if self.aggregation != "mean" else 1
        return max(n_sites // 2 + 1, least)

    def misfit(self, n_sites: int) -> str | None:
        """What of these settings does not go with so many sites, in one line; None if all does."""
        if self.aggregation != "mean" and n_sites < ROBUST_SITES:
            return (f"aggregation = '{self.aggregation}' with {n_sites} site(s), expected at least {ROBUST_SITES}; "
                    "add sites or use 'mean'")
        if self.aggregation != "mean" and self.least_updates(n_sites) < ROBUST_SITES:
            return (f"minimum_updates = {self.minimum_updates} with aggregation = '{self.aggregation}', expected at "
                    f"least {ROBUST_SITES}: of fewer, none is outvoted; raise it")
        if self.secure_aggregation and (problem := self._unsummable(n_sites)):
            return f"secure_aggregation with {problem}"
        if self.least_updates(n_sites) > n_sites:
            return f"minimum_updates = {self.minimum_updates}, but the study has {n_sites} site(s); lower it"
        return None

    def _unsummable(self, n_sites: int) -> str | None:
        """What does not go with a server that sees a sum alone."""
        if self.aggregation != "mean":
            return f"aggregation = '{self.aggregation}': the server cannot see single updates to sort; use 'mean'"
        if self.clip_norm is not None:
            return (f"clip_norm = {self.clip_norm:g}: the server cannot see single updates to clip; leave clip_norm "
                    "out, each site's own guard holds it to update_norm_bound")
        if n_sites < SUMMED_SITES:
            return (f"{n_sites} site(s), expected at least {SUMMED_SITES}: of the sum of two, each could tell what the "
                    "other sent; add sites or leave secure_aggregation out")
        if self.least_updates(n_sites) < SUMMED_SITES:
            return (f"minimum_updates = {self.minimum_updates}, expected at least {SUMMED_SITES}: of the sum of two, "
                    "each could tell what the other sent; raise it")
        if self.update_norm_bound > MASKED_NORM_BOUND:
            return (f"update_norm_bound = {self.update_norm_bound:g}, expected at most {MASKED_NORM_BOUND:g}: beyond "
                    "it masked sums are rounded too coarsely; lower it")
        return None


class SynthesisSettings(Settings):
    """What the release is made of.

    `contrasts` are drawn from what the sites told of theirs, or are those of random protocols, which look like no
    site's and are learned from as well.
    """

    volumes: Count = 150
    tumour_share: float = Field(default=0.95, ge=0, le=1)
    contrasts: Contrasts = "sites"


class AuditSettings(Settings):
    """The audit's family of tests and the tolerances the consortium agreed on: policy, not law.

    `recipients` get the images with the generator, or the images alone; `releases` are planned to be audited. With
    `epsilon` each site's answer is noised: it is the sum over the statistics that leave, for replacing one patient
    while numbers of patients are public. The rest is explained in `privacy_eval.verdict.policy.AuditPolicy`.
    """

    tests: tuple[AuditTest, ...] = Field(default=("T1", "T2", "T3", "T4", "T6", "T7", "T11"), min_length=1)
    recipients: Recipients = "generator"
    releases: Count = 1
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    control_alpha: float = Field(default=0.01, gt=0, lt=0.5)
    tolerance_auc: float = Field(default=0.60, gt=0.5, lt=1)
    tolerance_rate: Fraction = 0.25
    tolerance_replicas: Fraction = 0.10
    tolerance_attributes: Fraction = 0.20
    minimum_subjects: Count = 20
    calibration_subjects: Count = 100
    epsilon: float | None = Field(default=None, ge=0.01, le=100)

    @model_validator(mode="after")
    def _something_leaves(self) -> Self:
        if self.epsilon is not None and not self.policy.private_family:
            raise ValueError(f"epsilon = {self.epsilon:g} with tests = {', '.join(self.tests)}, of which nothing may "
                             f"leave with noise; name tests of {', '.join(PRIVATE_LIST)}, or leave epsilon out")
        return self

    @property
    def policy(self) -> AuditPolicy:
        """The same as the audit itself takes it."""
        return AuditPolicy(**{field.name: getattr(self, field.name) for field in fields(AuditPolicy)
                              if hasattr(self, field.name)})


class CanarySettings(Settings):
    """Simulated subjects that each site plants among its members, to measure a leak on nobody.

    `per_site` are planned, about half of them trained on. In a run whose images are `for_release` there are at most 10
    for every 100 members; a run that audits the implementation may have hundreds. `delta` is of the bounds on ε.
    """

    per_site: int = Field(default=0, ge=0, le=1000)
    for_release: bool = True
    delta: Fraction = 1e-5


class Study(SettingsFile):
    """One consortium's agreement. `sites` gives each site's public weight in the average."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    preset: Literal["tiny", "small", "paper", "brats"]
    seed: int = Field(ge=0)
    sites: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], Positive] = Field(min_length=1)
    grid: Grid
    cohort: CohortSettings = CohortSettings()
    network: NetworkSettings
    training: TrainingSettings
    federation: FederationSettings = FederationSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    audit: AuditSettings = AuditSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    canaries: CanarySettings = CanarySettings()
    privacy: PrivacySettings = PrivacySettings()

    @classmethod
    def parse(cls, data: dict[str, Any], origin: str) -> Self:
        """Validate a study, its preset filled in below the keys it states."""
        preset = PRESETS.get(data.get("preset", ""), {})
        study = super().parse(_overlay(preset, data), origin)
        if problem := study.federation.misfit(len(study.sites)):
            raise InputError(f"{origin}: key 'federation': {problem}")
        if problem := study.patch_misfit():
            raise InputError(f"{origin}: key 'training.patch': {problem}")
        return study

    def patch_misfit(self) -> str | None:
        """What of the training's patch does not go with the rest, in one line; None if all does."""
        patch, least = self.training.patch, 8 * 2 ** self.network.discriminator_layers
        if patch is None:
            return None
        if any(size > whole for size, whole in zip(patch, self.grid.shape, strict=True)):
            return f"{list(patch)} exceeds the grid's {list(self.grid.shape)}; make it smaller or leave it out"
        if min(patch) < least:
            return (f"{list(patch)}, expected at least {least} voxels along each axis, of which the discriminator's "
                    f"{self.network.discriminator_layers} layers leave enough to judge; make it larger")
        if self.privacy.private:
            return "found one in a private study, whose steps take whole subjects; leave it out"
        return None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read `study.toml`, its preset filled in.

        Raises:
            InputError: if the file is missing, not TOML, or has an unknown key or a value out of range.
        """
        return cls.parse(read_toml(path), str(path))

    def weight(self, site: str) -> float:
        """The site's share of the average, all sites' shares summing to 1."""
        if site not in self.sites:
            raise InputError(f"study '{self.name}': no site '{site}'; it names {', '.join(self.sites)}")
        return self.sites[site] / sum(self.sites.values())


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, table by table."""
    merged = dict(base)
    for key, value in top.items():
        both_tables = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _overlay(base[key], value) if both_tables else value
    return merged


PRESETS: Final[dict[str, dict[str, Any]]] = {
    "tiny": {  # the demo: minutes on two cores
        "grid": {"shape": (40, 48, 40), "spacing_mm": 4.0},
        "network": {"generator_channels": (16, 32, 48), "discriminator_channels": 16},
        "training": {"rounds": 6, "local_steps": 60},
    },
    "small": {  # hours on two cores, minutes on a GPU
        "grid": {"shape": (64, 72, 56), "spacing_mm": 2.8},
        "network": {"generator_channels": (24, 48, 96), "discriminator_channels": 24},
        "training": {"rounds": 20, "local_steps": 200},
    },
    "paper": {  # the grid of Shin et al. 2018 (arXiv 1807.10225): 128×128×54; needs a GPU
        "grid": {"shape": (128, 128, 54), "spacing_mm": 2.0},
        "network": {"generator_channels": (32, 64, 128, 192), "discriminator_channels": 32, "discriminator_layers": 3},
        "training": {"rounds": 50, "local_steps": 500},
        "federation": {"update_norm_bound": 50.0},  # 120 of its steps on simulated subjects measured 5.3
    },
    "brats": {  # the grid that BraTS publishes its volumes on, 240×240×155 at 1 mm; trained by patches on a GPU
        "grid": {"shape": (240, 240, 155), "spacing_mm": 1.0},
        "network": {"generator_channels": (32, 64, 128, 192), "discriminator_channels": 32, "discriminator_layers": 3,
                    "coordinates": True},
        "training": {"rounds": 50, "local_steps": 500, "patch": (96, 96, 96)},
        "federation": {"update_norm_bound": 50.0},
    },
}
