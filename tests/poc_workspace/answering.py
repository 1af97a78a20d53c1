"""NVFlare's command line without NVFlare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poc_workspace.nvflare_command import Nvflare


class Answering(Nvflare):
    """Answers with what it is given, without NVFlare; an exception is raised."""

    def __init__(self, folder: Path, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(folder / "home", folder / "logs")
        self.answers, self.asked = list(answers), list[tuple[str, ...]]()

    def ask(self, *words: str, timeout_s: float = 0) -> dict[str, Any]:
        self.asked.append(words)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
