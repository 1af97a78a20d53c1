"""`fedsynth synthesize`: the release, from the generator."""

from __future__ import annotations

from typing import Any

from fl_components.json_file import write_json
from fl_components.server.release import require_free
from fl_components.server.release_manifest import release_digest
from fl_components.server.synthesize import release_calibration
from fl_components.server.synthesize import synthesize as write_release
from jobs.output import Talk
from jobs.provenance import provenance
from jobs.resume import unfinished_rounds
from jobs.run_folder import RunFolder
from jobs.workers import worker_pool
from privacy_eval.errors import InputError


def synthesize(run: RunFolder, talk: Talk, replace: bool = False, count: int | None = None) -> dict[str, Any]:
    """Write the study's release with the trained generator.

    Args:
        run: where everything is.
        talk: progress.
        replace: whether an existing release may be replaced.
        count: of volumes, if not the study's.

    Raises:
        InputError: if there is no generator, its training is unfinished, or there is a release already and `replace` is
            false.
    """
    study = run.study()
    if (rounds := unfinished_rounds(run)) is not None:
        raise InputError(f"{run.training_file}: {rounds} of {study.training.rounds} rounds are trained; finish with "
                         f"'fedsynth train {run.path} --resume'")
    require_free(run.release, replace)  # before the calibration, which takes minutes at large sizes
    count = count or study.synthesis.volumes
    with worker_pool() as pool:
        with talk.stage("Calibrating the generator") as advance:
            release_calibration(run.server, study, pool, lambda share: advance(share, ""))
        with talk.stage(f"Synthesising {count} labelled volumes") as advance:
            write_release(run.server, study, pool, lambda done: advance(done / count, f"volume {done}"), replace, count)
    made = {"release": str(run.release), "volumes": count, "digest": release_digest(run.release)}
    write_json(run.synthesis_file, made | {"provenance": provenance(study)})
    return made
