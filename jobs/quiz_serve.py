"""The quiz served on this machine alone: the key stays here, answers are kept as they come."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, Final

from fl_components.json_file import write_json
from jobs.quiz_cases import Quiz
from jobs.quiz_score import LARGEST_BYTES, check_answers, parse_answers, score
from privacy_eval.errors import InputError

HOST: Final = "127.0.0.1"


class QuizServer(ThreadingHTTPServer):
    """Serves one quiz on a free port of the loopback interface.

    Args:
        quiz: its questions and key.
        page: from `quiz_page`, with `served`.
        folder: where answers are kept, `answers-1.json` and so on.
        on_answers: told what a reader's answers say, and where they are kept.
    """

    daemon_threads = True

    def __init__(self, quiz: Quiz, page: str, folder: Path, on_answers: Callable[[str], None]) -> None:
        self.quiz, self.page, self.folder, self.on_answers = quiz, page.encode(), folder, on_answers
        self.kept: list[Path] = []
        self._lock = Lock()
        super().__init__((HOST, 0), _Handler)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def take(self, content: bytes) -> dict[str, Any]:
        """Score a reader's answers and keep them beside their score.

        Raises:
            InputError: if they are not answers of this quiz.
        """
        answers = parse_answers(content, "answers")
        check_answers(answers, self.quiz, "answers")
        if len(answers.answers) != len(self.quiz.cases) or answers.seed != self.quiz.seed:
            raise InputError("answers: not of the quiz that is served; load the page again")
        found = score(answers.answers, self.quiz.key)
        with self._lock:
            path = next(path for k in range(1, 10**6) if not (path := self.folder / f"answers-{k}.json").exists())
            write_json(path, answers.model_dump(mode="json"))
            self.kept.append(path)
        self.on_answers(f"{path}: {found['says']}")
        marks = ["" if guess is None else "✓ right" if guess == truth else "✕ wrong"
                 for guess, truth in zip(answers.answers, self.quiz.key, strict=True)]
        return {**found, "marks": marks, "kept": path.name}


class _Handler(BaseHTTPRequestHandler):
    server: QuizServer

    def do_GET(self) -> None:
        """The page."""
        if not self._is_from_here():
            return self._reply(HTTPStatus.FORBIDDEN, {"error": "only this machine may ask"})
        if self.path != "/":
            return self._reply(HTTPStatus.NOT_FOUND, {"error": "there is one page, /"})
        return self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)

    def do_POST(self) -> None:
        """A reader's answers."""
        length = self.headers.get("Content-Length", "")
        if not self._is_from_here() or self.headers.get("Content-Type") != "application/json":
            return self._reply(HTTPStatus.FORBIDDEN, {"error": "only this quiz's page may send answers"})
        if self.path != "/answers" or not length.isdecimal() or int(length) > LARGEST_BYTES:
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": "expected a quiz's answers"})
        try:
            return self._reply(HTTPStatus.OK, self.server.take(self.rfile.read(int(length))))
        except InputError as error:
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def log_message(self, *_: object) -> None:
        """Nothing: what matters is said once answers come."""

    def _is_from_here(self) -> bool:
        """Whether the browser was sent to this address by name: another site's name may be made to point here."""
        return self.headers.get("Host") == self.server.url.removeprefix("http://").rstrip("/")

    def _reply(self, status: HTTPStatus, data: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(data).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)
