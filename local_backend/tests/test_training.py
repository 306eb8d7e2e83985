"""Training from a job's log to its adapter: what is learned, told, kept, and how it goes on after a break."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.machine.hardware import Fit
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import DatasetError, JobFailed, RecipeError, UnknownModel
from tuneport.job import JobState

from .breaks import event_says, killed, metric_at, phase_is
from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, tiny_model, tiny_tokenizer, write_chats

pytestmark = pytest.mark.train
STEPS = 12


class Scene:
    """A tiny base with data, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.rows = write_chats(folder / "train.jsonl", 22)
        self.validation = write_chats(folder / "validation.jsonl", 9)
        self.whole = self.job("whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "checkpoint_every": 4, **changes}
        return spec_of(self.base, self.rows, **given)

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


def test_a_run_goes_through_its_phases_and_learns(scene: Scene) -> None:
    losses = scene.whole.losses()

    assert scene.outcome == "succeeded"
    assert scene.whole.phases == [JobState.VALIDATING, JobState.STARTING, JobState.RUNNING, JobState.FINALIZING]
    assert losses[STEPS, "loss"] < losses[1, "loss"]
    assert losses[STEPS, "eval_loss"] < losses[6, "eval_loss"]


def test_every_step_is_told_with_its_tokens_speed_and_remaining_time(scene: Scene) -> None:
    readings = [values for _, values in scene.whole.metrics if "loss" in values]

    assert len(readings) == STEPS
    assert {"loss", "learning_rate", "grad_norm", "epoch", "tokens_per_second", "tokens", "eta_s"} <= set(readings[0])
    assert readings[-1]["epoch"] == 2.0
    assert readings[-1]["eta_s"] == 0.0
    assert readings[-1]["tokens"] == 2 * _tokens_of(scene.rows)
    assert all(math.isfinite(value) for reading in readings for value in reading.values())


def _tokens_of(path: Path) -> int:
    tokenizer = tiny_tokenizer()
    rows = [json.loads(line)["messages"] for line in path.read_text().splitlines()]
    return sum(len(tokenizer.apply_chat_template(row, tokenize=True, return_dict=True)["input_ids"]) for row in rows)


def test_validation_comes_after_each_epoch(scene: Scene) -> None:
    assert [step for step, values in scene.whole.metrics if "eval_loss" in values] == [6, 12]


def test_the_choices_and_the_data_are_told(scene: Scene) -> None:
    for words in ("train data: 22 rows", "of them learned", "precision fp32: asked for", "adapters in fp32", "batches without padding"):
        assert scene.whole.said(words)


def test_the_adapter_is_one_that_peft_loads_and_that_changes_the_answers(scene: Scene) -> None:
    from tuneport_local.bases import weights as store

    plain = store.load(str(scene.base), home=scene.folder)
    tuned = store.load(str(scene.base), home=scene.folder, adapter=scene.whole.adapter)
    ids = torch.tensor([[1, 20, 30, 40]])

    with torch.no_grad():
        assert not torch.equal(plain.model(ids).logits, tuned.model(ids).logits)
    config = json.loads((scene.whole.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(scene.base)
    assert config["r"] == 4


def test_the_card_and_run_json_say_what_was_done(scene: Scene) -> None:
    run = json.loads((scene.whole.path / "run.json").read_text())
    card = (scene.whole.adapter / "README.md").read_text()

    assert run["dataset_fingerprint"] == "f" * 64
    assert run["metrics"]["loss"] == scene.whole.losses()[STEPS, "loss"]
    assert run["metrics"]["eval_loss"] == scene.whole.losses()[STEPS, "eval_loss"]
    assert run["data"]["rows"] == 22
    assert run["hardware"]["peak_memory_bytes"] > 0
    assert {"torch", "transformers", "peft", "trl"} <= set(run["versions"])
    assert "f" * 64 in card
    assert "rank 4" in card
    assert not (scene.whole.path / ".adapter.part").exists()


def test_the_same_seed_gives_the_same_weights_and_another_one_others(scene: Scene) -> None:
    again, other = scene.job("again"), scene.job("other seed")
    train(again, spec=scene.spec(), home=scene.folder)
    train(other, spec=scene.spec(seed=2), home=scene.folder)

    assert same_weights(scene.whole, again)
    assert not same_weights(scene.whole, other)


def test_a_job_that_is_done_is_not_trained_again(scene: Scene) -> None:
    twice = MemoryJob(scene.whole.path)

    assert train(twice, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert twice.metrics == []


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"precision": "bf16"}, {"schedule": "cosine"}, {"log_every": 5}])
def test_the_settings_of_a_run_are_followed(scene: Scene, changes: dict[str, Any]) -> None:
    job = scene.job(f"settings {changes}")

    assert train(job, spec=scene.spec(**changes, epochs=1, validation=None), home=scene.folder) == "succeeded"

    steps = [step for step, values in job.metrics if "loss" in values]
    assert steps == ([5, 6] if "log_every" in changes else [1, 2, 3, 4, 5, 6])


def test_the_loss_is_that_of_the_learned_tokens_alone_whatever_the_form_of_the_batch(scene: Scene) -> None:
    """Against plain transformers: cross-entropy over the answers of the first batch, computed row by row."""
    from tuneport_local.bases import weights as store
    from tuneport_local.methods.batches import EpochOrder
    from tuneport_local.rows.rendering import Template, render

    from tuneport.dataset import Dataset

    tokenizer = tiny_tokenizer()
    every = list(Dataset.read(scene.rows, format="chat"))
    model = store.load(str(scene.base), home=scene.folder).model
    total, tokens = 0.0, 0
    for place in list(EpochOrder(22, seed=1))[:4]:
        row = render(every[place], tokenizer, template=Template.of(tokenizer), line=1)  # type: ignore[arg-type]
        ids = torch.tensor([row.input_ids])
        with torch.no_grad():
            logs = model(ids).logits[0, :-1].log_softmax(-1)
        for spot, learned in enumerate(row.loss_mask[1:]):
            if learned:
                total -= float(logs[spot, row.input_ids[spot + 1]])
                tokens += 1

    assert scene.whole.losses()[1, "loss"] == pytest.approx(total / tokens, abs=1e-4)


def test_long_answers_go_through_the_output_layer_in_chunks_with_the_same_losses(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneport_local.methods.sft.LOGITS_AT_MOST_BYTES", 0)
    job = scene.job("chunks")

    train(job, spec=scene.spec(), home=scene.folder)

    assert job.losses() == pytest.approx(scene.whole.losses(), abs=1e-4)


# --- breaks ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(phase_is(JobState.VALIDATING), id="validating"),
        pytest.param(phase_is(JobState.STARTING), id="starting"),
        pytest.param(metric_at(2), id="before the first checkpoint"),
        pytest.param(event_says("checkpoint step-00000004"), id="right after a checkpoint"),
        pytest.param(metric_at(5), id="between checkpoints"),
        pytest.param(metric_at(6, "eval_loss"), id="after a validation"),
        pytest.param(metric_at(7), id="in the second epoch"),
        pytest.param(phase_is(JobState.FINALIZING), id="finalizing"),
    ],
)
def test_a_killed_run_goes_on_with_the_losses_of_an_unbroken_one(scene: Scene, moment: Any, request: pytest.FixtureRequest) -> None:
    job = scene.job(f"killed {request.node.callspec.id}")

    killed(job, scene.spec(), scene.folder, at=moment)

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)
    assert metrics_of(job) == metrics_of(scene.whole)


