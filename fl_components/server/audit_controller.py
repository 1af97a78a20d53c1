"""The server's side of the audit: the release goes to every site, statistics come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fl_components.client.audit_executor import question_of
from fl_components.cohort.canaries import canary_names
from fl_components.guard.declaration import audit_setting
from fl_components.guard.secure_sum import KEYS, unmasked_sum
from fl_components.json_file import read_json
from fl_components.server.ask import scalars_of
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.server.release import released_images
from fl_components.server.release_manifest import release_digest
from fl_components.server.synthesize import public_subjects
from fl_components.study import Study
from privacy_eval.attacks.coins import CanaryCoins, verify_opening
from privacy_eval.errors import InputError


class AuditController(StudyController):
    """Sends the release, public subjects and the generator's weights; keeps the statistics of each site asked."""

    job = "audit"

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        home.write_result("audit", "running")
        reference = public_subjects(home, study, study.audit.calibration_subjects)
        question = question_of(released_images(home.release), reference, home.load_generator())
        summed = audit_setting(study).summed
        keys = self.ask_declared(study, "audit_keys", {"none": np.zeros(1, np.float32)}) if summed else {}
        question |= {KEYS + site: fields["key"] for site, fields in keys.items()}
        answers = self.ask_declared(study, "audit", question)
        canaries = {site: opened_canaries(home, study, site, fields) for site, fields in answers.items()
                    if study.canaries.per_site}
        counts = unmasked_sum({site: fields["counts"] for site, fields in answers.items()}).tolist() if summed else None
        home.write_result("audit", "done", release=release_digest(home.release), sites=scalars_of(answers),
                          counts=counts, canaries=canaries)


def opened_canaries(home: ServerHome, study: Study, site: str, fields: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A site's scores and coins, the coins compared with what the site committed to before training.

    Raises:
        InputError: if they are other coins.
    """
    inside = tuple(bool(coin) for coin in fields["canaries.inside"])
    coins = CanaryCoins(canary_names(study), inside, fields["canaries.salt"].tobytes())
    try:
        verify_opening(coins, bytes(read_json(home.population_file)[site]["canaries.commitment"]).hex())
    except InputError as error:
        raise InputError(f"site '{site}': {error}") from None
    return {"inside": list(inside), "T1": fields["canaries.T1"].tolist(), "T4": fields["canaries.T4"].tolist()}
