"""What one data set costs at every cloud, to train on and then to ask for a year: a table, and every line of every quote in costs.csv.

python compare_costs.py [DATA]
"""

import csv
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import tuneport as tp

DATA = Path(__file__).parent / "data" / "tickets-train.jsonl"
CLOUDS = ["azure", "bedrock", "fireworks", "nebius", "openai", "tinker", "together", "vertex"]
USAGE = tp.Usage(requests=10_000, months=12)  # requests a month, each with as many tokens as a row of the data has
TARGET = Path("costs.csv")
COLUMNS = ["provider", "base", "tier", "item", "when", "amount", "price", "cost", "low", "high", "currency", "unit", "as_of", "source"]


def main(data: Path, home: Path) -> None:
    with tp.Client(home=home) as client:
        quotes = client.quote(data, epochs=3, providers=CLOUDS, usage=USAGE)
    print(f"{'provider and base':52} {'training':>12} {'a month':>16} {'12 months':>16}")
    for quote in sorted(quotes, key=cheapest_first):
        costs = [money(span, quote.currency) for span in (quote.once, quote.monthly, quote.total)]
        print(f"{name(quote):52} {costs[0]:>12} {costs[1]:>16} {costs[2]:>16}  {quote.availability}")
    lines = write_lines(quotes)
    print(f"{lines} lines are in {TARGET}, each with where its price is from")


def cheapest_first(quote: tp.Quote) -> tuple[bool, Decimal]:
    """What can be bought and is known comes before what cannot or is not."""
    total = quote.total
    return quote.availability in ("closed", "unavailable") or total is None, total.likely if total else Decimal(0)


def name(quote: tp.Quote) -> str:
    return " ".join(word for word in (quote.provider, quote.base.rpartition("/")[2], quote.tier) if word)


def money(span: tp.Span | None, currency: str | None) -> str:
    """An unknown cost stays unknown: it is not zero."""
    if span is None:
        return "unknown"
    amount = f"{span.likely:,.2f}" if span.exact else f"{span.low:,.2f}-{span.high:,.2f}"
    return amount if currency == "USD" else f"{amount} {currency}"


def write_lines(quotes: list[tp.Quote]) -> int:
    rows = [
        [quote.provider, quote.base, quote.tier, line.item, line.when, *numbers(line), line.currency, line.unit, line.as_of, line.source]
        for quote in quotes
        for line in quote.lines
    ]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(rows)
    return len(rows)


def numbers(line: tp.QuoteLine) -> list[object]:
    """Amount, price and the cost with its bounds; empty where one is not known."""
    cost = line.cost
    return [line.amount and line.amount.likely, line.price, *((cost.likely, cost.low, cost.high) if cost else ("", "", ""))]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(sys.argv[1]) if sys.argv[1:] else DATA, Path(folder))
