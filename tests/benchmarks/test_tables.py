from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import quality, simulator_gap
from benchmarks.layouts import TABLES
from benchmarks.results import write_result
from benchmarks.tables import ROOT, pages, render, rewrite
from fl_components.vocabulary import REGIONS
from privacy_eval.errors import InputError


def _interval(centre: float) -> dict[str, float]:
    return {"median": centre, "low": centre * 0.9, "high": centre * 1.1}


def _result(name: str, figures: dict[str, Any], simulated: bool = True) -> dict[str, Any]:
    return {"name": name, "command": f"python -m benchmarks.{name}", "n": {"repeats": 3, "sites": 4},
            "figures": figures, "simulated": simulated,
            "machine": {"cpu": "Some CPU", "cores": 2, "memory_gib": 24.0, "gpu": "none", "torch": "2.13.0"}}


def _gan_step() -> dict[str, Any]:
    row = {"grid": "40×48×40", "threads": 1, "seconds_float32": _interval(0.4), "seconds_ours": _interval(0.2),
           "times_faster": _interval(2.0), "augmentation_share": _interval(0.05), "preset": "tiny", "ours": "bf16"}
    return {"steps": [row, row | {"threads": 2}]}


def test_committed_tables_say_what_the_results_say() -> None:
    stale = [str(path.relative_to(ROOT)) for path in pages()
             if rewrite(text := path.read_text(encoding="utf-8"), path.name) != text]
    assert stale == [], "run 'python -m benchmarks.tables'"


def test_a_table_of_rows_with_its_footnote() -> None:
    table = render(TABLES["gan_step"], _result("gan_step", _gan_step(), simulated=False)).splitlines()
    assert table[0].startswith("| grid | threads | plain float32, s | ours, s | times faster |")
    assert table[2] == ("| 40×48×40 | 1 | 0.400 (0.360 to 0.440) | 0.200 (0.180 to 0.220) | 2.00 (1.80 to 2.20) "
                        "| 0.050 (0.045 to 0.055) |")
    assert len({line.count("|") for line in table[:4]}) == 1
    assert table[5] == ("Median of repeats (quartiles). n: repeats 3, sites 4. Some CPU, 2 cores, 24.0 GiB, no GPU, "
                        "torch 2.13.0. Command: `python -m benchmarks.gan_step`")


def test_simulated_hospitals_are_said_to_be_simulated() -> None:
    assert "simulated hospitals" in render(TABLES["gan_step"], _result("gan_step", _gan_step()))


def test_a_single_row_stands_upright() -> None:
    figures = {name: _interval(12.0) for name in (
        "seconds_federated", "seconds_central", "times_central", "seconds_nvflare_start", "seconds_nvflare_stop",
        "times_central_net")}
    table = render(TABLES["federation"], _result("federation", figures)).splitlines()
    assert table[0] == "| figure | value |"
    assert table[2] == "| federated, s | 12.0 (10.8 to 13.2) |"


def test_levels_become_named_rows_in_the_layouts_order() -> None:
    attack = {"auc": 0.531, "low": 0.45, "high": 0.6, "n_members": 190, "n_holdout": 189, "p_value": 2e-5}
    figures = {"memorising": {"T4": attack | {"p_value": 0.25}}, "demo": {"T1": attack}, "flagged": True}
    table = render(TABLES["membership"], _result("membership", figures)).splitlines()
    assert table[2] == "| demo | T1 | 0.531 (0.450 to 0.600) | 190 | 189 | 2.0e-05 |"
    assert table[3] == "| memorising | T4 | 0.531 (0.450 to 0.600) | 190 | 189 | 0.250 |"


def test_keys_below_the_columns_are_followed() -> None:
    painters = (quality.OURS, quality.CENTRAL, quality.NO_CONTRAST, quality.LOOKUP, quality.UNTRAINED)
    values = np.random.default_rng(0).random((3, len(quality.FIGURES), 4))
    sites = quality.summarise(dict.fromkeys(painters, values), {"all": np.ones(3, bool)})
    result = _result("quality", {"sites": sites})
    row = render(TABLES["quality"], result).splitlines()[2]
    assert row.startswith(f"| ours, federated | {values[:, 0].mean():.3f} (")
    table = render(TABLES["quality_texture_share"], result).splitlines()
    assert table[0] == "| site | images from | T1 | T1ce | T2 | FLAIR |"
    assert table[6].startswith(f"| all | untrained | {values[:, -1, 0].mean():.3f} (")


def test_the_gap_is_laid_out_by_region() -> None:
    dice = {name: dict.fromkeys(REGIONS, np.array(values)) for name, values in (
        (simulator_gap.HOSPITALS, [0.8, 0.9]), (simulator_gap.PUBLIC, [0.4, 0.45]))}
    result = _result("simulator_gap", simulator_gap.summarise(dice, {"all": np.ones(2, bool)}))
    row = render(TABLES["simulator_gap"], result).splitlines()[2]
    assert re.match(r"\| [\w ]+ \| 0\.850 \(.*\) \| 0\.425 \(.*\) \| 0\.500 \(.*\) \|$", row)


def test_only_what_is_between_the_markers_changes(tmp_path: Path) -> None:
    write_result("gan_step", _gan_step(), 3, folder=tmp_path)
    page = "Before.\n<!-- table:gan_step -->\nold\n<!-- /table -->\nAfter.\n"
    made = rewrite(page, "page.md", tmp_path)
    assert made.startswith("Before.\n<!-- table:gan_step -->\n| grid |")
    assert made.endswith("\n<!-- /table -->\nAfter.\n")
    assert "old" not in made
    assert rewrite(made, "page.md", tmp_path) == made
    assert rewrite("no markers\n", "page.md", tmp_path) == "no markers\n"


@pytest.mark.parametrize(("page", "found"), [
    ("<!-- table:nonsense -->\n<!-- /table -->\n", r"page\.md: no table is named 'nonsense'"),
    ("<!-- table:gan_step -->\n| a |\n", r"page\.md: .* without its '<!-- /table -->'"),
    ("<!-- table:gan_step -->\n<!-- /table -->\n", r"gan_step\.json: no such file"),
])
def test_what_cannot_be_made_is_an_error(tmp_path: Path, page: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        rewrite(page, "page.md", tmp_path)


def test_a_result_without_the_figure_is_an_error() -> None:
    with pytest.raises(InputError, match=r"gan_step\.json: no figure 'steps'"):
        render(TABLES["gan_step"], _result("gan_step", {}))


def test_an_unclosed_marker_does_not_swallow_the_next_table(tmp_path: Path) -> None:
    write_result("gan_step", _gan_step(), 3, folder=tmp_path)
    page = "<!-- table:gan_step -->\ntext\n<!-- table:gan_step -->\n<!-- /table -->\n"
    with pytest.raises(InputError, match="without its"):
        rewrite(page, "page.md", tmp_path)
