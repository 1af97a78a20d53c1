"""What each verdict and decision means, in words and in a shape that needs no colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from privacy_eval.verdict.policy import Verdict

NO_CLAIM: Final = "This report does not claim that the release is anonymous."

INTERNAL: Final = "INTERNAL: stays at the site"
"""On every printed page of the internal edition."""

SIMULATED: Final = "Measured on simulated hospitals. No figure on this page is about real patients."


@dataclass(frozen=True)
class VerdictWords:
    """A verdict for a reader who decides about sharing.

    Attributes:
        headline: in one sentence.
        rule: what had to hold for it.
        means: what follows.
        does_not_mean: what does not.
    """

    headline: str
    rule: str
    means: tuple[str, ...]
    does_not_mean: tuple[str, ...]


@dataclass(frozen=True)
class Sign:
    """How a verdict or decision is shown: the name of its style, a shape, and words for a table's cell."""

    style: str
    shape: str
    words: str


SIGNS: Final = {
    Verdict.LEAK: Sign("leak", "■", "LEAK"),
    Verdict.NO_LEAK_FOUND: Sign("clear", "○", "no leak found"),
    Verdict.INCONCLUSIVE: Sign("open", "◐", "inconclusive"),
    Verdict.VOID: Sign("void", "✕", "void"),
}

VERDICTS: Final = {
    Verdict.LEAK: VerdictWords(
        "At least one attack tells who was in the training data.",
        "Holm's method, over the whole family of measures, rejects at least one; or a synthetic image is bit-identical "
        "to a real one.",
        (
            "At least one attack told the people trained on from people of the same hospitals who were not, more often "
            "than chance allows after correction for every measure taken; or a real image was found in the release.",
            "Where an attack decided, the same attacks stayed silent on a release that holds no member, in this very "
            "run.",
        ),
        (
            "It does not say which person is at risk, or how great the risk to one person is.",
            "It does not say that the images show a recognisable copy: telling membership needs less than that.",
            "If only measures of K1/K2 fired, it is the generator that gives members away when queried; that the "
            "images do so by themselves is then not shown.",
        ),
    ),
    Verdict.NO_LEAK_FOUND: VerdictWords(
        "The attacks listed below found no leak, and would have seen one of the stated size.",
        "Every upper bound is within its tolerance, no measure is rejected, both controls and the blind baseline "
        "passed, and nothing weakens the audit.",
        (
            "Every attack's upper bound lies within the tolerance that the study agreed on beforehand.",
            "The same attacks caught a leak planted in this very run, and stayed silent where nothing could leak.",
        ),
        (
            f"{NO_CLAIM} Whether it is free of personal data is a legal judgement about recipient and context too.",
            "It does not cover attacks that were not run, a leak smaller than the stated size, or a single unusual "
            "person hidden in an average.",
            "It does not cover what else may be shared: training updates, tables, or a generator attacked in another "
            "way than T3's and T4's.",
        ),
    ),
    Verdict.INCONCLUSIVE: VerdictWords(
        "No leak was shown, but none of the agreed size can be ruled out.",
        "No measure is rejected, yet an upper bound exceeds its tolerance, or something weakens the audit: an "
        "abstaining site, few patients, a control of low power.",
        (
            "No attack succeeded beyond chance, yet at least one bound exceeds the tolerance or the audit's own "
            "checks lacked power.",
            "The reasons below say about how many patients would settle it.",
        ),
        (
            "It is not a pass: a leak of the size the study wants to exclude is compatible with these data.",
            "It is not evidence of a leak either.",
        ),
    ),
    Verdict.VOID: VerdictWords(
        "This audit cannot be believed, whatever its numbers say.",
        "The blind baseline tells members from holdout, a must-fire measure of sufficient power missed the planted "
        "leak, or a measure accused the innocent release.",
        (
            "A check on the audit itself failed: the split was not random, a planted leak was missed, or an innocent "
            "release was accused.",
            "It may be chance: V0 voids about one honest random split in twenty, the negative control about one "
            "audit in a hundred. Look for a cause first; a repeated audit counts as the study's next one.",
        ),
        ("It says nothing about the release, for or against.",),
    ),
}

ATTACKERS: Final = {
    "K0": "has the released images, and a scan of the person it asks about",
    "K0+R": "the same, and public images of other people or simulated ones",
    "K1/K2": "may query the generator with chosen anatomies, or holds its weights",
    "K3": "is the server, or anyone who sees the sites' training updates",
    "K4": "is an insider at a site, with its discriminator",
}
