"""The command line: `fedsynth`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from jobs.cli_edit import edit_command
from jobs.cli_evaluate import evaluate_command, quiz_command
from jobs.cli_party import server_app, site_app
from jobs.cli_private import budget_app, plan_command, pretrain_generator
from jobs.command import Format, Output, Run, run_command
from jobs.default_command import DEFAULT, GroupWithDefault
from jobs.environment import AdminKit, Env, Environment, engine_of
from jobs.threads import let_waiting_threads_sleep

EXIT_CODES: Final = {"NO LEAK FOUND AT THE STATED POWER": 0, "LEAK": 1, "INCONCLUSIVE": 3, "VOID": 4}
"""Of `fedsynth audit` and `fedsynth report`, by verdict; 2 is bad input or a job that failed."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Labelled synthetic brain-tumour MRI from hospitals that share no patient, audited there.")
cohort_app = typer.Typer(no_args_is_help=True, help="A site's subjects: simulate them, check them.")
app.add_typer(cohort_app, name="cohort")
audit_app = typer.Typer(cls=GroupWithDefault, help="""Attack a run's release at every site, or any images; or plan to.

Example: fedsynth audit runs/demo --format json

Example: fedsynth audit --real trained_on --holdout kept_apart --synthetic generated

Exit code: 0 no leak found at the stated power, 1 LEAK, 3 INCONCLUSIVE, 4 VOID; 2 bad input.""")
app.add_typer(audit_app, name="audit")
pretrain_app = typer.Typer(no_args_is_help=True, help="Networks that ship, made again from simulated subjects alone.")
app.add_typer(pretrain_app, name="pretrain")
ledger_app = typer.Typer(no_args_is_help=True, help="What left a site: whether its record is intact, and what it says.")
app.add_typer(ledger_app, name="ledger")
app.add_typer(site_app, name="site")
app.add_typer(server_app, name="server")
app.command("edit")(edit_command)
app.command("evaluate")(evaluate_command)
app.command("quiz")(quiz_command)
app.command("plan")(plan_command)
app.add_typer(budget_app, name="budget")
pretrain_app.command("generator")(pretrain_generator)


