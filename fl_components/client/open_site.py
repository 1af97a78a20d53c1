"""Opening the site a process works for: its settings and its copy of the study, never the job's."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext

from fl_components.environment import run_folder
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError


class OpenSite(NamedTuple):
    """A site and the study it agreed to."""

    site: Site
    study: Study


def open_site(fl_ctx: FLContext, study_hash: str) -> OpenSite:
    """Read the site's own files and compare its study with the one the job was made for.

    The path of `site.toml` is `site_file` among the properties of the site's NVFlare scope where it has one, else
    `sites/<name>/site.toml` in the run folder that the process' owner named (the simulator knows no scopes).

    Raises:
        InputError: if there is no such file, it names another site, or the job was made for another study.
    """
    name = fl_ctx.get_identity_name()
    properties = fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES) or {}
    stated = properties.get("site_file")
    path = Path(stated) if stated else run_folder() / "sites" / name / "site.toml"
    site = Site.from_file(path)
    if site.name != name:
        raise InputError(f"{path}: key 'name' is '{site.name}', but this process runs as '{name}'; name the right file")
    study = Study.from_file(site.study)
    if study.hash != study_hash:
        raise InputError(f"{site.study}: its hash is {study.hash[:12]}…, the job was made for {study_hash[:12]}…; "
                         "every party must hold the same study.toml")
    return OpenSite(site, study)
