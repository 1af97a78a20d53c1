"""Scoring a reader: how often the guess was right, with an exact interval, and what that says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError
from scipy.stats import binomtest

from fl_components.toml_model import Settings
from jobs.quiz_cases import Kind, Quiz
from privacy_eval.errors import InputError

CONFIDENCE: Final = 0.95
LARGEST_BYTES: Final = 100_000


class Answers(Settings):
    """A reader's answers file: which quiz (release, seed), and a guess a picture, None where there was none."""

    quiz: Literal["fedsynth"]
    release: str = Field(pattern=r"^[0-9a-f]{64}$")
    seed: int = Field(ge=0)
    answers: tuple[Kind | None, ...] = Field(min_length=1, max_length=1000)


def parse_answers(content: bytes, origin: str) -> Answers:
    """Read an answers file's bytes.

    Raises:
        InputError: if they are not the answers of a quiz.
    """
    try:
        return Answers.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise InputError(f"{origin}: {place}: {first['msg']}; expected the answers file that the quiz's page "
                         "saved") from None


def read_answers(path: Path) -> Answers:
    """Read an answers file (InputError if it is missing, too large or not one)."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror}); give the answers file of the quiz's page") from None
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{path}: more than {LARGEST_BYTES} bytes; expected the answers file of the quiz's page")
    return parse_answers(content, str(path))


def check_answers(answers: Answers, quiz: Quiz, origin: str) -> None:
    """Hold answers against their quiz (InputError if they are of another)."""
    if answers.release != quiz.release:
        raise InputError(f"{origin}: answers of release {answers.release[:12]}…, the run holds {quiz.release[:12]}…; "
                         "score them with the run of that release")


def score(guesses: Sequence[Kind | None], key: Sequence[Kind]) -> dict[str, Any]:
    """Right guesses of those made, as a share with the exact 95 % interval (Clopper & Pearson 1934).

    Returns:
        `n`, `right`, `share`, `low`, `high`, two-sided exact `p` of chance, `left_out`, how often each kind was called
        real, and `says`: what it means in a sentence.

    Raises:
        InputError: if nothing was guessed.
    """
    made = [(guess, truth) for guess, truth in zip(guesses, key, strict=True) if guess is not None]
    if not made:
        raise InputError("answers: no guess among them; guess at least one picture")
    right = sum(guess == truth for guess, truth in made)
    test = binomtest(right, len(made), 0.5)
    interval = test.proportion_ci(CONFIDENCE, method="exact")
    called = {f"{kind}_called_real": f"{sum(g == 'real' for g, t in made if t == kind)} of "
                                     f"{sum(t == kind for _, t in made)}" for kind in ("real", "synthetic")}
    return {"n": len(made), "right": right, "share": right / len(made), "low": float(interval.low),
            "high": float(interval.high), "p": float(test.pvalue), "left_out": len(guesses) - len(made), **called,
            "says": _words(right, len(made), float(interval.low), float(interval.high))}


def _words(right: int, n: int, low: float, high: float) -> str:
    head = f"{right} of {n} right, {right / n:.0%} (95 % interval {low:.0%} to {high:.0%}, exact)"
    if low > 0.5:
        return f"{head}: better than guessing; this reader tells synthetic from real."
    if high < 0.5:
        return f"{head}: worse than guessing; this reader sees a difference and takes it the wrong way round."
    return f"{head}: chance is in the interval. So few pictures cannot show more; it is no proof that they look real."