def metrics_of(job: MemoryJob) -> dict[str, Any]:
    """What run.json says was measured, without what depends on the clock."""
    metrics = json.loads((job.path / "run.json").read_text())["metrics"]
    return {name: value for name, value in metrics.items() if name != "tokens_per_second"}


def test_a_worker_killed_by_the_system_in_the_middle_of_a_step_loses_nothing(scene: Scene) -> None:
    job = scene.job("sigkill")
    program = (
        "import os, signal, sys; sys.path[:0] = sys.argv[1:3]\n"
        "import torch; torch.set_num_threads(1)\n"
        "from pathlib import Path; from tests.joblog import MemoryJob, spec_of; from tuneport_local.training.train import train\n"
        "base, rows, validation, path, home = map(Path, sys.argv[3:])\n"
        "job = MemoryJob(path); looks = []\n"
        "def wish():\n"
        "    looks.append(1)\n"
        "    if len(looks) == 17: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return 'run'\n"
        "job.wished = wish\n"
        "train(job, spec=spec_of(base, rows, validation=validation, lora={'dropout': 0.1}, checkpoint_every=4), home=home)\n"
    )
    here = Path(__file__).parent
    arguments = [here.parent, here, scene.base, scene.rows, scene.validation, job.path, scene.folder]
    ended = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.said("resuming at step 4") or job.said("resuming at step 8")
    assert same_weights(job, scene.whole)


