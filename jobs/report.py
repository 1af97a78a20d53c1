"""`fedsynth report`: audit/report.html and its JSON twin, from what training and audit left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fl_components.client.audit_findings import GROUPS, read_findings, read_statistics
from fl_components.client.audit_record import AuditRecord
from fl_components.guard.budget import spent
from fl_components.guard.declaration import audit_setting
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json, write_json
from fl_components.server.release_description import CONTRASTS_TEXT
from fl_components.server.release_manifest import release_digest
from fl_components.site import Site
from fl_components.study import Study
from jobs.canaries import canary_section
from jobs.edit_gallery import gallery_figures
from jobs.guarantee import guarantee_section, privacy_data
from jobs.output import Talk
from jobs.pictures import mosaic, release_picture, side_by_side
from jobs.provenance import provenance
from jobs.run_folder import RunFolder
from jobs.utility import utility_table
from jobs.worth import quality_table
from jobs.worth_point import worth_point
from privacy_eval.errors import InputError
from privacy_eval.report import Curve, Figure, Sections, SiteEgress, audit_report, private_report, render_html
from privacy_eval.site.answer import SiteStatistics, totals_of
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.private import PrivateAuditResult, combine_private


def report(run: RunFolder, talk: Talk) -> dict[str, Any]:
    """Combine the sites' statistics into the verdict and write both reports.

    Raises:
        InputError: if there is no finished audit, or it was of another release than the one on disk.
    """
    study = run.study()
    sites = run.local_sites(study)
    audited = run.server.result("audit")
    if audited["status"] != "done":
        raise InputError(f"{run.server.result_file('audit')}: the audit is {audited['status']}; run 'fedsynth audit'")
    if audited["release"] != release_digest(run.release):
        raise InputError(f"{run.release}: not the release that was audited; run 'fedsynth audit' again")
    with talk.stage("Writing the report") as advance:
        result = _combined(study, audited)
        simulated = len(sites) == len(study.sites) and all(site.data.simulated for site in sites)
        advance(0.3, "verdict")
        canaries, told = canary_section(study, audited["canaries"])
        # A generator may have been trained elsewhere.
        trained = run.server.result("train") if run.server.result_file("train").exists() else {}
        warnings = [*_warnings(sites), *_left_out(trained), *_unasked(study, trained),
                    *_not_asked(study, audited), *told]
        sections = _sections(run, study, sites, audited, simulated, result)
        privacy = privacy_data(study, sites)
        sections = replace(sections, guarantee=guarantee_section(study, privacy))
        data = _public(result, simulated=simulated, warnings=warnings, canaries=canaries) | {"privacy": privacy}
        _write(run.audit, data, sections)
        advance(0.8, "the sites' own editions")
        internal = [str(page) for site in sites if site.name in audited["sites"]
                    if (page := _internal(site, study, result, sections, warnings, canaries, simulated))]
    return {"verdict": data["verdict"], "report": str(run.audit / "report.html"),
            "json": str(run.audit / "report.json"), "internal": internal}


def _write(folder: Path, data: dict[str, Any], sections: Sections) -> Path:
    """The page and its JSON twin; neither half-written."""
    data = data | {"provenance": dict(sections.provenance), "egress": [vars(row) for row in sections.egress],
                   "quality": [vars(table) for table in sections.quality]}
    folder.mkdir(parents=True, exist_ok=True)
    page, partial = folder / "report.html", folder / ".report.html.partial"
    partial.write_text(render_html(data, sections), encoding="utf-8")
    write_json(folder / "report.json", data)
    partial.replace(page)
    return page


def _combined(study: Study, audited: Mapping[str, Any]) -> AuditResult | PrivateAuditResult:
    policy, weaknesses, answers = study.audit.policy, _weaknesses(study), audited["sites"]
    if study.audit.epsilon is None:
        setting = audit_setting(study)
        sites = [SiteStatistics.from_scalars(site, scalars, setting) for site, scalars in answers.items()]
        totals = totals_of(setting, audited["counts"]) if setting.summed else None
        return combine(sites, policy, weaknesses=weaknesses, totals=totals)
    return combine_private([PrivateStatistics.from_scalars(site, scalars, policy.private_family, study.audit.epsilon)
                            for site, scalars in answers.items()], policy, weaknesses)


def _public(result: AuditResult | PrivateAuditResult, **rest: Any) -> dict[str, Any]:  # noqa: ANN401 - both have it
    return private_report(result, **rest) if isinstance(result, PrivateAuditResult) else audit_report(result, **rest)


def _internal(site: Site, study: Study, result: AuditResult | PrivateAuditResult, sections: Sections,
              warnings: Sequence[str], canaries: dict[str, Any] | None, simulated: bool) -> Path | None:
    """The site's own edition, in its own state; None if the site abstained.

    It shows all sites' audit, but where only noised statistics left it: there the site's alone, without noise.
    """
    folder = AuditRecord(site.state, study).latest
    if folder is None or not (folder / "inside.json").exists():
        return None
    if isinstance(result, PrivateAuditResult):
        own = read_statistics(site.name, folder, audit_setting(study))
        result = combine([own], study.audit.policy, weaknesses=_weaknesses(study))
        warnings = [_own_edition(site), *warnings]
    inside = read_findings(folder)
    pictures = [Figure(f"The {group} nearest to the release, each above its nearest released volume",
                       (folder / f"{group}.png").read_bytes(),
                       "A copy shows the same folds, ventricles and lesion in both rows.") for group in GROUPS]
    data = audit_report(result, "internal", simulated=simulated, warnings=warnings, inside=inside, canaries=canaries)
    return _write(folder, data, replace(sections, title=f"{sections.title}: internal edition of site '{site.name}'",
                                        pairs=pictures))


def _own_edition(site: Site) -> str:
    paid = float(spent(Ledger(site.ledger).entries()))
    return (f"This edition is of site '{site.name}' alone and has no noise: only what the public edition shows was "
            f"paid for. Nothing else on this page may leave, its verdict included. Noised audits have cost each "
            f"patient of this site an ε of {paid:g} so far; the site allows {site.policy.audit_epsilon:g}.")


def _weaknesses(study: Study) -> list[str]:
    if study.canaries.per_site and not study.canaries.for_release:
        return [f"This run plants {study.canaries.per_site} canaries a site to audit the implementation; its images "
                "are not for release."]
    return []


def _warnings(sites: Sequence[Site]) -> list[str]:
    broken = [problem for site in sites if (problem := Ledger(site.ledger).verify())]
    return [f"A ledger's chain is broken: {problem}." for problem in broken]


def _left_out(trained: Mapping[str, Any]) -> list[str]:
    """Whom training went on without; nobody where the result is of a version that stopped instead."""
    absent: dict[str, list[int]] = {}
    rejected: dict[tuple[str, str], list[int]] = {}
    for row in trained.get("absent", []):
        absent.setdefault(row["site"], []).append(row["round"])
    for row in trained.get("rejected", []):
        rejected.setdefault((row["site"], row["reason"]), []).append(row["round"])
    return [*(f"Site '{site}' did not answer in {_rounds(rounds)} of training, which went on without it."
              for site, rounds in absent.items()),
            *(f"The update of site '{site}' was rejected in {_rounds(rounds)} of training: {reason}."
              for (site, reason), rounds in rejected.items())]


def _unasked(study: Study, trained: Mapping[str, Any]) -> list[str]:
    """Who was not asked in some rounds: it had failed just before, or was not there."""
    told = {(row["round"], site) for row in trained.get("curves", []) for site in row.get("sites", [row["site"]])}
    told |= {(row["round"], row["site"]) for kind in ("absent", "rejected") for row in trained.get(kind, [])}
    missed = {site: [number for number in range(1, trained.get("rounds", 0) + 1) if (number, site) not in told]
              for site in study.sites}
    return [f"Site '{site}' was not asked in {_rounds(rounds)} of training: it had failed, or was not there."
            for site, rounds in missed.items() if rounds]


def _not_asked(study: Study, audited: Mapping[str, Any]) -> list[str]:
    return [f"Site '{site}' was not asked in the audit: no update of it is in the generator."
            for site in study.sites if site not in audited["sites"]]


def _rounds(numbers: Sequence[int]) -> str:
    return f"round{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _sections(run: RunFolder, study: Study, sites: Sequence[Site], audited: dict[str, Any], simulated: bool,
              result: AuditResult | PrivateAuditResult) -> Sections:
    figures = [release_picture(run.release, run.audit), *gallery_figures(run, run.edits)]
    quality = []
    if simulated:  # real scans may be shown, and measured outside their site, only where nobody's they are
        figures.append(side_by_side(run, study, sites, run.audit))
        if (shuffled := mosaic(run, run.audit)) is not None:
            figures.append(shuffled)
        quality.append(quality_table(run, study, sites))
        if (worth := utility_table(run)) is not None:
            quality.append(worth)
        if isinstance(result, AuditResult) and (point := worth_point(run, result)) is not None:
            figures.append(point)
    facts = provenance(study) | {"release": audited["release"], "precision": read_json(run.training_file)["precision"]}
    facts["versions"] = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return Sections(
        title=f"Privacy audit of the release of study '{study.name}'",
        figures=figures, curves=_curves(run), quality=quality, egress=[_egress(site, study) for site in sites],
        provenance={name: str(value) for name, value in facts.items()},
        methods=_methods(run, study))


def _methods(run: RunFolder, study: Study) -> list[str]:
    training, sites = study.training, len(run.server.contributors(study))
    masks = ", under masks that cancel in the sum over sites" if study.federation.secure_aggregation else ""
    losses = "mean losses of public images alone" if study.privacy.private else "three mean losses"
    volumes = sum(1 for _ in run.release.glob("sub-*"))
    return [f"A conditional 3D GAN was trained in {training.rounds} rounds of {training.local_steps} steps at {sites} "
            f"sites; each site returned the generator's update and {losses} a round{masks}, and its discriminator and "
            "scans stayed.",
            f"{volumes} volumes were made from sampled anatomies and contrasts "
            f"{CONTRASTS_TEXT[study.synthesis.contrasts]}; no patient's mask was used."]


def _curves(run: RunFolder) -> list[Curve]:
    rows = read_json(run.server.result_file("train"))["curves"]
    titles = {"loss.l1": "L1 inside the brain", "loss.adversarial": "adversarial loss",
              "loss.discriminator": "discriminator loss", "loss.public": "discriminator loss on public images"}
    names = {name: title for name, title in titles.items() if any(name in row for row in rows)}
    series = {name: {site: [(float(r["round"]), r[name]) for r in rows if r["site"] == site]
                     for site in dict.fromkeys(row["site"] for row in rows)} for name in names}
    return [Curve(title, "round", "mean of the round's steps", series[name]) for name, title in names.items()]


def _egress(site: Site, study: Study) -> SiteEgress:
    """All that ever left the site for this study, earlier runs included."""
    sent = [entry for entry in Ledger(site.ledger).entries()
            if entry["decision"] == "sent" and entry["study"] == study.hash]
    return SiteEgress(site.name, len(sent), sum(e["bytes"] for e in sent), sum(len(e["tensors"]) for e in sent),
                      sum(len(e["scalars"]) for e in sent))
