"""Several workers of one job: what each of them gets, what is refused before anything is sent, and what becomes of a group that broke."""

from __future__ import annotations

import importlib.util
import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.engines.combinations import refuse, workers_of
from tuneport_local.engines.engine import ENGINES
from tuneport_local.engines.ray_cluster import refuse_other_version
from tuneport_local.engines.ray_copies import member, refuse_what_is_not_shared
from tuneport_local.engines.ray_program import wait_for_room
from tuneport_local.engines.reports import Report, cleared, reports
from tuneport_local.engines.restarting import Lost, Restarts
from tuneport_local.jobs.devices import DeviceQueue, DeviceQueues, devices_of, gpus_here
from tuneport_local.jobs.failures import MachineGaveOut, OutOfMemory
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.lifecycle import Lifecycle
from tuneport_local.machine.room import Tried, room_of
from tuneport_local.machine.throughput import Throughput, of_several
from tuneport_local.plans.planning import hyperparameters, plan
from tuneport_local.support import support
from tuneport_local.training.group import ALONE, Alone, dealt
from tuneport_local.training.spec import TrainingSpec

from tuneport.dataset import Dataset
from tuneport.errors import ConfigError, DatasetError, RecipeError, TuneportError, Unreachable, Unsupported
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.provider import Capability
from tuneport.recipe import Recipe

from .joblog import spec_of


def a_recipe(*, method: dict[str, Any] | None = None, **options: Any) -> Recipe:
    rows = Dataset.from_examples([ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)])
    said: Any = {"kind": "sft", **(method or {})}
    return Recipe(base="tiny", train=rows, method=said, options={"local": {"device": "cpu", **options}})


def a_plan(recipe: Recipe) -> Any:
    return plan(recipe, provider="local", scope="this machine", base="tiny")


# --- in a recipe -----------------------------------------------------------------------------------------------------------------------


def test_a_recipe_that_says_nothing_of_workers_is_planned_as_before() -> None:
    values = hyperparameters(a_recipe(), provider="local")
    assert not {"engine", "workers", "restarts"} & values.keys()
    assert hyperparameters(a_recipe(engine="process", workers=1, restarts=3), provider="local") == values


def test_a_recipe_names_its_engine_and_how_many_workers_it_has() -> None:
    values = hyperparameters(a_recipe(engine="accelerate", workers=2, restarts=1), provider="local")
    assert (values["engine"], values["workers"], values["restarts"]) == ("accelerate", 2, 1)


def test_workers_left_to_the_machine_are_one_for_each_of_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    assert gpus_here() == 3
    assert workers_of({"engine": "accelerate", "device": "cuda"}) == 3
    assert devices_of("cuda", workers=3) == "cuda:0,cuda:1,cuda:2"
    with pytest.raises(RecipeError, match=r"workers = 4, and this machine has 3 GPUs\."):
        workers_of({"engine": "accelerate", "device": "cuda", "workers": 4})


def test_on_a_cpu_somebody_has_to_say_how_many() -> None:
    with pytest.raises(RecipeError, match="one for each GPU, and this trains on the CPU"):
        a_plan(a_recipe(engine="accelerate"))
    assert devices_of("cpu", workers=2) == "cpu"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"options": {"workers": 2}}, "workers = 2, and engine 'process' is one of them"),
        ({"method": {"batch_size": 6}, "options": {"workers": 4}}, "batch_size 6 cannot be divided evenly among 4 workers"),
        (
            {"method": {"weights": {"kind": "full", "gradual": True}}},
            r"weights that thaw one after the other \(gradual\) are not built for",
        ),
        ({"method": {"lora": {"quantize": 4}}}, "a base in 4 bits has not been tried with several workers"),
        ({"options": {"share_beginning": True}}, "share_beginning has not been tried with several workers"),
        ({"options": {"device": "cuda:1"}}, "device 'cuda:1' is one GPU, and each worker has one of its own"),
        ({"options": {"device": "mps"}}, "torch connects no processes over the GPU of a Mac"),
        ({"options": {"storage": "/shared"}}, r"options\.local\.storage is of a Ray cluster, and engine is 'accelerate'"),
    ],
)
def test_what_several_workers_cannot_train_is_refused_before_anything_is_sent(said: dict[str, Any], sentence: str) -> None:
    options = {"workers": 2, **said.get("options", {})}
    options |= {} if "engine 'process'" in sentence else {"engine": "accelerate"}
    with pytest.raises((RecipeError, Unsupported), match=sentence):
        a_plan(a_recipe(method=said.get("method"), **options))


