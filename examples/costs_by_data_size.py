"""What the same data would cost with 10 and 100 times as many rows, and where another provider becomes the cheapest.

python costs_by_data_size.py [DATA]
"""

import sys
import tempfile
from pathlib import Path

import tuneport as tp

DATA = Path(__file__).parent / "data" / "tickets-train.jsonl"
BASE = "meta-llama/Llama-3.3-70B-Instruct"  # elsewhere the nearest base; leave it out to compare each provider's usual ones
PROVIDERS = ["fireworks", "openai", "together", "vertex"]
SIZES = [1, 10, 100]


def main(data: tp.Dataset, home: Path) -> None:
    before = None
    with tp.Client(home=home) as client:
        for times in SIZES:
            rows = tp.Dataset.merged([data] * times)
            quotes = client.quote(rows, base=BASE, epochs=3, providers=PROVIDERS)
            ranked = sorted((quote for quote in quotes if can_be_compared(quote)), key=lambda quote: quote.once.likely)
            print(f"{times:>4} x: {rows.count():,} rows")
            for quote in ranked:
                print(f"        {quote.provider:12} {quote.base:50} {usd(quote.once):>18} USD")
            if before and before.provider != ranked[0].provider:
                print(f"        the cheapest is no longer {before.provider} but {ranked[0].provider}: {why(before, ranked)}")
            before = ranked[0]


def can_be_compared(quote: tp.Quote) -> bool:
    """Bought in USD, and its cost is known."""
    return quote.availability in ("available", "closing") and quote.once is not None and quote.currency == "USD"


def usd(cost: tp.Span) -> str:
    return f"{cost.likely:,.2f}" if cost.exact else f"{cost.low:,.2f} to {cost.high:,.2f}"


def why(before: tp.Quote, ranked: list[tp.Quote]) -> str:
    """The two prices of a million tokens, and the least that a job costs, where there is such a thing."""
    said = []
    for quote in (next(each for each in ranked if each.provider == before.provider), ranked[0]):
        prices = {line.item: f"{line.price:f}" for line in quote.lines if line.price is not None}
        least = f", at least {prices['least a job costs']} a job" if "least a job costs" in prices else ""
        said.append(f"{quote.provider} {prices['training']} a million tokens{least}")
    return "; ".join(said)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(tp.Dataset.read(sys.argv[1] if sys.argv[1:] else DATA), Path(folder))
