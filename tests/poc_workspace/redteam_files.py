"""Attempts on the site's own files: the policy or the study is edited, then sent what may leave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.shareable import Shareable
from redteam_answers import recorded_secret
from redteam_case import Case

from fl_components.client.open_site import OpenSite

EDIT = "\n# maximum_rounds = 1000000\n"


def change(path: Path, text: str) -> None:
    """At once: both sites of the test have one file of the study."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def edited(find: Callable[[OpenSite, Path], Path]) -> Callable[[Case], Shareable]:
    """Changes one of the site's own files, then sends what else would leave."""
    def attempt(case: Case) -> Shareable:
        assert case.executor.opened is not None
        stated = Path(case.fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES)["site_file"])
        path = find(case.executor.opened, stated)
        case.executor.edited.append(path)
        change(path, path.read_text() + EDIT)
        return recorded_secret(case)
    return attempt


def restore(paths: list[Path]) -> None:
    """Take the edits back, or every attempt that follows would be refused for them."""
    for path in paths:
        change(path, path.read_text().replace(EDIT, ""))


FILES: dict[str, Callable[[Case], Any]] = {
    "policy_edited": edited(lambda opened, site_file: site_file),
    "study_edited": edited(lambda opened, site_file: opened.site.study),
}
