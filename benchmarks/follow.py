"""Following 1,000 jobs from one process: at most 15 requests a round, and at a 5 s interval under 10 % of one core. Exits 1 if not.

    python -m benchmarks.follow [--jobs N] [--rounds R] [--no-record]

The processor time is that of the client and of the fake cloud that answers it, in one process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import record
from tuneport.errors import WaitTimeout
from tuneport.job import Job
from tuneport.poll import follow
from tuneport.registry import JobRegistry
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import Course, FakeCloud
from tuneport.testing.fake import FakeTrainer, open_fake
from tuneport.testing.translation import fake_plan

INTERVAL_S = 5.0
MOST_REQUESTS = 15.0
MOST_OF_A_CORE = 0.10


def fill(cloud: FakeCloud, trainer: FakeTrainer, registry: JobRegistry, *, jobs: int) -> list[Job]:
    """Creates the jobs at the provider, a second apart, and records them."""
    plan = fake_plan(rows=[b'{"messages": []}'])
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    made = []
    for number in range(jobs):
        made.append(registry.add("fake", trainer.scope(), trainer.create(plan, f"client-{number}", files)))
        cloud.clock.sleep(1.0)
    return made


def measure(*, jobs: int, rounds: int, home: Path) -> tuple[float, float]:
    """Requests per round, and the share of one core at one round every 5 s."""
    clock = SimulatedClock()
    long_enough = Course(validating_s=600.0, queued_s=600.0, running_s=3600.0)  # some change their state while they are followed
    cloud = FakeCloud(clock, course=lambda number: long_enough, page_size=100)
    trainer = open_fake(cloud)
    with JobRegistry(home, clock=clock) as registry:
        followed = fill(cloud, trainer, registry, jobs=jobs)
        sent, began = len(cloud.log), time.process_time()
        looks = follow(followed, trainers={"fake": trainer}, registry=registry, clock=clock, interval_s=INTERVAL_S, max_rounds=rounds)
        done = 0
        try:
            for _ in looks:
                done += 1
        except WaitTimeout:  # the budget of rounds is used up
            pass
        return (len(cloud.log) - sent) / done, (time.process_time() - began) / done / INTERVAL_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuneport-follow-") as folder:
        requests, core = measure(jobs=options.jobs, rounds=options.rounds, home=Path(folder))
    headline = f"following {options.jobs} jobs: {requests:.1f} requests a round, {core:.1%} of one core at a {INTERVAL_S:.0f} s interval"
    print(f"{headline} (limits: {MOST_REQUESTS:.0f} requests, {MOST_OF_A_CORE:.0%})")
    if not options.no_record:
        figures = {"jobs": options.jobs, "rounds": options.rounds, "requests_per_round": requests, "core_share": core}
        record("follow", figures, headline=headline)
    return 0 if requests <= MOST_REQUESTS and core < MOST_OF_A_CORE else 1


if __name__ == "__main__":
    sys.exit(main())
