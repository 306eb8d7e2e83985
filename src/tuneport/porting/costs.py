"""What a port costs: the training, and asking each model the rows they are compared on. What is not known is not taken for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tuneport.asking_costs import Asking, dearest
from tuneport.billing import refuse_above
from tuneport.errors import UsageError
from tuneport.span import NOTHING, Span, total

if TYPE_CHECKING:
    from tuneport.quote import Quote


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one port. `quotes` are of the training at the destination, one for each price tier."""

    quotes: tuple[Quote, ...]
    asking: tuple[Asking, ...]

    @property
    def training(self) -> Span | None:
        """In USD, of the dearest tier; None where it is not known."""
        return dearest(self.quotes, lambda quote: quote.once)

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
