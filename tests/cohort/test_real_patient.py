from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_case import make_site, make_study

from fl_components.cohort.check import check_site
from fl_components.cohort.cohort import prepare_cohort

ROOT = Path(__file__).parents[2].parent / "shared" / "data" / "tcga-lgg"
pytestmark = [pytest.mark.real, pytest.mark.skipif(not ROOT.is_dir(), reason="the real patient is not here")]


def test_a_real_glioma_is_read_and_looks_like_a_brain(tmp_path: Path) -> None:
    site, study = make_site(tmp_path, root=ROOT), make_study()
    check = check_site(site, study)
    assert check.usable
    assert not check.doubts
    (case,) = check.cases
    assert (case.axes, case.label_values) == ("LPS", (0, 1, 2))
    assert 0 < case.negative_share < 1e-3
    assert case.tumour_ml == pytest.approx(24.188)  # 24188 voxels of 1 mm
    csf, grey, white = case.tissue_shares
    assert grey > white > csf > 0.1
    assert white > 0.25

    (subject,) = prepare_cohort(site, study).subjects("members")
    brain = np.argwhere(subject.labels > 0)
    middle = (np.array(study.grid.shape) - 1) / 2
    np.testing.assert_allclose((brain.min(axis=0) + brain.max(axis=0)) / 2, middle, atol=0.5)
    t1, _, t2, flair = subject.contrast.mean[:3].T
    assert t1[0] < t1[1] < t1[2]    # fluid, grey, white
    assert t2[0] > t2[1] > t2[2]
    assert flair[0] < flair[2] < flair[1] or flair[0] < flair[1] < flair[2]
    assert not subject.contrast.present[5]  # a low-grade tumour without an enhancing part
