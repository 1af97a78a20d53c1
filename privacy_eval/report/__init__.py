"""The audit's report: data first (`model`), then one self-contained page (`render`), and its sign-off."""

from privacy_eval.report.model import audit_report
from privacy_eval.report.private import private_report
from privacy_eval.report.render import render_html
from privacy_eval.report.sections import Curve, Figure, Guarantee, Sections, SiteEgress, Table
from privacy_eval.report.signoff import check_signoff, report_digest, signoff_record

__all__ = ["Curve", "Figure", "Guarantee", "Sections", "SiteEgress", "Table", "audit_report", "check_signoff",
           "private_report", "render_html", "report_digest", "signoff_record"]
