"""The report's words, for a reader who is no statistician."""

from __future__ import annotations

from typing import Final

GLOSSARY: Final = {
    "adjusted p": "A p-value made larger so that the chance of any false alarm in the whole family stays at the level.",
    "attacker K0 … K4": "What an attacker has. K0: the released images and a scan of the person. K0+R: also public "
                        "images. K1: may query the generator. K2: holds its weights. K3: sees training updates. "
                        "K4: an insider at a site.",
    "AUC": "Chance that a random member scores higher than a random holdout patient: .5 is guessing, 1 is certainty.",
    "canary": "A simulated subject planted in or left out of training by a coin, to measure leakage on nobody.",
    "confidence bound": "A value that the truth exceeds (or undercuts) only in a stated share of audits.",
    "control": "A release made on purpose inside the site: one that leaks (positive), one that cannot (negative).",
    "ε, δ": "The parameters of differential privacy: small ε limits what any attacker can learn of one patient.",
    "family": "The measures that decide together, fixed before the audit.",
    "holdout": "Patients of the same hospital set apart at random before training and never trained on.",
    "Holm's method": "Correction for taking several measures: the smallest p-value is multiplied by their number, the "
                     "next by one less, and so on.",
    "level": "Chance of a false LEAK that the study accepts for this audit.",
    "member": "A patient whose images the generator was trained on.",
    "measure": "One test in one variant, such as T1 in the space of voxels.",
    "minimum detectable effect": "The smallest leak that would be reported four times in five.",
    "null": "What holds when nothing leaks.",
    "p-value": "Chance of a result at least this extreme when nothing leaks.",
    "patient": "The unit of every statistic: several images of one patient give one score.",
    "posterior, prior": "What an attacker believes after, and before, the attack.",
    "power": "Chance that a leak of a stated size would be reported.",
    "release": "The synthetic data set that is to be shared.",
    "residual risk": "How much more often an attribute is guessed right for members than for strangers, on the scale "
                     "from 0 (no more) to 1 (always).",
    "space": "What images are compared by: voxels, coarse voxels, a learned embedding, the anatomy, the tumour.",
    "stratum": "A group compared within itself: members of a site with holdout of the same site.",
    "suppressed count": "A small number of patients that a site does not tell; it is read against every claim.",
    "tolerance": "The largest leak the study agreed to accept; policy, not law.",
}
