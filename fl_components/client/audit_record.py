"""A site's own record of its audits: one frozen answer a question, and how many questions there were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.guard.secure_sum import KEYS
from fl_components.json_file import read_json, write_json
from fl_components.study import Study

_SHOWN: Final = 12


class AuditRecord:
    """`<state>/audits.json`: the study, the question's digest, the time and the answer of every audit.

    Repeated questions about the same patients leak (each answer is another statistic of them), so the same question
    gets the stored answer, and another question counts as another audit of the study, however its study.toml changed.
    """

    def __init__(self, state: Path, study: Study) -> None:
        self.path, self.study = state / "audits.json", study
        self.entries: list[dict[str, Any]] = read_json(self.path)["audits"] if self.path.exists() else []

    def stored(self, question: str) -> dict[str, float | list[float]] | None:
        """The answer given before to a question."""
        return next((dict(entry["answer"]) for entry in self.entries if entry["question"] == question), None)

    @property
    def next_number(self) -> int:
        """Which audit of the study the next new question is, counted from 1."""
        return 1 + sum(entry["study"] == self.study.name for entry in self.entries)

    def keep(self, question: str, answer: Mapping[str, float | list[float]]) -> None:
        """Freeze an answer, before it leaves."""
        self.entries.append({"study": self.study.name, "study_hash": self.study.hash, "question": question,
                             "time": datetime.now(UTC).isoformat(timespec="seconds"), "answer": dict(answer)})
        write_json(self.path, {"audits": self.entries})

    @property
    def latest(self) -> Path | None:
        """The folder of the study's latest question; None if there was none."""
        asked = [entry["question"] for entry in self.entries if entry["study"] == self.study.name]
        return self.folder(asked[-1]) if asked else None

    def folder(self, question: str) -> Path:
        """Where the findings of a question are that stay at the site."""
        return self.path.parent / "audit" / question[:_SHOWN]


def digest_of(data: Mapping[str, np.ndarray], study: Study) -> str:
    """SHA-256 of a question: release, reference, weights and the study with the audit's settings; not of the keys."""
    digest = hashlib.sha256(study.hash.encode())
    for name in sorted(name for name in data if not name.startswith(KEYS)):
        value = np.ascontiguousarray(data[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
