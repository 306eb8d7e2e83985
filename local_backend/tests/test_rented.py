"""A job followed to a rented machine and back, whatever the vendor does; the machine is played by the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.engines.engine import Stop
from tuneport_local.engines.rental import Rental
from tuneport_local.engines.rented import hired, stop
from tuneport_local.engines.reports import Report
from tuneport_local.jobs.failures import Interrupted, MachineGaveOut
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.lifecycle import Lifecycle
from tuneport_local.plans import planning
from tuneport_local.storage.ended import leave
from tuneport_local.storage.lease import Holding, Lease, holding
from tuneport_local.storage.place import Place
from tuneport_local.storage.sent import Sending, fetched
from tuneport_local.training.spec import TrainingSpec

from tuneport.dataset import Dataset
from tuneport.errors import Refused, TuneportError
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.recipe import Recipe
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock

from . import acme_machines
from .renting import fault, launches, seen_as, vendor

__all__ = ["vendor"]


class Played(SimulatedClock):
    """A clock on which things happen: whoever sleeps until then finds them done."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self._due.append((self.monotonic() + seconds, action))

    def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        for due in sorted(self._due, key=lambda each: each[0]):
            if due[0] <= end:
                self._due.remove(due)
                due[1]()
        super().sleep(seconds)
        assert self.monotonic() < 3 * 24 * 3600, "nobody ends this"


@dataclass
class Scene:
    """One job whose machine acme rents, and whose machine is played."""

    folder: JobFolder
    vendor: Path
    home: Path
    clock: Played = field(default_factory=Played)
    machines: list[Machine] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(str(self.vendor / "storage" / self.folder.id))

    @property
    def name(self) -> str:
        """Of the launch that is followed."""
        return Rental.of(self.folder.path).name

    def run(self) -> str:
        launcher = acme_machines.Acme(Settings(self.home))
        return hired(self.folder, TrainingSpec.from_dict(self.folder.recipe()), self.clock, launcher=launcher)

    def stands(self, state: str, word: str, *, name: str = "", **more: str) -> None:
        seen_as(self.vendor, name or self.name, state=state, word=word, **more)

    def machine(self, name: str = "") -> Machine:
        """Begins to work on the job."""
        self.stands("running", "RUNNING", name=name)
        self.machines.append(Machine(self, name or self.name))
        return self.machines[-1]

    def does(self, seconds: float, action: Callable[[Machine], object]) -> None:
        """What the latest machine does then."""
        self.clock.at(seconds, lambda: action(self.machines[-1]))

    def events(self) -> list[str]:
        return [event.message for event in self.folder.events()]


