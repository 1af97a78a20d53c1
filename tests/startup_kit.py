"""A startup kit as NVFlare 2.9 lays it out, with a certificate authority of the test's own."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


class Party(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, certificate: Path, key: Path) -> None:
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key.chmod(0o600)


def make_party(name: str, issuer: Party | None = None, begin: datetime = NOW - timedelta(days=1),
               end: datetime = NOW + timedelta(days=360)) -> Party:
    """A party's certificate, issued by another one; an authority's, issued by itself, without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
               .issuer_name(issuer.certificate.subject if issuer else subject)
               .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
               .add_extension(names, critical=False)
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True))
    return Party(builder.sign(issuer.key if issuer else key, SHA256()), key)


def write_kit(folder: Path, site: Party, authority: Party, name: str, target: str) -> Path:
    """`startup/` of a site, and a `local/` that has every file of a lock-down, which says nothing."""
    startup = folder / "startup"
    startup.mkdir(parents=True)
    (folder / "local").mkdir()
    for file in ("resources.json", "authorization.json", "privacy.json"):
        (folder / "local" / file).write_text("{}")
    (folder / "local/resources.json.default").write_text('{"components": []}')
    (folder / "local/resources.json").write_text('{"components": []}')
    site.write(startup / "client.crt", startup / "client.key")
    (startup / "rootCA.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (startup / "fed_client.json").write_text(json.dumps({
        "servers": [{"name": "study", "service": {"target": target, "scheme": "grpc"}, "identity": "server1"}],
        "client": {"fqsn": name, "ssl_cert": "client.crt"}}))
    return folder
