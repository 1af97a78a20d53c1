"""The words of the report: what each verdict means, what each test asks, what neither proves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from privacy_eval.verdict.policy import Verdict


@dataclass(frozen=True)
class VerdictWords:
    """A verdict for a reader who decides about sharing."""

    headline: str
    means: tuple[str, ...]
    does_not_mean: tuple[str, ...]


@dataclass(frozen=True)
class TestWords:
    """One test in plain words.

    Attributes:
        name: its name in full.
        attacker: who attacks, and with what.
        question: what is asked.
        scale: what the estimate is.
        null: value of the estimate when nothing leaks.
        not_proved: what a pass leaves open.
        wp29: criterion of WP29 Opinion 05/2014 it speaks to.
        edpb: aspect of EDPB Opinion 28/2024 it speaks to.
    """

    __test__ = False  # not a test of pytest's, whatever its name says

    name: str
    attacker: str
    question: str
    scale: str
    null: float
    not_proved: str
    wp29: str
    edpb: str


VERDICTS: Final = {
    Verdict.LEAK: VerdictWords(
        "At least one attack tells who was in the training data.",
        (
            "At least one attack told the people trained on from people of the same hospital who were not, more often "
            "than chance allows after correction for several tests.",
            "The same attacks stayed silent on a release that holds no member, in this very run.",
        ),
        (
            "It does not say which person is at risk, or how great the risk to one person is.",
            "It does not say that the images show a recognisable copy: telling membership needs less than that.",
            "If T4 alone fired, it is the generator that gives members away when queried; that the images do so by "
            "themselves is then not shown.",
        ),
    ),
    Verdict.NO_LEAK_FOUND: VerdictWords(
        "The attacks listed below found no leak, and would have seen one of the stated size.",
        (
            "Every attack's upper bound lies within the tolerance that the study agreed on beforehand.",
            "The same attacks caught a leak planted in this very run, and stayed silent where nothing could leak.",
        ),
        (
            "It is not a statement that the release is free of personal data; that is a legal judgement about the "
            "recipient and the context too.",
            "It does not cover attacks that were not run, a leak smaller than the stated size, or a single unusual "
            "person hidden in an average.",
            "It does not cover what else may be shared: training updates, tables, or a generator attacked in another "
            "way than T4's.",
        ),
    ),
    Verdict.INCONCLUSIVE: VerdictWords(
        "No leak was shown, but there were too few subjects to rule one out.",
        (
            "No attack succeeded beyond chance, yet at least one bound exceeds the tolerance or the audit's own "
            "checks lacked power.",
            "The reasons below say about how many subjects would settle it.",
        ),
        (
            "It is not a pass: a leak of the size the study wants to exclude is compatible with these data.",
            "It is not evidence of a leak either.",
        ),
    ),
    Verdict.VOID: VerdictWords(
        "This audit cannot be believed, whatever its numbers say.",
        (
            "A check on the audit itself failed: the split was not random, a planted leak was missed, or an innocent "
            "release was accused.",
            "Find and mend the cause named below, then audit again.",
        ),
        ("It says nothing about the release, for or against.",),
    ),
}

TESTS: Final = {
    "T1": TestWords(
        "Nearest-neighbour membership inference",
        "Anyone who holds the released images and a person's scan",
        "Is a synthetic volume nearer to people trained on than to people who were not?",
        "AUC",
        0.5,
        "Memorised traits that do not bring a whole volume near: a lesion, a rim, a texture.",
        "–",
        "membership inference",
    ),
    "T2": TestWords(
        "Calibrated membership inference",
        "The same, who also has public volumes to see how ordinary a person is",
        "The same, after taking away how near the person is to public simulated subjects.",
        "AUC",
        0.5,
        "As above; and the public volumes are simulated, so calibration is only as good as they are.",
        "–",
        "membership inference",
    ),
    "T4": TestWords(
        "Reconstruction with the person's anatomy known",
        "Someone who can query the generator and holds the person's tumour and tissue map",
        "Does the generator paint people trained on better than others, beyond how easy they are to paint?",
        "AUC",
        0.5,
        "What better use of the generator's weights, or many queries with other noise, could draw out.",
        "–",
        "membership inference; regurgitation",
    ),
    "T6": TestWords(
        "Replica count",
        "Anyone who holds the released images and a person's scan",
        "Do more people trained on than others have a synthetic volume nearer than almost any two people are?",
        "difference of rates",
        0.0,
        "Copies that are moved, mirrored or partial: distance is taken voxel by voxel.",
        "singling out",
        "regurgitation",
    ),
}

UNTESTED: Final = (
    ("linkability", "masks of the release against masks of members: not run; real masks never enter the release"),
    ("inference", "attributes predicted from the release: not run"),
    ("extraction from updates", "what the server could read from training updates: not run"),
    ("discriminator", "never leaves its site, so it was not attacked"),
    ("most isolated subjects", "attacks on the most unusual people apart: not run; averages can hide them"),
)
"""What this battery leaves open: printed, so that silence is not read as a pass."""
