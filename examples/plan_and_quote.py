"""Look before anything is sent: what a recipe file means with every default, what would be sent, and what it would cost."""

import tempfile
from pathlib import Path

import tuneport as tp
from tuneport.testing import FakeCloud, SimulatedClock, fake_provider

RECIPES = Path(__file__).parent / "recipes"


def main(home: Path) -> None:
    recipe = tp.Recipe.load(RECIPES / "tickets.toml").model_copy(update={"base": {"local": "smollm2-135m-instruct", "fake": "fake-small"}})
    provider = fake_provider(FakeCloud(SimulatedClock()))

    with tp.Client(home=home, clock=SimulatedClock(), providers=[provider]) as client:
        plan = client.plan(recipe, provider="fake")
        print(f"plan {plan.fingerprint[:12]} for {plan.scope}")
        for file in plan.files:
            print(f"  {file.purpose}: {file.name}, {file.rows} rows, {file.size_bytes:,} bytes")
        for request in plan.requests:
            print(f"  {request.call} {sorted(request.body)}")
        for quote in client.quote(recipe, providers=["fake"]):
            print(f"{quote.provider}: {quote.total_usd if quote.total_usd is not None else 'unknown'} USD")
            for line in quote.lines:
                amount = "unknown" if line.amount is None else line.amount.likely
                print(f"  {line.item}: {amount} {line.unit} at {line.price} {line.currency}, read {line.as_of} from: {line.source}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
