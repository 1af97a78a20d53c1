"""Where a release's contrasts come from: `[synthesis] contrasts`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import write_run, write_untrained

from fl_components.json_file import read_json, write_json
from fl_components.server.release import read_release
from fl_components.study import Contrasts
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize


def released(path: Path, contrasts: Contrasts, darker: float) -> tuple[RunFolder, np.ndarray]:
    """(2, 4, X, Y, Z) of two volumes whose sites told of scans this much darker."""
    run = write_run(path, subjects=1, synthesis={"volumes": 2, "contrasts": contrasts})
    write_untrained(run)
    told = read_json(run.server.population_file)
    for summary in told.values():
        summary["contrast.mean"] = (np.array(summary["contrast.mean"]) - darker).clip(0, 1).tolist()
    write_json(run.server.population_file, told)
    synthesize(run, Talk())
    return run, np.stack([volume.images for volume in read_release(run.release)])


@pytest.mark.parametrize("contrasts", ["sites", "random"])
def test_what_sites_told_is_seen_unless_contrasts_are_random(tmp_path: Path, contrasts: Contrasts) -> None:
    run, first = released(tmp_path / "first", contrasts, 0.0)
    _, second = released(tmp_path / "second", contrasts, 0.2)
    assert (np.abs(first - second).max() > 0.05) == (contrasts == "sites")
    readme = (run.release / "README.md").read_text()
    assert ("no site's" in readme) == (contrasts == "random")
