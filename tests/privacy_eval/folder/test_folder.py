"""The audit of plain folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audit_case import volumes
from folder_case import write_subjects

from privacy_eval.errors import InputError
from privacy_eval.folder.audit import audit_folders
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(simulations=1000)


def test_folders_that_copy_members_leak_and_others_do_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    members, holdout = volumes(36, rng), volumes(45, rng)
    folders = {
        "members": members, "holdout": holdout, "reference": volumes(20, rng),
        "clean": volumes(30, rng), "leaky": np.concatenate([volumes(20, rng), members[:18]]),
    }  # fmt: skip
    paths = {name: write_subjects(tmp_path / name, images) for name, images in folders.items()}
    audited = {
        name: audit_folders(
            paths[name], paths["members"], paths["holdout"], np.random.default_rng(5),
            reference=paths["reference"], policy=POLICY,
        )
        for name in ("clean", "leaky")
    }  # fmt: skip
    assert [test.id for test in audited["clean"].tests] == ["T1", "T2", "T6"]
    assert audited["clean"].verdict not in (Verdict.LEAK, Verdict.VOID)
    assert audited["leaky"].verdict is Verdict.LEAK
    assert audited["clean"].tests[0].estimate.n_holdout == 36  # a fifth made the negative control


def test_without_reference_t2_is_left_out_and_unseen_spares_the_holdout(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    names = {"release": 10, "members": 20, "holdout": 20, "unseen": 4}
    paths = {name: write_subjects(tmp_path / name, volumes(n, rng)) for name, n in names.items()}
    audited = audit_folders(
        paths["release"], paths["members"], paths["holdout"], rng, unseen=paths["unseen"], policy=POLICY
    )
    assert [test.id for test in audited.tests] == ["T1", "T6"]
    assert audited.tests[0].estimate.n_holdout == 20


def test_too_few_subjects_or_other_sequences_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    few = write_subjects(tmp_path / "few", volumes(6, rng))
    other = write_subjects(tmp_path / "other", volumes(6, rng, (6, 6, 6)))
    with pytest.raises(InputError, match="6 members and 5 holdout"):
        audit_folders(few, few, few, rng, policy=POLICY)
    with pytest.raises(InputError, match="give all folders the same sequences"):
        audit_folders(other, few, few, rng, policy=POLICY)
