"""The sweep as a value: what it varies, by what it compares, where it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import UsageError
from tuneport.provider import Capability
from tuneport.quoting.rules import rule_of
from tuneport.sweeping.best import refuse_target
from tuneport.sweeping.fields import one_at_a_time, settled
from tuneport.sweeping.journal import JOURNAL, Journal, alone, sweep_id, sweeps_in
from tuneport.sweeping.measured import Direction, direction_of, metric_of, steps_compare
from tuneport.sweeping.offers import bills, offer
from tuneport.sweeping.sampling import demand_optuna
from tuneport.sweeping.space import Space
from tuneport.sweeping.trial import Trial
from tuneport.sweeping.wishes import Confirm, Hear, Heard, Wishes

if TYPE_CHECKING:
    from tuneport.client import Client


@dataclass(frozen=True, slots=True)
class Checked:
    """A sweep that could begin. `not_pruned` is why trials are not stopped early; '' where some are."""

    wishes: Wishes
    id: str
    space: Space
    metric: str
    direction: Direction
    not_pruned: str


@dataclass(frozen=True, slots=True)
class Begun(Checked):
    """A sweep under way, held alone."""

    journal: Journal
    client: Client
    hear: Hear

    def say(self, sentence: str, trial: Trial | None = None) -> None:
        """Tells what happened."""
        self.hear(Heard(self.id, sentence, trial))


def checked(wishes: Wishes, *, client: Client) -> Checked:
    """The sweep, once every bound and choice has been planned: what the provider or the data do not allow is said before anything is sent.

    Raises UsageError for that, Unsupported without Optuna.
    """
    one = _described(wishes, client)
    for name, value, recipe in one_at_a_time(one.space, wishes.recipe):
        try:
            offer(recipe, {}, provider=wishes.provider, client=client, budget_usd=wishes.max_cost_usd)
        except UsageError as error:
            if type(error) is UsageError:
                raise  # about money
            raise type(error)(f"with {name} = {value}: {error.message}", remedy=error.remedy) from None
    return one


def _described(wishes: Wishes, client: Client) -> Checked:
    demand_optuna()
    metric = metric_of(wishes.recipe, wishes.metric)
    direction = direction_of(metric, wishes.direction)
    space = settled(wishes.space, wishes.recipe)
    name = sweep_id(_identity(wishes, space, metric, direction))
    if wishes.out is not None:
        refuse_target(wishes.out, name)
    return Checked(wishes, name, space, metric, direction, _not_pruned(wishes, space, client))


@contextmanager
def begun(wishes: Wishes, *, client: Client, confirm: Confirm, hear: Hear) -> Iterator[Begun]:
    """The sweep, checked, agreed to and held alone. Raises UsageError before anything is sent where a trial could not be."""
    found = _described(wishes, client)
    folder = sweeps_in(client.settings.home) / found.id
    if not (folder / JOURNAL).exists():
        checked(wishes, client=client)
        _agree_to_the_unknown(wishes, client, confirm)
    with alone(folder):
        journal = Journal(folder, clock=client.clock)
        one = Begun(wishes, found.id, found.space, found.metric, found.direction, found.not_pruned, journal, client, hear)
        if journal.about("begun_at") is None:
            identity = _identity(wishes, found.space, found.metric, found.direction)
            journal.note(begun_at=client.clock.now().isoformat(), **identity)
        _agree(one, confirm)
        journal.note(**_said(wishes))
        yield one


def _identity(wishes: Wishes, space: Space, metric: str, direction: Direction) -> dict[str, object]:
    return {
        "recipe_fingerprint": wishes.recipe.fingerprint,
        "provider": wishes.provider,
        "space": {name: str(each) for name, each in space.items()},
        "metric": metric,
        "direction": direction,
        "seed": wishes.seed,
    }


def _said(wishes: Wishes) -> dict[str, object]:
    """What another run may say otherwise, and what a run that is named by the sweep's id takes."""
    return {
        "recipe": None if wishes.recipe.train.in_memory else wishes.recipe.to_dict(),
        "wanted": {
            "trials": wishes.trials,
            "max_cost_usd": None if wishes.max_cost_usd is None else str(wishes.max_cost_usd),
            "parallel": wishes.parallel,
            "prune": wishes.prune,
            "out": None if wishes.out is None else str(wishes.out.absolute()),
        },
    }


def _agree_to_the_unknown(wishes: Wishes, client: Client, confirm: Confirm) -> None:
    """Agreed to before anything is written down, where a provider that sends no bills has these trials billed by another."""
    if wishes.max_cost_usd is None and client.plan(wishes.recipe, provider=wishes.provider).billed:
        confirm(f"Up to {wishes.trials} trials run on machines that a vendor bills, and nothing bounds what they cost (--max-cost).")


def _agree(one: Begun, confirm: Confirm) -> None:
    """A sentence with the worst case, agreed to once for each budget."""
    wishes, most = one.wishes, one.wishes.max_cost_usd
    if most is None or not bills(wishes.provider, one.client) or one.journal.about("agreed_usd") == str(most):
        return
    confirm(f"Up to {wishes.trials} trials at {wishes.provider} cost up to {most:.2f} USD together; each is quoted before it begins.")
    one.journal.note(agreed_usd=str(most))


def _not_pruned(wishes: Wishes, space: Space, client: Client) -> str:
    """Why no trial is stopped early; '' where some are."""
    if wishes.prune == "never":
        return "as wished"
    if not (support := client.trainer(wishes.provider).support(Capability.CANCEL)):
        return support.reason
    if not steps_compare(space):
        return "what is varied changes what a step is, so that trials do not compare before their end"
    rule = rule_of(wishes.provider, wishes.recipe.method.kind)
    if wishes.prune == "auto" and rule is not None and rule.failed == "not found":
        return f"what {wishes.provider} bills of a cancelled job is not known, so stopping one may save nothing; --prune always does it"
    return ""
