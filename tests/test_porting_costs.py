"""What the answers of a port cost at most: as many tokens as may be asked for, and not as many as somebody hopes for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuneport.asking_costs import asking_cost
from tuneport.client import Client
from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message
from tuneport.porting.journal import Journal
from tuneport.porting.outputs import rows_from_outputs
from tuneport.porting.source import Source
from tuneport.porting.wishes import Told, Wishes, agreeing
from tuneport.porting.work import Work
from tuneport.quote import Usage
from tuneport.settings import Settings

pytest.importorskip("tuneport_openai")
BASE = "gpt-4.1-2025-04-14"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(settings=Settings(home=tmp_path))


def labelled(count: int) -> Dataset:
    """Rows whose answers are a word each."""
    return Dataset.from_examples(
        ChatExample((Message("user", f"Where is the card that I ordered {n} weeks ago?"), Message("assistant", "ok"))) for n in range(count)
    )


def asked(count: int) -> Dataset:
    """The same questions without answers."""
    return Dataset.from_examples(ChatExample(row.messages[:1]) for row in labelled(count) if isinstance(row, ChatExample))


def test_answers_cost_at_most_what_they_do_when_a_model_talks_on_until_it_is_cut_off(client: Client) -> None:
    rows = labelled(100)
    found = asking_cost("the old model", rows, 100, most_tokens=1024, provider="openai", base=BASE, client=client).cost
    (most,) = client.quote(rows, base=BASE, providers=["openai"], usage=Usage(1000, output_tokens=1024))
    assert found is not None
    assert most.thousand_requests is not None
    assert found.high == most.thousand_requests.high / 10
    assert found.high > 50 * found.likely


def test_answers_to_learn_from_cost_at_most_what_the_longest_do_whatever_the_prompts_look_like(client: Client, tmp_path: Path) -> None:
    said = []
    for name, rows in (("answered", labelled(100)), ("asked", asked(100))):
        heard: list[Told] = []
        wishes = Wishes(to="local", prompts=rows, dry_run=True)
        journal = Journal(tmp_path / name, about={}, now=client.clock.now)
        work = Work(client, journal, wishes, agreeing("terms", "ask"), heard.append, client.wait)
        assert rows_from_outputs(Source("openai:x", "openai", model="openai:ft:x", base=BASE), work=work) is None
        said += [line for told in heard for line in told.lines]
    assert len(set(said)) == 1
    (most,) = client.quote(labelled(100), base=BASE, providers=["openai"], usage=Usage(1000, output_tokens=1024))
    assert most.thousand_requests is not None
    assert f"{most.thousand_requests.high / 10:.1f}" in said[0]


def test_nobody_sends_a_bill_for_no_answers(client: Client) -> None:
    cost = asking_cost("the old model", labelled(3), 0, most_tokens=9, provider="openai", base=BASE, client=client).cost
    assert cost is not None
    assert cost.high == 0
