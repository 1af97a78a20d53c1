"""What the lead and each hospital's IT do by docs/deploy.md, with the templates, on one machine: no engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "poc_workspace" / "templates"
VENV = Path(sys.executable).parent.parent


def fill(template: str, folder: Path, replacements: dict[str, str]) -> Path:
    """A template with a party's own values, written into its folder."""
    text = (TEMPLATES / template).read_text()
    for old, new in replacements.items():
        assert old in text, f"{template}: no {old}"
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / template).write_text(text)
    return folder / template


def shell(folder: Path, *words: str | Path) -> str:
    """A command line of the documentation, with a home of the party's own; what it says."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run([str(word) for word in words], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


class Lead:
    """The consortium's lead: the federation's authority."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.profile = fill("profile.yml", folder, {"fedsynth.example.org": "localhost", "8002": str(port)})
        told = shell(folder, "nvflare", "cert", "init", "--profile", self.profile, "-o", "ca")
        self.fingerprint = re.search(r"SHA256:\S+", told)[0]

    def approve(self, request: Path, days: int = 360) -> Path:
        signed = self.folder / request.name.replace(".request.", ".signed.")
        shell(self.folder, "nvflare", "cert", "approve", request, "-c", "ca", "--profile", self.profile,
              "--valid-days", str(days), "--out", signed, "--force")
        return signed


def get_kit(lead: Lead, folder: Path, party: Path, name: str) -> Path:
    """Request, approval, packaging: the private key never leaves the party's folder."""
    shell(folder, "nvflare", "cert", "request", "-p", party, "--out", "request", "--force")
    signed = lead.approve(folder / "request" / f"{name}.request.zip")
    shell(folder, "nvflare", "package", signed, "--request-dir", "request", "--fingerprint", lead.fingerprint, "-w",
          "kits", "--force")
    made = sorted((folder / "kits" / "fedsynth").glob(f"prod_*/{name}"))[-1]
    if not (folder / "kit").is_symlink():
        (folder / "kit").symlink_to(made)
    return folder / "kit"


def start_unit(unit: str, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """What systemd would start for a unit, with /srv/fedsynth and /opt/fedsynth where they are on this machine."""
    text = (TEMPLATES / unit).read_text()
    text = text.replace("/srv/fedsynth", str(folder)).replace("/opt/fedsynth/.venv", str(VENV))
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    settings = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.+)$", text, re.MULTILINE))
    with log.open("ab") as output:
        return subprocess.Popen(command.split(), cwd=folder / "kit", env={"OMP_NUM_THREADS": "1", **settings},
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0)