def test_a_damaged_checkpoint_is_passed_over_and_the_run_still_ends_the_same(scene: Scene) -> None:
    job = scene.job("damaged")
    killed(job, scene.spec(), scene.folder, at=metric_at(10))
    newest = job.checkpoints / "step-00000008" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    job.after = lambda kind, what: None

    train(job, spec=scene.spec(), home=scene.folder)

    assert job.said("step-00000008 is passed over: its optimizer.pt is damaged")
    assert job.said("resuming at step 4")
    assert same_weights(job, scene.whole)


@pytest.mark.parametrize(("step", "name"), [(3, "loss"), (6, "loss"), (7, "loss")])
def test_a_paused_run_stops_within_a_step_with_a_checkpoint_and_goes_on_as_if_it_had_not(scene: Scene, step: int, name: str) -> None:
    job = scene.job(f"paused at {step}")
    job.wished = lambda: "pause" if (step, name) in job.losses() else "run"

    assert train(job, spec=scene.spec(), home=scene.folder) == "paused"
    stopped = max(at for at, _ in job.metrics)
    assert stopped <= step + 1
    assert (job.checkpoints / f"step-{stopped:08}" / "complete.json").exists()

    job.wished = lambda: "run"
    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


def test_a_pause_asked_for_at_the_very_end_is_too_late(scene: Scene) -> None:
    job = scene.job("paused too late")
    job.wished = lambda: "pause" if (STEPS, "eval_loss") in job.losses() else "run"

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"


