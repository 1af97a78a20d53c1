"""Who decides at the site: whether the account that runs its jobs could change what is meant to hold them."""

from __future__ import annotations

import os
from pathlib import Path

import fl_components
from fl_components.doctor.finding import Finding, judge
from fl_components.doctor.kit import Kit
from fl_components.guard.ledger import Ledger
from fl_components.guard.seal import policy_digest
from fl_components.site import Site
from privacy_eval.errors import InputError


def check_authority(site: Site, site_file: Path, kit: Kit | None) -> Finding:
    """Whether this account can write the policy, the study, the kit's files or the installed package.

    Whatever a job's process may write, a hostile class in it may write. The doctor must run as the account that runs
    the site to say anything about it.
    """
    kept = [site_file, site.study, Path(fl_components.__file__).parent]
    if kit is not None:
        kept += [kit.folder / "local", *sorted((kit.folder / "local").glob("*.json"))]
    expected = "policy, study, kit's local/ and the package owned by another account, readable to this one"
    if os.geteuid() == 0:
        return Finding("authority", "look", "the account is root, which can write everything", expected,
                       "run the site as an account of its own")
    # Who may write a folder may replace the files in it.
    writable = [path for path in kept if os.access(path, os.W_OK) or os.access(path.parent, os.W_OK)]
    return judge("authority", not writable, f"this account can change {', '.join(map(str, writable))}" if writable
                 else "this account can change none of them", expected,
                 "let another account own these files and their folders, mode 644 and 755", otherwise="look")


def check_same_policy(site: Site) -> Finding:
    """Whether the policy is the one that the ledger's last answer was judged by."""
    expected = "the policy of the ledger's last entry, or no entry yet"
    try:
        digests = [entry["policy"] for entry in Ledger(site.ledger).entries() if "policy" in entry]
    except (InputError, OSError) as error:
        return Finding("policy's history", "look", str(error), expected, "mend the ledger")
    same = not digests or digests[-1] == policy_digest(site.policy)
    return judge("policy's history", same, "as it was" if same else "changed since the last answer", expected,
                 "make sure that it was you who changed it, then start the site again", otherwise="look")
