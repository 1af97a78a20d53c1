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

_LISTED: Final = {"class_list_enforcement_mode": "enforce", "allow_log_streaming": False}
_CHECKER: Final = "job_checker"
_WIRE_GUARD: Final = "wire_guard"

HEARTBEAT_S: Final = 40
"""Sites show every 10 s that they live; NVFlare's default takes 600 s to miss one."""

_DENIED: Final = ("byoc", "server-predeployed-flwr", "operate", "shell_commands", "clone_job",
                  "show_errors", "show_stats", "reset_errors")
"""Rights that nobody has. The last three belong to NVFlare's category "view", but carry log texts of the party."""

_COORDINATOR: Final = {"submit_job": "any", "manage_job": "n:submitter", "download_job": "n:submitter", "view": "any"}
_ONLOOKER: Final = {"submit_job": "none", "manage_job": "o:site", "download_job": "none", "view": "any"}
_EVICTOR: Final = dict.fromkeys(("disable_client", "enable_client"), "any")
"""What a project administrator may do at the server, beside what a coordinator may: keep a site out, let it in again.
No other right of NVFlare's category "operate" is given to anybody."""
_ROLES: Final = {"project_admin": _COORDINATOR, "lead": _COORDINATOR, "org_admin": _ONLOOKER,
                 "member": {**_ONLOOKER, "manage_job": "none"}}

SCOPE: Final = "fedsynth"
"""The site's only privacy scope; a job without a scope gets it, a job that names another one is refused."""


def lock_site(kit: Path, site_file: Path) -> list[Path]:
    """Compile a site's policy into its kit; NVFlare prefers these files to the defaults it ships beside them.

    A new kit knows nothing of it, so this follows every provisioning, and every change of `site.toml`. What else the
    site's owner put into `resources.json` stays.

    Args:
        kit: the site's startup kit, as provisioned.
        site_file: the site's `site.toml`.

    Returns:
        The files written.

    Raises:
        InputError: if the kit is none or another party's, or the site's file is missing or wrong.
    """
    return _write(kit, _compiled(kit, site_file))


def differing(kit: Path, site_file: Path) -> list[str]:
    """Names of the files in a site's kit that are not what `lock_site` would write today.

    Raises:
        InputError: as `lock_site`, or if a file cannot be read.
    """
    def found(name: str) -> Any:  # noqa: ANN401 - any JSON
        path = kit / "local" / name
        return _ordered(read_json(path)) if path.exists() else None

    return [name for name, content in _compiled(kit, site_file).items() if found(name) != _ordered(content)]


def _ordered(content: dict[str, Any]) -> dict[str, Any]:
    """The order of components says nothing."""
    parts = content.get("components")
    return content if parts is None else {**content, "components": sorted(parts, key=lambda part: str(part["id"]))}


def _compiled(kit: Path, site_file: Path) -> dict[str, Any]:
    """What belongs into the kit's `local/`, by file."""
    site = read_site(site_file)
    named = _kit_name(kit)
    if named != site.name:
        raise InputError(f"{kit}: the kit of '{named}', but {site_file} is of '{site.name}'; take the site's own kit")
    return {"resources.json": site_resources(_own_resources(kit), site_file, site),
            "authorization.json": authorization(), "privacy.json": privacy(site_file, site)}


def lock_server(kit: Path, storage: Path) -> list[Path]:
    """Lock the server's kit down, and keep what it stores in a folder of its own.

    NVFlare's default is `/tmp/nvflare`, which all federations of a machine share.

    Args:
        kit: the server's startup kit, as provisioned.
        storage: a folder for submitted jobs, their results and snapshots; NVFlare makes it.

    Returns:
        The files written.

    Raises:
        InputError: if the kit is none, or another party's.
    """
    if not (kit / "startup" / "fed_server.json").exists():
        raise InputError(f"{kit}: no startup kit of a server (it lacks startup/fed_server.json); name the server's")
    return _write(kit, {"resources.json": server_resources(_own_resources(kit), storage),
                        "authorization.json": authorization(server=True)})


def _write(kit: Path, contents: dict[str, Any]) -> list[Path]:
    for name, content in contents.items():
        write_json(kit / "local" / name, content)
    return [kit / "local" / name for name in contents]


