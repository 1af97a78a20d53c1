"""The server's side of the audit: the release goes to every site, statistics come back."""

from __future__ import annotations

from fl_components.client.audit_executor import question_of
from fl_components.guard.declaration import declare, refusal
from fl_components.server.ask import ask_sites
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.server.release import released_images
from fl_components.server.release_manifest import release_digest
from fl_components.server.synthesize import public_subjects
from fl_components.study import Study


class AuditController(StudyController):
    """Sends the release, public subjects and the generator's weights; keeps each site's statistics."""

    job = "audit"

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        home.write_result("audit", "running")
        reference = public_subjects(home, study, study.audit.calibration_subjects)
        question = question_of(released_images(home.release), reference, home.load_generator())
        answers = ask_sites(self, study, "audit", question, 0)
        declaration = declare("audit", study)
        for site, fields in answers.items():
            if reason := refusal(declaration, fields):
                raise RuntimeError(f"site '{site}': its audit answer is refused: {reason}")
        scalars = {site: {name: float(value) for name, value in fields.items()} for site, fields in answers.items()}
        home.write_result("audit", "done", release=release_digest(home.release), sites=scalars)
