"""Submit several recipes and follow them in one loop. The cloud is the one of the test kit and its time is simulated: nothing waits."""

import tempfile
from pathlib import Path

import tuneport as tp
from tuneport.testing import Course, FakeCloud, SimulatedClock, fake_provider

DATA = Path(__file__).parent / "data"


def main(home: Path) -> None:
    clock = SimulatedClock()
    cloud = FakeCloud(clock, course=lambda number: Course(running_s=300.0 * number, ends="error" if number == 3 else "done"))
    train = tp.Dataset.read(DATA / "tickets-train.jsonl")

    with tp.Client(home=home, clock=clock, providers=[fake_provider(cloud)]) as client:
        jobs = [client.submit(tp.Recipe(base="fake-small", train=train, seed=seed), provider="fake") for seed in (1, 2, 3)]
        looks = 0
        for look in client.follow(jobs, timeout_s=6 * 3600):
            looks += 1
            for job in look.changed:
                print(f"{clock.now():%H:%M:%S}  {job.uri}  {job.state}  ({job.provider_state})")
        print(f"{looks} looks at {len(jobs)} jobs")
        for job in client.jobs():
            print(job.uri, job.state, f"model {job.model}, cost {job.cost} USD" if job.model else f"error: {job.error}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
