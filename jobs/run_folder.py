"""The run folder: one place for everything a run writes. Its layout is a contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fl_components.server.home import ServerHome
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError


@dataclass(frozen=True)
class RunFolder:
    """A run folder.

    ::

        study.toml                  what the consortium agreed on
        sites/<site>/site.toml      the site's own settings
        sites/<site>/ledger.jsonl   what left the site; ledger.anchor: how many entries, and the last hash
        sites/<site>/data, truth    simulated hospitals alone: scans and masks; the simulator's truth
        sites/<site>/state          cohort, split, discriminator, heartbeat: never leaves
        train.json, synthesis.json  what these steps did, with their command and versions; of a training, every job
        server/                     generator, its calibration, checkpoint, contrast population, how each job ended
        release/                    the synthetic data set, a BIDS derivative
        edits/                      what `fedsynth edit` wrote, and the demo's edit of each kind
        audit/report.html, .json    the verdict
        quiz/                       of simulated hospitals alone: `fedsynth quiz`'s page, mosaics, readers' answers
        evaluate/evaluation.json    what the release is worth, as the sites measured it
        utility/                    simulated hospitals alone: the demo's quick table, and what 'make utility' trained
        nvflare/                    NVFlare's workspaces and logs; wiped by each job
        poc/                        a deployment on this machine, with its private keys (`poc_workspace`)
    """

    path: Path

    @property
    def study_file(self) -> Path:
        """The study."""
        return self.path / "study.toml"

    @property
    def server(self) -> ServerHome:
        """The server's part."""
        return ServerHome(self.path)

    @property
    def release(self) -> Path:
        """The synthetic data set."""
        return self.path / "release"

    @property
    def audit(self) -> Path:
        """The audit's results and report."""
        return self.path / "audit"

    @property
    def evaluation(self) -> Path:
        """What the release is worth."""
        return self.path / "evaluate"

    @property
    def edits(self) -> Path:
        """Edited anatomies and their renderings."""
        return self.path / "edits"

    @property
    def quiz(self) -> Path:
        """The reader's page, mosaics and readers' answers."""
        return self.path / "quiz"

    @property
    def training_file(self) -> Path:
        """What `fedsynth train` did: losses, precision, command, versions."""
        return self.path / "train.json"

    @property
    def synthesis_file(self) -> Path:
        """What `fedsynth synthesize` did: the release's digest, command, versions."""
        return self.path / "synthesis.json"

    @property
    def nvflare(self) -> Path:
        """NVFlare's workspaces."""
        return self.path / "nvflare"

    def site_folder(self, name: str) -> Path:
        """One site's folder."""
        return self.path / "sites" / name

    def site_file(self, name: str) -> Path:
        """One site's settings."""
        return self.site_folder(name) / "site.toml"

    def study(self) -> Study:
        """Read the study.

        Raises:
            InputError: if the folder or the file is missing or invalid.
        """
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such run folder; 'fedsynth cohort simulate {self.path}' makes one")
        return Study.from_file(self.study_file)

    def sites(self, study: Study) -> list[Site]:
        """Read the settings of every site of the study.

        Raises:
            InputError: if one is missing, invalid, or holds another study.
        """
        return [self.site(name, study) for name in study.sites]

    def local_sites(self, study: Study) -> list[Site]:
        """Those of the study's sites whose settings are in this folder: none at the server of a federation.

        Raises:
            InputError: if one is invalid, or holds another study.
        """
        return [self.site(name, study) for name in study.sites if self.site_file(name).exists()]

    def site(self, name: str, study: Study) -> Site:
        """Read one site's settings.

        Raises:
            InputError: if they are missing, invalid, or hold another study.
        """
        site = Site.from_file(self.site_file(name))
        if Study.from_file(site.study).hash != study.hash:
            raise InputError(f"{site.study}: differs from {self.study_file}; every party must hold the same study")
        return site
