"""What does not fit into memory or on the disk: refused before, taken in smaller parts while it trains, told with numbers in the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaModel
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.lifecycle import Lifecycle
from tuneport_local.machine.disk_need import DiskNeed
from tuneport_local.machine.hardware import Fit, Hardware, Shape, fit
from tuneport_local.machine.memory_there import free_bytes, killed_for_memory, total_bytes
from tuneport_local.machine.room import Room, Tried, note_that_it_ran_out, room_of
from tuneport_local.machine.what_fits import after_running_out
from tuneport_local.training.train import train

from tuneport.errors import Refused
from tuneport.job import JobState
from tuneport.recipe import Recipe

from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, write_chats, write_pairs
from .workers import open_trainer

SMALL = Shape(layers=30, hidden=576, intermediate=1536, vocabulary=49152, weights=134_515_008)
CPU = Hardware("cpu", "bf16", "fp32", autocast=True, packed=True, memory_bytes=16 << 30, reasons=())
DPO = {"method": "dpo", "beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


# --- before anything runs ----------------------------------------------------------------------------------------------------------------


def small_machine(monkeypatch: pytest.MonkeyPatch, gigabytes: int) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": gigabytes * 10**6}[name])


@pytest.mark.parametrize(
    ("method", "fits"),
    [
        ({"kind": "sft"}, "What would fit: meta-llama/Llama-3.2-1B-Instruct takes about 3.9 GB"),
        ({"kind": "sft", "weights": "full"}, "LoRA instead of full weights"),
    ],
)
def test_a_base_that_cannot_fit_is_refused_in_the_plan_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: dict[str, Any], fits: str
) -> None:
    base = "meta-llama/Llama-3.3-70B-Instruct" if "weights" not in method else "meta-llama/Llama-3.2-1B-Instruct"
    rows = write_chats(tmp_path / "chats.jsonl")
    recipe = Recipe.parse({"base": base, "train": str(rows), "method": method, "options": {"local": {"device": "cpu"}}})
    small_machine(monkeypatch, 6)

    with pytest.raises(Refused) as caught:
        open_trainer(tmp_path).plan(recipe)

    assert f"{base} does not fit into memory here: training takes about" in str(caught.value)
    assert "of the 6.0 GB there are" in str(caught.value)
    assert fits in caught.value.remedy


@pytest.mark.train
def test_the_worker_refuses_it_before_it_loads_anything(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = MemoryJob(tmp_path / "job")
    small_machine(monkeypatch, 1)

    with pytest.raises(Refused, match=r"does not fit into memory here: training takes about 1\.1 GB of the 1\.0 GB there are"):
        train(job, spec=spec_of(base, write_chats(tmp_path / "rows.jsonl")), home=tmp_path)

    assert job.phases == [JobState.VALIDATING]


def a_group(root: Path, *, newer: bool, limit: int, used: int, files: int) -> Path:
    """The files of a Linux whose container has a limit."""
    group = root / "sys/fs/cgroup" / ("box" if newer else "memory/box")
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/box\n" if newer else "4:memory:/box\n1:cpu:/\n")
    names = ("memory.max", "memory.current") if newer else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, value in zip(names, (limit, used), strict=True):
        (group / name).write_text(f"{value}\n")
    (group / "memory.stat").write_text(f"anon 5\n{'' if newer else 'total_'}inactive_file {files}\n")
    return root


@pytest.mark.parametrize("newer", [True, False])
def test_the_limit_of_a_container_counts_and_kept_files_do_not(tmp_path: Path, newer: bool) -> None:
    root = a_group(tmp_path, newer=newer, limit=300_000_000, used=250_000_000, files=100_000_000)

    assert total_bytes(root=root) == 300_000_000
    assert free_bytes(root=root) == 150_000_000
    assert total_bytes(root=tmp_path / "nothing") > 10**9


def test_what_the_disk_has_to_take_is_told_and_refused(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, usage = MemoryJob(tmp_path / "job"), shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=2_000_000))

    with pytest.raises(
        MachineGaveOut, match=r"a checkpoint takes about 1\.1 MB, of which 3 lie beside each other at most.*2\.0 MB are free in"
    ):
        train(job, spec=spec_of(base, write_chats(tmp_path / "rows.jsonl")), home=tmp_path)

    assert job.metrics == []


def test_the_best_checkpoint_and_the_one_being_written_count() -> None:
    model = torch.nn.Linear(1000, 1000, bias=False)

    need = DiskNeed.of(model, spec_of(Path("x"), Path("y"), keep="best", checkpoints_kept=3))

    assert need.checkpoints == 5
    assert need.checkpoint == 3 * 4_000_000 + (1 << 20)


# --- while it trains ---------------------------------------------------------------------------------------------------------------------


def too_many(monkeypatch: pytest.MonkeyPatch, allowed: Callable[[int], bool]) -> None:
    """A device whose memory does not suffice for some calls of the model that learn, by the number of their tokens."""
    forward = LlamaModel.forward

    def narrow(self: Any, *arguments: Any, **facts: Any) -> Any:
        if torch.is_grad_enabled() and not allowed(facts["input_ids"].numel()):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
        return forward(self, *arguments, **facts)

    monkeypatch.setattr(LlamaModel, "forward", narrow)


@pytest.mark.train
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_batch_that_is_too_much_at_once_goes_on_in_smaller_parts_with_the_same_losses(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    data = write_chats(tmp_path / "rows.jsonl", 16) if method == "sft" else write_pairs(tmp_path / "rows.jsonl", 16)
    spec = spec_of(base, data, epochs=2, checkpoint_every=100, forgetting=False, **(DPO if method == "dpo" else {}))
    whole, narrow = MemoryJob(tmp_path / "whole"), MemoryJob(tmp_path / "narrow")
    seen: list[int] = []
    with monkeypatch.context() as counting:
        too_many(counting, lambda tokens: seen.append(tokens) or True)
        train(whole, spec=spec, home=tmp_path)
    steps = [0]

    def allowed(tokens: int) -> bool:
        steps[0] += 1
        return steps[0] <= 3 or tokens < 0.7 * max(seen)

    too_many(monkeypatch, allowed)
    assert train(narrow, spec=spec, home=tmp_path) == "succeeded"

    assert narrow.said("the memory did not suffice for 4 rows at once (CUDA out of memory. Tried to allocate 2.00 GiB)")
    assert narrow.said("the training goes on with 2 rows at once, in the same batches of 4")
    assert narrow.said("resuming at step 3"), "what was trained is not trained again"
    assert narrow.losses() == pytest.approx(whole.losses(), abs=1e-3)


@pytest.mark.train
def test_when_there_is_nothing_less_the_settings_that_would_fit_are_told_and_what_was_trained_is_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, steps = MemoryJob(tmp_path / "job"), [0]

    def allowed(tokens: int) -> bool:
        steps[0] += 1
        return steps[0] <= 2

    too_many(monkeypatch, allowed)
    with pytest.raises(MachineGaveOut) as caught:
        train(job, spec=spec_of(base, write_chats(tmp_path / "rows.jsonl"), lora={"rank": 16}, forgetting=False), home=tmp_path)

    said = str(caught.value)
    assert "the memory did not suffice for 1 row at once, activations computed anew" in said
    assert "The longest row has" in said
    assert "lora.rank = 8 instead of 16, options.local.precision = 'bf16', a smaller base" in said
    assert "\n" not in said
    assert (job.checkpoints / "step-00000002" / "complete.json").exists()


def test_fewer_rows_at_once_are_a_part_of_the_batch() -> None:
    assert fit(CPU, SMALL, batch_size=8, longest=100, at_most=3).micro_batch == 2
    assert fit(CPU, SMALL, batch_size=8, longest=100, at_most=4, gradient_checkpointing=True) == Fit(
        4, True, ("gradient checkpointing: asked for", "batches of 8 rows in parts of 4: so much fits into memory at once")
    )


def test_what_did_not_fit_is_remembered_by_the_next_worker(tmp_path: Path) -> None:
    assert room_of(tmp_path) == Room()
    Tried(4, recompute=False, may_recompute=True).keep(tmp_path)
    assert room_of(tmp_path) == Room(), "it was not tried in vain"

    assert note_that_it_ran_out(tmp_path) == Room(2)
    assert room_of(tmp_path) == Room(2)
    Tried(1, recompute=False, may_recompute=True, limited=True).keep(tmp_path)
    assert room_of(tmp_path) == Room(1), "and what did fit stays"
    assert note_that_it_ran_out(tmp_path) == Room(1, recompute=True)
    Tried(1, recompute=True, may_recompute=True).keep(tmp_path)
    assert note_that_it_ran_out(tmp_path) is None


def test_what_would_fit_depends_on_what_was_asked_for() -> None:
    full = after_running_out(spec_of(Path("x"), Path("y"), weights={"kind": "full"}, gradient_checkpointing=False), longest=1000)

    assert "max_length = 448" in full
    assert "options.local.gradient_checkpointing = true" in full
    assert "LoRA instead of full weights (2.3 instead of 16 bytes a weight)" in full


# --- ended by the system -----------------------------------------------------------------------------------------------------------------


def a_lost_job(home: Path, *, kills: int | None) -> JobFolder:
    """A job whose worker is gone, and that noted how often the system had killed for memory when it began."""
    jobs = Jobs(home)
    recipe = {"hyperparameters": {"device": "cpu"}}
    folder, _ = jobs.make("lost", recipe, {})
    folder.write_status(JobStatus(JobState.RUNNING, pid=None, launches=1, device="cpu", memory_kills=kills))
    Tried(8, recompute=False, may_recompute=True).keep(folder.path)
    return folder


def a_system(root: Path, kills: int) -> Path:
    (root / "proc").mkdir(parents=True)
    (root / "proc/vmstat").write_text(f"nr_free_pages 7\noom_kill {kills}\n")
    return root


def test_a_worker_that_the_system_ended_for_memory_leaves_a_job_that_goes_on_with_less(tmp_path: Path) -> None:
    root = a_system(tmp_path / "root", 3)
    folder = a_lost_job(tmp_path / "home", kills=2)

    status = Lifecycle(environ={}, root=root).look(folder)

    assert status.state is JobState.PAUSED
    assert "the system ended a process for want of memory meanwhile, most likely this one" in status.detail
    assert "the next worker takes 4 rows at once" in status.detail
    assert room_of(folder.path) == Room(4)


@pytest.mark.parametrize("kills", [3, None])
def test_without_such_evidence_memory_is_not_blamed(tmp_path: Path, kills: int | None) -> None:
    folder = a_lost_job(tmp_path / "home", kills=kills)

    status = Lifecycle(environ={}, root=a_system(tmp_path / "root", 3)).look(folder)

    assert status.state is JobState.FAILED
    assert "want of memory" not in (status.error or "")
    assert room_of(folder.path) == Room()


def test_a_system_that_does_not_count_says_nothing(tmp_path: Path) -> None:
    assert killed_for_memory(root=tmp_path) is None
    assert killed_for_memory(root=a_system(tmp_path, 7)) == 7
