"""Workers that train a tiny model: whatever happens to them, the job ends up where it should."""

from __future__ import annotations

import resource
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer

from tuneport.job import JobState
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe

from .board_files import scalars
from .tiny import save_tiny, write_chats, write_pairs
from .workers import kill, kill_workers, open_trainer, seen, until, worker_of

pytestmark = pytest.mark.train

STARTUP_S = 240.0
"""A worker imports torch and trl first, on a machine that may be busy."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("rows") / "chats.jsonl")


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[LocalTrainer]:
    yield open_trainer(tmp_path)
    kill_workers(tmp_path)


@pytest.fixture
def submit(trainer: LocalTrainer, base: Path, rows: Path) -> Callable[..., str]:
    def submit(*, epochs: int = 2, checkpoint_every: int = 2, seed: int = 0) -> str:
        options = {"device": "cpu", "precision": "fp32", "checkpoint_every": checkpoint_every}
        recipe = Recipe(base=str(base), train=rows, method=SFT(epochs=epochs), seed=seed, options={"local": options})
        plan = trainer.plan(recipe)
        return trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id

    return submit


def in_state(trainer: LocalTrainer, job_id: str, *states: JobState) -> Callable[[], bool]:
    return lambda: seen(trainer, job_id).state in states


def at_step(trainer: LocalTrainer, job_id: str, step: int) -> Callable[[], bool]:
    def reached() -> bool:
        now = seen(trainer, job_id)
        assert not now.state.terminal, now.error
        return any(metric.step >= step for metric in trainer.metrics(job_id))

    return reached


def test_a_job_trains_while_another_waits_and_both_succeed_with_one_reading_a_step(
    trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path
) -> None:
    first, second = submit(), submit(seed=1)
    until(lambda: seen(trainer, second).detail == "behind 1 job")
    until(in_state(trainer, first, JobState.SUCCEEDED), within_s=STARTUP_S)
    until(in_state(trainer, second, JobState.SUCCEEDED), within_s=STARTUP_S)
    assert [metric.step for metric in trainer.metrics(first)] == list(range(1, 7))
    model = trainer.result(first)
    assert model.id == first
    assert (trainer.download(first, tmp_path / "copy") / "adapter_model.safetensors").is_file()
    assert (tmp_path / "local" / "throughput.json").is_file()


def test_a_job_killed_in_training_is_paused_and_resumes_to_the_end(
    trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path
) -> None:
    job_id = submit(epochs=40, checkpoint_every=5)
    until(at_step(trainer, job_id, 10), within_s=STARTUP_S)
    kill(tmp_path, job_id)
    lost = seen(trainer, job_id)
    assert lost.state is JobState.PAUSED
    assert "worker_lost" in lost.detail
    assert trainer.resume(job_id).attempt == 2
    until(in_state(trainer, job_id, JobState.SUCCEEDED), within_s=STARTUP_S)
    metrics = list(trainer.metrics(job_id))
    assert [metric.step for metric in metrics] == list(range(1, 121))
    drawn = scalars(tmp_path / "local" / "jobs" / job_id / "tensorboard")["train/loss"]
    assert drawn == [(metric.step, pytest.approx(metric.values["loss"])) for metric in metrics]


def test_a_job_killed_before_its_first_checkpoint_fails_with_the_reason(
    trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path
) -> None:
    job_id = submit(epochs=40, checkpoint_every=1000)
    until(in_state(trainer, job_id, JobState.VALIDATING, JobState.STARTING), within_s=STARTUP_S)
    kill(tmp_path, job_id)
    lost = seen(trainer, job_id)
    assert lost.state is JobState.FAILED
    assert "before its first checkpoint" in (lost.error or "")


def test_a_training_job_pauses_with_a_checkpoint_and_goes_on_from_it(trainer: LocalTrainer, submit: Callable[..., str]) -> None:
    job_id = submit(epochs=40, checkpoint_every=1000)
    until(at_step(trainer, job_id, 5), within_s=STARTUP_S)
    assert trainer.pause(job_id).state is JobState.PAUSING
    until(in_state(trainer, job_id, JobState.PAUSED))
    before = [metric.values["loss"] for metric in trainer.metrics(job_id)]
    trainer.resume(job_id)
    until(in_state(trainer, job_id, JobState.SUCCEEDED), within_s=STARTUP_S)
    after = [metric.values["loss"] for metric in trainer.metrics(job_id)]
    assert after[: len(before)] == before
    assert len(after) == 120


@pytest.mark.parametrize("phase", [JobState.VALIDATING, JobState.RUNNING])
def test_a_cancel_ends_a_job_within_ten_seconds(trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path, phase: JobState) -> None:
    job_id = submit(epochs=40, checkpoint_every=5)
    until(in_state(trainer, job_id, phase), within_s=STARTUP_S)
    worker = worker_of(tmp_path, job_id)
    asked = time.monotonic()
    assert trainer.cancel(job_id).state in (JobState.CANCELLING, JobState.CANCELLED)
    until(lambda: not worker.is_running())
    assert time.monotonic() - asked < 10.0
    assert seen(trainer, job_id).state is JobState.CANCELLED


def test_a_worker_ended_by_the_system_leaves_a_paused_job(trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path) -> None:
    job_id = submit(epochs=40, checkpoint_every=5)
    until(at_step(trainer, job_id, 5), within_s=STARTUP_S)
    worker_of(tmp_path, job_id).terminate()
    until(in_state(trainer, job_id, JobState.PAUSED))
    assert "worker_stopped" in seen(trainer, job_id).detail


def test_a_job_that_cannot_train_fails_with_one_sentence(trainer: LocalTrainer, base: Path, rows: Path) -> None:
    recipe = Recipe(base=str(base), train=rows, method=SFT(max_length=8), options={"local": {"device": "cpu"}})
    plan = trainer.plan(recipe)
    trainer.create(plan, "short", {file.purpose: trainer.upload(file) for file in plan.files})
    until(in_state(trainer, "short", JobState.FAILED), within_s=STARTUP_S)
    error = seen(trainer, "short").error or ""
    assert "longer than 8 tokens" in error
    assert "Traceback" not in error


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot narrow the limits of another process")
def test_a_disk_that_fills_pauses_a_job_with_a_checkpoint_and_it_goes_on_when_there_is_room(
    trainer: LocalTrainer, submit: Callable[..., str], tmp_path: Path
) -> None:
    job_id = submit(epochs=20, checkpoint_every=5)
    until(at_step(trainer, job_id, 6), within_s=STARTUP_S)
    resource.prlimit(worker_of(tmp_path, job_id).pid, resource.RLIMIT_FSIZE, (40_000, 40_000))
    until(in_state(trainer, job_id, JobState.PAUSED))
    detail = seen(trainer, job_id).detail
    assert detail.startswith("interrupted: a checkpoint in")
    assert "File too large" in detail
    trainer.resume(job_id)
    until(in_state(trainer, job_id, JobState.SUCCEEDED), within_s=STARTUP_S)
    assert [metric.step for metric in trainer.metrics(job_id)] == list(range(1, 61))


def test_no_key_of_the_environment_is_written_into_the_jobs_folder(base: Path, rows: Path, tmp_path: Path) -> None:
    key = "hf_" + "sesame" * 6
    environ = {"OMP_NUM_THREADS": "1", "HF_TOKEN": key}
    trainer = provider.open_trainer(ProviderSettings("local", tmp_path, environ=environ, profile={"calibrate": False}))
    assert isinstance(trainer, LocalTrainer)
    recipe = Recipe(base=str(base), train=rows, method=SFT(epochs=1), options={"local": {"device": "cpu"}})
    plan = trainer.plan(recipe)
    trainer.create(plan, "keyed", {file.purpose: trainer.upload(file) for file in plan.files})
    until(in_state(trainer, "keyed", JobState.SUCCEEDED), within_s=STARTUP_S)
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_job_on_preferences_is_submitted_followed_and_described_at_the_command_line(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuneport.cli import main

    monkeypatch.setenv("TUNEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs.jsonl")
    write_pairs(tmp_path / "held-out.jsonl", 8, first=50)
    chats = write_chats(tmp_path / "chats.jsonl")
    options = '[options.local]\ndevice = "cpu"\nprecision = "fp32"\n'
    method = '[method]\nkind = "dpo"\nloss = "ipo"\nlearning_rate = 0.01\nepochs = 2\n'
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'base = "{base}"\ntrain = "pairs.jsonl"\nvalidation = "held-out.jsonl"\n{method}{options}')

    try:
        refused = main(["submit", str(chats), "--base", str(base), "--provider", "local", "--method", "dpo", "--yes"])
        said = capsys.readouterr().err
        code = main(["--json", "submit", str(recipe), "--provider", "local", "--yes", "--wait"])
        shown = capsys.readouterr().out
    finally:
        kill_workers(tmp_path / "home")

    assert refused == 1
    assert "method dpo cannot learn from it" in said
    assert code == 0, shown
    jobs = list((tmp_path / "home" / "local" / "jobs").iterdir())
    assert len(jobs) == 1
    assert "tags: [lora, dpo]" in (jobs[0] / "adapter" / "README.md").read_text()
    assert '"eval_rewards/accuracies": 1.0' in (jobs[0] / "run.json").read_text()
