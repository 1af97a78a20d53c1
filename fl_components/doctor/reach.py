"""Whether the server can be reached: a connection and a TLS handshake, never a login.

NVFlare lets the latest login under a site's name replace the one that runs. So no client certificate is shown here:
the server learns an address, not a site, and logs at most that a handshake without a certificate was refused.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from fl_components.doctor.finding import Finding
from fl_components.doctor.kit import Kit, check_validity
from privacy_eval.errors import InputError

TIMEOUT_S: Final = 5.0


def parse_address(text: str) -> tuple[str, int]:
    """`host:port`, an IPv6 host in brackets.

    Raises:
        InputError: if it is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"'{text}': not an address; expected HOST:PORT, such as server.example.org:8002")
    return host.strip("[]"), int(port)


def check_server(address: str, kit: Kit | None = None, identity: str | None = None,
                 timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Connect, shake hands, hang up.

    Args:
        address: `host:port`.
        kit: whose `rootCA.pem` the server's certificate must be from; without it the certificate is not checked.
        identity: the name in the server's certificate; the host if None.
        timeout_s: for each of the two.

    Raises:
        InputError: if the address is none.
    """
    host, port = parse_address(address)
    expected = f"a server that listens at {address}"
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            reached = Finding("server", "ok", f"{address} accepts connections", expected)
            return [reached, _check_tls(connection, kit, identity or host)]
    except OSError as error:  # also names that are not known, and refusals
        return [Finding("server", "fix", f"{address}: {error.strerror or error}", expected, "ask your network's "
                        f"administrators to let this machine reach TCP port {port}, and the lead whether it runs")]


def _check_tls(connection: socket.socket, kit: Kit | None, identity: str) -> Finding:
    context, checked = _context(kit)
    expected = f"TLS with a certificate of '{identity}' from the kit's authority" if checked else "TLS"
    advice = "do not start the site: what answers there is not the consortium's server; ask the lead"
    try:
        with context.wrap_socket(connection, server_hostname=identity) as secured:
            certificate = secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as error:
        return Finding("server's TLS", "fix", f"certificate refused: {error.verify_message}", expected, advice)
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):  # the server's own refusal of who shows no certificate
            return Finding("server's TLS", "ok", "the server asks for a certificate, which the doctor does not show",
                           expected)
        return Finding("server's TLS", "fix", f"no TLS: {error.reason or error}", expected, advice)
    except OSError as error:
        return Finding("server's TLS", "fix", f"no handshake: {error.strerror or error}", expected,
                       "look for a proxy or firewall between; ask the lead whether the server runs")
    if not checked or certificate is None:
        return Finding("server's TLS", "look", "TLS; whose certificate it is was not checked", expected,
                       "give --kit, with its rootCA.pem, to check it against the federation's authority")
    return check_validity("server's TLS", x509.load_der_x509_certificate(certificate), datetime.now(UTC))


def _context(kit: Kit | None) -> tuple[ssl.SSLContext, bool]:
    """How to shake hands, and whether the server's certificate is checked; never with a certificate of our own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2", "http/1.1"])  # gRPC hangs up on who does not offer h2
    if kit is not None:
        try:
            context.load_verify_locations(kit.root)
        except OSError:  # missing or damaged, ssl.SSLError among them: the kit's own check says so
            kit = None
    if kit is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context, kit is not None
