"""The server's side of the audit: the release goes to every site, statistics come back."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.client.audit_executor import GENERATOR, REFERENCE, RELEASE
from fl_components.guard.declaration import declare, refusal
from fl_components.server.ask import ask_sites
from fl_components.server.home import ServerHome
from fl_components.server.release import read_release
from fl_components.server.release_manifest import release_digest
from fl_components.server.synthesize import public_subjects


class AuditController(ModelController):
    """Sends the release, public subjects and the generator's weights; keeps each site's statistics.

    Args:
        study_hash: the study the job was made for; the server refuses any other.
    """

    def __init__(self, study_hash: str) -> None:
        super().__init__(ignore_result_error=True)  # who failed is ours to find and name
        self.study_hash = study_hash

    def run(self) -> None:
        """NVFlare's entry."""
        home = ServerHome.of_process()
        try:
            self._audit(home)
        except Exception as error:
            self.panic(home.write_failure("audit", error))

    def _audit(self, home: ServerHome) -> None:
        study = home.study(self.study_hash)
        home.write_result("audit", "running")
        volumes = [volume.images.astype(np.float16) for volume in read_release(home.release)]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            reference = public_subjects(home, study, study.audit.calibration_subjects, pool).astype(np.float16)
        weights = {GENERATOR + name: value for name, value in home.load_generator().items()}
        question = {RELEASE: np.stack(volumes), REFERENCE: reference, **weights}
        answers = ask_sites(self, study, "audit", question, 0)
        declaration = declare("audit", study)
        for site, fields in answers.items():
            if reason := refusal(declaration, fields):
                raise RuntimeError(f"site '{site}': its audit answer is refused: {reason}")
        scalars = {site: {name: float(value) for name, value in fields.items()} for site, fields in answers.items()}
        home.write_result("audit", "done", release=release_digest(home.release), sites=scalars)
