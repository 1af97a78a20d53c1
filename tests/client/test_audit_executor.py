"""The audit at a site: declared scalars leave, findings stay, and the same question gets the same answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.signal import Signal
from site_context import JobContext
from small_run import CONTRAST, prepare_run, write_run

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client.audit_executor import AuditExecutor, question_of
from fl_components.client.audit_findings import read_findings
from fl_components.client.audit_record import AuditRecord, digest_of
from fl_components.client.generator_errors import mean_contrast
from fl_components.contrast import Contrast, paint
from fl_components.environment import RUN_VARIABLE
from fl_components.guard.declaration import audit_setting, declare
from fl_components.guard.secure_sum import unmasked_sum
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from jobs.run_folder import RunFolder
from privacy_eval.site.answer import totals_of
from privacy_eval.spaces.images import ImageSet


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("audit") / "run", subjects=20)
    prepare_run(run)
    return run


def painted(study: Study, count: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.stack([AnatomySampler(study.grid).sample(rng).labels for _ in range(count)])
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    noise = 0.03 * rng.standard_normal((count, 4, *study.grid.shape))
    images = np.stack([paint(one, contrast) for one in labels]) + noise * (labels > 0)[:, None]
    return ImageSet(images.astype(np.float32), labels)


def audit(run: RunFolder, question: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    task = DXO(DataKind.WEIGHTS, data=question).to_shareable()
    reply = AuditExecutor(run.study().hash).execute("audit", task, JobContext("east"), Signal())
    return {name: float(value) for name, value in from_shareable(reply).data.items()}


def test_one_answer_a_question_and_another_number_for_another(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study = run.study()
    weights, public = weights_of(build_generator(study)), painted(study, 6, 1)
    first, second = (question_of(painted(study, 6, seed), public, weights) for seed in (2, 3))
    answers = [audit(run, question, monkeypatch) for question in (first, first, second)]
    assert set(answers[0]) == set(declare("audit", study))
    assert answers[0] == answers[1]
    assert [answer["audit_number"] for answer in answers] == [1, 1, 2]
    record = AuditRecord(run.site_folder("east") / "state", study)
    assert record.next_number == 3
    found = read_findings(record.folder(digest_of(first, study)))
    assert found.insider is None  # nothing was trained here
    assert {pair.group for pair in found.pairs} == {"members", "holdout"}
    assert (record.folder(digest_of(second, study)) / "members.png").stat().st_size > 1000


def test_counts_leave_under_masks_that_cancel_and_are_masked_anew_each_time(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", subjects=20, sites={"east": 1.0, "north": 1.0, "west": 1.0})
    prepare_run(run)
    study = run.study()
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    question = question_of(painted(study, 6, 2), painted(study, 6, 1), weights_of(build_generator(study)))
    sent = []
    for _ in range(2):
        executors = {site: AuditExecutor(study.hash) for site in study.sites}
        public = {site: tell(executor, "audit_keys", {"none": np.zeros(1, np.float32)}, site)["key"]
                  for site, executor in executors.items()}
        keys = {f"key.{site}": key for site, key in public.items()}
        sent.append({site: tell(executor, "audit", {**question, **keys}, site)["counts"]
                     for site, executor in executors.items()})
    sums = [unmasked_sum(counts).tolist() for counts in sent]
    assert sums[0] == sums[1]
    assert not np.array_equal(sent[0]["east"], sent[1]["east"])
    assert min(sent[0]["east"]) > 10**6  # nothing like a count
    totals = totals_of(audit_setting(study), sums[0])
    whole = 3 * 8
    assert all(0 <= part <= whole for of in totals.values() for hits in of.values() for part in hits)
    assert totals["positive"]["T6.voxels"].members >= whole // 2


def tell(executor: AuditExecutor, task: str, data: dict[str, np.ndarray], site: str) -> dict[str, np.ndarray]:
    reply = executor.execute(task, DXO(DataKind.WEIGHTS, data=data).to_shareable(), JobContext(site), Signal())
    return dict(from_shareable(reply).data)


def test_a_question_s_digest_is_of_all_that_it_holds(run: RunFolder) -> None:
    study = run.study()
    question = {"a": np.zeros(3, np.float32), "b": np.ones(2)}
    digest = digest_of(question, study)
    assert digest == digest_of(dict(reversed(question.items())), study)
    for other in ({**question, "a": np.zeros(3, np.float64)}, {**question, "a": np.full(3, 1e-9, np.float32)},
                  {**question, "c": np.zeros(1)}):
        assert digest_of(other, study) != digest


def test_the_site_s_contrast_is_the_mean_of_those_who_have_the_tissue() -> None:
    present = np.array([[True] * 6, [True] * 5 + [False], [False] * 6])
    means = np.random.default_rng(0).random((3, 6, 4)).astype(np.float32) * present[:, :, None]
    found = mean_contrast([Contrast(mean, have) for mean, have in zip(means, present, strict=True)])
    np.testing.assert_allclose(found.mean[0], means[:2, 0].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.mean[5], means[0, 5], rtol=1e-6)
    assert found.present.all()
