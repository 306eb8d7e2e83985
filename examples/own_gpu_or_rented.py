"""Your own GPU, one that you rent by the hour, or a provider that takes the file and trains: what one training costs.

How fast a GPU trains is measured, never guessed: here by the local backend, elsewhere by you. Of one without such a number it is said from
how many tokens a second on it would cost less than the cheapest provider. Setting a rented machine up is not counted.

python own_gpu_or_rented.py [DATA] [GPU=TOKENS_PER_SECOND ...]      for example  tickets.jsonl own=900 "H100 80GB SXM=9000"
"""

import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import tuneport as tp
from tuneport.prices.gpus import gpu
from tuneport.settings import Settings, load_settings

DATA = Path(__file__).parent / "data" / "tickets-train.jsonl"
BASE, EPOCHS, NEEDED_GB = "Qwen/Qwen3-8B", 3, 24  # of memory: LoRA on 8 billion weights in bf16
MANAGED = ["fireworks", "tinker", "together"]

WATTS = gpu("RTX 4090").watts  # of the board; what the rest of your machine draws comes on top
POWER_PRICE = Decimal("0.30")  # USD for a kWh
WEAR = Decimal("0.00")  # USD an hour: what the machine cost, over the hours that it will serve


def main(data: Path, speeds: dict[str, Decimal]) -> None:
    with tp.Client(settings=with_own_prices()) as client:
        trained = client.quote(data, base=BASE, epochs=EPOCHS, providers=MANAGED)
        here = client.quote(data, base=BASE, epochs=EPOCHS, providers=["local"])[0]
        book = tp.PriceBook.load(client.settings.prices)
    trained = sorted((quote for quote in trained if quote.once is not None), key=lambda quote: quote.once.likely)
    best = trained[0].once.likely
    tokens = next(line.amount.likely for line in trained[0].lines if line.item == "training") * 1_000_000

    print(f"{EPOCHS} epochs are {tokens:,.0f} tokens. By the token:")
    for quote in trained:
        print(f"  {quote.provider:40} {quote.once.likely:8.4f} USD")
    print("By the hour:")
    hourly = Decimal(WATTS) / 1000 * POWER_PRICE + WEAR
    measured = f"{here.once.likely:8.4f} USD, as measured on this machine" if here.once and "own" not in speeds else None
    print(f"  {'own':40} {measured or told(hourly, tokens, speeds.get('own'), best)}")
    for row in cheapest_of_each(book):
        said = told(row.price, tokens, speeds.get(row.model), best)
        print(f"  {row.model + ', ' + row.tier:40} {said} ({', '.join((str(row.as_of), *row.doubts(on=date.today())))})")


def with_own_prices() -> Settings:
    """The settings there are, with a price for the hours of this machine; else it belongs into [providers.local] of tuneport.toml."""
    settings = load_settings()
    prices = {"watts": WATTS, "power_price_usd_per_kwh": POWER_PRICE, "hour_price_usd": WEAR}
    return replace(settings, providers={**settings.providers, "local": {**settings.providers.get("local", {}), **prices}})


def cheapest_of_each(book: tp.PriceBook) -> list[tp.Price]:
    """Of each kind of GPU that holds the base; the renter stands in the tier."""
    found: dict[str, tp.Price] = {}
    for row in sorted(book.of("gpu"), key=lambda row: row.price):
        if row.status == "active" and row.currency == "USD" and gpu(row.model).memory_gb >= NEEDED_GB:
            found.setdefault(row.model, row)
    return list(found.values())


def told(hourly: Decimal, tokens: Decimal, speed: Decimal | None, best: Decimal) -> str:
    if speed is not None:
        return f"{tokens / speed / 3600 * hourly:8.4f} USD, at {speed:,f} tokens/s and {hourly:.2f} USD an hour"
    return f"{hourly:8.2f} USD an hour: costs less from {tokens * hourly / best / 3600:,.0f} tokens/s on"


if __name__ == "__main__":
    given = dict(word.rsplit("=", 1) for word in sys.argv[1:] if "=" in word)
    files = [Path(word) for word in sys.argv[1:] if "=" not in word]
    main(files[0] if files else DATA, {name: Decimal(speed) for name, speed in given.items()})
