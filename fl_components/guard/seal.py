"""The seal: a site's settings and study as they were when its guard began; whoever changes them stops all answers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fl_components.site import EgressPolicy, Site
from fl_components.study import Study
from privacy_eval.errors import InputError


class Seal:
    """`site` and `study` as read now, and the digest of both files.

    Args:
        site_file: the site's own `site.toml`.

    Raises:
        InputError: if either file cannot be read, or changes while it is.
    """

    def __init__(self, site_file: Path) -> None:
        self.site_file = site_file
        self.site = Site.from_file(site_file)
        self.study = Study.from_file(self.site.study)
        self.digest = self._expected = self._digest()
        if (Site.from_file(site_file), Study.from_file(self.site.study)) != (self.site, self.study):
            raise InputError(f"{site_file}: changed while it was read; start the site again")

    def hold_to(self, digest: str) -> None:
        """Count as broken unless both files are as somebody found them who looked earlier."""
        self._expected = digest

    def broken(self) -> str | None:
        """Why nothing may leave any more, in one line; None if both files are as they were."""
        try:
            found = self._digest()
        except OSError:
            found = ""
        if found != self._expected:
            return f"{self.site_file.name} or its study changed after the site was started; start the site again"
        return None

    def _digest(self) -> str:
        state = hashlib.sha256()
        for path in (self.site_file, self.site.study):
            content = path.read_bytes()
            state.update(len(content).to_bytes(8, "big") + content)
        return state.hexdigest()


def policy_digest(policy: EgressPolicy) -> str:
    """Of what the policy says, however it is written: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()
