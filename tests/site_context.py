"""What our code asks an NVFlare context for."""

from __future__ import annotations

from typing import Any

from nvflare.apis.fl_constant import FLContextKey


class Context:
    """The site's name and its scope's properties."""

    def __init__(self, name: str, properties: dict[str, Any] | None = None) -> None:
        self.name, self.properties = name, properties

    def get_identity_name(self) -> str:
        return self.name

    def get_prop(self, key: str, default: object = None) -> object:
        return self.properties if key == FLContextKey.SCOPE_PROPERTIES else default


class JobContext(Context):
    """The same within a job."""

    def get_job_id(self) -> str:
        return "job"

    def get_peer_context(self) -> None:
        return None
