"""Sums over sites of which the server learns nothing but the sum: pairwise masks that cancel.

After Bonawitz et al. (CCS 2017) without its recovery of absent sites: an audit needs every site anyway. Each pair of
sites agrees on a secret (X25519) through the server, stretches it to a mask (HKDF-SHA256), and one adds what the other
takes away, modulo 2^64. The server must pass on the keys unchanged: a server that puts its own in their place, or all
other sites together with it, could undo a mask. With fewer than `LEAST_SITES` the published sum itself would tell a
site what the other one sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from privacy_eval.errors import InputError

LEAST_SITES: Final = 3
KEY_BYTES: Final = 32
_WORD: Final = 8


class MaskKey:
    """One site's key for one sum: made anew for each job, never written down."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()

    @property
    def public(self) -> np.ndarray:
        """What the others need, (32,) uint8."""
        return np.frombuffer(self._private.public_key().public_bytes_raw(), np.uint8)

    def mask(self, values: Sequence[int], site: str, keys: Mapping[str, np.ndarray], purpose: str) -> np.ndarray:
        """The values with every mask this site shares with another.

        Args:
            values: non-negative integers, the same number and order at every site.
            site: this site.
            keys: the public keys of all sites, this one's included.
            purpose: what is summed; a key that masks two sums needs two purposes.

        Returns:
            (n,) uint64; the sum over all sites, modulo 2^64, is the sum of their values.

        Raises:
            InputError: if there are too few sites, or this site's own key came back changed.
        """
        if len(keys) < LEAST_SITES:
            raise InputError(f"secure sum: found the keys of {len(keys)} sites; expected at least {LEAST_SITES}, or "
                             "the sum tells one site what another sent")
        if site not in keys or not np.array_equal(keys[site], self.public):
            raise InputError(f"secure sum: the key of site '{site}' came back changed or not at all; expected it as it "
                             "was sent, do not trust this server")
        masked = np.array(values, np.uint64)
        for other, key in keys.items():
            if other != site:
                mask = self._shared(bytes(key), f"{purpose}/{'/'.join(sorted((site, other)))}", len(masked))
                masked = masked + mask if site < other else masked - mask
        return masked

    def _shared(self, key: bytes, purpose: str, count: int) -> np.ndarray:
        """The mask shared with the owner of a key, (count,) uint64; at most 1020."""
        secret = self._private.exchange(X25519PublicKey.from_public_bytes(key))
        stretched = HKDF(SHA256(), count * _WORD, salt=None, info=purpose.encode()).derive(secret)
        return np.frombuffer(stretched, "<u8").astype(np.uint64)


def unmasked_sum(masked: Mapping[str, np.ndarray]) -> list[int]:
    """The sum of all sites' values, from what `MaskKey.mask` made of them."""
    total = np.zeros_like(next(iter(masked.values())))
    for values in masked.values():
        total = total + values  # modulo 2^64
    return [int(value) for value in total]
