"""What a port costs: the training, and asking each model the rows they are compared on. What is not known is not taken for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tuneport.billing import refuse_above
from tuneport.errors import TuneportError, UsageError
from tuneport.parity.wording import counted
from tuneport.quote import Usage
from tuneport.quoting.wording import money_span
from tuneport.span import NOTHING, Span, total

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.dataset import Dataset
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


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one port. `quotes` are of the training at the destination, one for each price tier."""

    quotes: tuple[Quote, ...]
    asking: tuple[Asking, ...]

    @property
    def training(self) -> Span | None:
        """In USD, of the dearest tier; None where it is not known."""
        return _dearest(self.quotes, lambda quote: quote.once)

    @property
    def answers(self) -> Span | None:
        """All asking, in USD."""
        known = [each.cost for each in self.asking if each.cost is not None]
        return total(known) if len(known) == len(self.asking) else None

    @property
    def all(self) -> Span | None:
        """Training and asking."""
        return None if self.training is None or self.answers is None else self.training + self.answers

    @property
    def free(self) -> bool:
        """Whether nobody sends a bill."""
        return self.all == NOTHING

    def refuse_above(self, most_usd: Decimal) -> None:
        """Raises UsageError where the upper bound of all is above `most_usd`, or there is none."""
        refuse_above(most_usd, self.quotes)
        if self.answers is None:
            unknown = next(each for each in self.asking if each.cost is None)
            raise UsageError(
                f"what {unknown.sentence.removesuffix(' at a cost that is not known')} cost is not known, so that all of it cannot be kept "
                f"under {most_usd} USD.",
                remedy="Leave the comparison out: --ask 0",
            )
        whole = self.all
        if whole is not None and whole.high > most_usd:
            raise UsageError(f"training and asking cost up to {whole.high:.2f} USD, above the {most_usd} USD allowed; nothing was sent.")


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


def _dearest(quotes: Sequence[Quote], cost: Callable[[Quote], Span | None]) -> Span | None:
    """In USD; None where that of one quote is not known, or there is no quote."""
    found = [NOTHING if not quote.billed else cost(quote) if quote.currency == "USD" else None for quote in quotes]
    known = [span for span in found if span is not None]
    return max(known, key=lambda span: span.high) if known and len(known) == len(found) else None


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
    if not _bills(provider, client):
        return Running(NOTHING, NOTHING)
    try:
        quotes = client.quote(rows, base=base, providers=[provider], usage=Usage(_REQUESTS, output_tokens=output_tokens))
    except TuneportError:
        return Running(None, None)
    return Running(_dearest(quotes, lambda quote: quote.thousand_requests), standing_each_month(quotes))


def standing_each_month(quotes: Sequence[Quote]) -> Span | None:
    """What stands to be paid each month for a deployment, whatever is asked; None where nothing is known, or nothing is to be paid."""
    found = [quote.standing for quote in quotes if quote.standing is not None and quote.standing != NOTHING]
    return max(found, key=lambda span: span.high) if found else None


def _bills(provider: str, client: Client) -> bool:
    """One that cannot be loaded may well send a bill."""
    return all(info.bills for info in client.providers() if info.name == provider and info.problem is None)


def dollars(span: Span | None) -> str:
    """`1.20 USD`, `0.90-1.20 USD`, or that it is not known."""
    return "an unknown sum" if span is None else f"{money_span(span)} USD"
