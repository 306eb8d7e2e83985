"""Carrying out a sweep: draw, quote, submit, follow, measure, until there are enough trials or no more money; each job once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import JobFailed, UsageError
from tuneport.sweeping.begun import Begun, begun
from tuneport.sweeping.best import write_best
from tuneport.sweeping.fields import with_values
from tuneport.sweeping.following import follow
from tuneport.sweeping.offers import Offer, offer
from tuneport.sweeping.sampling import suggest, write_study
from tuneport.sweeping.submitting import begin, take_up
from tuneport.sweeping.trial import LIVE, WAITING, Trial, spent_usd
from tuneport.sweeping.wishes import Confirm, Hear, Wishes

if TYPE_CHECKING:
    from tuneport.client import Client

_OTHER_DRAWS = 5
"""So many other values are quoted where the first do not fit into what is left of the budget."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that has come to its end: `why` says what ended it. `best` is the trial whose recipe lies at `recipe`."""

    id: str
    folder: Path
    metric: str
    direction: str
    trials: tuple[Trial, ...]
    best: Trial
    recipe: Path
    spent_usd: Decimal
    why: str


def sweep(wishes: Wishes, *, client: Client, confirm: Confirm, hear: Hear = lambda _: None) -> Swept:
    """Carries out the sweep. The same call goes on where an earlier one was stopped; more trials or a larger budget go on with it too.

    Raises JobFailed where every trial has failed, UsageError where none can be measured, and what `Client.submit` raises.
    """
    with begun(wishes, client=client, confirm=confirm, hear=hear) as one:
        if one.not_pruned:
            one.say(f"trials are not stopped early: {one.not_pruned}.")
        take_up(one)
        try:
            why = _carry_out(one)
        finally:
            write_study(one.journal.folder, one.journal.trials, one.space, direction=one.direction, name=one.journal.id)
        return _ended(one, why)


def _carry_out(one: Begun) -> str:
    """Runs trials until there are enough; why there are no more."""
    while True:
        why = _fill(one)
        live = _live(one)
        if not live:
            return why or "all trials are done"
        follow(live, one=one, more_to_begin=not why)
        _refuse_unmeasured(one)


def _fill(one: Begun) -> str:
    """Begins trials while there is room; why there will be no more, '' while there may be."""
    while len(_live(one)) < one.wishes.parallel:
        waiting = next((each for each in one.journal.trials if each.state in WAITING), None)
        drawn = _again(one, waiting) if waiting is not None else _next(one)
        if isinstance(drawn, str):
            return drawn
        trial, found = drawn
        if trial.state in WAITING and _above(one, trial, found):
            return f"what is begun already leaves nothing of {one.wishes.max_cost_usd} USD"
        if trial.state != "same" and not begin(trial, found, one=one):
            return ""
    return ""


def _live(one: Begun) -> list[Trial]:
    return [each for each in one.journal.trials if each.state in LIVE]


def _again(one: Begun, trial: Trial) -> tuple[Trial, Offer]:
    """A trial that an earlier run has drawn and that has no job yet."""
    return trial, offer(
        one.wishes.recipe, trial.values, provider=one.wishes.provider, client=one.client, budget_usd=one.wishes.max_cost_usd
    )


def _next(one: Begun) -> tuple[Trial, Offer] | str:
    """A new trial, written down; or why there is none."""
    if len(one.journal.trials) >= one.wishes.trials:
        return "all trials are done"
    refused: list[dict[str, object]] = []
    while len(refused) <= _OTHER_DRAWS:
        values = suggest(one.journal.trials, one.space, direction=one.direction, seed=one.wishes.seed, refused=refused)
        if values is None:
            break
        found = offer(one.wishes.recipe, values, provider=one.wishes.provider, client=one.client, budget_usd=one.wishes.max_cost_usd)
        twin = next((each for each in one.journal.trials if each.plan == found.plan.fingerprint), None)
        if twin is not None or _fits(one, found):
            return _kept(one, found, twin), found
        refused.append(values)
    if not refused:
        return "every combination has been tried"
    return f"nothing more fits into what is left of {one.wishes.max_cost_usd} USD"


def _fits(one: Begun, found: Offer) -> bool:
    most = one.wishes.max_cost_usd
    return most is None or found.most_usd is None or spent_usd(one.journal.trials) + found.most_usd <= most


def _above(one: Begun, trial: Trial, found: Offer) -> bool:
    """Whether a trial that was drawn before is too dear by now: the budget or its price is another one."""
    others = [each for each in one.journal.trials if each.number != trial.number]
    most = one.wishes.max_cost_usd
    return most is not None and found.most_usd is not None and spent_usd(others) + found.most_usd > most


def _kept(one: Begun, found: Offer, twin: Trial | None) -> Trial:
    trial = Trial(len(one.journal.trials), dict(found.values), found.plan.fingerprint, found.plan.scope, quoted_usd=found.most_usd)
    if twin is not None:
        first = twin.same_as if twin.same_as is not None else twin.number
        trial = replace(trial, state="same", same_as=first, job=twin.job, reason=f"the very plan of trial {first + 1}")
    one.journal.keep(trial)
    if twin is not None:
        one.say(f"trial {trial.number + 1} is {trial.reason} and is not trained again", trial)
    return trial


# --- the end ---------------------------------------------------------------------------------------------------------------------------


def _refuse_unmeasured(one: Begun) -> None:
    """Nothing more is paid for while nothing can be compared."""
    without = next((each for each in one.journal.trials if each.state == "unmeasured"), None)
    if without is not None and not any(each.state == "succeeded" for each in one.journal.trials):
        raise UsageError(f"{without.reason}; nothing more was begun.", remedy="Name one of them: --metric NAME; no job is paid for twice.")


def _ended(one: Begun, why: str) -> Swept:
    trials, best = one.journal.trials, best_of(one.journal.trials, one.direction)
    if best is None:
        raise _nothing(trials)
    recipe = with_values(one.wishes.recipe, best.values)
    written = [one.journal.folder / "best.toml", *([one.wishes.out] if one.wishes.out is not None else [])]
    for path in written:
        write_best(path, recipe, best, sweep=one.journal.id, metric=one.metric, trials=len(trials))
    done = Swept(one.journal.id, one.journal.folder, one.metric, one.direction, tuple(trials), best, written[-1], spent_usd(trials), why)
    one.journal.note(ended=why, best=best.number)
    return done


def _nothing(trials: list[Trial]) -> JobFailed:
    if not trials:
        return JobFailed("no trial was begun: none fits into the budget.", remedy="Raise --max-cost.")
    reasons = next((each.reason for each in trials if each.reason), "")
    pruned = sum(each.state == "pruned" for each in trials)
    what = "no trial came to its end" if pruned else f"all {len(trials)} trials failed" if len(trials) > 1 else "the only trial failed"
    return JobFailed(f"{what}; the first: {reasons}" if reasons else f"{what}.", remedy="See: tuneport jobs list")


def best_of(trials: list[Trial], direction: str) -> Trial | None:
    """The trial with the best value, the earlier one of equals; None where none has one."""
    measured = [each for each in trials if each.state == "succeeded" and each.value is not None]
    sign = 1 if direction == "minimize" else -1
    return min(measured, key=lambda each: (sign * (each.value or 0.0), each.number), default=None)
