"""The study's table `[privacy]`: whether patients are protected by construction, and at what (ε, δ).

Noise is no key: it follows from ε, δ, rate and steps (`fl_components.training.private.plan`), so that none of them can
be set to contradict the ε that is stated.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fl_components.toml_model import Settings

Trained = Literal["summary", "adapted", "all", "scratch"]
"""What of a site's patients' data goes in: their summary alone; the summary and few adapted parameters of a publicly
trained generator; all of its parameters; or all, from a random start."""


class PrivacySettings(Settings):
    """The privacy that the study claims for each patient of each site.

    `empirical`: no ε is claimed; whether anything leaked is measured. `private`: everything of a site that depends on a
    patient is accounted for, and costs over the whole study at most `epsilon` at `delta`. Patients come into a step by
    coins of chance `rate`; one patient moves a sum by at most `clip`; sums are divided by `expected_batch`, and each
    step has as many public images. `discriminator_steps` are made for each of the generator. `summary_share` of ε goes
    to the summary of contrast and population.
    """

    mode: Literal["empirical", "private"] = "empirical"
    epsilon: float = Field(default=8.0, ge=0.1, le=20)
    delta: float = Field(default=1e-5, gt=0, le=1e-3)
    rate: float = Field(default=0.1, gt=0, le=0.5)
    expected_batch: Annotated[int, Field(ge=1, le=1000)] = 8
    clip: float = Field(default=1.0, gt=0, le=100)
    discriminator_steps: Annotated[int, Field(ge=1, le=100)] = 4
    trains: Trained = "adapted"
    summary_share: float = Field(default=0.25, gt=0, lt=1)

    @property
    def private(self) -> bool:
        """Whether an ε is claimed."""
        return self.mode == "private"

    @model_validator(mode="after")
    def _nothing_idle(self) -> Self:
        changed = [name for name, field in type(self).model_fields.items()
                   if name != "mode" and getattr(self, name) != field.default]
        if changed and not self.private:
            raise ValueError(f"{changed[0]} = {getattr(self, changed[0])} with mode = 'empirical', which claims no ε; "
                             "set mode = 'private', or leave it out")
        return self
