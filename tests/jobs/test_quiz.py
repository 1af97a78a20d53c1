"""The quiz: refused for real people, drawn again from its seed, scored exactly, its key not in the page as text."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from realism_case import lifelike_subjects
from scipy.stats import beta
from small_run import CONTRAST, prepare_run, write_run
from typer.testing import CliRunner

from fl_components.contrast import Contrast, paint
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from jobs import pictures
from jobs.cli import app
from jobs.pictures import mosaic
from jobs.quiz_cases import draw_quiz, most_cases, simulated_subjects, tumour_slice
from jobs.quiz_page import case_png, quiz_page
from jobs.quiz_score import Answers, score
from jobs.quiz_serve import QuizServer
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

N = 8


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with prepared cohorts and a release, no generator."""
    run = write_run(tmp_path_factory.mktemp("quiz"), subjects=10, synthesis={"volumes": 12})
    study = prepare_run(run)
    metadata = ReleaseMetadata(study=study.name, study_hash=study.hash, seed=1, version="0", generator_digest="0" * 64,
                               trained_on="nobody")
    labels = np.zeros(study.grid.shape, np.uint8)
    labels[6:18, 6:22, 6:18] = 3
    labels[9:13, 9:13, 9:13] = 6
    images = paint(labels, Contrast(CONTRAST.astype(np.float32), np.ones(6, bool)))
    with ReleaseWriter(run.release, study.grid, metadata) as writer:
        for k in range(study.synthesis.volumes):
            writer.add(np.where(labels > 0, images * (1 - 0.02 * k), 0).astype(np.float32), labels)
    return run


def test_a_quiz_is_drawn_again_from_its_seed_and_otherwise_from_another(run: RunFolder) -> None:
    first, again, other = draw_quiz(run, N, 3), draw_quiz(run, N, 3), draw_quiz(run, N, 4)
    assert first.key == again.key
    assert all(np.array_equal(a.slices, b.slices) for a, b in zip(first.cases, again.cases, strict=True))
    assert any(not np.array_equal(a.slices, b.slices) for a, b in zip(first.cases, other.cases, strict=True))
    pictures = {one.slices.tobytes() for one in first.cases}
    assert len(pictures) == N


def test_real_people_are_refused_in_one_line(run: RunFolder) -> None:
    path = run.site_file("west")
    before = path.read_text()
    try:
        path.write_text(before.replace("simulated = true", "simulated = false"))
        with pytest.raises(InputError, match=r"site 'west'.*real people.*must not leave") as caught:
            draw_quiz(run, N, 0)
    finally:
        path.write_text(before)
    assert "\n" not in str(caught.value)


def test_more_pictures_than_there_are_subjects_are_refused(run: RunFolder) -> None:
    with pytest.raises(InputError, match="ask for at most"):
        draw_quiz(run, 100, 0)


def test_a_release_longer_or_shorter_than_the_study_says_is_counted(run: RunFolder, tmp_path: Path) -> None:
    """12 volumes are there; the study's number is what nobody asked for."""
    outside = len(simulated_subjects(run))
    assert most_cases(run) == min(outside, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "release", tmp_path / "two")
        study = run.study()
        metadata = ReleaseMetadata(study=study.name, study_hash=study.hash, seed=1, version="0",
                                   generator_digest="0" * 64, trained_on="nobody")
        labels = np.full(study.grid.shape, 3, np.uint8)
        with ReleaseWriter(run.release, study.grid, metadata) as writer:
            for _ in range(2):
                writer.add(np.full((4, *study.grid.shape), 0.5, np.float32), labels)
        assert most_cases(run) == 2


def test_the_report_has_a_shuffled_mosaic_of_what_is_there(run: RunFolder, tmp_path: Path) -> None:
    shown = mosaic(run, tmp_path)
    assert shown is not None
    assert shown.png == (tmp_path / "mosaic.png").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "most_cases", lambda _: 1)
        assert mosaic(run, tmp_path) is None


