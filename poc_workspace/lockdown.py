"""The lock-down: what a party's own NVFlare files (`local/`) allow, whatever a job or an administrator asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fl_components.guard.job_checker import JobChecker
from fl_components.guard.site_filter import SiteFilter
from fl_components.guard.wire_guard import WireGuard
from fl_components.json_file import read_json, write_json
from fl_components.site import Site
from jobs.recipes import CLASS_ALLOW_LIST, SITE_COMPONENTS
from privacy_eval.errors import InputError

_LOG_COMPONENTS: Final = frozenset({"site_log_streamer", "log_receiver"})
"""NVFlare's default components that send a site's error log, exception texts included, and store it at the server."""

_DENIED: Final = ("byoc", "server-predeployed-flwr", "operate", "shell_commands", "clone_job",
                  "show_errors", "show_stats", "reset_errors")
"""Rights that nobody has. The last three belong to NVFlare's category "view", but carry log texts of the party."""

_COORDINATOR: Final = {"submit_job": "any", "manage_job": "n:submitter", "download_job": "n:submitter", "view": "any"}
_ONLOOKER: Final = {"submit_job": "none", "manage_job": "o:site", "download_job": "none", "view": "any"}
_ROLES: Final = {"project_admin": _COORDINATOR, "lead": _COORDINATOR, "org_admin": _ONLOOKER,
                 "member": {**_ONLOOKER, "manage_job": "none"}}

SCOPE: Final = "fedsynth"
"""The site's only privacy scope; a job without a scope gets it, a job that names another one is refused."""


def lock_down(kit: Path, site_file: Path | None = None) -> None:
    """Write the files in a startup kit's `local/`; NVFlare prefers them to the defaults it ships beside them.

    Provisioning replaces the whole kit, so this follows every `nvflare poc prepare`.

    Args:
        kit: the party's startup kit, as provisioned.
        site_file: the site's `site.toml`, whose policy is compiled into the files; None for the server, which has
            no privacy scope.

    Raises:
        InputError: if the kit is none, or the site's file is missing or wrong.
    """
    local = kit / "local"
    shipped = local / "resources.json.default"
    if not shipped.exists():
        raise InputError(f"{shipped}: no such file, so {kit} is no startup kit; provision it first")
    own = local / "resources.json"  # POC has written the server's, with storage inside the workspace
    site = None if site_file is None else read_site(site_file)
    write_json(own, resources(read_json(own if own.exists() else shipped), site_file, site))
    write_json(local / "authorization.json", authorization())
    if site_file is not None and site is not None:
        write_json(local / "privacy.json", privacy(site_file, site))


def read_site(site_file: Path) -> Site:
    """The site's own settings.

    Raises:
        InputError: if there is no such file, or it is wrong.
    """
    if not site_file.is_file():
        raise InputError(f"{site_file}: no such file; a site is locked down with its own site.toml")
    return Site.from_file(site_file)


def resources(shipped: dict[str, Any], site_file: Path | None = None, site: Site | None = None) -> dict[str, Any]:
    """NVFlare's resources with our classes alone allowed, by exact name, and no log leaving the party.

    A site gets its job checker, and the wire guard of its own process, too.
    """
    components = [part for part in shipped["components"] if part["id"] not in _LOG_COMPONENTS]
    classes = list(CLASS_ALLOW_LIST)
    if site_file is not None and site is not None:
        classes = sorted(SITE_COMPONENTS)
        checker = {"components": SITE_COMPONENTS, "tasks": list(site.policy.tasks)}
        components += [_component("job_checker", JobChecker, checker),
                       _component("wire_guard", WireGuard, {"site_file": str(site_file.resolve())})]
    return {**shipped, "class_list_enforcement_mode": "enforce", "class_allow_list": classes,
            "allow_log_streaming": False, "components": components}


def authorization() -> dict[str, Any]:
    """Who may do what at a party: jobs of installed code may be submitted, no custom code, shell or remote control."""
    denied = dict.fromkeys(_DENIED, "none")
    return {"format_version": "1.0", "permissions": {role: {**rights, **denied} for role, rights in _ROLES.items()}}


def privacy(site_file: Path, site: Site) -> dict[str, Any]:
    """One scope: its properties tell the executors where the site's own settings are (`open_site`), its filter lets
    the results of the policy's tasks pass alone; and the wire guard of each job's process."""
    own = {"site_file": str(site_file.resolve())}
    scope = {"name": SCOPE, "properties": own, "task_result_filters": [
        _component("site_filter", SiteFilter, {**own, "tasks": list(site.policy.tasks)})]}
    return {"scopes": [scope], "default_scope": SCOPE, "components": [_component("wire_guard", WireGuard, own)]}


def _component(name: str, kind: type, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "path": f"{kind.__module__}.{kind.__name__}", "args": arguments}
