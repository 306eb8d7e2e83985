"""`--max-cost`: nothing is sent where the upper bound of the quote is above what is allowed, or where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from desks import ScriptedWire
from quoted_jobs import a_job, all_quoted, heard_row, quoted, rows

from tuneport import Client, Dataset, Recipe
from tuneport.billing import refuse_above
from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Message
from tuneport.provider import Provider
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.settings import Settings
from tuneport.span import Span
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer, fake_provider

FILE = rows({1_000: 1_000})


class Estimator(FakeTrainer):
    """A trainer that quotes what it is told to."""

    told = Quote("fake", "fake-small", ())

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        return replace(self.told, usage=usage)


def hours(low: str, likely: str, high: str) -> Quote:
    """So many hours, at one USD each."""
    span = Span(Decimal(low), Decimal(likely), Decimal(high))
    return Quote("fake", "fake-small", (QuoteLine("training", span, "hour", Decimal(1)),))


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(SimulatedClock())


@pytest.fixture
def trainer(cloud: FakeCloud, wire: ScriptedWire) -> Estimator:
    return Estimator(cloud, names="provider", name="fake", wire=wire)


@pytest.fixture
def client(cloud: FakeCloud, wire: ScriptedWire, trainer: Estimator, tmp_path: Path) -> Iterator[Client]:
    provider: Provider = replace(fake_provider(cloud, wire=wire), open_trainer=lambda settings: trainer)
    with Client(settings=Settings(home=tmp_path / "home"), clock=cloud.clock, providers=[provider]) as opened:
        yield opened


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    path = tmp_path / "rows.jsonl"
    Dataset.from_examples(ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)).write(path)
    return Recipe(base="fake-small", train=Dataset.read(path))


def test_a_job_whose_upper_bound_is_above_the_limit_is_refused_before_anything_is_sent(
    client: Client, cloud: FakeCloud, wire: ScriptedWire, trainer: Estimator, recipe: Recipe
) -> None:
    trainer.told = hours("1", "2", "5.01")
    with pytest.raises(UsageError, match=r"up to 5\.01 USD, above the 5 USD allowed; nothing was sent"):
        client.submit(recipe, provider="fake", max_cost_usd=Decimal(5))
    assert wire.sent == []
    assert (cloud.jobs, client.registry.jobs(), client.registry.intents()) == ({}, [], [])


def test_a_job_whose_upper_bound_is_the_limit_is_submitted(client: Client, cloud: FakeCloud, trainer: Estimator, recipe: Recipe) -> None:
    trainer.told = hours("1", "2", "5")
    client.submit(recipe, provider="fake", max_cost_usd=Decimal(5))
    assert len(cloud.jobs) == 1


def test_without_a_limit_no_quote_is_asked_for(client: Client, cloud: FakeCloud, trainer: Estimator, recipe: Recipe) -> None:
    trainer.told = hours("1000", "2000", "5000")
    client.submit(recipe, provider="fake")
    assert len(cloud.jobs) == 1


@pytest.mark.parametrize(
    "line",
    [
        QuoteLine("training", None, "hour", Decimal(1)),
        QuoteLine("training", Span.exactly(1), "hour", None),
        QuoteLine("training", Span.exactly(1), "hour", Decimal(1), currency="EUR"),
    ],
)
def test_a_job_whose_cost_in_usd_is_not_known_is_refused(
    client: Client, wire: ScriptedWire, trainer: Estimator, recipe: Recipe, line: QuoteLine
) -> None:
    trainer.told = Quote("fake", "fake-small", (line,))
    with pytest.raises(UsageError, match="cost at fake is not known"):
        client.submit(recipe, provider="fake", max_cost_usd=Decimal(1_000_000))
    assert wire.sent == []


def test_a_quote_that_could_not_be_made_allows_nothing(client: Client, wire: ScriptedWire, trainer: Estimator, recipe: Recipe) -> None:
    trainer.told = Quote("fake", "fake-small", (), availability="unavailable", why="nobody knows")
    with pytest.raises(UsageError, match="is not known"):
        client.submit(recipe, provider="fake", max_cost_usd=Decimal(1_000_000))
    assert wire.sent == []


def test_ones_own_machine_costs_nothing_that_could_be_refused(client: Client, cloud: FakeCloud, trainer: Estimator, recipe: Recipe) -> None:
    trainer.told = Quote("fake", "fake-small", (QuoteLine("time", Span.exactly(1), "hour", None),), billed=False)
    client.submit(recipe, provider="fake", max_cost_usd=Decimal(0))
    assert len(cloud.jobs) == 1


# --- quotes from the book ----------------------------------------------------------------------------------------------------------------


def test_epochs_left_to_the_provider_have_no_bound() -> None:
    with pytest.raises(UsageError, match="openai is to choose the number of epochs") as refusal:
        refuse_above(Decimal(1_000_000), [quoted(a_job(FILE, base="gpt-4.1-mini", epochs=None), "openai")])
    assert "--epochs" in str(refusal.value.remedy)
    refuse_above(Decimal(15), [quoted(a_job(FILE, base="gpt-4.1-mini", epochs=3), "openai")])
    with pytest.raises(UsageError, match=r"up to 15\.00 USD, above the 14\.99 USD"):
        refuse_above(Decimal("14.99"), [quoted(a_job(FILE, base="gpt-4.1-mini", epochs=3), "openai")])


def test_what_is_billed_beside_the_quote_has_no_bound() -> None:
    with pytest.raises(UsageError, match="the teacher's answers are billed beside what can be quoted"):
        refuse_above(Decimal(1000), [hours("1", "1", "1")], unquoted=["the teacher's answers"])


def test_of_several_tiers_the_dearest_counts() -> None:
    both = all_quoted(a_job(FILE, base="gpt-4.1-mini"), "azure")
    refuse_above(Decimal("0.60"), both)
    with pytest.raises(UsageError, match=r"up to 0\.60 USD"):
        refuse_above(Decimal("0.50"), both)


def test_validation_that_may_be_billed_counts() -> None:
    job = a_job(FILE, base="gpt-4.1-mini", validation=rows({1_000: 100}))
    refuse_above(Decimal("5.50"), [quoted(job, "openai")])
    with pytest.raises(UsageError, match=r"up to 5\.50 USD"):
        refuse_above(Decimal("5.49"), [quoted(job, "openai")])


def test_the_dearest_of_contradicting_prices_and_minimums_counts() -> None:
    with pytest.raises(UsageError, match=r"up to 3\.00 USD"):
        refuse_above(Decimal("2.99"), [quoted(a_job(FILE, base="gpt-4.1"), "azure", tier="global")])
    both = [heard_row("together", "*", "job minimum", price) for price in ("4", "9")]
    with pytest.raises(UsageError, match=r"up to 9\.00 USD"):
        refuse_above(Decimal("8.99"), [quoted(a_job(rows({10: 10}), base="Qwen/Qwen3-14B"), "together", *both)])


def test_what_is_paid_by_the_month_is_not_of_the_job() -> None:
    refuse_above(Decimal(5), [quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage(10**9, 500, 100)), "openai")])


def test_reinforcement_of_unknown_length_is_refused() -> None:
    job = a_job(rows({100: 10}, kind="prompt"), base="o4-mini", method="grpo")
    with pytest.raises(UsageError, match="cost at azure is not known"):
        refuse_above(Decimal(1_000_000), [quoted(job, "azure")])
    refuse_above(Decimal(400), [quoted(replace(job, training_hours=Decimal(4)), "azure")])
