"""The names the whole project shares: sequences, anatomy labels, tumour labels."""

from __future__ import annotations

from typing import Final

SEQUENCES: Final = ("T1", "T1ce", "T2", "FLAIR")
"""Order of the channels of every image array."""

LABELS: Final = {
    0: "background",
    1: "CSF",
    2: "grey matter",
    3: "white matter",
    4: "necrotic core",
    5: "oedema",
    6: "enhancing tumour",
}
"""Voxel values of an anatomy."""

ABBREVIATIONS: Final = {0: "BG", 1: "CSF", 2: "GM", 3: "WM", 4: "NCR", 5: "ED", 6: "ET"}

BACKGROUND, CSF, GREY_MATTER, WHITE_MATTER, NECROTIC, OEDEMA, ENHANCING = range(7)

N_LABELS: Final = len(LABELS)
N_TISSUES: Final = N_LABELS - 1
"""Tissues a contrast describes: every label but the background."""

HEALTHY: Final = (CSF, GREY_MATTER, WHITE_MATTER)
TUMOUR: Final = (NECROTIC, OEDEMA, ENHANCING)
"""Whole tumour; its core is NECROTIC and ENHANCING."""
REGIONS: Final = {"whole tumour": TUMOUR, "core": (NECROTIC, ENHANCING), "enhancing": (ENHANCING,)}
"""BraTS's three regions, each within the one before."""

BRATS_2020: Final = {1: NECROTIC, 2: OEDEMA, 4: ENHANCING}
"""BraTS up to 2022: label 4 is the enhancing tumour (from 2024 on 4 means a resection cavity)."""
BRATS_2023: Final = {1: NECROTIC, 2: OEDEMA, 3: ENHANCING}

DIALECTS: Final = {"brats2020": BRATS_2020, "brats2023": BRATS_2023}
"""Tumour label values on disk by the dialect's name; a site states its dialect, it is never guessed."""
