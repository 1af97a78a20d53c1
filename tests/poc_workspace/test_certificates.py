"""Strangers, impostors and the shut-out at the door of one running federation, judged by the server's own log."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from small_run import write_run
from startup_kit import NOW, Party, make_party

from fl_components.json_file import read_json
from jobs.watch import MARKER
from poc_workspace import deployment as deployment_module
from poc_workspace.admin import Admin
from poc_workspace.deployment import Deployment
from poc_workspace.nvflare_command import Nvflare
from poc_workspace.party import Party as Process
from poc_workspace.project import ADMIN, PROJECT, project, provision

pytestmark = pytest.mark.redteam
WARDEN = "warden@fedsynth.local"
_PATIENCE_S = 120.0


class Door(NamedTuple):
    deployment: Deployment
    port: int
    folder: Path

    @property
    def log(self) -> Path:
        return self.deployment.logs / "server.log"

    def said(self) -> str:
        """What the server has said so far."""
        return self.log.read_text(errors="replace")

    def joins(self, name: str) -> int:
        return len(re.findall(rf"New client {name}@\S+ joined", self.said()))

    def process(self, kit: Path, log: str) -> Process:
        """A client of a kit; ended with the federation at the latest."""
        environment = {**os.environ, MARKER: self.deployment.marker, "HOME": str(self.folder)}
        return Process(kit, "client", environment, self.folder / log, kit.name)

    def admin(self, name: str) -> Admin:
        nvflare = Nvflare(self.folder / "home" / name, self.folder / "logs" / name)
        return Admin(self.deployment.kit("server").parent / name, nvflare)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Two sites, a lead, and a warden who may keep a site out."""
    folder = tmp_path_factory.mktemp("door")
    run = write_run(folder / "run", subjects=0)
    found: dict[str, int] = {}

    def with_warden(sites: list[str], port: int) -> dict[str, Any]:
        found["port"] = port
        made = project(sites, port)
        made["participants"].append({"name": WARDEN, "type": "admin", "org": PROJECT, "role": "project_admin"})
        return made

    deployment = Deployment(run, run.sites(run.study()), "certificates")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deployment_module, "project", with_warden)
            deployment.prepare()
        deployment.start()
        yield Door(deployment, found["port"], folder)
    finally:
        deployment.stop()


@pytest.fixture(scope="module")
def stranger(door: Door) -> Path:
    """Kits for the same address and names, of another authority."""
    nvflare = Nvflare(door.folder / "home" / "stranger", door.folder / "logs" / "stranger")
    return provision(project(["east", "west"], door.port), door.folder / "stranger", nvflare)


def until(found: Callable[[], bool]) -> bool:
    """Whether something came about within the test's patience."""
    deadline = time.monotonic() + _PATIENCE_S
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def copy_kit(door: Door, name: str, folder: str) -> Path:
    target = door.folder / folder / name
    shutil.copytree(door.deployment.kit(name), target, ignore=shutil.ignore_patterns("*.txt", "*.fl", "*.json.gz"))
    return target


def refused(door: Door, kit: Path, log: str, expected: str, at_server: bool) -> None:
    """Start a client with such a kit and see the refusal where it shows; it must not have joined."""
    place = door.log if at_server else door.folder / log

    def said() -> int:
        return place.read_text(errors="replace").count(expected) if place.exists() else 0

    joined, before = door.joins("east"), said()
    client = door.process(kit, log)
    client.start()
    try:
        assert until(lambda: said() > before), place.read_text(errors="replace")[-2000:]
        assert door.joins("east") == joined
    finally:
        client.end()


def test_kit_of_another_authority(door: Door, stranger: Path) -> None:
    refused(door, stranger / "east", "other.log", "CERTIFICATE_VERIFY_FAILED", at_server=False)


def test_certificate_of_another_authority_with_the_true_root(door: Door, stranger: Path) -> None:
    kit = copy_kit(door, "east", "mixed")
    for name in ("client.crt", "client.key"):
        shutil.copy(stranger / "east/startup" / name, kit / "startup" / name)
    assert not let_in(door, tls(door, kit / "startup/client.crt", kit / "startup/client.key"))
    assert until(lambda: "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate" in door.said())
    joined, client = door.joins("east"), door.process(kit, "mixed.log")
    client.start()  # NVFlare's own client tries without a word
    try:
        time.sleep(25)
        assert door.joins("east") == joined
    finally:
        client.end()


