"""`tuneport submit`: a recipe, planned, quoted, confirmed and submitted once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.billing import refuse_above
from tuneport.cli import recipe_input as given
from tuneport.cli.dry_runs import print_plan
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import job_document, short_uri
from tuneport.errors import Detached, QuotaExceeded, UsageError

if TYPE_CHECKING:
    from tuneport.job import Job
    from tuneport.quote import Quote

app = typer.Typer(rich_markup_mode=None, add_completion=False)

MaxCost = Annotated[str | None, typer.Option("--max-cost", metavar="USD", help="Refuse when the quote is higher, or not known.")]


@app.command()
def submit(
    context: typer.Context,
    source: given.RecipeOrData = None,
    *,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Where to train.")] = None,
    train: given.Train = None,
    validation: given.Validation = None,
    format: given.FromFormat = None,
    columns: given.Columns = None,
    base: given.Base = None,
    method: given.Method = None,
    epochs: given.Epochs = None,
    learning_rate: given.LearningRate = None,
    batch_size: given.BatchSize = None,
    rank: given.Rank = None,
    suffix: given.Suffix = None,
    seed: given.Seed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job to its end; Ctrl-C stops following only.")] = False,
    max_cost: MaxCost = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend the money without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Submit although this very plan already runs.")] = False,
    recreate: Annotated[bool, typer.Option("--recreate", help="Give up a submit whose outcome is not known, and create anew.")] = False,
    queue: Annotated[bool, typer.Option("--queue", help="Where only so many jobs may run at once, wait for a place.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Have it written where the time of the training went (local).")] = False,
) -> None:
    """Submit a recipe to a provider, once. Flags win over the recipe file."""
    session = session_of(context)
    most_usd = usd(max_cost)
    recipe = given.read_recipe(source, given.flags_in(context))
    where = given.provider_for(recipe, provider, client=session.client)
    if profile:
        recipe = given.with_option(recipe, "profile", True, provider=where)
    plan = session.client.plan(recipe, provider=where)
    asked = (dry_run or not yes) and (plan.billed or _bills(session, where))
    asked = asked or most_usd is not None
    quotes = session.client.quote(recipe, providers=[where], epochs=plan.epochs, tier=plan.tier) if asked else []
    if most_usd is not None:
        refuse_above(most_usd, quotes, unquoted=plan.unquoted)
    billed = [quote for quote in quotes if quote.billed]
    if dry_run:
        print_plan(plan, billed, out=session.out)
        return
    for line in plan.notes:
        note(line)
    if billed and not yes:
        confirm_cost(session, billed, provider=where)
    try:
        waiting = _say_waiting if queue else None
        job = session.client.submit(recipe, provider=where, force=force, recreate=recreate, plan=plan, queue=waiting)
    except KeyboardInterrupt:
        raise _interrupted(session) from None
    say_submitted(session, job, stream=wait)
    if wait:
        _follow(session, job)


def _say_waiting(refusal: QuotaExceeded, pause_s: float) -> None:
    note(f"no place yet: {refusal.message} Asking again in {pause_s:.0f} s; Ctrl-C ends the waiting, and nothing was sent.")


def _interrupted(session: Session) -> Detached:
    return Detached("stopped; whether the job was created is not known.", remedy=f"Run: {session.command('jobs', 'sync')}")


def usd(text: str | None) -> Decimal | None:
    """What --max-cost says. Raises UsageError for no amount of money."""
    if text is None:
        return None
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--max-cost {text!r} is not an amount of US dollars; write for example --max-cost 2.50")
    return amount


def confirm_cost(session: Session, quotes: Sequence[Quote], *, provider: str) -> None:
    """Asks before money is spent, showing the quotes. Raises UsageError where nobody can be asked, typer.Abort when the answer is no."""
    from tuneport.cli.quote_tables import cost_sentence, print_quotes

    if not session.can_ask:
        raise UsageError(
            f"submitting to {provider} spends money (quote: {cost_sentence(quotes)}) and there is no terminal to confirm on; "
            "nothing was sent.",
            remedy="Add --yes to confirm, and --max-cost USD to bound it.",
        )
    print_quotes(quotes, out=session.out, every_line=True)
    typer.confirm(f"Submit to {provider}?", abort=True)


def _bills(session: Session, provider: str) -> bool:
    return any(info.bills for info in session.client.providers() if info.name == provider and info.problem is None)


def say_submitted(session: Session, job: Job, *, stream: bool) -> None:
    """The new job, and the command that follows it."""
    out = session.out
    if session.json:
        show = partial(out.record, "job") if stream else out.document
        show(job_document(job))
        return
    out.say(f"Submitted {job.uri} ({job.state}).")
    if not stream:
        out.say(f"Follow it: {session.command('jobs', 'wait', short_uri(job.uri))}")


def _follow(session: Session, job: Job) -> Any:
    from tuneport.cli.following import follow_jobs, outcome_code, say_ended

    ended = follow_jobs(session, [job], announced=True)
    say_ended(session, ended)
    raise typer.Exit(outcome_code(ended))
