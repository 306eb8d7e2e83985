"""Tune a small model on support tickets, on this machine, and measure what it learned. Takes some minutes on two CPU cores."""

from pathlib import Path

import tuneport as tp

DATA = Path(__file__).parent / "data"


def main() -> None:
    train = tp.Dataset.read(DATA / "tickets-train.jsonl")
    test = tp.Dataset.read(DATA / "tickets-test.jsonl")
    method = tp.SFT(epochs=2, batch_size=8, learning_rate=1e-3, lora=tp.LoRA(rank=16))
    recipe = tp.Recipe(base="smollm2-135m-instruct", method=method, train=train, seed=7)

    with tp.Client() as client:
        for quote in client.quote(recipe, providers=["local"]):
            print(quote.provider, quote.total_usd or "no bill", *(line.note for line in quote.lines))
        job = client.submit(recipe, provider="local")
        job = client.wait(job, timeout_s=3600, on_change=lambda now: print(now.uri, now.state, now.detail))
        print(client.evaluate(job, test, against=["base", "base+labels"]))


if __name__ == "__main__":
    main()