def test_the_page_is_whole_and_does_not_hold_its_key(run: RunFolder) -> None:
    quiz = draw_quiz(run, N, 0)
    page = quiz_page(quiz, "small", served=False)
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    data = json.loads(re.search(r'id="quiz">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert data["digests"] == [hashlib.sha256(f"{data['salt']}:{k}:{kind}".encode()).hexdigest()
                               for k, kind in enumerate(quiz.key)]
    assert quiz_page(quiz, "small", served=False) != page  # a salt of its own
    served = json.loads(re.search(r'id="quiz">(.*?)</script>', quiz_page(quiz, "small", served=True),
                                  re.DOTALL)[1])  # type: ignore[index]
    assert set(served) == {"release", "seed", "served"}
    assert not any(word in page for word in ("sub-synth", "east_", "west_"))


def test_both_kinds_are_drawn_by_the_same_rule_through_the_tumour() -> None:
    subject = lifelike_subjects([1])[0]
    slices = tumour_slice(subject.images, subject.labels)
    level = next(k for k in range(subject.labels.shape[2]) if np.array_equal(slices, subject.images[:, :, :, k]))
    assert (subject.labels[:, :, level] > 3).any()
    assert case_png(slices).startswith(b"\x89PNG")
    assert b"tEXt" not in case_png(slices)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (10, 20), (15, 20), (20, 20)])
def test_the_interval_is_clopper_and_pearsons(right: int, n: int) -> None:
    found = score(["real"] * n, ["real"] * right + ["synthetic"] * (n - right))
    assert found["right"] == right
    low = 0 if right == 0 else beta.ppf(0.025, right, n - right + 1)
    high = 1 if right == n else beta.ppf(0.975, right + 1, n - right)
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))
    assert ("chance is in the interval" in found["says"]) == (low <= 0.5 <= high)


def test_unguessed_pictures_do_not_count_and_none_at_all_is_refused() -> None:
    found = score(["real", None, "synthetic"], ["real", "real", "real"])
    assert (found["n"], found["right"], found["left_out"]) == (2, 1, 1)
    with pytest.raises(InputError, match="no guess"):
        score([None], ["real"])


def test_the_command_writes_page_and_mosaics_and_scores_answers(run: RunFolder, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["quiz", str(run.path), "--n", str(N), "--seed", "2", "--format", "json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert all(Path(told[name]).exists() for name in ("page", "mosaic", "side_by_side"))
    quiz = draw_quiz(run, N, 2)
    answers = tmp_path / "answers.json"
    right = Answers(quiz="fedsynth", release=quiz.release, seed=2, answers=tuple(quiz.key))
    answers.write_text(right.model_dump_json())
    scored = CliRunner().invoke(app, ["quiz", str(run.path), "--score", str(answers), "--format", "json"])
    assert json.loads(scored.stdout)["right"] == N
    for content, said in (("[1]", "expected the answers file"),
                          (answers.read_text().replace(quiz.release, "f" * 64), "answers of release ffffffffffff")):
        answers.write_text(content)
        refused = CliRunner().invoke(app, ["quiz", str(run.path), "--score", str(answers)])
        assert (refused.exit_code, said in refused.stderr) == (2, True)


@pytest.fixture
def server(run: RunFolder, tmp_path: Path) -> Iterator[QuizServer]:
    quiz = draw_quiz(run, N, 0)
    with QuizServer(quiz, quiz_page(quiz, "small", served=True), tmp_path, lambda _: None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: QuizServer, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(method, path, body or None, headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_a_served_quiz_is_on_loopback_alone_scores_and_keeps_answers(server: QuizServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, page = ask(server, "GET", "/")
    assert (status, b"digests" in page.split(b'id="quiz">')[1].split(b"</script>")[0]) == (200, False)
    body = json.dumps({"quiz": "fedsynth", "release": server.quiz.release, "seed": 0, "answers": server.quiz.key})
    for k in (1, 2):
        status, reply = ask(server, "POST", "/answers", body, **{"Content-Type": "application/json"})
        assert (status, json.loads(reply)["right"], json.loads(reply)["kept"]) == (200, N, f"answers-{k}.json")
    assert [path.name for path in server.kept] == ["answers-1.json", "answers-2.json"]
    assert json.loads(server.kept[0].read_text())["answers"] == server.quiz.key


def test_a_served_quiz_refuses_other_pages_names_and_answers(server: QuizServer) -> None:
    assert ask(server, "GET", "/../study.toml")[0] == 404
    assert ask(server, "GET", "/", Host="evil.example")[0] == 403
    assert ask(server, "POST", "/answers", "{}", **{"Content-Type": "text/plain"})[0] == 403
    status, reply = ask(server, "POST", "/answers", "{}", **{"Content-Type": "application/json"})
    assert (status, b"expected the answers file" in reply) == (400, True)
    short = json.dumps({"quiz": "fedsynth", "release": server.quiz.release, "seed": 0, "answers": ["real"]})
    assert ask(server, "POST", "/answers", short, **{"Content-Type": "application/json"})[0] == 400
    assert not server.kept
