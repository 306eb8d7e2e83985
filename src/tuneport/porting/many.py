"""Carrying several tunes under one budget: each with its own journal, all jobs at once, and none that fails keeps another from going on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tuneport.asking_costs import dollars
from tuneport.errors import RegistryError, TuneportError, UsageError
from tuneport.job import Job, JobState
from tuneport.porting.port import Ported, Prepared, begin, finish, prepare, working
from tuneport.porting.quoting import more_to_ask, spent_usd
from tuneport.porting.submitting import followed
from tuneport.porting.wishes import Confirm, Consent, Hear, Tell, Wishes, tell_nobody
from tuneport.span import NOTHING, Span, total

if TYPE_CHECKING:
    from tuneport.client import Client

FollowAll = Callable[[Sequence[Job]], Sequence[Job]]


@dataclass(slots=True)
class Outcome:
    """What became of one of them: `error` says why it was not carried, or not to its end."""

    named: str
    prepared: Prepared | None = None
    job: Job | None = None
    ported: Ported | None = None
    error: TuneportError | None = None


@dataclass(frozen=True, slots=True)
class _Shared:
    """How all of them are carried."""

    wishes: Wishes
    client: Client
    confirm: Confirm
    hear: Callable[[str], Hear]
    tell: Tell
    outcomes: list[Outcome] = field(default_factory=list)

    def going_on(self) -> list[tuple[Outcome, Prepared]]:
        """Those that nothing has stopped."""
        return [(each, each.prepared) for each in self.outcomes if each.error is None and each.prepared is not None]


def tuned_jobs(provider: str, *, client: Client) -> list[str]:
    """The URIs of all jobs there that have a tuned model, the youngest first, also of those that were submitted elsewhere."""
    client.sync(provider=provider, adopt_all=True)
    return [job.uri for job in client.registry.jobs(provider=provider) if job.state is JobState.SUCCEEDED and job.provider_id is not None]


def port_many(
    names: Sequence[str],
    wishes: Wishes,
    *,
    client: Client,
    confirm: Confirm,
    hear: Callable[[str], Hear],
    follow: FollowAll | None = None,
    tell: Tell = tell_nobody,
) -> list[Outcome]:
    """One outcome a name, in order. `wishes.max_cost_usd` bounds all of them together: the cheapest go first, and those that do not fit
    have a UsageError as their outcome. The consent to the cost is asked for once."""
    if any(rows is not None for rows in (wishes.prompts, wishes.train, wishes.validation)):
        raise UsageError("rows of one's own are of one tune, and several are named.", remedy="Carry that one by itself.")
    shared = _Shared(wishes, client, confirm, hear, tell)
    with ExitStack() as held:
        _prepare(shared, names, held)
        fitting = _within_budget(shared)
        if wishes.dry_run:
            return shared.outcomes
        _agree(shared, fitting)
        _each(shared, lambda each, prepared: setattr(each, "job", begin(prepared)))
        _follow(shared, follow or client.wait_all)
        _each(shared, _finish)
    return shared.outcomes


def _prepare(shared: _Shared, names: Iterable[str], held: ExitStack) -> None:
    for name in dict.fromkeys(names):
        outcome = Outcome(name)
        shared.outcomes.append(outcome)
        wishes = replace(shared.wishes, max_cost_usd=None)
        try:
            confirm, hear = _confirmed(shared), shared.hear(name)
            entered = working(name, wishes, client=shared.client, confirm=confirm, hear=hear, follow=None, tell=shared.tell)
            work, found = held.enter_context(entered)
            outcome.prepared = prepare(found, work=work)
        except RegistryError:
            raise
        except TuneportError as error:
            outcome.error = error


def _confirmed(shared: _Shared) -> Confirm:
    """Money for training and answers is agreed to once for all; whatever else is asked for each."""

    def confirm(consent: Consent) -> None:
        if consent.what != "train":
            shared.confirm(consent)

    return confirm


def _within_budget(shared: _Shared) -> list[tuple[Prepared, Span | None]]:
    """Those to be submitted that fit under the budget, and what each costs; what is submitted already counts first."""
    costs = sorted(((each, prepared, _cost(prepared)) for each, prepared in shared.going_on()), key=_cheapest_first)
    most = shared.wishes.max_cost_usd
    left = None if most is None else _left(most, [prepared for _, prepared, _ in costs])
    fitting: list[tuple[Prepared, Span | None]] = []
    for each, prepared, cost in costs:
        if most is not None:
            each.error = _over(each.named, prepared, cost, left=left, most=most)
        if each.error is None and prepared.costs is not None:
            fitting.append((prepared, cost))
        if each.error is None and left is not None and cost is not None:
            left -= cost.high
    return fitting


def _cost(prepared: Prepared) -> Span | None:
    """What has yet to be paid: all of it, or where the job is there already, answers to other rows than were agreed to."""
    if prepared.costs is not None:
        return prepared.costs.all
    more = more_to_ask(prepared.source, prepared.mapped, prepared.comparison, work=prepared.work)
    return NOTHING if more is None else more.answers


def _cheapest_first(one: tuple[Outcome, Prepared, Span | None]) -> tuple[bool, Decimal]:
    """Those whose job is there before the others."""
    _, prepared, cost = one
    return prepared.costs is not None, cost.high if cost else Decimal(0)


def _left(most: Decimal, prepared: Iterable[Prepared]) -> Decimal | None:
    """Of the budget, after what was submitted before; None where nobody knows what that has cost."""
    spent = [spent_usd(each.work) for each in prepared if each.costs is None]
    return None if None in spent else most - sum(filter(None, spent), Decimal(0))


def _over(named: str, prepared: Prepared, cost: Span | None, *, left: Decimal | None, most: Decimal) -> UsageError | None:
    """Why it does not fit under the budget, if so."""
    if cost == NOTHING:
        return None
    done = "it was not carried" if prepared.costs is not None else "nobody was asked, and its job goes on"
    if cost is None or (prepared.costs is not None and any(quote.epochs_assumed for quote in prepared.costs.quotes)):
        return UsageError(f"what {named} costs is not known, so it cannot be kept under {most} USD; {done}.")
    if left is None:
        return UsageError(f"what was submitted before has cost nobody knows how much, so nothing more fits under {most} USD; {done}.")
    return UsageError(f"{named} costs {dollars(cost)}, and {left:.2f} of {most} USD are left; {done}.") if cost.high > left else None


def _agree(shared: _Shared, fitting: Sequence[tuple[Prepared, Span | None]]) -> None:
    known = [cost for _, cost in fitting if cost is not None]
    whole = total(known) if len(known) == len(fitting) else None
    if whole != NOTHING:
        sentence = f"carrying {len(fitting)} of {len(shared.outcomes)} tunes to {shared.wishes.to} costs {dollars(whole)}."
        shared.confirm(Consent("train", sentence, "Go on?", "Add --yes to confirm, and --max-cost USD to bound it."))


def _each(shared: _Shared, step: Callable[[Outcome, Prepared], object]) -> None:
    for each, prepared in shared.going_on():
        try:
            step(each, prepared)
        except TuneportError as error:
            each.error = error


def _follow(shared: _Shared, follow: FollowAll) -> None:
    going_on = shared.going_on()
    jobs = {each.job.uri: each.job for each, _ in going_on if each.job is not None}
    ended = {job.uri: job for job in follow(list(jobs.values()))} if jobs else {}
    for each, _ in going_on:
        if each.job is not None:
            each.job = ended.get(each.job.uri, each.job)


def _finish(each: Outcome, prepared: Prepared) -> None:
    if each.job is not None:
        ended = each.job
        work = replace(prepared.work, follow=lambda _: ended)
        each.ported = finish(replace(prepared, work=work), followed(ended, work=work))
