"""Reinforcement: the model answers prompts, a grader scores the answers, and what scores above its group is learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases.sampling import seeds_for
from tuneport_local.methods.batches import GroupOrder
from tuneport_local.rows.prepared import PROMPTS, prepare
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import DatasetError, GraderFailed, JobFailed, RecipeError
from tuneport.examples import ChatExample, Message, PromptExample, canonical_bytes
from tuneport.job import JobState

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, tiny_tokenizer

STEPS = 6
LETTERS = """
def grade(sample, item):
    said = sample['output_text']
    return sum(each in 'abcdefghijklm' for each in said) / max(1, len(said))
"""
OWN: dict[str, Any] = {
    "grader": {"kind": "python", "source": LETTERS},
    "samples_per_prompt": 6,
    "max_tokens": 6,
    "temperature": 1.0,
    "beta": 0.0,
    "eval_samples": 0,
}


def write_prompts(path: Path, rows: int, *, first: int = 0) -> Path:
    """Prompts of different lengths, each with a reference."""
    with path.open("wb") as file:
        for number in range(first, first + rows):
            asked = Message("user", " ".join(["Where is my card?"] * (1 + number % 3)) + f" {number}")
            file.write(canonical_bytes(PromptExample((asked,), f"Red {number}")) + b"\n")
    return path


class Scene:
    """A tiny base with prompts, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.rows = write_prompts(folder / "train.jsonl", 11)
        self.validation = write_prompts(folder / "validation.jsonl", 5, first=100)
        self.whole = self.job("whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "checkpoint_every": 4, **OWN, **changes}
        return spec_of(self.base, self.rows, method="grpo", **given)

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def readings(job: MemoryJob) -> dict[int, dict[str, float]]:
    """What was told of each step, without what depends on the clock; what was measured last counts."""
    found: dict[int, dict[str, float]] = {}
    for step, values in job.metrics:
        found.setdefault(step, {}).update({name: value for name, value in values.items() if name not in ("tokens_per_second", "eta_s")})
    return found


# --- what is trained on ------------------------------------------------------------------------------------------------------------------


def prepared(*examples: Any, max_length: int = 60, too_long: Any = "refuse") -> Any:
    return prepare(enumerate(examples, 3), tiny_tokenizer(), kind=PROMPTS, max_length=max_length, too_long=too_long, name="prompts.jsonl")


def test_a_prompt_ends_where_the_assistant_begins_and_brings_what_its_grader_may_look_at() -> None:
    rows = prepared(PromptExample((Message("user", "Where?"),), "Red", extra={"colour": 3})).rows

    assert tiny_tokenizer().decode(rows[0].prompt.input_ids).endswith("<|im_start|>assistant\n")
    assert (dict(rows[0].item), rows[0].line, rows[0].trained_tokens) == ({"colour": 3, "reference": "Red"}, 3, 0)


def test_prompts_over_the_limit_are_refused_or_left_out_by_their_line() -> None:
    short, long = (PromptExample((Message("user", "card " * times),), "x") for times in (1, 60))

    with pytest.raises(DatasetError, match=r"prompts\.jsonl: 1 row longer than 60 tokens: line 4"):
        prepared(short, long)
    assert prepared(short, long, too_long="drop").dropped == (4,)


def test_conversations_are_refused_by_their_line() -> None:
    with pytest.raises(DatasetError, match=r"line 3: a chat row; reinforcement needs prompts"):
        prepared(ChatExample((Message("user", "one"), Message("assistant", "Red"))))


def test_every_prompt_of_an_epoch_is_answered_in_steps_of_one_size() -> None:
    order = GroupOrder(5, seed=1, prompts=3, answers=2, parts=2)
    found = list(order)
    steps = [found[start : start + 12] for start in range(0, len(found), 12)]

    assert len(found) == len(order) == 24
    assert all(step[:6] == step[6:] and step[:6:2] == step[1:6:2] for step in steps)
    assert set(found) == set(range(5))
    order.set_epoch(1)
    assert list(order) != found


def test_answers_are_drawn_from_streams_that_only_seed_step_and_place_decide() -> None:
    assert seeds_for(3, seed=1, step=4) == seeds_for(5, seed=1, step=4)[:3]
    assert len({*seeds_for(3, seed=1, step=4), *seeds_for(3, seed=2, step=4), *seeds_for(3, seed=1, step=5)}) == 9


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_the_reward_rises_on_prompts_that_were_not_trained_on(scene: Scene) -> None:
    """The tiny model's output layer is all but even: at a low temperature its answers differ enough for one to be better than another."""
    job = scene.job("longer")
    sharp = {"temperature": 0.05, "eval_samples": 8, "eval_every": 10}

    train(job, spec=scene.spec(epochs=10, learning_rate=0.05, lora={"dropout": 0.0}, **sharp), home=scene.folder)

    told = readings(job)
    first = sum(told[step]["rewards/mean"] for step in range(1, 6)) / 5
    last = sum(told[step]["rewards/mean"] for step in range(26, 31)) / 5
    assert last > first + 0.2
    assert told[30]["eval_rewards/mean"] > first + 0.2
    assert told[30]["eval_loss"] == -told[30]["eval_rewards/mean"]


@pytest.mark.train
def test_every_step_is_told_with_rewards_lengths_and_all_tokens(scene: Scene) -> None:
    told, run = readings(scene.whole), json.loads((scene.whole.path / "run.json").read_text())

    assert scene.outcome == "succeeded"
    assert sorted(told) == list(range(1, STEPS + 1))
    names = {
        "rewards/mean",
        "rewards/std",
        "rewards/full_marks",
        "rewards/no_signal",
        "rewards/failed",
        "answers/mean_length",
        "answers/cut",
    }
    assert all(names <= told[step].keys() for step in told)
    assert 0 < told[1]["answers/mean_length"] <= 6
    assert told[STEPS]["tokens"] > 4 * 6 * STEPS * 40  # each prompt of a step six times, with its answers
    assert scene.whole.said("train data: 11 prompts")
    assert run["metrics"]["eval_rewards/mean"] == told[STEPS]["eval_rewards/mean"]
    assert "mean reward over the validation prompts" in (scene.whole.adapter / "README.md").read_text()


@pytest.mark.train
def test_a_reference_is_kept_to_where_beta_says_so(scene: Scene) -> None:
    job = scene.job("beta")

    assert train(job, spec=scene.spec(beta=0.5, epochs=1), home=scene.folder) == "succeeded"
    told = readings(job)
    assert told[1]["kl"] == pytest.approx(0.0, abs=0.01)  # but for what dropout does
    assert "kl" not in readings(scene.whole)[1]


@pytest.mark.train
def test_answers_that_all_score_alike_are_told_of_in_words(scene: Scene) -> None:
    job = scene.job("silent")

    train(job, spec=scene.spec(grader={"kind": "string_check"}, epochs=1), home=scene.folder)

    assert [message for _, message in job.events if "nothing can be learned" in message] == [
        "at step 1 all answers to a prompt scored alike (mean 0), for every prompt: nothing can be learned from them. Where they are all "
        "wrong, ask for something easier or give a part of the score for less; where they are all right, it is learned."
    ]
    assert readings(job)[1]["rewards/no_signal"] == 1.0


# --- breaks ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(metric_at(2), id="before the first checkpoint"),
        pytest.param(metric_at(5), id="between checkpoints"),
        pytest.param(metric_at(3, "eval_loss"), id="after a validation"),
        pytest.param(lambda kind, what: kind == "phase" and what == JobState.FINALIZING, id="finalizing"),
    ],
)
def test_a_killed_run_goes_on_to_the_very_weights_of_an_unbroken_one(scene: Scene, moment: Any, request: pytest.FixtureRequest) -> None:
    job = scene.job(f"killed {request.node.callspec.id}")

    killed(job, scene.spec(), scene.folder, at=moment)

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert readings(job) == readings(scene.whole)
    assert same_weights(job, scene.whole)


