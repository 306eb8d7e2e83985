"""Command jobs that really run: small programs of the shell in place of our trainer, in real time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tuneport_azureml.emulator import AzureMLEmulator, Container, Machines
from tuneport_azureml.renting.launcher import AzureMLLauncher
from tuneport_local.engines.launcher import Order, Place, Rented

from tuneport.settings import Settings
from tuneport.testing.emulator import RunningClock

from .azureml_renting import A100, SHA

PATIENCE_S = 60.0
WRITES = "import pathlib, sys; place = pathlib.Path(sys.argv[1])"


@dataclass(frozen=True)
class Workshop:
    emulator: AzureMLEmulator
    machines: Machines
    launcher: AzureMLLauncher
    folder: Path

    def launched(self, program: str, **options: object) -> tuple[Rented, Order, Place]:
        """A job whose start.py is that program, which is told the folder in its first argument."""
        bundle = self.folder / "bundle"
        bundle.mkdir()
        (bundle / "start.py").write_text(f"{WRITES}\n{program}\n", encoding="utf-8")
        settings = self.launcher.read({"instance_type": A100, **options})
        order = Order("job-1", "job-1-1", settings, bundle, SHA, {})
        place = self.launcher.place(settings, "job-1")
        place.write("wish", b"run")
        return self.launcher.launch(order), order, place


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with AzureMLEmulator(clock=RunningClock()) as emulator:
        machines = emulator.run_commands(Container(Path(sys.executable)), tmp_path / "machines")
        launcher = AzureMLLauncher(Settings(home=tmp_path, environ=dict(emulator.exports)))
        yield Workshop(emulator, machines, launcher, tmp_path)


def until(told: Callable[[], bool]) -> None:
    """Waits for what a machine does; how long it takes says nothing."""
    end = time.monotonic() + PATIENCE_S
    while not told():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def ended(workshop: Workshop, rented: Rented, order: Order) -> str:
    until(lambda: workshop.launcher.look(rented, order.settings).state in ("succeeded", "failed", "cancelled"))
    return workshop.launcher.look(rented, order.settings).state


def test_a_job_runs_in_a_copy_of_the_bundle_and_its_folder_comes_back(workshop: Workshop) -> None:
    program = (
        "import os; print('began in', os.path.basename(os.getcwd()), sys.argv[2:], 'PYTHONPATH' in os.environ)\n"
        "(place / 'adapter').mkdir(); (place / 'adapter' / 'weights').write_bytes(b'w' * 100)\n"
        "(place / 'wish-heard').write_bytes((place / 'wish').read_bytes()); (place / 'wish').unlink()"
    )
    rented, order, place = workshop.launched(program)
    assert ended(workshop, rented, order) == "succeeded"
    assert place.names("") == ["adapter/weights", "wish-heard"]
    assert place.read("wish-heard") == b"run"
    assert workshop.launcher.log(rented, order.settings) == "began in code ['--launch', 'job-1-1'] False\n"


def test_what_is_written_here_shows_there_while_it_runs_and_the_other_way_round(workshop: Workshop) -> None:
    program = "import time\nwhile (place / 'wish').read_bytes() != b'end': (place / 'state').write_bytes(b'on'); time.sleep(0.05)"
    rented, order, place = workshop.launched(program)
    until(lambda: place.read("state") == b"on")
    assert workshop.launcher.look(rented, order.settings).state == "running"
    place.write("wish", b"end")
    assert ended(workshop, rented, order) == "succeeded"


def test_a_program_that_fails_says_so(workshop: Workshop) -> None:
    rented, order, _ = workshop.launched("print('no GPU'); sys.exit(3)")
    assert ended(workshop, rented, order) == "failed"
    seen = workshop.launcher.look(rented, order.settings)
    assert "exited with status code 3" in seen.reason
    assert workshop.launcher.log(rented, order.settings) == "no GPU\n"


def test_a_job_whose_machine_is_taken_away_starts_anew_with_what_it_left_in_its_folder(workshop: Workshop) -> None:
    program = (
        "import time; first = not (place / 'checkpoint').exists(); print('first' if first else 'again', flush=True)\n"
        "(place / 'checkpoint').write_bytes(b'5'); time.sleep(600 if first else 0)"
    )
    rented, order, place = workshop.launched(program, job_tier="spot")
    until(lambda: place.read("checkpoint") == b"5")
    workshop.machines.of("job-1-1").take_away(for_good=True)
    until(lambda: workshop.launcher.look(rented, order.settings).word == "Queued")
    assert workshop.launcher.look(rented, order.settings).state == "waiting"
    workshop.machines.of("job-1-1").give_back()
    assert ended(workshop, rented, order) == "succeeded"
    assert workshop.launcher.log(rented, order.settings) == "again\n"
    assert workshop.machines.of("job-1-1").starts == 2


def test_a_machine_that_is_taken_away_with_notice_keeps_what_is_written_then(workshop: Workshop) -> None:
    program = (
        "import signal, time\nif (place / 'last').exists(): sys.exit(0)\n"
        "def told(*_): (place / 'last').write_bytes(b'words'); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, told); (place / 'up').write_bytes(b''); time.sleep(600)"
    )
    rented, order, place = workshop.launched(program, job_tier="spot")
    until(lambda: place.read("up") is not None)
    workshop.machines.of("job-1-1").take_away(notice_s=PATIENCE_S)
    assert ended(workshop, rented, order) == "succeeded"
    assert place.read("last") == b"words"
    assert workshop.machines.of("job-1-1").starts == 2


def test_a_cancelled_job_is_asked_to_end_and_what_it_writes_then_is_kept(workshop: Workshop) -> None:
    program = (
        "import signal, time\ndef told(*_): (place / 'last').write_bytes(b'words'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, told); (place / 'up').write_bytes(b''); time.sleep(600)"
    )
    rented, order, place = workshop.launched(program)
    until(lambda: place.read("up") is not None)
    workshop.launcher.cancel(rented, order.settings)
    assert ended(workshop, rented, order) == "cancelled"
    assert place.read("last") == b"words"


def test_a_job_is_ended_when_its_time_is_up(workshop: Workshop) -> None:
    rented, order, _ = workshop.launched("import time; time.sleep(600)", max_hours=1 / 3600)
    assert ended(workshop, rented, order) == "cancelled"


def test_every_one_of_several_machines_runs_the_command_and_is_told_which_it_is(workshop: Workshop) -> None:
    program = (
        "import os; names = ('NODE_RANK', 'WORLD_SIZE', 'MASTER_ADDR'); number = os.environ['NODE_RANK']\n"
        "(place / f'said-{number}').write_text(' '.join(os.environ[name] for name in names)); int(os.environ['MASTER_PORT'])"
    )
    rented, order, place = workshop.launched(program, instance_count=2, job_tier="spot")
    assert ended(workshop, rented, order) == "succeeded"
    assert [place.read(f"said-{number}") for number in (0, 1)] == [b"0 2 127.0.0.1", b"1 2 127.0.0.1"]


def test_a_machine_that_fails_fails_the_job_and_ends_the_others(workshop: Workshop) -> None:
    program = "import os, time\nif os.environ['NODE_RANK'] == '1': sys.exit(3)\ntime.sleep(600)"
    rented, order, _ = workshop.launched(program, instance_count=2, job_tier="spot")
    assert ended(workshop, rented, order) == "failed"
    assert "status code 3" in workshop.launcher.look(rented, order.settings).reason
