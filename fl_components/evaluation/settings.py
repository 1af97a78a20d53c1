"""The study's table `[evaluation]`: which segmenters are trained on what, to say what the release is worth."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from fl_components.toml_model import Settings

Segmenter = Literal["segresnet", "pix2pix"]
"""As `fl_components.networks.segmenter` names them, which not every reader of a study can import."""
TrainedOn = Literal["real", "real + synthetic", "synthetic only", "synthetic only, then 10 % real", "10 % real",
                    "10 % real + synthetic"]
"""As `fl_components.evaluation.training_sets` names them."""

REAL: Final = "real"
"""The set that every other one is compared with."""
_LONGEST: Final = 2000.0
"""Largest norm of an update that masks resolve (`fl_components.guard.fixed_point`)."""


class EvaluationSettings(Settings):
    """Every combination of segmenter, augmentation, seed and training set is an arm, trained federated and scored.

    An arm has `rounds` rounds of `steps` steps at each site. The first `volumes` of the release are sent to the sites.
    An update of a segmenter may have an L2 norm of `update_norm_bound`. With `original_voxels` test subjects are scored
    on their scans' own voxels, else on the study's grid.
    """

    segmenters: tuple[Segmenter, ...] = Field(default=("segresnet",), min_length=1)
    sets: tuple[TrainedOn, ...] = Field(default=(REAL, "synthetic only"), min_length=1)
    augmentation: tuple[bool, ...] = Field(default=(True,), min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    rounds: Annotated[int, Field(ge=2, le=1000)] = 4
    steps: Annotated[int, Field(ge=1)] = 12
    volumes: Annotated[int, Field(ge=1)] = 150
    update_norm_bound: float = Field(default=20.0, gt=0, le=_LONGEST)
    original_voxels: bool = False

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if REAL not in self.sets:
            raise ValueError(f"sets = {', '.join(self.sets)} lack '{REAL}', which the others are compared with; add it")
        for name in ("segmenters", "sets", "augmentation", "seeds"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise ValueError(f"{name} names one twice; leave it out")
        return self
