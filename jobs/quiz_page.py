"""The quiz as a page: one self-contained HTML file, pictures inside, no network."""

from __future__ import annotations

import hashlib
import io
import secrets
from base64 import b64encode
from typing import Any, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from jobs.quiz_cases import Quiz

SLICE_PIXELS: Final = 240
"""Height of a slice in the picture."""
_GAP: Final = 6
_WORTH: Final = ("The answers are in this page as salted hashes, so that nobody reads them by accident; whoever tries "
                 "both words on a hash has them. For a reader who must not be trusted, 'fedsynth quiz RUN --serve'.")
_WORTH_SERVED: Final = ("The answers are not in this page: it is scored by the command that serves it, on this machine "
                        "alone.")


def quiz_page(quiz: Quiz, study: str, served: bool) -> str:
    """The page's HTML.

    Args:
        quiz: the questions.
        study: its name, shown.
        served: whether `jobs.quiz_serve` scores; then nothing of the key is in the page.
    """
    data: dict[str, Any] = {"release": quiz.release, "seed": quiz.seed, "served": served}
    if not served:
        salt = secrets.token_hex(16)
        data |= {"salt": salt, "digests": [hashlib.sha256(f"{salt}:{k}:{kind}".encode()).hexdigest()
                                           for k, kind in enumerate(quiz.key)]}
    loader = PackageLoader("jobs", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    environment.filters["base64"] = lambda content: b64encode(content).decode("ascii")
    style, script = (loader.get_source(environment, name)[0] for name in ("quiz.css", "quiz.js"))
    return environment.get_template("quiz.html.jinja").render(
        study=study, pictures=[case_png(case.slices) for case in quiz.cases], data=data, style=style, script=script,
        worth=_WORTH_SERVED if served else _WORTH)


def case_picture(slices: np.ndarray) -> Image.Image:
    """Four slices side by side, interpolated alike for every kind; the patient's left is on the viewer's left."""
    panels = []
    for one in slices:
        grey = Image.fromarray(np.uint8(np.round(255 * np.clip(one.T[::-1], 0, 1))))
        width = round(SLICE_PIXELS * one.shape[0] / one.shape[1])
        panels.append(grey.resize((width, SLICE_PIXELS), Image.Resampling.BICUBIC))
    step = panels[0].width + _GAP
    picture = Image.new("L", (step * len(panels) - _GAP, SLICE_PIXELS))
    for k, panel in enumerate(panels):
        picture.paste(panel, (k * step, 0))
    return picture


def case_png(slices: np.ndarray) -> bytes:
    """`case_picture` as a PNG, without any text about where it comes from."""
    content = io.BytesIO()
    case_picture(slices).save(content, "PNG", optimize=True)
    return content.getvalue()