def test_a_run_whose_batches_go_in_parts_is_the_same_after_a_break(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of two rows; the last batch of an epoch has one part only."""
    monkeypatch.setattr("tuneport_local.machine.hardware.fit", lambda *given, **facts: Fit(2, False, ()))
    whole, broken = scene.job("parts"), scene.job("parts, killed")
    train(whole, spec=scene.spec(), home=scene.folder)
    killed(broken, scene.spec(), scene.folder, at=metric_at(9))
    train(broken, spec=scene.spec(), home=scene.folder)

    assert broken.said("resuming at step 8")
    assert broken.losses() == whole.losses()
    assert same_weights(broken, whole)
    plain = scene.spec(lora={"dropout": 0.0})
    parts, at_once = scene.job("parts, no dropout"), scene.job("at once, no dropout")
    train(parts, spec=plain, home=scene.folder)
    monkeypatch.setattr("tuneport_local.machine.hardware.fit", lambda *given, **facts: Fit(4, False, ()))
    train(at_once, spec=plain, home=scene.folder)
    assert parts.losses() == pytest.approx(at_once.losses(), abs=1e-3)


def test_a_run_that_cannot_use_its_checkpoints_begins_anew_and_keeps_the_new_ones(scene: Scene) -> None:
    job = scene.job("all damaged")
    killed(job, scene.spec(), scene.folder, at=phase_is(JobState.FINALIZING))
    for optimizer in job.checkpoints.glob("*/optimizer.pt"):
        optimizer.write_bytes(b"")
    killed(job, scene.spec(), scene.folder, at=metric_at(6))

    train(job, spec=scene.spec(), home=scene.folder)

    assert job.said("resuming at step 4")
    assert same_weights(job, scene.whole)


@pytest.mark.parametrize("moment", [(3, "loss"), (6, "loss")], ids=["in a step", "in a validation"])
def test_a_cancelled_run_stops_at_once_and_keeps_what_it_has(scene: Scene, moment: tuple[int, str]) -> None:
    job = scene.job(f"cancelled {moment}")
    job.wished = lambda: "cancel" if moment in job.losses() else "run"

    assert train(job, spec=scene.spec(), home=scene.folder) == "cancelled"

    assert max(step for step, _ in job.metrics) == moment[0]
    assert (job.checkpoints / f"step-{moment[0]:08}" / "complete.json").exists()
    assert not job.adapter.exists()


def test_checkpoints_hold_no_pickled_objects_beyond_tensors_and_numbers(scene: Scene) -> None:
    newest = max(scene.whole.checkpoints.iterdir())

    assert not (newest / "training_args.bin").exists()
    for name in ("optimizer.pt", "scheduler.pt"):
        torch.load(newest / name, weights_only=True)


# --- failures ----------------------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_step(scene: Scene, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in scene.base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = load_file(tmp_path / "model.safetensors")
    broken["model.norm.weight"].fill_(float("nan"))
    save_file(broken, tmp_path / "model.safetensors", metadata={"format": "pt"})
    job = MemoryJob(tmp_path / "job")

    with pytest.raises(JobFailed, match="the loss became nan at step 1; the training was stopped there"):
        train(job, spec=spec_of(tmp_path, scene.rows), home=tmp_path)

    assert job.metrics == []
    assert not job.adapter.exists()


@pytest.mark.parametrize("window", [4, 40])
def test_a_model_that_sees_less_than_the_longest_row_is_trained_in_padded_batches(scene: Scene, tmp_path: Path, window: int) -> None:
    """Also where the window is longer than the few tokens that packing is tried on."""
    from transformers import MistralConfig, MistralForCausalLM

    for path in scene.base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = MistralConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=window,
        bos_token_id=1,
        eos_token_id=2,
    )
    MistralForCausalLM(config).save_pretrained(tmp_path)
    job = MemoryJob(tmp_path / "job")

    assert train(job, spec=spec_of(tmp_path, scene.rows, epochs=1), home=tmp_path) == "succeeded"
    assert job.said(f"padded batches for this model: its layers see {window} tokens at once")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused_before_the_first_step(scene: Scene, tmp_path: Path) -> None:
    tiny_model(vocabulary=50).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(UnknownModel, match="its model knows 50 tokens only: they do not belong together"):
        train(MemoryJob(tmp_path / "job"), spec=spec_of(tmp_path, scene.rows), home=tmp_path)


def test_targets_that_name_no_layer_are_refused_with_the_layers_there_are(scene: Scene) -> None:
    with pytest.raises(RecipeError, match=r"'nowhere'.*Its linear layers: down_proj"):
        train(scene.job("targets"), spec=scene.spec(lora={"targets": ["nowhere"]}), home=scene.folder)


def test_rows_over_the_limit_are_refused_before_the_model_is_loaded(scene: Scene) -> None:
    job = scene.job("too long")

    with pytest.raises(DatasetError, match="7 rows longer than 50 tokens: lines 3, 6, 9"):
        train(job, spec=scene.spec(max_length=50), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]
    with pytest.raises(RecipeError, match="more than the 512 tokens"):
        train(job, spec=scene.spec(max_length=4096), home=scene.folder)


def test_rows_that_are_left_out_are_told_with_their_lines(scene: Scene) -> None:
    job = scene.job("dropped")

    train(job, spec=scene.spec(max_length=50, too_long="drop", epochs=1), home=scene.folder)

    assert job.said("train data: 7 rows longer than 50 tokens, left out: lines 3, 6, 9")


def test_a_base_that_is_not_there_is_named(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="there is no folder"):
        train(MemoryJob(tmp_path), spec=spec_of(Path("/nowhere/at/all"), scene.rows), home=tmp_path)


def test_a_recipe_without_hyperparameters_is_refused() -> None:
    with pytest.raises(RecipeError, match="does not describe a training run"):
        TrainingSpec.from_dict({"base": "x", "files": {"train": "y"}})