@pytest.mark.parametrize("method", ["kto", "grpo"])
def test_methods_whose_loss_is_no_sum_over_tokens_or_rows_train_with_one_worker(method: str) -> None:
    with pytest.raises(Unsupported, match=f"divides a step among workers, which is not built for {method}: its "):
        refuse({"engine": "accelerate", "batch_size": 8, "device": "cpu", "lora": {}}, method=method, workers=2)
    assert not support(Capability.TRAIN, method=method, engine="accelerate")
    assert support(Capability.TRAIN, method=method, engine="process")


def test_an_engine_that_nobody_has_built_is_named_with_those_there_are() -> None:
    answer = support(Capability.TRAIN, method="sft", engine="deepspeed")
    assert not answer
    assert "'deepspeed'" in answer.reason
    assert all(name in answer.reason for name in ENGINES)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"address": "http://ray:8265"}, "the cluster at http://ray:8265 needs the job's folder on storage that it and this machine share"),
        ({"storage": "s3://bucket/jobs"}, r"options\.local\.storage is for a cluster, and no options\.local\.address says which"),
    ],
)
def test_a_cluster_and_its_storage_are_named_together(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        a_plan(a_recipe(engine="ray", workers=2, **options))


def test_a_cluster_has_to_be_asked_for_a_number_of_workers() -> None:
    with pytest.raises(RecipeError, match="a cluster does not say how many workers it is meant to give"):
        a_plan(a_recipe(engine="ray", address="http://ray:8265", storage="/shared"))


@pytest.mark.parametrize("said", [{"address": "ray:8265"}, {"address": "http://me:secret@ray:8265"}, {"storage": "s3://me:secret@bucket"}])
def test_addresses_hold_no_passwords_and_a_wrong_one_is_not_repeated(said: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match=r"options\.local\.(address|storage) has to look like .*without a user or a password") as caught:
        a_plan(a_recipe(engine="ray", workers=2, **{"address": "http://ray:8265", "storage": "/shared", **said}))
    assert "secret" not in str(caught.value)


def test_what_a_cluster_trains_on_is_not_guessed_from_this_machine() -> None:
    with pytest.raises(RecipeError, match="what a cluster's machines have cannot be seen from here"):
        a_plan(a_recipe(engine="ray", workers=2, address="http://ray:8265", storage="/shared", device="auto"))


def test_an_engine_whose_package_is_missing_or_too_old_says_how_to_bring_it() -> None:
    missing = replace(ENGINES["ray"], package="no-such-package")
    assert missing.why_not() == "engine 'ray' needs no-such-package, which is not installed (pip install 'tuneport-local[no-such-package]')"
    old = replace(ENGINES["ray"], package="psutil", first=(999, 0))
    assert "needs psutil 999.0 or newer, and here is " in old.why_not()
    assert not ENGINES["accelerate"].why_not()


# --- a Ray cluster ---------------------------------------------------------------------------------------------------------------------


class Ticks:
    """A clock that only passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_cluster_with_fewer_places_than_workers_is_told_after_a_while() -> None:
    clock = Ticks()
    with pytest.raises(MachineGaveOut, match=r"the Ray cluster has 1 CPU, and 2 workers were asked for\.") as caught:
        wait_for_room(spec_of(Path("base"), Path("rows"), workers=2), free=lambda: {"CPU": 1.0}, clock=clock)
    assert clock.now >= 60
    assert "submit with fewer workers" in (caught.value.remedy or "")


def test_a_node_that_comes_back_in_time_is_waited_for() -> None:
    clock = Ticks()
    wait_for_room(spec_of(Path("base"), Path("rows"), workers=2), free=lambda: {"CPU": 2.0 if clock.now > 30 else 1.0}, clock=clock)
    assert 30 < clock.now < 60


def test_a_cluster_of_another_time_is_refused_with_both_versions() -> None:
    refuse_other_version("2.60.0", here="2.60.0", address="http://ray:8265")
    with pytest.raises(
        ConfigError, match=r"the cluster at http://ray:8265 runs Ray 2\.9\.3, and 2\.55 or newer is needed \(here is 2\.60\.0\)"
    ):
        refuse_other_version("2.9.3", here="2.60.0", address="http://ray:8265")


def test_a_member_that_does_not_see_the_storage_ends_the_job_with_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RuntimeError) as caught:
        member({"job": str(tmp_path / "elsewhere")})
    with pytest.raises(ConfigError, match="not all machines of the cluster share it"):
        refuse_what_is_not_shared([RuntimeError("lost"), RuntimeError(f"worker 1:\n{caught.value}\nTraceback")])
    refuse_what_is_not_shared([RuntimeError("lost")])


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_cluster_that_nobody_answers_for_is_told_with_its_address() -> None:
    from tuneport_local.engines.ray_cluster import connected

    with pytest.raises(Unreachable, match=r"no Ray cluster answers at http://127\.0\.0\.1:9\."):
        connected("http://127.0.0.1:9")


def test_a_cluster_that_cannot_be_told_of_a_cancel_is_an_event(tmp_path: Path) -> None:
    recipe = {"base": "tiny", "hyperparameters": {"device": "cpu", "engine": "ray", "address": "http://127.0.0.1:9", "storage": "/shared"}}
    (tmp_path / "rows.jsonl").write_text("{}\n")
    folder, _ = Jobs(tmp_path).make("one", recipe, {"train": tmp_path / "rows.jsonl"})
    folder.phase(JobState.PAUSED)
    assert Lifecycle(environ={}).cancel(folder).state is JobState.CANCELLED
    (told,) = [event for event in folder.events() if event.level == "warning"]
    assert told.message.startswith("the Ray cluster could not be told that the job is cancelled")
    assert told.message.endswith(": stop it there")


# --- shares of a step ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seat(Alone):
    """One of several, as far as shares go."""

    rank: int
    size: int


@pytest.mark.train
@pytest.mark.parametrize(
    ("rows", "workers", "step", "part"), [(9, 2, 4, 2), (9, 2, 4, 1), (10, 4, 4, 1), (17, 3, 6, 2), (8, 2, 8, 2), (5, 4, 8, 1)]
)
def test_together_the_workers_go_over_the_rows_of_each_step_once(rows: int, workers: int, step: int, part: int) -> None:
    from tuneport_local.methods.batches import EpochOrder
    from tuneport_local.methods.shares import Share

    shares = [list(Share(EpochOrder(rows, seed=7), group=Seat(rank, workers), step=step, part=part)) for rank in range(workers)]
    lengths = {len(Share(EpochOrder(rows, seed=7), group=Seat(rank, workers), step=step, part=part)) for rank in range(workers)}
    assert {len(share) for share in shares} == lengths
    assert len(lengths) == 1
    order, parts = list(EpochOrder(rows, seed=7)), step // workers // part
    for number, start in enumerate(range(0, rows, step)):
        mine = [place for share in shares for batch in share[number * parts : (number + 1) * parts] for place in batch]
        assert sorted(place for place in mine if place >= 0) == sorted(order[start : start + step])
    assert all(batch for share in shares for batch in share)


@pytest.mark.train
def test_a_row_that_only_fills_a_share_teaches_nothing() -> None:
    from tuneport_local.methods.batches import IGNORED
    from tuneport_local.methods.shares import Teaching

    rows = Teaching([{"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]}])
    assert rows[0] == {"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]}
    assert rows[~0] == {"input_ids": [5], "labels": [IGNORED]}


@pytest.mark.parametrize(("batches", "workers"), [(5, 2), (4, 2), (1, 3), (0, 2)])
def test_validation_batches_are_dealt_so_that_each_counts_once_and_all_take_as_many(batches: int, workers: int) -> None:
    shares = [list(dealt(range(batches), Seat(rank, workers))) for rank in range(workers)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(batch for share in shares for batch, counts in share if counts) == list(range(batches))
    assert list(dealt("abc", ALONE)) == [("a", True), ("b", True), ("c", True)]


# --- devices ---------------------------------------------------------------------------------------------------------------------------


def test_a_job_for_several_devices_takes_all_of_them_or_none(tmp_path: Path) -> None:
    status = JobStatus(JobState.QUEUED, queued_at="2026-11-21T12:00:00+00:00")
    both, one = DeviceQueues(tmp_path, "cuda:0,cuda:1"), DeviceQueue(tmp_path, "cuda:1")
    both.enter("wide", status)
    assert one.take()
    assert not both.take()
    assert not both.taken
    free = DeviceQueue(tmp_path, "cuda:0")
    assert free.take()
    free.give_back()
    one.give_back()
    assert both.take()
    assert not one.take()
    both.leave("wide")
    assert one.take()
    one.give_back()


# --- a group that broke ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / uuid.uuid4().hex)
    folder.checkpoints.mkdir(parents=True)
    folder.write_status(JobStatus(JobState.RUNNING))
    return folder


def restarts_of(job: JobFolder, *, most: int = 1) -> Restarts:
    spec: TrainingSpec = spec_of(Path("base"), Path("rows"), engine="accelerate", workers=2, restarts=most)
    return Restarts(job, spec)


def saved_at(job: JobFolder, step: int) -> None:
    place = job.checkpoints / f"step-{step:08d}"
    place.mkdir()
    (place / "complete.json").write_text("{}")


LOST = Lost(1, 4711, -9)


def test_a_lost_worker_has_the_group_begin_again_so_many_times_and_no_more(job: JobFolder) -> None:
    saved_at(job, 6)
    restarts = restarts_of(job)
    restarts.again([Report(0, "error", "Connection closed by peer")], lost=LOST, for_memory=False)
    (told,) = job.events()
    assert told.message == "worker 1 (process 4711) was ended by SIGKILL; the group begins again from step-00000006 (1 of 1 times at most)"
    assert job.status().attempt == 2
    with pytest.raises(MachineGaveOut, match=r"worker 1 \(process 4711\) was ended by SIGKILL, and the group has begun again once already"):
        restarts.again([], lost=LOST, for_memory=False)


def test_a_group_that_shall_not_begin_again_does_not(job: JobFolder) -> None:
    with pytest.raises(MachineGaveOut, match=r"options\.local\.restarts is 0"):
        restarts_of(job, most=0).again([], lost=LOST, for_memory=False)


@pytest.mark.parametrize("killed", [True, False])
def test_a_worker_without_memory_has_all_begin_again_with_fewer_rows_at_once(job: JobFolder, killed: bool) -> None:
    Tried(4, False, may_recompute=True).keep(job.path)
    said = [] if killed else [Report.of(1, OutOfMemory("out of memory"))]
    restarts_of(job, most=0).again(said, lost=LOST, for_memory=killed)
    assert room_of(job.path).rows == 2
    (told,) = job.events()
    assert "the memory of a worker did not suffice for 4 rows at once" in told.message
    assert told.message.endswith("the group begins again from the start with 2 rows at once")


def test_a_worker_that_has_nothing_less_to_take_ends_the_job_with_what_would_need_less(job: JobFolder) -> None:
    Tried(1, True, may_recompute=True).keep(job.path)
    with pytest.raises(MachineGaveOut, match="did not suffice for 1 row at once, activations computed anew in each of 2 workers") as caught:
        restarts_of(job).again([Report.of(0, OutOfMemory("out of memory"))], lost=LOST, for_memory=False)
    assert "or fewer workers" in (caught.value.remedy or "")


def test_a_sentence_of_one_worker_ends_the_job_and_no_restart_is_tried(job: JobFolder) -> None:
    error = DatasetError("row 3 is too long.", remedy="Cut it.")
    with pytest.raises(TuneportError, match=r"row 3 is too long\.") as caught:
        restarts_of(job).again([Report.of(1, error)], lost=LOST, for_memory=False)
    assert caught.value.remedy == "Cut it."
    assert isinstance(Report.of(0, Unreachable("the hub")).error(), Unreachable)


def test_an_error_that_all_workers_met_is_told_and_not_repeated(job: JobFolder) -> None:
    said = [Report.of(0, RuntimeError("Connection closed by peer")), Report.of(1, ValueError("no such layer"))]
    with pytest.raises(TuneportError, match="ValueError: no such layer"):
        restarts_of(job).again(said, lost=LOST, for_memory=False)
    assert not list(job.events())


def test_reports_are_those_of_this_start_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    cleared(tmp_path)
    Report(1, "paused").write(tmp_path)
    Report(0, "paused").write(tmp_path)
    (tmp_path / "group" / "2.json").write_text("{")
    (tmp_path / "group" / "3.json").write_text(json.dumps({"rank": 3, "kind": "unheard of"}))
    assert [report.rank for report in reports(tmp_path)] == [0, 1]
    cleared(tmp_path)
    assert not reports(tmp_path)


# --- what it would take ----------------------------------------------------------------------------------------------------------------


def test_the_speed_of_several_workers_that_nobody_saw_is_said_to_be_an_estimate() -> None:
    one = Throughput(100.0, 5.0, "2026-11-21", "job 4f1c09a2", slow=80.0, fast=120.0)
    four = of_several(one, workers=4)
    assert (four.tokens_per_second, four.slow, four.fast) == (400.0, 80.0, 480.0)
    assert four.source == "job 4f1c09a2: 100 by one worker, times 4; an estimate, nothing was seen with 4 yet"
