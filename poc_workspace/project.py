"""The project file of a federation on this machine, and its provisioning: one kit of keys and settings a party."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fl_components.json_file import write_json
from poc_workspace.nvflare_command import Nvflare
from privacy_eval.errors import InputError

SERVER: Final = "localhost"
"""The server's name. NVFlare lets a server of this name listen on the loopback interface alone."""
ADMIN: Final = "lead@fedsynth.local"
PROJECT: Final = "fedsynth"
RESERVED: Final = frozenset({SERVER, "server"})
"""Names a site cannot have: the server's own, and the one that NVFlare gives it inside."""
_PORTS: Final = range(20000, 32000)
"""Below the ports from which Linux takes those of outgoing connections."""


def project(sites: Sequence[str], port: int) -> dict[str, Any]:
    """A project: the server on loopback, every site an organisation of its own, one administrator who may submit."""
    parties = [{"name": SERVER, "type": "server", "org": PROJECT, "fed_learn_port": port},
               *({"name": site, "type": "client", "org": site} for site in sites),
               {"name": ADMIN, "type": "admin", "org": PROJECT, "role": "lead"}]
    builders: list[dict[str, Any]] = [
        {"path": "nvflare.lighter.impl.workspace.WorkspaceBuilder"},
        {"path": "nvflare.lighter.impl.static_file.StaticFileBuilder",
         "args": {"config_folder": "config", "scheme": "grpc"}},
        {"path": "nvflare.lighter.impl.cert.CertBuilder"},
        {"path": "nvflare.lighter.impl.signature.SignatureBuilder"}]
    return {"api_version": 3, "name": PROJECT, "description": "a federation on one machine",
            "participants": parties, "builders": builders}


def provision(content: dict[str, Any], folder: Path, nvflare: Nvflare) -> Path:
    """Make new keys, certificates and kits below `folder` and return the folder that holds the kits.

    Args:
        content: the project (`project`).
        folder: new; it will hold the root CA's key, too, so it should be readable by its owner alone.
        nvflare: NVFlare's command line.

    Raises:
        JobFailedError: if NVFlare cannot provision.
    """
    folder.mkdir(mode=0o700, parents=True)
    file = folder / "project.yml"
    write_json(file, content)  # JSON is YAML
    nvflare.run("provision", "-p", str(file), "-w", str(folder), "--force")
    return folder / str(content["name"]) / "prod_00"


def free_port() -> int:
    """A port of the loopback interface on which nothing listens, drawn at random so that two runs seldom meet.

    Raises:
        InputError: if none was found.
    """
    for port in random.SystemRandom().choices(_PORTS, k=100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise InputError(f"127.0.0.1: 100 ports tried of {_PORTS.start}–{_PORTS.stop - 1}, none is free; 'ss -ltn' names "
                     "what listens; end some of it")