class Asked:
    """A wish that is left once the job has been looked at so often."""

    def __init__(self, wish: Any, *, after: int) -> None:
        self.looks, self.wish, self.after = 0, wish, after

    def __call__(self) -> Any:
        self.looks += 1
        return self.wish if self.looks > self.after else "run"


@pytest.mark.train
@pytest.mark.parametrize("looks", [3, 12, 100, 150])
def test_a_run_paused_while_answers_are_written_or_graded_goes_on_as_if_it_had_not(scene: Scene, looks: int) -> None:
    job = scene.job(f"paused after {looks} looks")
    job.wished = Asked("pause", after=looks)

    assert train(job, spec=scene.spec(), home=scene.folder) == "paused"
    assert job.wished.looks <= looks + 3  # no whole answer, let alone a step, is waited for
    job.wished = lambda: "run"

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert readings(job) == readings(scene.whole)
    assert same_weights(job, scene.whole)


@pytest.mark.train
def test_a_run_paused_in_a_validation_does_it_again(scene: Scene) -> None:
    job = scene.job("paused in validation")
    broken_off(job, scene.spec(), scene.folder, wish="pause", at=metric_at(3))

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert readings(job) == readings(scene.whole)
    assert same_weights(job, scene.whole)


@pytest.mark.train
def test_a_cancel_while_answers_are_written_keeps_what_was_trained(scene: Scene) -> None:
    job = scene.job("cancelled")
    job.wished = Asked("cancel", after=150)

    assert train(job, spec=scene.spec(), home=scene.folder) == "cancelled"
    assert job.wished.looks <= 153
    assert list(job.checkpoints.glob("step-*/complete.json"))
    assert not job.adapter.exists()


