"""`tuneport sweep`: a recipe trained with other settings, each time a job like any other, and the best of them written down."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli import recipe_input as given
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.submit import MaxCost, usd
from tuneport.errors import Detached, UsageError

if TYPE_CHECKING:
    from tuneport.sweeping.journal import Journal
    from tuneport.sweeping.sweep import Swept
    from tuneport.sweeping.trial import Trial
    from tuneport.sweeping.wishes import Confirm, Hear, Heard, Wishes

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Fields = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="FIELD=VALUES", help="A field to vary: LOW..HIGH, LOW..HIGH:log or A,B,C; may be repeated."),
]
Trials = Annotated[int | None, typer.Option("--trials", metavar="N", help="How many trials at most, those of earlier runs included.")]
Metric = Annotated[str | None, typer.Option("--metric", metavar="NAME", help="What they are compared by; the loss on validation rows.")]
Direction = Annotated[str | None, typer.Option("--direction", metavar="WORD", help="minimize or maximize; a loss is minimized.")]
Parallel = Annotated[int | None, typer.Option("--parallel", metavar="K", help="How many run at once; 1 learns most from each.")]
DrawSeed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed draws the same values.")]
Prune = Annotated[str | None, typer.Option("--prune", metavar="WHEN", help="Stop poor trials early: auto, always or never.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write the best recipe as well (.toml or .yaml).")]
Resume = Annotated[str | None, typer.Option("--resume", metavar="ID", help="Go on with a sweep that was begun.")]
Show = Annotated[str | None, typer.Option("--show", metavar="ID", help="The trials of a sweep; asks nobody.")]
List = Annotated[bool, typer.Option("--list", help="The sweeps of this home.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check every value, say the first trials, and send nothing.")]
Recreate = Annotated[bool, typer.Option("--recreate", help="Give up a submit whose outcome is not known, and create anew.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Spend up to --max-cost without asking.")]


@app.command()
def sweep(
    context: typer.Context,
    source: given.RecipeOrData = None,
    *,
    space: Fields = None,
    trials: Trials = None,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Where to train.")] = None,
    max_cost: MaxCost = None,
    metric: Metric = None,
    direction: Direction = None,
    parallel: Parallel = None,
    seed: DrawSeed = 0,
    prune: Prune = None,
    out: Out = None,
    resume: Resume = None,
    show: Show = None,
    list_all: List = False,
    dry_run: DryRun = False,
    recreate: Recreate = False,
    yes: Yes = False,
) -> None:
    """Train a recipe with other settings, and find the best.

    The same command goes on where an earlier one was stopped; no job is made or paid for twice.
    """
    session = session_of(context)
    if list_all or show is not None:
        _look(session, show)
        return
    asked: dict[str, Any] = {"trials": trials, "max_cost_usd": usd(max_cost), "parallel": parallel, "prune": prune, "out": out}
    if resume is not None:
        wishes = _taken_up(session, resume, asked, recreate=recreate)
    else:
        recipe = given.read_recipe(source, given.RecipeFlags())
        where = given.provider_for(recipe, provider, client=session.client)
        wishes = _wished(recipe, where, space or [], asked, metric=metric, direction=direction, seed=seed, recreate=recreate)
    if dry_run:
        _say_dry(session, wishes)
        return
    _sweep(session, wishes, yes=yes)


def _wished(recipe: Any, provider: str, space: Sequence[str], asked: dict[str, Any], **more: Any) -> Wishes:
    from tuneport.sweeping.space import parse_space
    from tuneport.sweeping.wishes import Wishes

    if asked["trials"] is None:
        raise UsageError("it is not said how many trials there may be.", remedy="Add --trials N")
    said = {name: value for name, value in asked.items() if value is not None}
    return Wishes(recipe=recipe, provider=provider, space=parse_space(space), **said, **more)


def _taken_up(session: Session, name: str, asked: dict[str, Any], *, recreate: bool) -> Wishes:
    """What was wanted of a sweep before, with what is asked otherwise now."""
    from tuneport.recipe import Recipe
    from tuneport.sweeping.journal import find_sweep

    journal = find_sweep(session.client.settings.home, name, clock=session.client.clock)
    if journal.about("recipe") is None:
        raise UsageError(f"sweep {journal.id} is of rows in memory, and only the program that has them can go on with it.")
    wanted = journal.about("wanted")
    before = {**wanted, "max_cost_usd": Decimal(wanted["max_cost_usd"]) if wanted["max_cost_usd"] else None}
    before["out"] = Path(wanted["out"]) if wanted["out"] else None
    merged = {key: before[key] if asked[key] is None else asked[key] for key in asked}
    facts = {key: journal.about(key) for key in ("metric", "direction", "seed")}
    space = [f"{field}={values}" for field, values in journal.about("space").items()]
    return _wished(Recipe.parse(journal.about("recipe")), journal.about("provider"), space, merged, **facts, recreate=recreate)


def _sweep(session: Session, wishes: Wishes, *, yes: bool) -> None:
    from tuneport.sweeping.sweep import sweep as carry_out

    known: list[str] = []
    try:
        done = carry_out(wishes, client=session.client, confirm=_confirming(session, yes=yes), hear=_hearing(session, known))
    except KeyboardInterrupt:
        again = session.command("sweep", "--resume", known[0]) if known else ""
        remedy = f"Go on with it: {again}" if again else "Give the same command again to go on with it."
        raise Detached("stopped; trials that run go on.", remedy=remedy) from None
    _say_done(session, done)


def _confirming(session: Session, *, yes: bool) -> Confirm:
    def confirm(sentence: str) -> None:
        if yes:
            return
        if not session.can_ask:
            raise UsageError(f"{sentence} There is no terminal to confirm on; nothing was sent.", remedy="Add --yes to confirm.")
        session.out.say(sentence)
        typer.confirm("Go on?", abort=True)

    return confirm


def _hearing(session: Session, known: list[str]) -> Hear:
    """Says what happens; `known` gets the sweep's id."""

    def hear(heard: Heard) -> None:
        known.append(heard.sweep)
        if session.json:
            trial = trial_document(heard.trial) if heard.trial is not None else None
            session.out.record("trial" if trial else "note", {"sentence": heard.sentence, **({"trial": trial} if trial else {})})
        else:
            session.out.say(heard.sentence)
            session.out.stream.flush()

    return hear


