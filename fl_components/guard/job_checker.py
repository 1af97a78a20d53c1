"""The site's look at a job before any of it is built: our executors with a study's hash, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nvflare.apis.app_validation import AppValidationKey
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.fl_exception import UnsafeComponentError

_PLACE: Final = re.compile(r"executors\.#[0-9]+\.executor")
_EMPTY: Final = ("components", "task_data_filters", "task_result_filters")


class JobChecker(FLComponent):
    """Refuses a job's part by `UnsafeComponentError`, the only exception that NVFlare 2.9 takes for a refusal.

    Args:
        components: for each class that a job may name, by its exact path, its arguments, all required, each with the
            regular expression that its whole value must match.
        tasks: names of the tasks that an executor may be given.
    """

    def __init__(self, components: Mapping[str, Mapping[str, str]], tasks: Sequence[str]) -> None:
        super().__init__()
        self.components, self.tasks = components, tuple(tasks)

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """NVFlare's entry."""
        if event_type != EventType.BEFORE_BUILD_COMPONENT:
            return
        try:
            reason = self._job_refusal(fl_ctx) or component_refusal(
                fl_ctx.get_prop(FLContextKey.COMPONENT_CONFIG), fl_ctx.get_prop(FLContextKey.COMPONENT_NODE).path(),
                self.components)
        except Exception as error:  # any other exception would let the component be built
            reason = f"the job cannot be read ({type(error).__name__})"
        if reason is not None:
            raise UnsafeComponentError(f"the site refuses the job: {reason}")

    def _job_refusal(self, fl_ctx: FLContext) -> str | None:
        meta = fl_ctx.get_prop(FLContextKey.JOB_META) or {}
        if meta.get(AppValidationKey.BYOC):
            return "it brings code of its own"
        return config_refusal(fl_ctx.get_prop(FLContextKey.CONFIG_CTX).config_json, self.tasks)


def config_refusal(config: Mapping[str, Any], tasks: Sequence[str]) -> str | None:
    """Why a job's configuration of a site is refused, in one line; None if it is not."""
    for key in _EMPTY:
        if config.get(key):
            return f"it brings its own '{key}'"
    for entry in config["executors"]:
        if foreign := [name for name in entry["tasks"] if name not in tasks]:
            return f"an executor for task {foreign[0]!r}, which the site's policy does not allow"
    return None


def component_refusal(config: Any, place: str,  # noqa: ANN401 - whatever a job holds there
                      components: Mapping[str, Mapping[str, str]]) -> str | None:
    """Why a component is refused, in one line; None if it is not."""
    if not _PLACE.fullmatch(place):
        return f"a component at '{place}', where only NVFlare's executors may be"
    if not isinstance(config, dict) or set(config) - {"path", "args"}:
        return f"'{place}' is described otherwise than by path and args"
    path, arguments = config.get("path"), config.get("args", {})
    if not isinstance(path, str) or path not in components:
        return f"class {path!r} at '{place}'"
    ranges = components[path]
    if not isinstance(arguments, dict) or set(arguments) != set(ranges):
        return f"arguments of '{place}' are not {', '.join(ranges)}"
    for name, pattern in ranges.items():
        if not isinstance(arguments[name], str) or not re.fullmatch(pattern, arguments[name]):
            return f"argument '{name}' of '{place}' is out of its range"
    return None
