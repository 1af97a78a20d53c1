"""`fedsynth quiz`: a page on which a reader guesses which images are real, and the score with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.output import Talk
from jobs.quiz_cases import Quiz, draw_quiz, simulated_subjects
from jobs.quiz_mosaic import shuffled_mosaic, side_by_side_mosaic
from jobs.quiz_page import quiz_page
from jobs.quiz_score import check_answers, read_answers, score
from jobs.quiz_serve import QuizServer
from jobs.run_folder import RunFolder


@dataclass(frozen=True)
class QuizRequest:
    """What is asked for: so many pictures, drawn from a seed; to be served; or a reader's answers to be scored."""

    n: int
    seed: int
    serve: bool = False
    answers: Path | None = None


def quiz(run: RunFolder, asked: QuizRequest, talk: Talk) -> dict[str, Any]:
    """Write the page and two mosaics, or serve the page until Ctrl-C, or score a reader's answers.

    Raises:
        InputError: if a hospital is not simulated, there is no release, or the answers are of another quiz.
    """
    if asked.answers is not None:
        return _score(run, asked.answers)
    with talk.stage(f"Drawing {asked.n} pictures"):
        drawn = draw_quiz(run, asked.n, asked.seed)
    page = quiz_page(drawn, run.study().name, served=asked.serve)
    if asked.serve:
        return _serve(run, drawn, page, talk)
    path = run.quiz / "quiz.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(".quiz.html.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return {"page": str(path), "pictures": asked.n,
            "mosaic": str(shuffled_mosaic(drawn.cases, run.quiz / "mosaic.png")),
            "side_by_side": str(side_by_side_mosaic(drawn.cases, run.quiz / "side_by_side.png"))}


def _score(run: RunFolder, path: Path) -> dict[str, Any]:
    simulated_subjects(run)
    answers = read_answers(path)
    drawn = draw_quiz(run, len(answers.answers), answers.seed)
    check_answers(answers, drawn, str(path))
    return score(answers.answers, drawn.key)


def _serve(run: RunFolder, drawn: Quiz, page: str, talk: Talk) -> dict[str, Any]:
    with QuizServer(drawn, page, run.quiz, talk.say) as server:
        talk.say(f"The quiz is at {server.url} for browsers on this machine; Ctrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            talk.say("Ended.")
    return {"answers": [str(path) for path in server.kept]}
