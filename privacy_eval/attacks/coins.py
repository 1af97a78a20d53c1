"""Canaries' coins: which of a site's simulated subjects were trained on, committed to before training.

A site lists m simulated subjects and tosses one fair coin each: those that fall "in" are trained on, the others are
kept aside. Before training the site publishes a commitment, SHA-256 over coins, names and 32 secret random bytes; it
binds the site to its coins and, because of those bytes, does not show them. After the release every canary, in or
out, is scored by the same attack from what was released, the coins are opened against the commitment, and coins and
scores may leave in full: no person is behind them. In statistics over patients canaries do not appear.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from privacy_eval.errors import InputError

MOST_PERCENT: Final = 10
"""Canaries for every 100 members, at most, in a run whose images are meant for release."""

SALT_BYTES: Final = 32


@dataclass(frozen=True)
class CanaryCoins:
    """Which canaries are in: the site's secret until the audit.

    Attributes:
        names: of the simulated subjects, each once; shape (m,).
        inside: whether it is trained on, in the order of names; shape (m,).
        salt: 32 random bytes that keep the commitment from being guessed.

    Raises:
        InputError: lengths that differ, a name twice, or another length of the salt.
    """

    names: tuple[str, ...]
    inside: tuple[bool, ...] = field(repr=False)  # so that no log line opens them
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.inside):
            raise InputError(
                f"Canary coins: found {len(self.names)} names and {len(self.inside)} coins, expected one coin a name; "
                "use the file as it was written."
            )
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"Canary coins: found the name {twice!r} twice, expected each once; rename one.")
        if len(self.salt) != SALT_BYTES:
            raise InputError(
                f"Canary coins: found a salt of {len(self.salt)} bytes, expected {SALT_BYTES}; "
                "use the file as it was written."
            )

    @property
    def commitment(self) -> str:
        """SHA-256 of `to_json`, 64 hexadecimal digits: published before training."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """One canonical line: keys in order, no spaces, ASCII. Equal coins give equal bytes, others differ."""
        fields = {"inside": list(self.inside), "names": list(self.names), "salt": self.salt.hex()}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> CanaryCoins:
        """The coins that `to_json` wrote; InputError where it did not."""
        try:
            fields = json.loads(text)
            names, inside, salt = fields["names"], fields["inside"], bytes.fromhex(fields["salt"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Canary coins: found no readable record ({error!r}), expected names, inside and salt; "
                "use the file as it was written."
            ) from error
        if not (_all_are(names, str) and _all_are(inside, bool)):
            raise InputError(
                "Canary coins: found names or coins of another type, expected a list of texts and one of true or "
                "false; use the file as it was written."
            )
        return cls(tuple(names), tuple(inside), salt)


def toss_coins(names: Sequence[str]) -> CanaryCoins:
    """One fair coin a canary and a salt, from the operating system's randomness: no seed can bring them back."""
    return CanaryCoins(tuple(names), tuple(bool(secrets.randbits(1)) for _ in names), secrets.token_bytes(SALT_BYTES))


def verify_opening(coins: CanaryCoins, commitment: str) -> None:
    """InputError unless these are the coins committed to before training."""
    if coins.commitment != commitment:
        raise InputError(
            f"Canary coins: found coins with commitment {coins.commitment}, expected the published {commitment}; "
            "open the coins of this run, unchanged."
        )


def require_canary_share(n_canaries: int, n_members: int) -> None:
    """InputError if a run meant for release plants more than `MOST_PERCENT` canaries for every 100 members.

    All planned canaries count, in or out: a limit on those inside would depend on the coins.

    Args:
        n_canaries: m.
        n_members: the site's patients in training, canaries not among them.
    """
    most = n_members * MOST_PERCENT // 100
    if n_canaries > most:
        raise InputError(
            f"Canaries: found {n_canaries} for {n_members} members, expected at most {most} ({MOST_PERCENT} %) in a "
            "run meant for release; plan fewer, or audit the implementation in a run that releases nothing."
        )


def _all_are(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
