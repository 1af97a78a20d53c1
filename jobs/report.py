"""`fedsynth report`: audit/report.html and its JSON twin, from what training and audit left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fl_components.guard.declaration import AUDIT_SETTING
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json, write_json
from fl_components.server.release_manifest import release_digest
from fl_components.site import Site
from fl_components.study import Study
from jobs.output import Talk
from jobs.pictures import release_picture, side_by_side
from jobs.provenance import provenance
from jobs.run_folder import RunFolder
from jobs.worth import quality_table
from privacy_eval.errors import InputError
from privacy_eval.report import Curve, Sections, SiteEgress, audit_report, render_html
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.verdict.combine import combine


def report(run: RunFolder, talk: Talk) -> dict[str, Any]:
    """Combine the sites' statistics into the verdict and write both reports.

    Raises:
        InputError: if there is no finished audit, or it was of another release than the one on disk.
    """
    study = run.study()
    sites = run.sites(study)
    audited = run.server.result("audit")
    if audited["status"] != "done":
        raise InputError(f"{run.server.result_file('audit')}: the audit is {audited['status']}; run 'fedsynth audit'")
    if audited["release"] != release_digest(run.release):
        raise InputError(f"{run.release}: not the release that was audited; run 'fedsynth audit' again")
    with talk.stage("Writing the report") as advance:
        statistics = [SiteStatistics.from_scalars(site, scalars, AUDIT_SETTING) for site, scalars in audited["sites"].items()]
        result = combine(statistics, study.audit.policy)
        simulated = all(site.data.simulated for site in sites)
        advance(0.3, "verdict")
        data = audit_report(result, simulated=simulated, warnings=_warnings(sites))
        sections = _sections(run, study, sites, audited, simulated)
        data |= {"provenance": dict(sections.provenance), "egress": [vars(row) for row in sections.egress],
                 "quality": [vars(table) for table in sections.quality]}
        run.audit.mkdir(exist_ok=True)
        page = run.audit / "report.html"
        partial = run.audit / ".report.html.partial"
        partial.write_text(render_html(data, sections), encoding="utf-8")
        write_json(run.audit / "report.json", data)
        partial.replace(page)
    return {"verdict": data["verdict"], "report": str(page), "json": str(run.audit / "report.json")}


def _warnings(sites: Sequence[Site]) -> list[str]:
    broken = [problem for site in sites if (problem := Ledger(site.ledger).verify())]
    return [f"A ledger's chain is broken: {problem}." for problem in broken]


def _sections(run: RunFolder, study: Study, sites: Sequence[Site], audited: dict[str, Any],
              simulated: bool) -> Sections:
    figures = [release_picture(run.release, run.audit)]
    quality = []
    if simulated:  # real scans may be shown, and measured outside their site, only where nobody's they are
        figures.append(side_by_side(run, study, sites, run.audit))
        quality.append(quality_table(run, study, sites))
    facts = provenance(study) | {"release": audited["release"], "precision": read_json(run.training_file)["precision"]}
    facts["versions"] = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    training = study.training
    return Sections(
        title=f"Privacy audit of the release of study '{study.name}'",
        figures=figures, curves=_curves(run), quality=quality, egress=[_egress(site, study) for site in sites],
        provenance={name: str(value) for name, value in facts.items()},
        methods=[
            f"A conditional 3D GAN was trained in {training.rounds} rounds of {training.local_steps} steps at "
            f"{len(sites)} sites; each site returned the generator's update and three mean losses a round, and its "
            "discriminator and scans stayed.",
            f"{study.synthesis.volumes} volumes were made from sampled anatomies and contrasts drawn from the sites' "
            "summaries; no patient's mask was used."])


def _curves(run: RunFolder) -> list[Curve]:
    rows = read_json(run.server.result_file("train"))["curves"]
    names = {"loss.l1": "L1 inside the brain", "loss.adversarial": "adversarial loss",
             "loss.discriminator": "discriminator loss"}
    series = {name: {site: [(float(r["round"]), r[name]) for r in rows if r["site"] == site]
                     for site in dict.fromkeys(row["site"] for row in rows)} for name in names}
    return [Curve(title, "round", "mean of the round's steps", series[name]) for name, title in names.items()]


def _egress(site: Site, study: Study) -> SiteEgress:
    """All that ever left the site for this study, earlier runs included."""
    sent = [entry for entry in Ledger(site.ledger).entries()
            if entry["decision"] == "sent" and entry["study"] == study.hash]
    return SiteEgress(site.name, len(sent), sum(e["bytes"] for e in sent), sum(len(e["tensors"]) for e in sent),
                      sum(len(e["scalars"]) for e in sent))
