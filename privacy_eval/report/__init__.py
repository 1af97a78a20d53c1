"""The audit's report: data first (`model`), then one self-contained page (`render`)."""

from privacy_eval.report.model import audit_report
from privacy_eval.report.render import render_html
from privacy_eval.report.sections import Curve, Figure, Sections, SiteEgress, Table

__all__ = ["Curve", "Figure", "Sections", "SiteEgress", "Table", "audit_report", "render_html"]
