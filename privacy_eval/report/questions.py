"""Each test of the battery explained: threat model, statistic, null, interval, needed n, what a pass leaves open.

Figures of n come from the null standard error of an AUC, √((n_m + n_h + 1) / (12 n_m n_h)), and from exact binomial
bounds; they hold for one measure alone at 95 %, so that a family corrected by Holm's method needs more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TestWords:
    """One test in plain words.

    Attributes:
        name: its name in full.
        attacker: who attacks, and with what.
        question: what is asked.
        statistic: what is computed.
        null: what holds when nothing leaks, and how the p-value is got.
        interval: of the estimate.
        needs: how many patients (or images, or canaries) it takes.
        not_proved: what a pass leaves open.
    """

    __test__ = False  # not a test of pytest's, whatever its name says

    name: str
    attacker: str
    question: str
    statistic: str
    null: str
    interval: str
    needs: str
    not_proved: str


_RANKS: Final = "Members and holdout score alike: AUC .5. Normal approximation of the stratified rank test, one-sided."
_AUC: Final = "Hanley and McNeil's, each bound one-sided; the lower one exceeds .5 exactly when the rank test rejects."
_RATES: Final = "Newcombe's limits (Wilson's combined), carried over sites with Mantel-Haenszel weights."
_HUNDRED: Final = ("100 + 100 patients to see an AUC of .60 with 80 % power in one measure; 50 + 50 see .64, "
                   "20 + 20 only .73.")
_PERMUTED: Final = "None: the deviate is that of a p-value; ± the normal quantile is shown for the drawing."

QUESTIONS: Final = {
    "V0": TestWords(
        "Blind baseline",
        "Nobody: a check of the audit. The classifier never sees the release.",
        "Can members and holdout be told apart by themselves?",
        "AUC of a cross-validated logistic regression on image features and acquisition traits.",
        "A random split: AUC .5, with √2 times the standard error of independent scores.",
        "Hanley and McNeil's with the standard error widened by √2; the audit is void if the lower bound exceeds .5.",
        "30 members and 30 holdout patients a site; with fewer a site cannot support a pass.",
        "That the split was random: only that this classifier sees no difference.",
    ),
    "V1": TestWords(
        "Controls of this run",
        "Nobody: a check of the audit. Both controls are built and destroyed inside each site.",
        "Does the audit see a leak that was planted, and stay silent where nothing can leak?",
        "Every measure of the family on noisy copies of half of the members, and on people nobody trained on.",
        "Positive: fires. Negative: silent.",
        "As each measure's own.",
        "Enough for a power of .99 on the planted leak; else the control is reported as too weak.",
        "That subtler leaks than the planted one are seen: for those read each measure's power.",
    ),
    "T1": TestWords(
        "Nearest neighbour",
        "Anyone who holds the released images and a scan of the person (K0).",
        "Does a synthetic image lie nearer to people trained on than to people who were not?",
        "Minus the distance to the nearest synthetic image; stratified AUC of members against holdout.",
        _RANKS, _AUC, _HUNDRED,
        "That no single person was copied, or that no trait was memorised which does not bring a whole image near.",
    ),
    "T2": TestWords(
        "Calibrated neighbours, densities",
        "The same, who also has public images to see how ordinary a person is (K0+R).",
        "The same, after allowing for how near the person lies to anybody.",
        "T1's score less the distance to the nearest public image; and log ratios of the release's density to the "
        "public one, by kernels (DOMIAS) and by neighbours (DPI).",
        _RANKS, _AUC, f"{_HUNDRED} At least 100 public images.",
        "As T1; and the calibration is only as good as the public images are like the patients.",
    ),
    "T3": TestWords(
        "True positives at few false positives",
        "Whoever runs T2 or T4 and accuses only when very sure (all attackers).",
        "Are a few people given away with confidence, though the average person is not?",
        "Share of members accused less share of holdout accused, at a threshold fixed on a random half of the holdout "
        "and used on the other half and all members; false-positive rates of 10 % and 1 %.",
        "Members are accused no more often than holdout: Fisher's exact test, stratified by site. Exact; conservative.",
        _RATES,
        "29 holdout patients in the half that is counted for a rate of 10 %, 299 for 1 %; with fewer the measure is "
        "not answerable and is left out of the family.",
        "That nobody is given away at rates of false alarms lower than those.",
    ),
    "T4": TestWords(
        "Reconstruction, anatomy known",
        "Someone who may query the generator, or holds its weights, and knows the person's tissue and tumour map "
        "(K1, K2).",
        "Does the generator paint people trained on better than others, beyond how easy they are to paint?",
        "Error of a lookup table that knows nobody, less the generator's error, with the person's own contrast "
        "('exact') or its site's mean ('site').",
        _RANKS, _AUC, _HUNDRED,
        "What better use of the weights, or many queries with other noise, could draw out.",
    ),
    "T5": TestWords(
        "Discriminator",
        "An insider at the site, who holds its discriminator (K4).",
        "Does the discriminator find people trained on more real than others?",
        "The discriminator's own output; AUC of members against holdout, inside the site alone.",
        _RANKS, _AUC, _HUNDRED,
        "It speaks of a network that never leaves its site: a leak here is expected, and is no leak of the release.",
    ),
    "T6": TestWords(
        "Replicas",
        "Anyone who holds the released images and a scan of the person (K0).",
        "Do more people trained on than others have a synthetic image nearer than two people usually are?",
        "Patients with a synthetic image nearer than the 1 % quantile of the distances from holdout patients to their "
        "nearest member: rate of members less rate of holdout.",
        "Hits fall on all patients alike: exact test, stratified by site (Fisher's for one site); conservative.",
        _RATES,
        "With none in the holdout, five copied members give p ≤ .05 at any n from 20 + 20 on, before correction; with "
        "none seen among 100 the rate may still be 3 %.",
        "Absence of copies that are turned, mirrored or partial: images are registered once to a template, "
        "not to each other.",
    ),
    "T7": TestWords(
        "Data copying",
        "Nobody in particular: a property of the release as a whole (K0).",
        "Do synthetic images lie nearer to members than fresh people do, as a whole or in one region?",
        "C_T of Meehan et al.: Mann-Whitney of distances to the nearest member, synthetic images against holdout, "
        "over the cells of k-means; and the lowest cell.",
        "These members are no nearer than other patients would be: labels permuted patient by patient. Exact.",
        _PERMUTED,
        "More than 20 synthetic images a cell.",
        "Anything: a blurry generator passes however much it leaks. Only a failure informs.",
    ),
    "T8": TestWords(
        "Similarity alarms",
        "Nobody in particular: measures that are often reported (K0).",
        "Do nearest-neighbour accuracy, the share of images nearer to members, and authenticity differ from what "
        "the holdout gives?",
        "NNAA loss, DCR share, unauthentic share less that of the holdout.",
        "Labels permuted patient by patient. Exact.",
        _PERMUTED,
        "No number makes them safe to rely on.",
        "Anything. Data sets that pass such measures have been attacked with success; they never decide here.",
    ),
    "T9": TestWords(
        "The most isolated patients",
        "The same as T1, T2 and T4, asking about unusual people only (K0+R, K1/K2).",
        "Are the 5 % of patients farthest from every public image (at least five) told from the holdout's?",
        "The scores of T1, T2 and T4 on them; stratified AUC.",
        _RANKS, _AUC,
        "More than most consortia have: 5 % of 100 patients are five. 20 canaries a site say more.",
        "That unusual people are safe: so few patients can show only a gross leak. Reported apart.",
    ),
    "T10": TestWords(
        "Audit of a claimed ε by canaries",
        "Someone who scores planted simulated subjects from what was released, knowing how they were planted.",
        "Is ε at least larger than the study claims?",
        "Lower bounds of ε from how well canaries that were in are told from canaries left out by a fair coin.",
        "The claim holds: a bound exceeds it in at most 5 % of runs.",
        "The bounds are one-sided, each at its confidence taken alone.",
        "100 to 400 canaries: 400 show an ε of at most 4.2 without assumptions, so they cannot contradict a claim "
        "of 8.",
        "The claim: it finds bugs and proves nothing. ε from 5 on bounds membership attacks hardly at all.",
    ),
    "T11": TestWords(
        "Attributes",
        "Someone who knows the person's anatomy without the tumour, and has the released label maps (K0).",
        "Does the nearest released anatomy tell a member's tumour size, place or enhancement better than a "
        "stranger's?",
        "Rate of right guesses, members less holdout: volume within a factor 1.5, place within 20 mm, enhancing or "
        "not.",
        "Guesses are as often right for both: exact test, stratified by site; conservative.",
        _RATES,
        "Rates near one half need most: read the power of each.",
        "Attackers who know more of the person, and attributes that label maps do not show.",
    ),
    "T12": TestWords(
        "Leakage of updates",
        "The server, or whoever sees training updates (K3).",
        "Can images or membership be read from the updates that sites sent?",
        "Similarity of images inverted from updates; likelihood ratios over rounds.",
        "As for people unseen.",
        "As T1.",
        "The updates of every round.",
        "Not run here: the release is audited, not the training protocol.",
    ),
}
