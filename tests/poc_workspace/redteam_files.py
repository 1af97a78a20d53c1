"""Attempts on files at the site: policy or study is edited, then sent what may leave; files are left to be fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
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


def left_to_fetch(case: Case) -> Shareable:
    """Under names by which NVFlare keeps, shows or sends a job's logs and results."""
    workspace = case.engine.get_workspace()
    run, root = Path(workspace.get_run_dir(case.fl_ctx.get_job_id())), Path(workspace.get_root_dir())
    for name in ("scan.txt", "log.txt", "error_log.txt", "stats_pool_summary.json", "app_server/scan.txt"):
        for folder in (run, root):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as stream:
                stream.write(f"{case.text}\n")
    return make_reply(ReturnCode.EXECUTION_EXCEPTION)


FILES: dict[str, Callable[[Case], Any]] = {
    "policy_edited": edited(lambda opened, site_file: site_file),
    "study_edited": edited(lambda opened, site_file: opened.site.study),
    "left_to_fetch": left_to_fetch,
}
