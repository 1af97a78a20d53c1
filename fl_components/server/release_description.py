"""What a release says of itself: its metadata, and the BIDS files that describe the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fl_components.server.release_files import json_bytes, tsv_bytes
from fl_components.study import Contrasts
from fl_components.vocabulary import ABBREVIATIONS, LABELS

BIDS_VERSION: Final = "1.11.1"
SPACE: Final = "MNI152NLin2009aSym"
"""BIDS' name of the template space that the study grid lies in."""

ANATOMY_TEXT: Final = "Synthetic anatomy, from a public template with a simulated tumour; no real participant."

CONTRASTS_TEXT: Final[dict[Contrasts, str]] = {
    "sites": "drawn around what the sites told of theirs",
    "random": "of random protocols, no site's: made to be learned from, not to look like the sites' scans"}


@dataclass(frozen=True)
class ReleaseMetadata:
    """What a release says of its origin.

    Attributes:
        study: the study's name.
        study_hash: its hash.
        generator_digest: SHA-256 of the generator that made the volumes.
        seed: of the synthesis; volume n is made from (seed, n).
        version: of fedsynth.
        trained_on: what the generator was trained on, such as "simulated hospitals (4 sites)".
        contrasts: where each volume's contrast comes from, as the study says.
        license: under which the release may be used.
    """

    study: str
    study_hash: str
    generator_digest: str
    seed: int
    version: str
    trained_on: str
    contrasts: Contrasts = "sites"
    license: str = "CC-BY-4.0"

    def mark(self, number: int) -> dict[str, Any]:
        """What the header of each file of volume `number` says."""
        return {
            "synthetic": True,
            "generated_by": f"fedsynth {self.version}",
            "study": self.study,
            "study_hash": self.study_hash,
            "generator_digest": self.generator_digest,
            "seed": self.seed,
            "volume": number,
        }


def description_files(metadata: ReleaseMetadata, names: Sequence[str], ignored: str) -> dict[str, bytes]:
    """The files at a release's root, by name.

    Args:
        metadata: of the release.
        names: of its volumes, `sub-…`.
        ignored: the one file that is not BIDS' own.
    """
    participants = {
        "Description": "The synthetic participants of this release.",
        "participant_id": {"Description": "Identifier of a synthetic participant: nobody stands behind it."},
        "synthetic": {
            "Description": "Whether the participant is synthetic, that is, made by a generator.",
            "Levels": {"true": "made by a generator", "false": "a real person; there is none in this data set"},
        },
    }
    return {
        "dataset_description.json": json_bytes(_dataset(metadata)),
        "README.md": _readme(metadata, len(names)).encode(),
        "participants.tsv": tsv_bytes(("participant_id", "synthetic"), [(name, "true") for name in names]),
        "participants.json": json_bytes(participants),
        "seg-tumour_dseg.tsv": tsv_bytes(
            ("index", "name", "abbreviation"), [(label, name, ABBREVIATIONS[label]) for label, name in LABELS.items()]
        ),
        "seg-tumour_dseg.json": json_bytes({
            "Description": ANATOMY_TEXT,
            "SpatialReference": SPACE,
        }),
        ".bidsignore": f"{ignored}\n".encode(),
    }


def sidecar(description: str, sources: Sequence[str]) -> bytes:
    """The JSON beside a volume; `sources` are paths in the release that it was made from."""
    return json_bytes({
        "Description": description,
        "SkullStripped": True,
        "SpatialReference": SPACE,
        "Sources": [f"bids::{source}" for source in sources],
        "Synthetic": True,
    })


def _dataset(metadata: ReleaseMetadata) -> dict[str, Any]:
    return {
        "Name": f"Synthetic labelled brain-tumour MRI of the study {metadata.study}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": metadata.license,
        "Authors": ["fedsynth contributors", f"{metadata.study} consortium"],
        "GeneratedBy": [{
            "Name": "fedsynth",
            "Version": metadata.version,
            "Description": f"All volumes are synthetic: made by generator {metadata.generator_digest} "
                           f"of study {metadata.study_hash}, seed {metadata.seed}.",
        }],
        "SourceDatasets": [],
    }


def _readme(metadata: ReleaseMetadata, count: int) -> str:
    labels = "\n".join(f"| {label} | {ABBREVIATIONS[label]} | {name} |" for label, name in LABELS.items())
    return f"""# Synthetic data: {count} labelled brain-tumour MRI volumes

**Everything in this data set is synthetic.** No volume is a scan of a person, and no anatomy is a person's: the
anatomies were drawn from a public template with simulated tumours, the images were made from them by a neural network.
Do not use them for diagnosis, and say that they are synthetic wherever you show or pass them on.

The network was trained on {metadata.trained_on}, in the federated study `{metadata.study}`.
That a volume is synthetic does not by itself mean that nothing of the training subjects can be learned from it: what
was tested, with which power and with which outcome, is in the audit of this release.

## What is here

For each `sub-synth…`, four co-registered, skull-stripped sequences in `{SPACE}` space and the anatomy they show:
`T1w`, `ce-gadolinium … T1w` (after contrast agent), `T2w`, `FLAIR`, and `seg-tumour_dseg`. Intensities run from 0 to 1
after scaling; they are relative within a sequence and have no unit.

| value | label | tissue |
|---|---|---|
{labels}

## Where it comes from

- Software: fedsynth {metadata.version}
- Study: `{metadata.study}`, SHA-256 `{metadata.study_hash}`
- Generator: SHA-256 `{metadata.generator_digest}`
- Seed: {metadata.seed}
- Contrasts: {CONTRASTS_TEXT[metadata.contrasts]}

Each NIfTI header carries the same facts, in `descrip` and in an extension (code 6, JSON), because files get separated
from their folder. `manifest.json` lists the SHA-256 of every other file.
License: {metadata.license}.
"""
