"""Where each test speaks to legal and normative terms: this report's own reading, for a lawyer to check."""

from __future__ import annotations

from typing import Final, NamedTuple


class Mapping(NamedTuple):
    """One test against the two opinions that name attacks."""

    wp29: str
    edpb: str


class Source(NamedTuple):
    """One source: what it asks for, what in this report speaks to it, and what is left to the controller."""

    name: str
    asks: str
    here: str
    left: str


NEITHER: Final = "–"

TERMS: Final = {
    "T1": Mapping(NEITHER, "membership inference"),
    "T2": Mapping(NEITHER, "membership inference"),
    "T3": Mapping("singling out (a few people)", "membership inference"),
    "T4": Mapping(NEITHER, "membership inference, reconstruction by queries"),
    "T5": Mapping(NEITHER, "membership inference (by an insider)"),
    "T6": Mapping("singling out", "regurgitation, extraction"),
    "T7": Mapping(NEITHER, "regurgitation"),
    "T8": Mapping(NEITHER, "alarms only: evidence of none"),
    "T9": Mapping("singling out (unusual people)", "membership inference"),
    "T10": Mapping(NEITHER, "membership inference (of planted subjects)"),
    "T11": Mapping("linkability, inference", "attribute inference"),
    "T12": Mapping(NEITHER, "exfiltration, inversion of updates"),
}

SOURCES: Final = (
    Source("GDPR, recital 26", "All means reasonably likely to be used to identify a person, singling out among them.",
           "The attackers considered (K0 to K4), which were run, and with what power.",
           "Which means are reasonably likely for these recipients."),
    Source("WP29 Opinion 05/2014", "Singling out, linkability and inference; residual risk re-assessed regularly.",
           "T3, T6, T9: singling out. T11: linkability and inference. The sign-off has an expiry date.",
           "If one of the three is not excluded: a full analysis of the remaining risk."),
    Source("EDPB Opinion 28/2024", "For each person, extraction from a model and obtaining personal data by queries "
           "must be insignificant; documented.",
           "T1 to T5, T10: membership. T4: queries. T6, T7: regurgitation. T12: updates. This page is documentation.",
           "Whether what is left is insignificant; means outside the listed attacks."),
    Source("CJEU C-413/23 P (EDPS v SRB)", "Whether data identify a person depends on who receives them.",
           "Recipients, conditions and expiry are named in the sign-off.", "The judgement, recipient by recipient."),
    Source("EMA Policy 0070, Health Canada", "A re-identification probability of at most .09, with method and "
           "residual risk documented.",
           "A translation of T3 into what an attacker may believe, at stated priors. It is not a pass mark: .09 "
           "bounds a probability, not an AUC.",
           "The prior: how many people the attacker chooses from."),
    Source("HIPAA 164.514(b)(1)", "An expert finds the risk very small, and documents methods and results.",
           "Methods, controls, power and limits in full.", "The expert's determination."),
    Source("NIST SP 800-226", "Say ε, the unit of privacy, adjacency, the trust model and side channels.",
           "The unit is the patient. Of training's ε nothing is said without canaries and a claim; a noised audit "
           "states its own.",
           "Every claim of differential privacy beyond this page."),
    Source("ISO/IEC 27559:2022, 8.2.3", "Adversarial testing, beside threat modelling and the choice between maximum "
           "and average risk.",
           "The whole battery. T3, T6 and T9 look for the maximum, T1, T2 and T4 at the average.",
           "Governance and mitigation (chapters 8.3 and 9)."),
    Source("UK ICO", "A motivated intruder without special knowledge; recipients known or the world; regular review.",
           "K0 and K0+R are such an intruder who also holds a scan of the person; K1/K2 knows more.",
           "What an intruder could learn from other sources about these people."),
)