def test_another_sites_valid_certificate(door: Door) -> None:
    kit = copy_kit(door, "east", "impostor")
    for name in ("client.crt", "client.key"):
        shutil.copy(door.deployment.kit("west") / "startup" / name, kit / "startup" / name)
    refused(door, kit, "impostor.log", "authenticated as 'west' but claimed endpoint 'east' requires identity 'east'",
            at_server=True)


def tls(door: Door, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """What a client of one's own making shakes hands with; nothing of it checks itself."""
    context = ssl.create_default_context(cafile=door.deployment.kit("east") / "startup/rootCA.pem")
    context.set_alpn_protocols(["h2"])
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def let_in(door: Door, context: ssl.SSLContext) -> bool:
    """Whether the server talks HTTP/2 to a client that shakes hands so."""
    with socket.create_connection(("127.0.0.1", door.port), 10) as plain:
        plain.settimeout(10)
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                return bool(secured.recv(1))
        except (ssl.SSLError, ConnectionError):
            return False


def authority(door: Door) -> Party:
    """The federation's own, as only the lead has it."""
    state = read_json(door.deployment.folder / "deployment" / PROJECT / "state/cert.json")
    return Party(x509.load_pem_x509_certificate(state["root_cert"].encode()),
                 load_pem_private_key(state["root_pri_key"].encode(), None))


@pytest.mark.parametrize(("begin", "end", "reason"), [(-400, -1, "certificate has expired"),
                                                      (1, 400, "certificate is not yet valid")])
def test_certificate_out_of_its_time(door: Door, begin: int, end: int, reason: str) -> None:
    party = make_party("east", authority(door), NOW + timedelta(days=begin), NOW + timedelta(days=end))
    certificate, key = door.folder / "timed.crt", door.folder / "timed.key"
    party.write(certificate, key)
    assert not let_in(door, tls(door, certificate, key))
    assert until(lambda: f"CERTIFICATE_VERIFY_FAILED: {reason}" in door.said())


def test_the_same_certificate_in_its_time_is_let_in(door: Door) -> None:
    party = make_party("east", authority(door))  # or the tests above would show nothing
    certificate, key = door.folder / "valid.crt", door.folder / "valid.key"
    party.write(certificate, key)
    assert let_in(door, tls(door, certificate, key))


def test_no_certificate(door: Door) -> None:
    assert not let_in(door, tls(door))
    assert until(lambda: "PEER_DID_NOT_RETURN_A_CERTIFICATE" in door.said())


def test_clear_text(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 10) as plain:
        plain.settimeout(10)
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        answer = plain.recv(100)
    assert b"HTTP" not in answer
    assert until(lambda: "WRONG_VERSION_NUMBER" in door.said())


def test_site_that_is_kept_out_stays_out_until_it_is_let_in(door: Door) -> None:
    deployment = door.deployment
    lead, warden = door.admin(ADMIN), door.admin(WARDEN)
    assert ask(lead, "disable-client", "east") != "ok"
    assert lead.connected() == {"east", "west"}
    assert ask(warden, "disable-client", "east") == "ok"
    assert "Client east disabled. Removed 1 active token(s)." in door.said()
    time.sleep(25)  # heartbeats every 10 s
    assert lead.connected() == {"west"}
    deployment.parties["server"].end()
    deployment.parties["east"].end()
    deployment.parties["server"].start()  # what was disabled is kept over a restart
    deployment.parties["east"].start()
    assert until(lambda: "Reject disabled client registration: east" in door.said())
    assert until(lambda: lead.connected() == {"west"})
    assert ask(warden, "enable-client", "east") == "ok"
    deployment.parties["east"].start()
    assert until(lambda: lead.connected() == {"east", "west"})


def ask(admin: Admin, command: str, site: str) -> str:
    return str(admin.nvflare.ask("system", command, site, "--force", "--startup-kit", str(admin.kit))["status"])


def test_copy_of_a_kit_is_not_refused_and_silences_the_site_while_it_runs(door: Door) -> None:
    """Not defended: NVFlare has no list of revoked certificates, and the later login wins."""
    before = door.joins("east")
    copy = door.process(copy_kit(door, "east", "copy"), "copy.log")
    copy.start()
    try:
        assert until(lambda: door.joins("east") == before + 1)
        assert "Client: east already registered. Re-login the client with a new token." in door.said()
        # Both take the connection from each other, again and again, until neither is heard.
        assert until(lambda: "Remove the dead Client. Name: east." in door.said())
    finally:
        copy.end()
    assert until(lambda: "Re-activate the client: east" in door.said())
