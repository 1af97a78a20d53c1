from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from startup_kit import NOW, Party, make_party, write_kit

from fl_components.doctor.finding import Finding
from fl_components.doctor.kit import Kit
from fl_components.doctor.reach import check_server, parse_address
from privacy_eval.errors import InputError


@pytest.fixture(scope="module")
def authority() -> Party:
    return make_party("study")


@pytest.fixture
def kit(tmp_path: Path, authority: Party) -> Kit:
    return Kit(write_kit(tmp_path / "kit", make_party("east", authority), authority, "east", "server1:8002"))


class Listener:
    """A server for one connection: bare TCP, or TLS that demands a client certificate as NVFlare's does."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.seen: list[object] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(5)
            try:
                if self.context is None:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    return
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self.seen += [secured.getpeercert(binary_form=True), secured.recv(1000)]
            except OSError as error:
                self.seen.append(error)


@contextmanager
def listening(tmp_path: Path, party: Party | None, authority: Party | None = None,
              version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[Listener]:
    context = None
    if party is not None:
        party.write(tmp_path / "server.crt", tmp_path / "server.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
        if authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=authority.certificate.public_bytes(Encoding.PEM).decode())
    listener = Listener(context)
    try:
        yield listener
    finally:
        listener.thread.join(10)
        listener.socket.close()


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {one.check: one for one in found}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_consortiums_server_is_recognised_and_sees_no_site(tmp_path: Path, kit: Kit, authority: Party,
                                                               version: ssl.TLSVersion) -> None:
    with listening(tmp_path, make_party("server1", authority), authority, version) as server:
        found = by_check(check_server(server.address, kit, "server1"))
    assert {one.status for one in found.values()} == {"ok"}
    (seen,) = server.seen
    assert isinstance(seen, ssl.SSLError)  # the server refused who showed no certificate: nobody logged in
    assert "CERTIFICATE" in str(seen.reason)


def test_the_servers_certificate_is_about_to_expire(tmp_path: Path, kit: Kit, authority: Party) -> None:
    party = make_party("server1", authority, end=NOW + timedelta(days=10))
    with listening(tmp_path, party) as server:
        found = by_check(check_server(server.address, kit, "server1"))["server's TLS"]
    assert found.status == "look"
    assert "9 days left" in found.found


@pytest.mark.parametrize("other", ["authority", "name", "expired"])
def test_somebody_elses_server_is_refused(tmp_path: Path, kit: Kit, authority: Party, other: str) -> None:
    party = {"authority": lambda: make_party("server1", make_party("study")),
             "name": lambda: make_party("server2", authority),
             "expired": lambda: make_party("server1", authority, NOW - timedelta(days=9), NOW - timedelta(days=1)),
             }[other]()
    with listening(tmp_path, party) as server:
        found = by_check(check_server(server.address, kit, "server1"))
    assert found["server"].status == "ok"
    assert found["server's TLS"].status == "fix"
    assert "certificate refused" in found["server's TLS"].found


def test_without_a_kit_the_certificate_is_not_checked_and_it_says_so(tmp_path: Path, kit: Kit) -> None:
    for known in (None, kit):
        kit.root.unlink(missing_ok=True)
        with listening(tmp_path, make_party("whoever")) as server:
            found = by_check(check_server(server.address, known))["server's TLS"]
        assert found.status == "look"
        assert "was not checked" in found.found


def test_a_server_that_speaks_no_tls(tmp_path: Path, kit: Kit) -> None:
    with listening(tmp_path, None) as server:
        found = by_check(check_server(server.address, kit, "server1"))
    assert found["server"].status == "ok"
    assert (found["server's TLS"].status, "no TLS" in found["server's TLS"].found) == ("fix", True)


def test_an_unreachable_port_and_an_unknown_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    for text in (address, "no-such-host.invalid:8002"):
        (found,) = check_server(text)
        assert (found.check, found.status) == ("server", "fix")
        assert text in found.found


@pytest.mark.parametrize(("text", "expected"), [("a.org:8002", ("a.org", 8002)), ("[::1]:80", ("::1", 80))])
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["a.org", ":80", "a.org:", "a.org:0", "a.org:65536", "a.org:http"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        parse_address(text)
