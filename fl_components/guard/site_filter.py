"""The site's filter of task results, named in its `privacy.json`: denies by default, rebuilds what passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from fl_components.guard.result_check import ResultCheck
from fl_components.guard.seal import Seal
from privacy_eval.errors import InputError


class SiteFilter(Filter):
    """Not a `DXOFilter`: NVFlare lets pass unseen whatever that class does not understand.

    Args:
        site_file: the site's own `site.toml`; without it, and once it changed, nothing passes.
        tasks: names of the tasks whose results may leave; a wildcard names none.
    """

    def __init__(self, site_file: str, tasks: Sequence[str]) -> None:
        super().__init__()
        self.site_file, self.tasks = site_file, tuple(tasks)
        self._check: ResultCheck | None = None
        self._problem = ""
        try:
            self._check = ResultCheck(Seal(Path(site_file)), "site filter")
        except (InputError, OSError) as error:
            self._problem = str(error)

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """NVFlare's entry."""
        try:
            task = fl_ctx.get_prop(FLContextKey.TASK_NAME)
            if task not in self.tasks:
                self.log_error(fl_ctx, f"results of task '{task}' may not leave")
                return make_reply(ReturnCode.EXECUTION_EXCEPTION)
            if self._check is None:
                self.log_error(fl_ctx, f"the site's files cannot be used, so nothing leaves: {self._problem}")
                return make_reply(ReturnCode.EXECUTION_EXCEPTION)
            return self._check.passed(shareable, task, fl_ctx.get_job_id())
        except Exception as error:
            self.log_exception(fl_ctx, f"the site's files cannot be used, so nothing leaves: {error}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
