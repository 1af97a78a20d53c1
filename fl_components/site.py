"""The site: a hospital's own `site.toml`. No job can override it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fl_components.study import Count, Positive
from fl_components.toml_model import Settings, SettingsFile

Layout = Literal["brats", "bids", "adni"]
"""How the files lie: `cohort.layout_brats`, `cohort.layout_bids`, `cohort.layout_adni`."""
Tumours = Literal["masked", "unmasked", "none"]
"""What is known of tumours: every case brings its mask; some have a tumour that no mask shows; nobody has one."""
Labelling = Literal["auto", "mixture", "labeller"]
"""Who tells the tissues apart: `cohort.labelling`."""


class DataSettings(Settings):
    """Where the site's subjects lie and how they are laid out.

    `dialect` belongs to the masks of layout "brats" and must be stated there; `tumours` must be stated for "bids", is
    "masked" for "brats" unless stated, and "none" for "adni". `simulated` must be true only for subjects made by
    `fedsynth cohort simulate`: it alone lets pictures of "real" volumes into a report.
    """

    root: Path
    layout: Layout = "brats"
    dialect: Literal["brats2020", "brats2023"] | None = Field(default=None, validate_default=True)
    tumours: Tumours = Field(default=None, validate_default=True)
    labelling: Labelling = "auto"
    simulated: bool = False
    split_seed: int | None = Field(default=None, ge=0)

    @field_validator("dialect", mode="after")
    @classmethod
    def _dialect_of_layout(cls, value: str | None, info: ValidationInfo) -> str | None:
        layout = info.data.get("layout")
        if layout == "brats" and value is None:
            raise PydanticCustomError("missing", "Field required")
        if layout != "brats" and value is not None:
            raise PydanticCustomError("dialect", "no dialect, which belongs to layout 'brats'")
        return value

    @field_validator("tumours", mode="before")
    @classmethod
    def _tumours_of_layout(cls, value: str | None, info: ValidationInfo) -> str | None:
        layout = info.data.get("layout")
        if value is None and layout == "bids":
            raise PydanticCustomError("missing", "Field required")
        if layout == "adni" and value not in (None, "none"):
            raise PydanticCustomError("tumours", "'none': nobody of ADNI has a mask")
        return value if value is not None else {"brats": "masked", "adni": "none"}.get(str(layout))


class EgressPolicy(Settings):
    """What the site lets leave, whatever a job asks for.

    `audit_epsilon` is what noised audit answers may cost each of its patients in all, members and holdout alike, over
    every study that writes into the site's ledger; at 0 nothing leaves for the audit of a study that claims an ε.

    The tasks of the job "evaluate" are allowed by name alone: none of them is among the defaults. No mean over fewer
    test subjects than `minimum_test_subjects` leaves.

    `epsilon` at `delta` is what everything may cost each member in all, training and summaries too. With it, nothing
    leaves for a study that claims no ε; without it, nothing for one that does.
    """

    tasks: tuple[Literal["summarise", "train_keys", "train", "train_reveal", "audit_keys", "audit",
                         "evaluate_release", "segment", "segment_scores"], ...] = (
        "summarise", "train_keys", "train", "train_reveal", "audit_keys", "audit")
    maximum_rounds: Count = 1000
    maximum_update_norm: Positive = 100.0
    maximum_message_bytes: Count = 512 * 2**20
    minimum_count: Count = 5
    minimum_subjects: Count = 20
    minimum_test_subjects: Count = 10
    audit_epsilon: float = Field(default=0.0, ge=0)
    epsilon: float | None = Field(default=None, gt=0)
    delta: float = Field(default=1e-5, gt=0, le=1e-3)


class ComputeSettings(Settings):
    """The site's thread budget: torch's, numpy's and scikit-learn's threads of a job."""

    threads: Count = 1


class Site(SettingsFile):
    """A hospital's settings; relative paths are relative to the file's folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    study: Path
    state: Path
    data: DataSettings
    policy: EgressPolicy = EgressPolicy()
    compute: ComputeSettings = ComputeSettings()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read `site.toml` and make its paths absolute.

        Raises:
            InputError: if the file is missing, not TOML, or has an unknown key or a value out of range.
        """
        site = cls.read(path)
        folder = path.resolve().parent
        data = site.data.model_copy(update={"root": folder / site.data.root})
        return site.model_copy(update={"study": folder / site.study, "state": folder / site.state, "data": data})

    @property
    def ledger(self) -> Path:
        """The site's ledger, beside its state."""
        return self.state.parent / "ledger.jsonl"
