"""`tuneport port`: a tune carried to another provider, its copy proved on held-out rows, and the code to switch to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli import recipe_input as given
from tuneport.cli.data_files import open_dataset
from tuneport.cli.deployments import options_of
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.submit import MaxCost, usd
from tuneport.errors import Detached, UsageError, worst_exit_code
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.job import Job
    from tuneport.porting.many import Outcome
    from tuneport.porting.port import Ported, Prepared
    from tuneport.porting.wishes import Confirm, Consent, Hear, Tell, Told, What, Wishes

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB|MODEL|ARCHIVE]...", help="Tunes: jobs, tuned models or archives' folders.")
]
To = Annotated[str, typer.Option("--to", metavar="NAME", help="The provider to carry them to.")]
AllFrom = Annotated[str | None, typer.Option("--all-from", metavar="NAME", help="Every tune of that provider.")]
Test = Annotated[
    Path | None, typer.Option("--test", metavar="FILE", help="Held-out rows to compare on; else the validation rows, else a share.")
]
Prompts = Annotated[
    Path | None, typer.Option("--from-outputs", metavar="PROMPTS", help="Make training rows of the old model's answers to these.")
]
HoldOut = Annotated[
    float, typer.Option("--hold-out", metavar="SHARE", min=0, max=0.9, help="Of the training rows, where no others are held out.")
]
Ask = Annotated[int, typer.Option("--ask", metavar="N", min=0, help="Compare on N rows at most; 0 compares nothing.")]
Shots = Annotated[int, typer.Option("--shots", metavar="N", min=0, help="Training rows in the untuned base's prompt; 0 leaves it out.")]
Metric = Annotated[str | None, typer.Option("--metric", metavar="NAME", help="What the verdict is about.")]
Margin = Annotated[float, typer.Option("--margin", metavar="POINTS", help="What still counts as equal, in hundredths of a score.")]
Deploy = Annotated[bool, typer.Option("--deploy", help="Deploy without asking where that is needed: it costs money as long as it stands.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the deployment; may be repeated.")]
Terms = Annotated[bool, typer.Option("--accept-terms", help="The old provider's terms allow training on its model's answers.")]
Recreate = Annotated[bool, typer.Option("--recreate", help="Give up a submit whose outcome is not known, and create anew.")]
Again = Annotated[bool, typer.Option("--again", help="Begin a new job where the last one failed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say everything up to the quote, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Pay for training and answers without asking.")]


@app.command()
def port(
    context: typer.Context,
    names: Names = None,
    *,
    to: To,
    all_from: AllFrom = None,
    base: given.Base = None,
    train: given.Train = None,
    validation: given.Validation = None,
    test: Test = None,
    from_outputs: Prompts = None,
    format: given.FromFormat = None,
    columns: given.Columns = None,
    epochs: given.Epochs = None,
    hold_out: HoldOut = 0.1,
    ask: Ask = 500,
    shots: Shots = 8,
    metric: Metric = None,
    margin: Margin = 3.0,
    max_cost: MaxCost = None,
    deploy: Deploy = False,
    settings: Set = None,
    accept_terms: Terms = False,
    recreate: Recreate = False,
    again: Again = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Carry a tune to another provider, prove that the copy is as good, and print the change of code.

    The same command goes on where an earlier one was stopped; no second job is made.
    """
    from tuneport.porting.wishes import Wishes

    session = session_of(context)

    def rows(path: Path | None) -> Any:
        return None if path is None else open_dataset(path, format=format, columns=columns)

    wishes = Wishes(
        to=to,
        base=base,
        train=rows(train),
        validation=rows(validation),
        test=rows(test),
        prompts=rows(from_outputs),
        epochs=epochs,
        hold_out=hold_out,
        ask=ask,
        shots=shots,
        metric=metric,
        margin=margin,
        max_cost_usd=usd(max_cost),
        deployment=options_of(settings or []),
        recreate=recreate,
        again=again,
        dry_run=dry_run,
    )
    agreed: Mapping[What, bool] = {"train": yes, "ask": yes, "deploy": deploy, "terms": accept_terms}
    try:
        _port(session, names or [], all_from, wishes, agreed)
    except KeyboardInterrupt:
        raise Detached("stopped; what was begun goes on, and the same command goes on from here.") from None


def _port(session: Session, names: Sequence[str], all_from: str | None, wishes: Wishes, agreed: Mapping[What, bool]) -> None:
    from tuneport.porting.many import tuned_jobs

    if bool(names) == (all_from is not None):
        raise UsageError(
            "name what is to be carried, or --all-from PROVIDER, and not both.", remedy="Write: tuneport port JOB --to PROVIDER"
        )
    if all_from == wishes.to:
        raise UsageError(f"everything of {all_from} is at {wishes.to} already.")
    if all_from is None and len(names) == 1:
        _port_one(session, names[0], wishes, agreed)
        return
    _port_many(session, names or tuned_jobs(str(all_from), client=session.client), wishes, agreed)


def _port_one(session: Session, name: str, wishes: Wishes, agreed: Mapping[What, bool]) -> None:
    from tuneport.porting.port import carry_out, prepare, working

    confirm, hear, tell = _confirming(session, agreed), _hearing(session), _telling(session)
    with working(name, wishes, client=session.client, confirm=confirm, hear=hear, follow=_following(session), tell=tell) as (work, found):
        prepared = prepare(found, work=work)
        if wishes.dry_run or prepared is None:
            _say_dry(session, prepared)
            return
        done = carry_out(prepared)
    if session.json:
        session.out.record("port", ported_document(done))
    raise typer.Exit(_exit_code(done))