class Machine:
    """What works on the job over there."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name
        self.copy = JobFolder(fetched(scene.place, home=scene.home))
        self.sending = Sending(self.copy.path, scene.place)

    def step(self, number: int) -> None:
        self.copy.phase(JobState.RUNNING, f"step {number}")
        self.copy.metric(number, {"loss": 1.0 / number})
        self.sending.send(all_of_it=True)

    def checkpoint(self, number: int) -> None:
        folder = self.copy.checkpoints / f"step-{number:08d}"
        folder.mkdir(parents=True)
        (folder / "complete.json").write_text("{}")
        self.sending.send()

    def end(self, kind: Any = "succeeded", message: str = "") -> None:
        if kind == "succeeded":
            (self.copy.path / "adapter").mkdir()
            (self.copy.path / "adapter" / "adapter_model.safetensors").write_bytes(b"learned")
            (self.copy.path / "run.json").write_text("{}")
        self.sending.send(all_of_it=True)
        leave(self.scene.place, Report(0, kind, message), launch=self.name)
        self.scene.stands("succeeded" if kind == "succeeded" else "failed", "DONE", name=self.name)


@pytest.fixture
def scene(vendor: Path, tmp_path: Path) -> Scene:
    (vendor / "no-hosts").touch()
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"weights")
    rows = Dataset.from_examples([ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)])
    recipe = Recipe(base=str(base), train=rows, options={"local": {"engine": "acme", "acme": {"vendor": str(vendor)}}})
    plan = planning.plan(recipe, provider="local", scope="here", base=str(base))
    data = tmp_path / "train.jsonl"
    data.write_bytes(b"".join(plan.files[0].chunks()))
    home = tmp_path / "home"
    made, _ = Jobs(home).make("one", {**planning.body_of(plan), "home": str(home), "recipe_fingerprint": "f" * 64}, {"train": data})
    return Scene(made, vendor, home)


def trains(scene: Scene, *, begins_s: float = 10.0) -> None:
    """A machine comes, trains and ends well."""
    scene.clock.at(begins_s, scene.machine)
    scene.does(begins_s + 20, lambda machine: machine.step(1))
    scene.does(begins_s + 40, lambda machine: machine.end())


def test_a_job_is_launched_once_followed_and_brought_home(scene: Scene) -> None:
    states: list[tuple[str, str]] = []
    scene.clock.at(5, lambda: states.append((str(scene.folder.status().state), scene.folder.status().detail)))
    scene.clock.at(36, lambda: states.append((str(scene.folder.status().state), scene.folder.status().detail)))
    trains(scene)
    assert scene.run() == "succeeded"
    assert states == [("queued", "waiting for a machine (PENDING)"), ("running", "step 1")]
    assert (scene.folder.adapter / "adapter_model.safetensors").read_bytes() == b"learned"
    assert [metric.step for metric in scene.folder.metrics()] == [1]
    assert launches(scene.vendor) == ["tuneport-one-1"]
    job = acme_machines.get(scene.vendor, "tuneport-one-1")
    assert job["command"][1:] == ["start.py", str(scene.vendor / "storage" / "one"), "--launch", "tuneport-one-1"]
    assert job["labels"] == {"tuneport_job": "one", "tuneport_recipe": "f" * 32}
    assert (Path(job["bundle"]) / "start.py").is_file()
    assert "https://acme.example/tuneport-one-1" in " ".join(scene.events())


def test_a_base_that_lies_here_only_is_sent_with_the_job_once(scene: Scene) -> None:
    trains(scene)
    scene.run()
    assert scene.place.names("base") == ["config.json", "model.safetensors"]
    assert any("lies on this machine: 0.0 MB of it were sent" in message for message in scene.events())
    stamp = (scene.vendor / "storage" / "one" / "base" / "model.safetensors").stat().st_mtime_ns
    trains(scene)
    scene.run()
    assert (scene.vendor / "storage" / "one" / "base" / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_launch_whose_answer_is_lost_is_found_and_not_made_again(scene: Scene) -> None:
    fault(scene.vendor, "lost")
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


def test_one_that_is_not_found_either_is_uncertain_until_it_shows(scene: Scene) -> None:
    fault(scene.vendor, "lost")
    fault(scene.vendor, "hidden")
    with pytest.raises(Interrupted, match="whether tuneport-one-1 was launched is not known") as caught:
        scene.run()
    assert "Look for it in the vendor's studio" in str(caught.value)
    fault(scene.vendor, "hidden", on=False)
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


def test_another_one_is_launched_only_where_the_user_resumes_and_it_is_still_not_there(scene: Scene) -> None:
    fault(scene.vendor, "unmade")
    with pytest.raises(Interrupted, match="is not known"):
        scene.run()
    fault(scene.vendor, "unmade", on=False)
    trains(scene, begins_s=100)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-2"]


def test_the_one_thought_lost_may_train_after_all_and_its_end_counts(scene: Scene) -> None:
    fault(scene.vendor, "lost")
    fault(scene.vendor, "hidden")
    with pytest.raises(Interrupted):
        scene.run()
    scene.machine("tuneport-one-1")
    lease = Lease(scene.place, launch="tuneport-one-1", lost=lambda: None, clock=scene.clock)
    lease.take()  # by a process that lives: this one
    lease.give_back()
    (scene.vendor / "fault-lost").unlink()
    scene.does(200, lambda machine: machine.end())
    scene.clock.at(200, lambda: fault(scene.vendor, "hidden", on=False))
    assert scene.run() == "succeeded"


def test_a_worker_that_dies_while_it_launches_is_followed_by_one_that_finds_the_job(scene: Scene) -> None:
    trains(scene)
    scene.run()
    written = json.loads((scene.folder.path / "rented.json").read_text())
    (scene.folder.path / "rented.json").write_text(json.dumps({**written, "phase": "launching", "id": "", "page": ""}))
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


@pytest.mark.parametrize(("what", "said"), [("down", "acme does not answer"), ("login", "the login at acme has expired")])
def test_a_vendor_that_does_not_answer_for_hours_is_told_of_once_and_nothing_is_lost(scene: Scene, what: str, said: str) -> None:
    scene.clock.at(15, lambda: fault(scene.vendor, what))
    scene.clock.at(100, lambda: scene.clock.sleep(4 * 3600))
    scene.clock.at(4 * 3600 + 200, lambda: fault(scene.vendor, what, on=False))
    trains(scene, begins_s=4 * 3600 + 300)
    assert scene.run() == "succeeded"
    told = [message for message in scene.events() if "the vendor" in message]
    assert len(told) == 2
    assert said in told[0]
    assert told[1] == "the vendor answers again"


def test_a_vendor_silent_for_days_leaves_the_job_to_be_followed_again(scene: Scene) -> None:
    scene.clock.at(15, lambda: fault(scene.vendor, "down"))
    scene.clock.at(60, lambda: scene.clock.sleep(90_000))
    with pytest.raises(Interrupted, match="the vendor has not answered for a day: acme does not answer"):
        scene.run()
    fault(scene.vendor, "down", on=False)
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


def test_a_vendor_that_cannot_be_asked_for_a_machine_is_asked_again(scene: Scene) -> None:
    fault(scene.vendor, "down")
    scene.clock.at(600, lambda: fault(scene.vendor, "down", on=False))
    trains(scene, begins_s=900)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


def test_a_pause_while_the_vendor_is_asked_ends_the_asking(scene: Scene) -> None:
    fault(scene.vendor, "down")
    scene.clock.at(600, lambda: scene.folder.ask("pause"))
    assert scene.run() == "paused"
    assert launches(scene.vendor) == []


def test_a_quota_that_is_used_up_leaves_the_job_to_be_resumed_and_a_refusal_ends_it(scene: Scene) -> None:
    fault(scene.vendor, "quota")
    with pytest.raises(Interrupted, match=r"the quota of acme is 0\. Resume asks for a machine again"):
        scene.run()
    fault(scene.vendor, "quota", on=False)
    fault(scene.vendor, "refused")
    with pytest.raises(Refused, match="acme has no such machine"):
        scene.run()
    assert not Rental.of(scene.folder.path).goes_on


def test_a_machine_that_is_taken_away_is_waited_for(scene: Scene) -> None:
    states: list[str] = []
    scene.clock.at(10, scene.machine)
    scene.does(20, lambda machine: machine.step(1))
    scene.clock.at(40, lambda: scene.stands("waiting", "PREEMPTED"))
    scene.clock.at(80, lambda: states.append(scene.folder.status().detail))
    scene.clock.at(90, scene.machine)
    scene.does(100, lambda machine: machine.copy.next_attempt())
    scene.does(100, lambda machine: machine.step(2))
    scene.clock.at(120, lambda: states.append(scene.folder.status().detail))
    scene.does(130, lambda machine: machine.end())
    assert scene.run() == "succeeded"
    assert states == ["waiting for a machine (PREEMPTED)", "step 2"]
    assert [message for message in scene.events() if "taken away" in message] == [
        "the machine was taken away (PREEMPTED); the job goes on with the next one"
    ]
    assert [metric.step for metric in scene.folder.metrics()] == [1, 2]


def test_a_pause_while_no_machine_is_there_ends_the_vendors_job(scene: Scene) -> None:
    scene.clock.at(10, lambda: scene.folder.ask("pause"))
    assert scene.run() == "paused"
    assert acme_machines.get(scene.vendor, "tuneport-one-1")["seen"]["word"] == "CANCELLED"
    scene.folder.ask("run")
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1", "tuneport-one-2"]


def test_a_pause_of_a_job_that_trains_is_heard_there_and_its_checkpoint_comes_home(scene: Scene) -> None:
    heard: list[bytes | None] = []
    scene.clock.at(10, scene.machine)
    scene.does(20, lambda machine: machine.step(1))
    scene.clock.at(30, lambda: scene.folder.ask("pause"))
    scene.clock.at(40, lambda: heard.append(scene.place.read("wish")))
    scene.does(40, lambda machine: machine.checkpoint(1))
    scene.does(41, lambda machine: machine.end("paused"))
    assert scene.run() == "paused"
    assert heard == [b"pause"]
    assert (scene.folder.checkpoints / "step-00000001" / "complete.json").is_file()


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("Traceback\nKilled\n", r"tuneport-one-1 ended without a word \(FAILED: out of disk\)\. The end of its log: Killed"),
        ("tuneport: the container's Python is 3.9. Choose another.\n", r"^the container's Python is 3\.9\. Choose another\."),
        ("", r"tuneport-one-1 ended without a word \(FAILED: out of disk\)\. See worker\.log"),
    ],
)
def test_a_job_that_ends_there_without_a_word_keeps_the_vendors_reason_and_what_was_saved(scene: Scene, log: str, sentence: str) -> None:
    scene.clock.at(10, scene.machine)
    scene.does(20, lambda machine: machine.checkpoint(3))
    held = Holding("b" * 32, "tuneport-one-1", 0, "elsewhere", "another machine", 1, 0.0)
    scene.clock.at(29, lambda: scene.place.write("lease.json", json.dumps(asdict(held)).encode()))
    scene.clock.at(30, lambda: (scene.vendor / "tuneport-one-1.log").write_text(log))
    scene.clock.at(31, lambda: scene.stands("failed", "FAILED", reason="out of disk.\nmore"))
    with pytest.raises(MachineGaveOut, match=sentence) as caught:
        scene.run()
    assert not isinstance(caught.value, Interrupted)
    assert holding(scene.place) is None
    assert (scene.folder.checkpoints / "step-00000003" / "complete.json").is_file()
    assert not Rental.of(scene.folder.path).goes_on


def test_a_job_that_somebody_cancels_in_the_studio_says_so(scene: Scene) -> None:
    scene.clock.at(10, lambda: scene.stands("cancelled", "CANCELLED"))
    with pytest.raises(MachineGaveOut, match=r"tuneport-one-1 was cancelled there \(CANCELLED\)"):
        scene.run()


def test_a_job_that_the_vendor_denies_again_and_again_is_gone(scene: Scene) -> None:
    scene.clock.at(10, (scene.vendor / "jobs" / "tuneport-one-1.json").unlink)
    with pytest.raises(MachineGaveOut, match=r"ended without a word \(gone: acme knows no job tuneport-one-1\)"):
        scene.run()


def test_a_failure_there_comes_home_with_its_sentence(scene: Scene) -> None:
    scene.clock.at(10, scene.machine)
    scene.does(20, lambda machine: machine.end("refused", "row 3 is too long."))
    with pytest.raises(TuneportError, match="row 3 is too long"):
        scene.run()


def test_what_the_machine_prints_goes_to_the_jobs_log_once(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.clock.at(10, scene.machine)
    scene.does(20, lambda machine: machine.copy.log.write_text("hello from there\n"))
    scene.does(21, lambda machine: machine.step(1))
    scene.does(40, lambda machine: machine.end())
    scene.run()
    assert capfd.readouterr().out.count("hello from there") == 1


def ended_by_the_system() -> None:
    raise Stop


def test_a_worker_that_the_system_ends_leaves_the_machine_to_the_next_one(scene: Scene) -> None:
    scene.clock.at(10, ended_by_the_system)
    with pytest.raises(Stop):
        scene.run()
    assert acme_machines.get(scene.vendor, "tuneport-one-1")["seen"]["word"] == "PENDING"
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1"]


def test_a_pause_of_a_job_that_nobody_follows_reaches_its_machine_and_a_resume_launches_another(scene: Scene) -> None:
    scene.clock.at(10, scene.machine)
    scene.does(12, lambda machine: machine.step(1))
    scene.clock.at(20, ended_by_the_system)
    with pytest.raises(Stop):
        scene.run()
    scene.folder.phase(JobState.PAUSED, "worker_stopped")
    Lifecycle(environ={}).pause(scene.folder)
    assert scene.place.read("wish") == b"pause"
    scene.machines[-1].checkpoint(1)
    scene.machines[-1].end("paused")
    trains(scene)
    assert scene.run() == "succeeded"
    assert launches(scene.vendor) == ["tuneport-one-1", "tuneport-one-2"]
    assert (scene.folder.checkpoints / "step-00000001" / "complete.json").is_file()


def test_a_worker_that_is_ended_by_a_cancel_ends_the_machine(scene: Scene) -> None:
    scene.clock.at(10, lambda: scene.folder.ask("cancel"))
    scene.clock.at(12, ended_by_the_system)
    with pytest.raises(Stop):
        scene.run()
    assert acme_machines.get(scene.vendor, "tuneport-one-1")["seen"]["word"] == "CANCELLED"


def test_a_cancel_without_a_worker_ends_what_goes_on_at_the_vendor(scene: Scene) -> None:
    scene.clock.at(10, ended_by_the_system)
    with pytest.raises(Stop):
        scene.run()
    stop(scene.folder)
    assert acme_machines.get(scene.vendor, "tuneport-one-1")["seen"]["word"] == "CANCELLED"
    assert not Rental.of(scene.folder.path).goes_on
    before = scene.events()
    stop(scene.folder)
    assert scene.events() == before


def test_a_cancel_that_cannot_be_told_says_what_to_look_for_and_whoever_begins_there_reads_it(scene: Scene) -> None:
    fault(scene.vendor, "unmade")
    with pytest.raises(Interrupted):
        scene.run()
    stop(scene.folder)
    assert "look for tuneport-one-1 there, and end it" in scene.events()[-1]
    assert scene.place.read("wish") == b"cancel"
