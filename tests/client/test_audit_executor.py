"""The audit at a site: declared scalars leave, findings stay, and the same question gets the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.signal import Signal
from small_run import CONTRAST, prepare_run, write_run
from test_open_site import Context

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client.audit_executor import AuditExecutor, question_of
from fl_components.client.audit_findings import read_findings
from fl_components.client.audit_record import AuditRecord, digest_of
from fl_components.client.generator_errors import mean_contrast
from fl_components.contrast import Contrast, paint
from fl_components.environment import RUN_VARIABLE
from fl_components.guard.declaration import declare
from fl_components.networks.build import build_generator, weights_of
from fl_components.study import Study
from jobs.run_folder import RunFolder
from privacy_eval.spaces.images import ImageSet


class JobContext(Context):
    def get_job_id(self) -> str:
        return "job"

    def get_peer_context(self) -> None:
        return None


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
