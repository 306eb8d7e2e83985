"""What asking a model costs, by the book: so many requests like these rows, and what stands to be paid beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport.model import Deployment, Model
from tuneport.plurals import counted
from tuneport.quote import Usage
from tuneport.quoting.wording import money_span
from tuneport.reference import as_chat
from tuneport.span import NOTHING, Span

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.dataset import Dataset
    from tuneport.evaluate import Contender
    from tuneport.quote import Quote

_REQUESTS = 1000


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests to one model. `cost` is in USD; None where it is not known."""

    who: str
    provider: str
    requests: int
    cost: Span | None

    @property
    def sentence(self) -> str:
        """`20 answers of the old model at openai for about 0.01 USD`."""
        what = f"{counted(self.requests, 'answer')} of {self.who} at {self.provider}"
        if self.cost == NOTHING:
            return f"{what}: nothing to pay"
        return f"{what} for {dollars(self.cost)}" if self.cost is not None else f"{what} at a cost that is not known"


def asking_cost(who: str, rows: Dataset, requests: int, *, most_tokens: int, provider: str, base: str | None, client: Client) -> Asking:
    """What so many requests like `rows` to a tune of `base` cost, by the dearest tier: from answers as in the rows to answers that are cut
    off after `most_tokens`, since a model that has learned nothing talks on."""
    if requests == 0:
        return Asking(who, provider, requests, NOTHING)
    usual, most = (
        running(rows, provider=provider, base=base, client=client, output_tokens=tokens).thousand for tokens in (None, most_tokens)
    )
    if usual is None or most is None:
        return Asking(who, provider, requests, None)
    thousand = Span(usual.low, usual.likely, max(usual.high, most.high))
    return Asking(who, provider, requests, thousand * (requests * Decimal("0.001")))


def dearest(quotes: Sequence[Quote], cost: Callable[[Quote], Span | None]) -> Span | None:
    """In USD; None where that of one quote is not known, or there is no quote."""
    found = [NOTHING if not quote.billed else cost(quote) if quote.currency == "USD" else None for quote in quotes]
    known = [span for span in found if span is not None]
    return max(known, key=lambda span: span.high) if known and len(known) == len(found) else None


def evaluation_costs(contenders: Iterable[Contender], rows: Dataset, *, most_tokens: int, client: Client) -> tuple[Asking, ...]:
    """What the requests of an evaluation cost, each contender's by itself."""
    count = rows.count()
    return tuple(
        asking_cost(
            each.name,
            rows if each.system is None else rows.changed(partial(as_chat, system=each.system)),
            count,
            most_tokens=most_tokens,
            provider=each.model.provider,
            base=_base(each.model),
            client=client,
        )
        for each in contenders
    )


def _base(model: Model | Deployment) -> str | None:
    return None if isinstance(model, Deployment) else model.base or model.id


@dataclass(frozen=True, slots=True)
class Running:
    """What a tune costs while it is used, in USD: 1,000 requests, and what is paid each month whatever is asked. None is not known."""

    thousand: Span | None
    standing: Span | None

    @property
    def note(self) -> str:
        """What is to be known of the price of requests."""
        said = ["tokens as in the rows"] if self.thousand not in (None, NOTHING) else []
        if self.standing not in (None, NOTHING):
            said.append(f"beside {dollars(self.standing)} a month for as long as it is deployed")
        return ", ".join(said)


def running(rows: Dataset, *, provider: str, base: str | None, client: Client, output_tokens: int | None = None) -> Running:
    """Of a tune of `base` that is asked requests like `rows`, by the dearest tier; answers are as in the rows, or of so many tokens."""
    if not bills(provider, client):
        return Running(NOTHING, NOTHING)
    try:
        quotes = client.quote(rows, base=base, providers=[provider], usage=Usage(_REQUESTS, output_tokens=output_tokens))
    except TuneportError:
        return Running(None, None)
    return Running(dearest(quotes, lambda quote: quote.thousand_requests), standing_each_month(quotes))


def standing_each_month(quotes: Sequence[Quote]) -> Span | None:
    """What stands to be paid each month for a deployment, whatever is asked; None where nothing is known, or nothing is to be paid."""
    found = [quote.standing for quote in quotes if quote.standing is not None and quote.standing != NOTHING]
    return max(found, key=lambda span: span.high) if found else None


def bills(provider: str, client: Client) -> bool:
    """One that cannot be loaded may well send a bill."""
    return all(info.bills for info in client.providers() if info.name == provider and info.problem is None)


def dollars(span: Span | None) -> str:
    """`1.20 USD`, `0.90-1.20 USD`, or that it is not known."""
    return "an unknown sum" if span is None else f"{money_span(span)} USD"