@pytest.mark.train
@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"precision": "bf16"}])
def test_the_settings_of_a_run_are_followed(scene: Scene, changes: dict[str, Any]) -> None:
    job = scene.job(f"with {next(iter(changes))}")

    assert train(job, spec=scene.spec(epochs=1, **changes), home=scene.folder) == "succeeded"
    assert readings(job)[1]["rewards/mean"] == pytest.approx(readings(scene.whole)[1]["rewards/mean"], abs=0.1)


# --- graders that fail -------------------------------------------------------------------------------------------------------------------


def python(source: str) -> dict[str, Any]:
    return {"kind": "python", "name": "mine", "source": source}


@pytest.mark.train
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("int('secret')", "raised ValueError in line 2 of its source"),
        ("None", "gave a value of type NoneType"),
        ("float('nan')", "gave nan, which is no score"),
        ("'1.0'", "gave a value of type str"),
        ("__import__('os')._exit(3)", r"the process of the grader 'mine' ended while it graded an answer \(exit code 3\)"),
    ],
)
def test_a_grader_that_fails_at_first_ends_the_job_before_anything_is_learned(scene: Scene, body: str, words: str) -> None:
    job = scene.job(f"failing {body[:10]}")

    with pytest.raises(JobFailed, match=rf"{words}.*line \d+ of the train data") as raised:
        train(job, spec=scene.spec(grader=python(f"def grade(sample, item):\n    return {body}\n")), home=scene.folder)

    assert "secret" not in str(raised.value)
    assert not job.metrics
    assert not list(job.checkpoints.glob("step-*"))


@pytest.mark.train
def test_a_grader_that_hangs_is_ended_in_time_and_named(scene: Scene) -> None:
    job = scene.job("hanging")
    grader = python("def grade(sample, item):\n    while True: pass\n")

    with pytest.raises(JobFailed, match=r"'mine' took more than 0\.3 seconds .*line \d+ of the train data"):
        train(job, spec=scene.spec(grader=grader, grader_timeout_s=0.3), home=scene.folder)


def test_a_grader_that_does_not_run_ends_the_job_before_the_model_is_loaded(scene: Scene) -> None:
    job = scene.job("unloadable")

    with pytest.raises(GraderFailed, match=r"'mine' does not run \(ModuleNotFoundError: No module named 'no_such_thing', line 1\)"):
        train(job, spec=scene.spec(grader=python("import no_such_thing\ndef grade(s, i): return 1.0")), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]


FORGETFUL = """
seen = 0
def grade(sample, item):
    global seen
    seen += 1
    if seen in {bad}:
        raise RuntimeError(sample["output_text"])
    return len(sample["output_text"])
"""


@pytest.mark.train
def test_answers_that_cannot_be_graded_later_on_score_lowest_and_are_told_of(scene: Scene) -> None:
    job = scene.job("sporadic")
    grader = python(FORGETFUL.replace("{bad}", "(30, 31)"))  # 24 answers a step

    assert train(job, spec=scene.spec(grader=grader, epochs=1), home=scene.folder) == "succeeded"
    assert [readings(job)[step]["rewards/failed"] for step in (1, 2)] == [0.0, 2.0]
    assert job.said("2 of 24 answers could not be graded; the first: the grader 'mine' raised RuntimeError in line 7 of its source")


@pytest.mark.train
def test_too_many_such_answers_end_the_job_and_keep_what_was_trained(scene: Scene) -> None:
    job = scene.job("too many")
    grader = python(FORGETFUL.replace("{bad}", "range(30, 40)"))

    with pytest.raises(JobFailed, match="10 of 24 answers could not be graded"):
        train(job, spec=scene.spec(grader=grader), home=scene.folder)
    assert [path.parent.name for path in job.checkpoints.glob("step-*/complete.json")] == ["step-00000001"]


# --- refusals ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_a_prompt_without_room_for_its_answer_is_refused_before_the_model_is_loaded(scene: Scene) -> None:
    job = scene.job("no room")

    with pytest.raises(DatasetError, match=r"train data: .* rows? longer than 44 tokens: .* 6 tokens are kept for the answer"):
        train(job, spec=scene.spec(max_length=50), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]


def test_adapters_on_the_output_layer_are_refused(scene: Scene) -> None:
    with pytest.raises(RecipeError, match=r"lora\.targets names lm_head"):
        train(scene.job("head"), spec=scene.spec(lora={"targets": ["lm_head"]}), home=scene.folder)
