"""A decision's record: bound to its report, complete, and the same from the page's button as from Python."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_case import result

from privacy_eval.errors import InputError
from privacy_eval.report import audit_report, check_signoff, render_html, report_digest, signoff_record
from privacy_eval.report.signoff import ASK, RELEASE
from privacy_eval.verdict.policy import Verdict

REPORT = audit_report(result(Verdict.NO_LEAK_FOUND)) | {"provenance": {"study_hash": "ab" * 32}}
FIELDS = {"name": "Ada", "role": "privacy officer", "institution": "North", "decision": RELEASE,
          "recipients": "Consortium X", "conditions": "no re-identification", "signed_on": "2030-01-31",
          "expires_on": "2031-01-31", "comments": ""}

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def test_a_record_names_its_report_and_passes_its_own_check() -> None:
    record = signoff_record(REPORT, FIELDS)
    assert record["report_sha256"] == report_digest(REPORT)
    assert record["verdict"] == "NO LEAK FOUND AT THE STATED POWER"
    assert record["study_hash"] == "ab" * 32
    check_signoff(json.loads(json.dumps(record)), REPORT)


def test_the_digest_is_of_the_data_and_not_of_how_they_are_written() -> None:
    again = json.loads(json.dumps(dict(reversed(list(REPORT.items()))), indent=3))
    assert report_digest(again) == report_digest(REPORT)
    assert report_digest(REPORT | {"verdict": "LEAK"}) != report_digest(REPORT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "  "}, "name is empty"), ({"signed_on": ""}, "signed_on is empty"),
        ({"decision": "perhaps"}, "decision = 'perhaps'"), ({"recipients": ""}, "recipients is empty"),
        ({"expires_on": ""}, "expires_on is empty"), ({"expires_on": "2030-01-31"}, "expected a day after"),
        ({"signed_on": "31.1.2030"}, "YYYY-MM-DD"), ({"phone": "1"}, "unknown field 'phone'"),
    ],
)
def test_an_incomplete_record_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        signoff_record(REPORT, FIELDS | changes)


def test_asking_for_more_needs_no_recipient() -> None:
    fields = {key: FIELDS[key] for key in ("name", "role", "institution", "signed_on")}
    assert signoff_record(REPORT, fields | {"decision": ASK})["recipients"] == ""


def test_releasing_against_the_verdict_needs_a_reason() -> None:
    leak = audit_report(result(Verdict.LEAK))
    with pytest.raises(InputError, match="comments is empty"):
        signoff_record(leak, FIELDS)
    assert signoff_record(leak, FIELDS | {"comments": "phantoms only"})["verdict"] == "LEAK"


def test_a_record_of_another_report_or_with_changed_keys_is_refused() -> None:
    record: dict[str, Any] = signoff_record(REPORT, FIELDS)
    with pytest.raises(InputError, match="report_sha256"):
        check_signoff(record, REPORT | {"warnings": ["new"]})
    with pytest.raises(InputError, match="lacks 'comments'"):
        check_signoff({key: value for key, value in record.items() if key != "comments"}, REPORT)
    with pytest.raises(InputError, match="unknown 'more'"):
        check_signoff(record | {"more": 1}, REPORT)
    with pytest.raises(InputError, match="expected text"):
        check_signoff(record | {"comments": 3}, REPORT)


def test_the_page_carries_what_binds_and_can_be_filled_in_by_hand() -> None:
    page = render_html(REPORT)
    carried = re.search(r'id="signoff-bound">(.*?)</script>', page)
    assert carried is not None
    assert json.loads(carried[1])["report_sha256"] == report_digest(REPORT)
    for name in FIELDS:
        assert f'name="{name}"' in page
    assert "Signature" in page
    assert "<noscript>" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("recipients", ["Consortium \"X\" & Söhne", ""])
def test_the_button_writes_a_record_that_python_accepts(tmp_path: Path, recipients: str) -> None:
    """A script fills the form in, presses the button, and shows what would have been saved and said."""
    fields = FIELDS | {"recipients": recipients}
    press = """<pre id="seen"></pre><script>
      const fields = FIELDS, form = document.getElementById("signoff-form"), seen = document.getElementById("seen");
      for (const [name, value] of Object.entries(fields)) { form.elements[name].value = value; }
      HTMLAnchorElement.prototype.click = () => {};
      URL.createObjectURL = (blob) => { blob.text().then((text) => { seen.textContent = text; }); return "blob:x"; };
      form.querySelector("button").click();
    </script></body>""".replace("FIELDS", json.dumps(fields))
    page = tmp_path / "page.html"
    page.write_text(render_html(REPORT).replace("</body>", press), encoding="utf-8")
    assert CHROMIUM is not None
    dom = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
                          f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
                         capture_output=True, text=True, timeout=120, check=True).stdout
    seen = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    assert seen is not None
    if not recipients:
        assert seen[1] == ""
        assert "A release needs named recipients." in dom
        return
    record = json.loads(html.unescape(seen[1]))
    assert record == signoff_record(REPORT, fields)
    check_signoff(record, REPORT)
