"""The startup kit that provisioning made for the site: its certificates, key, name and lock-down."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from fl_components.doctor.finding import Finding, judge
from fl_components.json_file import read_json
from privacy_eval.errors import InputError

SOON: Final = timedelta(days=30)
LOCKED: Final = ("resources.json", "authorization.json", "privacy.json")
"""What a locked-down kit has in `local/`; with NVFlare's defaults alone a job may do nearly anything."""
_AGAIN: Final = "ask the consortium's lead for a new kit, sent over a channel you trust"


@dataclass(frozen=True)
class Kit:
    """A site's startup kit, `folder/startup` and `folder/local`, as NVFlare 2.9 provisions it."""

    folder: Path

    @property
    def startup(self) -> Path:
        """Keys, certificates and `fed_client.json`."""
        return self.folder / "startup"

    @property
    def root(self) -> Path:
        """The certificate of the federation's own authority."""
        return self.startup / "rootCA.pem"

    def settings(self) -> dict[str, Any]:
        """`fed_client.json` (InputError if it is missing or damaged)."""
        return dict(read_json(self.startup / "fed_client.json"))

    def server(self) -> tuple[str, str]:
        """The server's `host:port` and the name its certificate must have.

        Raises:
            InputError: if the kit does not say.
        """
        try:
            server = self.settings()["servers"][0]
            target = str(server["service"]["target"])
            return target, str(server.get("identity") or target.rpartition(":")[0])
        except (KeyError, IndexError, TypeError):
            raise InputError(f"{self.startup / 'fed_client.json'}: names no server; {_AGAIN}") from None


def check_kit(kit: Kit, site: str, now: datetime | None = None) -> list[Finding]:
    """Everything about a kit that can be told without using it.

    Args:
        kit: what provisioning made.
        site: the site's name in `site.toml`.
        now: with a time zone; the clock's if None.
    """
    now = now or datetime.now(UTC)
    findings, certificates = [], {}
    for check, name in (("root certificate", "rootCA.pem"), ("site certificate", "client.crt")):
        certificate, finding = _certificate(check, kit.startup / name, now)
        findings.append(finding)
        certificates[name] = certificate
    client, root = certificates["client.crt"], certificates["rootCA.pem"]
    if client is not None:
        findings.append(_check_name(kit, client, site))
        if root is not None:
            findings.append(_check_issuer(client, root))
    return [*findings, *_check_key(kit.startup / "client.key", client), _check_locked(kit)]


def check_validity(check: str, certificate: x509.Certificate, now: datetime) -> Finding:
    """Whether a certificate is valid today, and will be for another 30 days."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    found = f"valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    expected = f"valid now and for {SOON.days} days"
    if now < begin:
        return Finding(check, "fix", f"{found}: not yet", expected, f"set this machine's clock, else {_AGAIN}")
    if now >= end:
        return Finding(check, "fix", f"{found}: expired", expected, _AGAIN)
    return judge(check, end - now > SOON, f"{found}: {(end - now).days} days left", expected, _AGAIN, otherwise="look")


def _certificate(check: str, path: Path, now: datetime) -> tuple[x509.Certificate | None, Finding]:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a certificate in PEM"
        return None, Finding(check, "fix", f"{path}: {reason}", "a certificate", _AGAIN)
    return certificate, check_validity(check, certificate, now)


def _check_name(kit: Kit, client: x509.Certificate, site: str) -> Finding:
    common = [str(name.value) for name in client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    names = {f"certificate: {name}": name for name in common}
    try:
        stated = str(kit.settings()["client"]["fqsn"])
        names[f"fed_client.json: {stated}"] = stated.rpartition(".")[2]
    except (InputError, KeyError, TypeError):
        names["fed_client.json: no name"] = ""
    return judge("kit's name", set(names.values()) == {site}, ", ".join(names), f"'{site}', as in site.toml",
                 "this kit is another site's, or site.toml's 'name' is wrong; never use another site's kit")


def _check_issuer(client: x509.Certificate, root: x509.Certificate) -> Finding:
    try:
        client.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return Finding("issuer", "fix", "rootCA.pem did not issue the site's certificate", "one authority for both",
                       f"parts of two kits are mixed: {_AGAIN}")
    return Finding("issuer", "ok", "rootCA.pem issued the site's certificate", "one authority for both")


def _check_key(path: Path, client: x509.Certificate | None) -> list[Finding]:
    expected = "the certificate's private key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        public = load_pem_private_key(path.read_bytes(), None).public_key()
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a private key that NVFlare could use"
        return [Finding("key", "fix", f"{path}: {reason}", expected, _AGAIN)]
    private = judge("key's mode", mode == 0o600, f"{path}, mode {mode:04o}", "0600: the owner's alone",
                    f"chmod 600 {path}" + ("; if others could read it, ask for a new kit" if mode & 0o077 else ""))
    if client is None:
        return [private]
    return [private, judge("key", public == client.public_key(), "read, without showing it", expected,
                           f"it is another certificate's key: {_AGAIN}")]


def _check_locked(kit: Kit) -> Finding:
    missing = [name for name in LOCKED if not (kit.folder / "local" / name).is_file()]
    return judge("lock-down", not missing, f"local/ lacks {', '.join(missing)}" if missing else
                 f"local/ has {', '.join(LOCKED)}", "the site's own files beside NVFlare's defaults",
                 "lock the kit down before it is started: without them a job may do nearly anything")