Sites = Annotated[int, typer.Option(min=1, max=12, help="How many simulated hospitals.")]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds of federated training (default: the preset's).")]


@cohort_app.command("simulate")
def cohort_simulate(run: Run, sites: Sites = 4, rounds: Rounds = None, output: Output = Format.TEXT) -> None:
    """Make simulated hospitals in a run folder: study.toml, each site's site.toml, scans and masks.

    Subjects that are there already are kept.

    Example: fedsynth cohort simulate runs/demo --sites 4
    """
    from jobs.cohort import simulate

    run_command(lambda talk: simulate(run, talk, sites, rounds), output)


@cohort_app.command("check")
def cohort_check(run: Annotated[Path, typer.Argument(help="The run folder, or the site's site.toml.")],
                 site: Annotated[str | None, typer.Option(help="One site only.")] = None,
                 output: Output = Format.TEXT) -> None:
    """Read, check and prepare every subject, settle each site's split, and draw a sheet of thumbnails.

    Prints what was found against what is expected. Exit code 2 if a subject cannot be used.

    Example: fedsynth cohort check runs/demo --site north

    Example: fedsynth cohort check /etc/fedsynth/site.toml
    """
    from jobs.cohort import check

    run_command(lambda talk: check(run, talk, site), output)


@app.command("train")
def train_command(run: Run, resume: Annotated[bool, typer.Option(help="Go on with an unfinished training.")] = False,
                  env: Env = Environment.SIM, kit: AdminKit = None, output: Output = Format.TEXT) -> None:
    """Train the generator over all sites under NVFlare; only its updates leave a site.

    Where a site or the server fails, the training goes on from the last round by itself, if need be without the site,
    which is asked again later.

    Example: fedsynth train runs/demo

    Example: fedsynth train runs/demo --env poc
    """
    from jobs.train import train

    run_command(lambda talk: train(_folder(run), talk, engine_of(env, _folder(run), talk.say, kit), resume), output)


@app.command("synthesize")
def synthesize_command(run: Run, replace: Annotated[bool, typer.Option(help="Replace an existing release.")] = False,
                       count: Annotated[int | None, typer.Option("-n", "--count", min=1, help="Volumes, if not the "
                                                                 "study's.")] = None,
                       output: Output = Format.TEXT) -> None:
    """Write the release, a BIDS derivative of labelled synthetic volumes, from the trained generator alone.

    If it is interrupted, the same command goes on after the last whole volume.

    Example: fedsynth synthesize runs/demo --replace -n 1000
    """
    from jobs.synthesize import synthesize

    run_command(lambda talk: synthesize(_folder(run), talk, replace, count), output)


@audit_app.command(DEFAULT, hidden=True)
def audit_command(run: Run, env: Env = Environment.SIM, kit: AdminKit = None,
                  output: Output = Format.TEXT) -> None:
    """Attack the release at every site under NVFlare, combine the statistics into a verdict, write the report.

    Exit code: 0 no leak found at the stated power, 1 LEAK, 3 INCONCLUSIVE, 4 VOID; 2 bad input.

    Example: fedsynth audit runs/demo --format json
    """
    from jobs.audit import audit

    result = run_command(lambda talk: audit(_folder(run), talk, engine_of(env, _folder(run), talk.say, kit)), output)
    raise typer.Exit(EXIT_CODES[result["verdict"]])


@audit_app.command("folders")
def audit_folders_command(
        real: Annotated[Path, typer.Option(help="Images the generator was trained on.")],
        holdout: Annotated[Path, typer.Option(help="Images of like patients, kept apart at random before training.")],
        synthetic: Annotated[Path, typer.Option(help="The generator's images.")],
        reference: Annotated[Path | None, typer.Option(help="Public images of others, never the holdout: for T2, T3, "
                                                            "T9.")] = None,
        unseen: Annotated[Path | None, typer.Option(help="More images never trained on, for the negative control "
                                                         "(default: a random fifth of the holdout).")] = None,
        patients: Annotated[Path | None, typer.Option(help="A CSV file 'image,patient' (default: names sub-XX, else "
                                                           "an image a patient).")] = None,
        pattern: Annotated[list[str] | None, typer.Option(help="For a folder a patient: one a sequence, such as "
                                                               "'*_t1.nii.gz'. Repeatable.")] = None,
        folder: Annotated[Path, typer.Option("--output", help="Folder for report.html and report.json.")] = Path(
            "audit"),
        seed: Annotated[int | None, typer.Option(min=0, help="Of every draw (default: drawn, and recorded).")] = None,
        minimum_subjects: Annotated[int, typer.Option(min=5, help="Fewest members, and holdout patients.")] = 20,
        release_number: Annotated[int, typer.Option(min=1, help="Which release of these members this is.")] = 1,
        releases: Annotated[int, typer.Option(min=1, help="How many are planned; together they keep the level.")] = 1,
        tolerance_auc: Annotated[float, typer.Option(help="Highest upper bound of an AUC that passes.")] = 0.60,
        output: Output = Format.TEXT) -> None:
    """Attack any generator's images, NIfTI or PNG, and write the report; 'folders' may be left out.

    The reports are for whoever holds the images: they name and show single patients.

    Exit code: 0 no leak found at the stated power, 1 LEAK, 3 INCONCLUSIVE, 4 VOID; 2 bad input.

    Example: fedsynth audit --real trained_on --holdout kept_apart --synthetic generated --reference public
    """
    from jobs.folders import FolderAuditRequest, audit_images
    from privacy_eval.folder.groups import Folders

    folders = Folders(real, holdout, synthetic, reference, unseen, patients, tuple(pattern or ()))
    asked = FolderAuditRequest(folders, folder, seed, minimum_subjects, release_number, releases, tolerance_auc)
    raise typer.Exit(EXIT_CODES[run_command(lambda talk: audit_images(asked, talk), output)["verdict"]])


@audit_app.command("plan")
def audit_plan(
        run: Annotated[Path | None, typer.Argument(help="A run folder whose cohorts are prepared.")] = None,
        sites: Annotated[str | None, typer.Option(help="Or all patients of each site: 175,125,95,80.")] = None,
        members: Annotated[str | None, typer.Option(help="Or members of each site: 70,50.")] = None,
        holdout: Annotated[str | None, typer.Option(help="With --members: holdout patients of each site.")] = None,
        study: Annotated[Path | None, typer.Option(help="A study.toml: policy and shares of the split.")] = None,
        minimum_count: Annotated[int | None, typer.Option(min=1, help="Suppression limit of every site.")] = None,
        output: Output = Format.TEXT) -> None:
    """Say what an audit of so many patients could show, before anything is trained; no scan is read.

    Example: fedsynth audit plan --sites 175,125,95,80
    """
    from jobs.plan import Numbers, plan_audit

    numbers = Numbers(run, study, sites, members, holdout, minimum_count)
    run_command(lambda talk: plan_audit(numbers, talk), output)


@app.command("report")
def report_command(run: Run, output: Output = Format.TEXT) -> None:
    """Write audit/report.html and audit/report.json again from what the audit left.

    Exit code as 'fedsynth audit'.

    Example: fedsynth report runs/demo
    """
    from jobs.report import report

    raise typer.Exit(EXIT_CODES[run_command(lambda talk: report(_folder(run), talk), output)["verdict"]])


@app.command("demo")
def demo_command(run: Run = Path("runs/demo"), sites: Sites = 4, rounds: Rounds = None,
                 env: Env = Environment.SIM,
                 privacy: Annotated[float | None, typer.Option(help="The ε claimed for each patient.")] = None,
                 output: Output = Format.TEXT) -> None:
    """The whole chain on simulated hospitals: simulate, check, train, synthesize, audit, report.

    Exit code 0 unless something broke; the verdict is in the report.

    Example: fedsynth demo runs/demo --sites 8 --rounds 2
    """
    from jobs.demo import demo

    run_command(lambda talk: demo(run, talk, sites, rounds, env, privacy), output)


@ledger_app.command("verify")
def ledger_verify(
        path: Annotated[Path, typer.Argument(help="A run folder, or one site's ledger.jsonl.")],
        site: Annotated[str | None, typer.Option(help="One site of the run folder only.")] = None,
        anchor: Annotated[Path | None, typer.Option(help="A ledger.anchor kept elsewhere, however old.")] = None,
        output: Output = Format.TEXT) -> None:
    """Check that no entry of a ledger was changed, removed or moved, byte for byte, against its anchor.

    Exit code: 0 intact, 1 broken, with the first broken entry; 2 bad input.

    Example: fedsynth ledger verify runs/demo --site north
    """
    from jobs.ledger import verify

    raise typer.Exit(0 if run_command(lambda talk: verify(path, talk, site, anchor), output)["intact"] else 1)


@ledger_app.command("show")
def ledger_show(
        path: Annotated[Path, typer.Argument(help="A run folder, or one site's ledger.jsonl.")],
        site: Annotated[str | None, typer.Option(help="One site of the run folder only.")] = None,
        output: Output = Format.TEXT) -> None:
    """Print what left a site and what was refused, and why; with --format json every tensor's name and digest.

    Example: fedsynth ledger show runs/demo --site north
    """
    from jobs.ledger import show

    run_command(lambda talk: show(path, talk, site), output)


@pretrain_app.command("embedding")
def pretrain_embedding(
        seed: Annotated[int, typer.Option(min=0, help="Of the subjects, the first weights and every draw.")] = 0,
        steps: Annotated[int, typer.Option(min=1, help="Of training, about 2 s each on one core.")] = 450,
        weights: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("embedding.safetensors"),
        output: Output = Format.TEXT) -> None:
    """Train the audit's learned space: scans of one person near, of others far; from simulated subjects alone.

    Same seed and steps, same weights on the same machine with as many threads.

    Example: fedsynth pretrain embedding --seed 0 --output embedding.safetensors
    """
    from jobs.pretrain import embedding

    run_command(lambda talk: embedding(weights, talk, seed, steps), output)


@pretrain_app.command("labeller")
def pretrain_labeller(
        seed: Annotated[int, typer.Option(min=0, help="Of the subjects, the first weights and every draw.")] = 0,
        steps: Annotated[int, typer.Option(min=1, help="Of training, about .4 s each on one core.")] = 1400,
        weights: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("labeller.safetensors"),
        output: Output = Format.TEXT) -> None:
    """Train the labeller, from any of the four sequences to an anatomy; from simulated subjects alone.

    Same seed and steps, same weights on the same machine with as many threads.

    Example: fedsynth pretrain labeller --seed 0 --output labeller.safetensors
    """
    from jobs.pretrain import labeller

    run_command(lambda talk: labeller(weights, talk, seed, steps), output)


def _folder(path: Path) -> Any:  # noqa: ANN401 - imported late
    from jobs.run_folder import RunFolder

    return RunFolder(path)


def main() -> None:
    """Entry point of `fedsynth`."""
    let_waiting_threads_sleep()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a simulation is cleared away
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
