"""Public keys that their sites signed: a server cannot put its own in their place.

In a provisioned federation each startup kit holds a certificate with the site's name, its private key, and the root
certificate of whoever provisioned. A site signs its key for a job with the one, and holds everybody's to the other. The
simulator has no certificates: there keys travel unsigned.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import VerificationError
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.lighter.utils import load_crt, load_crt_bytes, load_private_key_file, sign_content, verify_cert_chain
from nvflare.lighter.utils import verify_content as verify

from fl_components.guard.declaration import CERTIFICATE_BYTES, SIGNATURE_BYTES
from fl_components.guard.secure_sum import KEY_BYTES
from privacy_eval.errors import InputError


class KeySigner:
    """Signs and checks keys of one job.

    Args:
        site: this site.
        job: the study's hash and NVFlare's identifier of the job: a signature for another job is worth nothing.
        startup: the kit's folder of certificates; None in the simulator.

    Raises:
        OSError, ValueError: if the kit's files cannot be read.
    """

    def __init__(self, site: str, job: str, startup: Path | None) -> None:
        self.site, self.job = site, job
        self._certificate = b""
        if startup is not None:
            self._certificate = (startup / "client.crt").read_bytes()
            self._private, self._root = load_private_key_file(startup / "client.key"), load_crt(startup / "rootCA.pem")

    @classmethod
    def of_process(cls, fl_ctx: FLContext, site: str, study_hash: str) -> KeySigner:
        """The signer of a site's job process: a site that has a scope of its own has a startup kit."""
        deployed = (fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES) or {}).get("site_file")
        startup = Path(fl_ctx.get_engine().get_workspace().get_startup_kit_dir()) if deployed else None
        return cls(site, f"{study_hash}/{fl_ctx.get_job_id()}", startup)

    def signed(self, key: np.ndarray) -> np.ndarray:
        """The key, the certificate and the signature in one array; the latter zeros in the simulator."""
        if not self._certificate:
            return _packed(key, b"", b"")
        return _packed(key, self._certificate,
                       sign_content(self._content(self.site, key), self._private, return_str=False))

    def genuine(self, keys: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The keys alone, (32,) uint8 each.

        Raises:
            InputError: if one is not as `signed` makes them at the site of its name, for this job.
        """
        return {site: self._genuine(site, packed) for site, packed in keys.items()}

    def _genuine(self, site: str, packed: np.ndarray) -> np.ndarray:
        key = packed[:KEY_BYTES]
        if not self._certificate:
            return key
        try:
            certificate = load_crt_bytes(bytes(packed[KEY_BYTES:-SIGNATURE_BYTES]).rstrip(b"\0"))
            verify_cert_chain(certificate, [], self._root)
            [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            public = certificate.public_key()
            verify(self._content(site, key), bytes(packed[-SIGNATURE_BYTES:])[:public.key_size // 8], public)
        except (ValueError, TypeError, AttributeError, VerificationError, InvalidSignature) as error:
            raise InputError(f"the key of site '{site}' is not signed for this job by a certificate of this federation "
                             f"({type(error).__name__}); do not trust this server") from None
        if name.value != site:
            raise InputError(f"the key of site '{site}' is signed by '{str(name.value)[:60]}'; do not trust this "
                             "server")
        return key

    def _content(self, site: str, key: np.ndarray) -> bytes:
        return f"key for masks/{self.job}/{site}/".encode() + bytes(key)


def _packed(key: np.ndarray, certificate: bytes, signature: bytes) -> np.ndarray:
    if len(certificate) > CERTIFICATE_BYTES or len(signature) > SIGNATURE_BYTES:
        raise InputError(f"the site's certificate has {len(certificate)} bytes and its signatures {len(signature)}; "
                         f"expected at most {CERTIFICATE_BYTES} and {SIGNATURE_BYTES}")
    whole = bytes(key) + certificate.ljust(CERTIFICATE_BYTES, b"\0") + signature.ljust(SIGNATURE_BYTES, b"\0")
    return np.frombuffer(whole, np.uint8)
