"""What happens when the answer to a paid request gets lost: nothing is sent twice, and nothing is lost. With the test kit's cloud."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import tuneport as tp
from tuneport.errors import Uncertain
from tuneport.testing import FakeCloud, SimulatedClock, fake_provider
from tuneport.testing.wire import Kind, NoAnswer, Reply

DATA = Path(__file__).parent / "data"


class LosesTheAnswer:
    """A wire on which the job is created and the answer never arrives."""

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        reply = effect()
        if kind == "create":
            raise NoAnswer("timed out")
        return reply


def main(home: Path) -> None:
    clock = SimulatedClock()
    cloud = FakeCloud(clock, listing_lag_s=300.0)  # and the new job takes five minutes to show up in the listing
    provider = fake_provider(cloud, wire=LosesTheAnswer())
    recipe = tp.Recipe(base="fake-small", train=tp.Dataset.read(DATA / "tickets-train.jsonl"))

    with tp.Client(home=home, clock=clock, providers=[provider]) as client:
        try:
            client.submit(recipe, provider="fake")
        except Uncertain as error:
            print(f"submit: {error}")
        print("known here:", [(job.uri[:14], str(job.state)) for job in client.jobs()])

        clock.sleep(300)
        for result in client.sync(provider="fake"):
            print(f"sync: {result.kind}: {result.sentence}")
        print("known here:", [(job.uri, str(job.state)) for job in client.jobs()])
        print("jobs at the provider:", len(cloud.jobs))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
