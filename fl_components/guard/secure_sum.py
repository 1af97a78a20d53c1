"""Sums over sites of which the server learns nothing but the sum: pairwise masks that cancel.

After Bonawitz et al. (CCS 2017) without its recovery of absent sites: without all answers there is no sum. Each pair
of sites agrees on a secret (X25519) through the server, derives a key from it (HKDF-SHA256) and stretches that to a
mask (ChaCha20's key stream, RFC 8439); one adds what the other takes away, modulo 2^32 or 2^64. A server that put its
own keys in the place of all others' could undo a site's masks: `signed_keys` prevents that in a provisioned federation,
and by `digest_of_keys` sites can find it. With fewer than `LEAST_SITES` the published sum itself would tell a site what
the other one sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from privacy_eval.errors import InputError

LEAST_SITES: Final = 3
KEY_BYTES: Final = 32
KEYS: Final = "key."
"""What the names of the sites' public keys begin with, among what the server sends along with a task."""
_NONCE: Final = bytes(16)
"""Counter and nonce of a stream: every stream has a key of its own."""


class MaskKey:
    """One site's key for the sums of one job: made anew for each, never written down."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self._used: set[bytes] = set()

    @property
    def public(self) -> np.ndarray:
        """What the others need, (32,) uint8."""
        return np.frombuffer(self._private.public_key().public_bytes_raw(), np.uint8)

    def mask(self, values: np.ndarray, site: str, keys: Mapping[str, np.ndarray], purpose: str) -> np.ndarray:
        """The values with every mask this site shares with another.

        Args:
            values: (n,) uint32 or uint64, the same number, order and type at every site.
            site: this site.
            keys: the public keys of all sites that take part, this one's included.
            purpose: what is summed: study, job, task, round. Two sums under one mask would tell their difference, so
                a purpose serves once; with other keys or sites all masks are others.

        Returns:
            (n,) of the same type; the sum over all sites, modulo 2^32 or 2^64, is the sum of their values.

        Raises:
            InputError: if there are too few sites, this site's own key came back changed, a key is none, or the
                purpose was used.
        """
        if len(keys) < LEAST_SITES:
            raise InputError(f"secure sum: found the keys of {len(keys)} sites; expected at least {LEAST_SITES}, or "
                             "the sum tells one site what another sent")
        if site not in keys or not np.array_equal(keys[site], self.public):
            raise InputError(f"secure sum: the key of site '{site}' came back changed or not at all; expected it as it "
                             "was sent, do not trust this server")
        context = hashlib.sha256(f"{digest_of_keys(keys)}/{purpose}".encode()).digest()
        if context in self._used:
            raise InputError(f"secure sum: '{purpose}' was masked before; a second answer under the same masks would "
                             "tell how the two differ, do not trust this server")
        self._used.add(context)
        masked = values.copy()
        for other in sorted(set(keys) - {site}):
            mask = self._shared(bytes(keys[other]), context, "/".join(sorted((site, other))), values)
            masked = masked + mask if site < other else masked - mask
        return masked

    def _shared(self, key: bytes, context: bytes, pair: str, like: np.ndarray) -> np.ndarray:
        """The mask shared with the owner of a key, of the form of `like`."""
        try:
            secret = self._private.exchange(X25519PublicKey.from_public_bytes(key))
        except ValueError:
            raise InputError(f"secure sum: the key for the masks of {pair} is none; do not trust this server") from None
        return stream_of(HKDF(SHA256(), KEY_BYTES, salt=context, info=pair.encode()).derive(secret), like)


def stream_of(key: bytes, like: np.ndarray) -> np.ndarray:
    """A key's stream as whole numbers: of the form of `like`, uniform for whoever lacks the 32 bytes of the key."""
    stream = Cipher(ChaCha20(key, _NONCE), mode=None).encryptor().update(bytes(like.nbytes))
    return np.frombuffer(stream, like.dtype.newbyteorder("<")).astype(like.dtype)


def digest_of_keys(keys: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of all sites' names and keys: the same at every site, unless the server gave them different ones."""
    listed = [f"{site}={bytes(key).hex()}" for site, key in sorted(keys.items())]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def keys_among(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sites' public keys, by site, among what came with a task."""
    return {name.removeprefix(KEYS): value for name, value in data.items() if name.startswith(KEYS)}


def weights_among(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All that came with a task but keys."""
    return {name: value for name, value in data.items() if not name.startswith(KEYS)}


def unmasked_sum(masked: Mapping[str, np.ndarray]) -> np.ndarray:
    """The sum of all sites' values in their type, from what `MaskKey.mask` made of them."""
    total = np.zeros_like(next(iter(masked.values())))
    for values in masked.values():
        total = total + values  # modulo 2^32 or 2^64
    return total