def _exit_code(done: Ported) -> int:
    """1 where the copy is worse than the original, beyond the margin: the check that a port is has failed."""
    report = done.proof.report
    return 1 if report is not None and report.verdict.outcome == "worse" and not report.verdict.judgement.within_margin else 0


def _say_dry(session: Session, prepared: Prepared | None) -> None:
    if session.json:
        plan = prepared.plan if prepared is not None else None
        session.out.record("dry_run", {"plan": plan.to_dict() if plan is not None else None})
        return
    if prepared is not None and prepared.plan is None:
        session.out.say("Its job was submitted before: the same command without --dry-run goes on with it.")
    else:
        session.out.say("Nothing was sent.")


# --- several -------------------------------------------------------------------------------------------------------------------------


def _port_many(session: Session, names: Sequence[str], wishes: Wishes, agreed: Mapping[What, bool]) -> None:
    from tuneport.porting.many import port_many

    outcomes = port_many(
        names,
        wishes,
        client=session.client,
        confirm=_confirming(session, agreed),
        hear=lambda name: _hearing(session, name),
        follow=_following_all(session),
        tell=_telling(session),
    )
    if not outcomes and not session.json:
        session.out.say("No tuned model is known there. Those that were tuned elsewhere: tuneport jobs sync --all")
    for each in outcomes:
        _say_outcome(session, each, dry_run=wishes.dry_run)
    codes = [each.error.exit_code if each.error is not None else _exit_code(each.ported) if each.ported else 0 for each in outcomes]
    raise typer.Exit(worst_exit_code(codes))


def _say_outcome(session: Session, each: Outcome, *, dry_run: bool) -> None:
    if session.json:
        from tuneport.cli.failures import error_document

        error = error_document(each.error) if each.error is not None else None
        session.out.record("port", {"named": each.named, "error": error, **(ported_document(each.ported) if each.ported else {})})
    elif each.error is not None:
        note(f"error: {each.named}: {each.error}")
    elif each.ported is not None:
        session.out.say(f"{each.named} -> {each.ported.model.uri}: {each.ported.proof.sentence}")
    elif dry_run:
        session.out.say(f"{each.named}: fits; nothing was sent.")


# --- asking, telling, following --------------------------------------------------------------------------------------------------------


def _confirming(session: Session, agreed: Mapping[What, bool]) -> Confirm:
    """Agrees to what a flag says, and asks for the rest where somebody can be asked."""

    def confirm(consent: Consent) -> None:
        if agreed[consent.what]:
            return
        if not session.can_ask:
            raise UsageError(f"{consent.sentence} There is no terminal to confirm on, and nothing of it was done.", remedy=consent.remedy)
        session.out.say(consent.sentence)
        typer.confirm(consent.asks, abort=True)

    return confirm


_AS_THEY_ARE = ("prove", "switch")
"""Steps whose lines are a table or code."""


def _hearing(session: Session, name: str | None = None) -> Hear:
    """Prints what each step says, under its name."""
    headings: list[str] = []

    def hear(told: Told) -> None:
        if session.json:
            session.out.record("step", {**({"named": name} if name else {}), "step": told.step, "facts": told.facts})
            return
        if headings[-1:] != [told.step]:
            session.out.say(f"{told.step}{f' {name}' if name else ''}:", style="strong")
            headings.append(told.step)
        show: Callable[[str], object] = session.out.raw if told.step in _AS_THEY_ARE else session.out.say
        for line in told.lines:
            show(f"  {line}" if line else "")

    return hear


TOLD_EVERY_S = 10.0


def _telling(session: Session) -> Tell:
    """Says beside the output how far the asking has come, now and then, and when it is done."""
    clock = session.client.clock
    last = [clock.monotonic()]

    def tell(who: str, done: int, rows: int) -> None:
        if session.json or (done < rows and clock.monotonic() - last[0] < TOLD_EVERY_S):
            return
        last[0] = clock.monotonic()
        note(f"asked {who}: {counted(rows, 'row')}" if done == rows else f"asking {who}: {done:,} of {counted(rows, 'row')}")

    return tell


def _following(session: Session) -> Callable[[Job], Job]:
    def follow(job: Job) -> Job:
        return _following_all(session)([job])[0]

    return follow


def _following_all(session: Session) -> Callable[[Sequence[Job]], Sequence[Job]]:
    def follow(jobs: Sequence[Job]) -> Sequence[Job]:
        from tuneport.cli.following import follow_jobs

        live = [job for job in jobs if not job.state.terminal]
        ended = {job.uri: job for job in follow_jobs(session, live)} if live else {}
        return [ended.get(job.uri, job) for job in jobs]

    return follow


# --- for scripts -----------------------------------------------------------------------------------------------------------------------


def ported_document(done: Ported) -> dict[str, Any]:
    """A port for scripts."""
    from tuneport.cli.views import job_document, model_document

    return {
        "id": done.id,
        "folder": done.folder,
        "source": done.source.uri,
        "old_model": done.source.model,
        "job": job_document(done.job),
        "model": model_document(done.model),
        "target": done.target.uri,
        "verdict": done.proof.outcome,
        "headline": done.proof.sentence,
        "report": done.proof.path,
        "switch": {"before": done.switch.before, "after": done.switch.after, "needs": done.switch.needs, "path": done.switch.path},
    }