def _own_resources(kit: Path) -> dict[str, Any]:
    """The party's own resources, or those it was provisioned with, without what a lock-down has added."""
    own, shipped = kit / "local" / "resources.json", kit / "local" / "resources.json.default"
    if not shipped.exists():
        raise InputError(f"{shipped}: no such file, so {kit} is no startup kit; provision it first")
    found = dict(read_json(own if own.exists() else shipped))
    dropped = _LOG_COMPONENTS | {_CHECKER, _WIRE_GUARD}
    return {**found, "components": [part for part in found["components"] if part["id"] not in dropped]}


def _kit_name(kit: Path) -> str:
    path = kit / "startup" / "fed_client.json"
    if not path.exists():
        raise InputError(f"{kit}: no startup kit of a site (it lacks startup/fed_client.json); name the site's")
    try:
        return str(read_json(path)["client"]["fqsn"]).rpartition(".")[2]
    except (KeyError, TypeError):
        raise InputError(f"{path}: names no site; ask the consortium's lead for a new kit") from None


def read_site(site_file: Path) -> Site:
    """The site's own settings.

    Raises:
        InputError: if there is no such file, or it is wrong.
    """
    if not site_file.is_file():
        raise InputError(f"{site_file}: no such file; a site is locked down with its own site.toml")
    return Site.from_file(site_file)


def site_resources(own: dict[str, Any], site_file: Path, site: Site) -> dict[str, Any]:
    """NVFlare's resources with our executors alone allowed, by exact name, no log leaving the site, its job checker,
    and the wire guard of its own process."""
    checker = {"components": SITE_COMPONENTS, "tasks": list(site.policy.tasks)}
    parts = [*own["components"], _component(_CHECKER, JobChecker, checker),
             _component(_WIRE_GUARD, WireGuard, {"site_file": str(site_file.resolve())})]
    return {**own, **_LISTED, "class_allow_list": sorted(SITE_COMPONENTS), "components": parts}


def server_resources(own: dict[str, Any], storage: Path) -> dict[str, Any]:
    """NVFlare's resources with our classes alone allowed, storage of the server's own, and sites that are silent for
    `HEARTBEAT_S` counted as gone."""
    jobs, snapshots = storage.resolve() / "jobs", storage.resolve() / "snapshots"
    parts = [{**part, "args": {**part["args"], "uri_root": str(jobs)}} if part["id"] == "job_manager" else part
             for part in own["components"]]
    keeper = own["snapshot_persistor"]
    place = {**keeper["args"]["storage"], "args": {"root_dir": str(snapshots), "uri_root": "/"}}
    return {**own, **_LISTED, "class_allow_list": list(CLASS_ALLOW_LIST), "components": parts,
            "servers": [{**server, "heart_beat_timeout": HEARTBEAT_S} for server in own["servers"]],
            "snapshot_persistor": {**keeper, "args": {**keeper["args"], "storage": place}}}


def authorization(server: bool = False) -> dict[str, Any]:
    """Who may do what at a party: jobs of installed code may be submitted, no custom code, shell or remote control."""
    denied = dict.fromkeys(_DENIED, "none")
    permissions: dict[str, dict[str, str]] = {role: {**rights, **denied} for role, rights in _ROLES.items()}
    if server:
        permissions["project_admin"] |= _EVICTOR
    return {"format_version": "1.0", "permissions": permissions}


def privacy(site_file: Path, site: Site) -> dict[str, Any]:
    """One scope: its properties tell the executors where the site's own settings are (`open_site`), its filter lets
    the results of the policy's tasks pass alone; and the wire guard of each job's process."""
    own = {"site_file": str(site_file.resolve())}
    scope = {"name": SCOPE, "properties": own, "task_result_filters": [
        _component("site_filter", SiteFilter, {**own, "tasks": list(site.policy.tasks)})]}
    return {"scopes": [scope], "default_scope": SCOPE, "components": [_component(_WIRE_GUARD, WireGuard, own)]}


def _component(name: str, kind: type, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "path": f"{kind.__module__}.{kind.__name__}", "args": arguments}