def _say_dry(session: Session, wishes: Wishes) -> None:
    from tuneport.sweeping.trying import first_trials

    found = first_trials(wishes, client=session.client)
    if session.json:
        rows = [{"values": dict(each.values), "plan": each.plan.fingerprint, "most_usd": each.most_usd} for each in found.offers]
        facts = {"sweep": found.id, "metric": found.metric, "direction": found.direction, "combinations": found.combinations}
        session.out.document({**facts, "not_pruned": found.not_pruned, "first_trials": rows})
        return
    what = f"{found.combinations:,} combinations" if found.combinations is not None else "any number of combinations"
    session.out.say(f"Sweep {found.id} at {wishes.provider} by {found.metric} ({found.direction}), of {what}. The first trials would be:")
    names = list(wishes.space)
    drawn = [[*(_shown(each.values[name]) for name in names), _usd(each.most_usd)] for each in found.offers]
    session.out.table([*names, "quote up to"], drawn)
    session.out.say("Nothing was sent.")


def _say_done(session: Session, done: Swept) -> None:
    if session.json:
        session.out.record("sweep", swept_document(done))
        return
    print_trials(session, done.trials, metric=done.metric, direction=done.direction)
    out = session.out
    out.say()
    out.say(f"Best: {done.metric} {done.best.value:.6g} in trial {done.best.number + 1} ({done.best.job}).", style="good")
    out.say(f"Its recipe: {done.recipe}")
    if done.spent_usd:
        out.say(f"All trials together: up to {done.spent_usd:.2f} USD.")
    if done.why != "all trials are done":
        note(f"{done.why}.")


def print_trials(session: Session, trials: Sequence[Trial], *, metric: str, direction: str) -> None:
    """The trials, the best first, those without a result last."""
    sign = 1 if direction == "minimize" else -1
    names = list(trials[0].values) if trials else []
    measured = {each.number: each.value for each in trials if each.state == "succeeded"}

    def value(trial: Trial) -> float | None:
        return measured.get(trial.number if trial.same_as is None else trial.same_as)

    ordered = sorted(trials, key=lambda each: (value(each) is None, sign * (value(each) or 0.0), each.number))
    rows = []
    for each in ordered:
        varied = [_shown(each.values[name]) for name in names]
        rows.append([str(each.number + 1), *varied, _number(value(each)), _usd(_cost(each)), each.state, each.job or ""])
    session.out.table(["trial", *names, metric, "USD", "state", "job"], rows, right=(0,))


def _look(session: Session, name: str | None) -> None:
    from tuneport.sweeping.journal import all_sweeps, find_sweep

    home, clock = session.client.settings.home, session.client.clock
    if name is not None:
        journal = find_sweep(home, name, clock=clock)
        if session.json:
            session.out.document(journal_document(journal))
        else:
            print_trials(session, journal.trials, metric=journal.about("metric"), direction=journal.about("direction"))
        return
    found = all_sweeps(home, clock=clock)
    if session.json:
        session.out.document({"sweeps": [journal_document(each) for each in found]})
    elif not found:
        session.out.say("No sweep was begun here.")
    else:
        rows = [
            [each.id, each.about("provider"), each.about("metric"), str(len(each.trials)), ", ".join(each.about("space"))] for each in found
        ]
        session.out.table(["sweep", "provider", "metric", "trials", "varied"], rows, right=(3,))


# --- for scripts -----------------------------------------------------------------------------------------------------------------------


def trial_document(trial: Trial) -> dict[str, Any]:
    """A trial for scripts."""
    return {
        "trial": trial.number + 1,
        "values": dict(trial.values),
        "state": trial.state,
        "value": trial.value,
        "job": trial.job,
        "quoted_usd": trial.quoted_usd,
        "cost_usd": trial.cost_usd,
        "same_as": None if trial.same_as is None else trial.same_as + 1,
        "reason": trial.reason,
    }


def swept_document(done: Swept) -> dict[str, Any]:
    """A sweep that has ended, for scripts."""
    return {
        "id": done.id,
        "folder": done.folder,
        "metric": done.metric,
        "direction": done.direction,
        "why": done.why,
        "spent_usd": done.spent_usd,
        "best": trial_document(done.best),
        "recipe": done.recipe,
        "trials": [trial_document(each) for each in done.trials],
    }


def journal_document(journal: Journal) -> dict[str, Any]:
    """A sweep as it stands, for scripts."""
    names = ("provider", "space", "metric", "direction", "seed", "begun_at", "wanted", "ended")
    facts = {name: journal.about(name) for name in names}
    return {"id": journal.id, "folder": journal.folder, **facts, "trials": [trial_document(each) for each in journal.trials]}


def _cost(trial: Trial) -> Decimal | None:
    return trial.cost_usd if trial.cost_usd is not None else trial.quoted_usd


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _usd(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"
