"""Training rows made of the old model's answers, where the rows it learned from are gone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tuneport.asking_costs import Asking, asking_cost
from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Example, Message
from tuneport.porting.asking import Questions, ask
from tuneport.porting.deploying import standing
from tuneport.porting.source import Source
from tuneport.porting.wishes import Consent
from tuneport.porting.work import Work
from tuneport.provider import Generation
from tuneport.reference import as_chat
from tuneport.span import NOTHING

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.parity.rows import Said

LONGEST = Generation(max_tokens=1024)
ROWS = "from-outputs.jsonl"


def rows_from_outputs(source: Source, *, work: Work) -> Dataset | None:
    """The prompts with what the old model says to them, each asked once, after terms and price were agreed to.

    Answers that failed or were cut off are left out and counted. None in a dry run, which says the price and asks nothing.

    Raises UsageError where nobody is known to ask, and what its server raises.
    """
    from tuneport.dataset import Dataset

    path = work.folder / "data" / ROWS
    if not work.journal.done("outputs"):
        prompts = work.wishes.prompts
        if source.model is None or prompts is None:
            raise UsageError(f"the tuned model of {source.uri} is not known, so nobody can be asked.", remedy="Name the model itself.")
        rows = [_question(row) for row in prompts]
        price = _price(source, rows, work)
        if work.wishes.dry_run:
            work.say("outputs", f"to ask first: {price.sentence}", facts={"requests": len(rows)})
            return None
        _agree(source, price, work)
        target = partial(standing, source.model, client=work.client)
        said = ask(Questions("outputs", source.model, rows, LONGEST), work.asker("the old model, to learn from", target))
        made = list(_learned(rows, said))
        if not made:
            raise UsageError(f"none of {len(rows):,} answers of {source.model} can be learned from.", remedy="Ask other prompts.")
        Dataset.from_examples(made).write(path, format="canonical")
        left_out = len(rows) - len(made)
        lines = (f"{len(made):,} rows from answers of {source.model}", f"left out: {left_out:,} without a whole answer" if left_out else "")
        work.journal.finish("outputs", {"rows": len(made), "left_out": left_out, "model": source.model, "usd_most": most_usd(price)})
        work.say("outputs", *lines, facts={"rows": len(made), "left_out": left_out})
    return Dataset.read(path, format="canonical")


def _price(source: Source, rows: list[ChatExample], work: Work) -> Asking:
    """How long the answers are, nobody knows: from a token each to as many as are asked for."""
    from tuneport.dataset import Dataset

    answered = [msgspec.structs.replace(row, messages=(*row.messages, Message("assistant", "."))) for row in rows]
    asked = Dataset.from_examples(answered, name="prompts")
    cost = partial(asking_cost, most_tokens=LONGEST.max_tokens, provider=source.provider, base=source.base, client=work.client)
    return cost("the old model", asked, len(rows))


def most_usd(price: Asking) -> str | None:
    """What the answers cost at most; None where nobody knows."""
    return None if price.cost is None else f"{price.cost.high:f}"


def _agree(source: Source, price: Asking, work: Work) -> None:
    who = source.provider
    work.agree(
        Consent(
            "terms",
            f"the terms of {who} say what the answers of its models may be used for; training another model on them may be forbidden, and "
            "it is for you to know whether your contract allows it.",
            "Do the terms allow you to train on these answers?",
            "Read them, then add --accept-terms.",
        )
    )
    most = work.wishes.max_cost_usd
    if most is not None and (price.cost is None or price.cost.high > most):
        raise UsageError(f"{price.sentence}: not under the {most} USD allowed; nothing was asked.")
    if price.cost != NOTHING:
        sentence = f"asking costs money: {price.sentence}."
        work.agree(Consent("ask", sentence, "Ask for them?", "Add --yes to confirm, and --max-cost USD to bound it."))


def _question(row: Example) -> ChatExample:
    """The row without the answer that it may have."""
    chat = as_chat(row)
    asked = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
    return msgspec.structs.replace(chat, messages=asked)


def _learned(rows: list[ChatExample], said: list[Said]) -> Iterator[ChatExample]:
    for row, answer in zip(rows, said, strict=True):
        if answer.text and answer.prediction.finish == "stop":
            yield msgspec.structs.replace(row, messages=(*row.messages, Message("assistant", answer.text)))
