"""The Trainer of this machine, as far as it goes without training: plans, files, job folders, quotes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.machine import throughput

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, ConfigError, FileGone, NotFound, RecipeError, Refused, TuneportError, UnknownModel
from tuneport.examples import ChatExample, ImagePart, Message, PreferenceExample, Tool
from tuneport.job import JobState
from tuneport.provider import Capability, ProviderSettings
from tuneport.recipe import DPO, KTO, ORPO, SFT, Recipe, Reward

from .tiny import CHATML, save_tiny

BASE = "smollm2-135m-instruct"


@pytest.fixture
def trainer(tmp_path: Path) -> LocalTrainer:
    return opened(tmp_path)


def opened(home: Path, profile: dict[str, Any] | None = None) -> LocalTrainer:
    trainer = provider.open_trainer(ProviderSettings("local", home, profile=profile or {}))
    assert isinstance(trainer, LocalTrainer)
    return trainer


def chat(*pairs: tuple[str, str]) -> Dataset:
    return Dataset.from_examples([ChatExample((Message("user", question), Message("assistant", answer))) for question, answer in pairs])


ROWS = chat(*((f"question {number}", f"answer {number}") for number in range(12)))


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"base": BASE, "train": ROWS, **changes})


def a_finished_job(home: Path, name: str, *, seconds: int = 0) -> JobFolder:
    """A job folder as a worker leaves it behind."""
    data = home / "rows.jsonl"
    data.write_text("")
    made_from = {"base": BASE, "client_id": name, "method": "sft", "hyperparameters": {"device": "cpu", "seed": 3}}
    folder, _ = Jobs(home).make(name, made_from, {"train": data})
    folder.write_status(replace(folder.status(), state=JobState.SUCCEEDED, created_at=f"2026-01-01T00:00:{seconds:02}+00:00"))
    return folder


# --- plans ------------------------------------------------------------------------------------------------------------


def test_the_scope_stays_when_the_state_folder_moves(tmp_path: Path) -> None:
    assert opened(tmp_path / "here").scope() == opened(tmp_path / "there").scope()


def test_a_plan_touches_nothing(trainer: LocalTrainer, tmp_path: Path) -> None:
    trainer.plan(recipe())
    assert list(tmp_path.iterdir()) == []


def test_a_plan_says_which_numbers_it_took_for_auto(trainer: LocalTrainer) -> None:
    plan = trainer.plan(recipe(method=SFT(epochs=5)))
    assert plan.hyperparameters["epochs"] == 5
    assert plan.hyperparameters["batch_size"] == 8
    assert any("batch_size 8" in note and "epochs" not in note for note in plan.notes)


def test_a_learning_rate_multiplier_multiplies_the_local_default_and_says_so(trainer: LocalTrainer) -> None:
    usual = trainer.plan(recipe()).hyperparameters["learning_rate"]
    plan = trainer.plan(recipe(method=SFT(learning_rate_multiplier=2.0)))
    assert plan.hyperparameters["learning_rate"] == pytest.approx(2 * usual)
    assert any("2 x the local default" in note for note in plan.notes)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"suffix": "v2"}, {"method": SFT(epochs=7)}, {"options": {"local": {"precision": "fp32"}}}, {"train": chat(("a", "b"))}],
)
def test_a_plan_that_asks_for_something_else_has_another_fingerprint(trainer: LocalTrainer, change: dict[str, Any]) -> None:
    assert trainer.plan(recipe()).fingerprint == trainer.plan(recipe()).fingerprint
    assert trainer.plan(recipe(**change)).fingerprint != trainer.plan(recipe()).fingerprint


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"options": {"local": {"precison": "fp32"}}}, RecipeError, "did you mean 'precision'"),
        ({"options": {"local": {"device": "tpu"}}}, RecipeError, "options.local: device"),
        ({"options": {"local": {"checkpoint_every": 0}}}, RecipeError, "checkpoint_every"),
        ({"base": "smollm2-135m-instuct"}, UnknownModel, "smollm2-135m-instruct"),
        ({"base": {"openai": "gpt-4.1"}}, RecipeError, "local"),
        ({"train": Dataset.from_examples([])}, TuneportError, "no rows"),
        ({"validation": Dataset.from_examples([])}, TuneportError, "validation"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_sentence(
    trainer: LocalTrainer, changes: dict[str, Any], kind: type[TuneportError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        trainer.plan(recipe(**changes))


@pytest.mark.parametrize(
    "row",
    [
        ChatExample((Message("user", "q"),)),
        ChatExample((Message("user", (ImagePart("https://example.com/cat.png"),)), Message("assistant", "a cat"))),
    ],
)
def test_a_row_that_cannot_be_learned_is_named_by_its_line(trainer: LocalTrainer, row: Any) -> None:
    with pytest.raises(CheckFailed, match="line 13"):
        trainer.plan(recipe(train=Dataset.from_examples([*ROWS, row])))


def test_tools_are_refused_before_the_upload_where_the_base_has_no_place_for_them(trainer: LocalTrainer, tmp_path: Path) -> None:
    asked = ChatExample((Message("user", "q"), Message("assistant", "a")), tools=(Tool("look_up"),))
    rows = Dataset.from_examples([*ROWS, asked])
    tools = "{% if tools %}{{ tools | tojson }}{% endif %}"
    knows, plain = save_tiny(tmp_path / "knows", template=tools + CHATML), save_tiny(tmp_path / "plain")
    assert trainer.support(Capability.TOOLS)
    assert trainer.plan(recipe(train=rows, base=str(knows))).files[0].rows == 13
    with pytest.raises(CheckFailed, match=r"line 13: the row has tools, which .*plain does not take"):
        trainer.plan(recipe(train=rows, base=str(plain)))


# --- files ------------------------------------------------------------------------------------------------------------


def test_an_uploaded_file_is_found_again_and_ready(trainer: LocalTrainer) -> None:
    (file,) = trainer.plan(recipe()).files
    assert trainer.find_file(file) is None
    file_id = trainer.upload(file)
    assert trainer.find_file(file) == file_id
    assert trainer.file_state(file_id).state == "ready"


def test_a_file_whose_bytes_have_changed_is_not_used(trainer: LocalTrainer, tmp_path: Path) -> None:
    (file,) = trainer.plan(recipe()).files
    file_id = trainer.upload(file)
    path = tmp_path / "local" / "files" / file_id
    path.write_bytes(path.read_bytes().replace(b"answer 3", b"answer 4"))
    assert trainer.file_state(file_id).state == "error"


def test_an_uploaded_file_is_given_back_as_it_was_sent_until_it_is_deleted(trainer: LocalTrainer) -> None:
    (file,) = trainer.plan(recipe()).files
    file_id = trainer.upload(file)
    assert b"".join(trainer.file_content(file_id)) == b"".join(file.chunks())
    trainer.delete_file(file_id)
    assert trainer.file_state(file_id).state == "gone"
    for gone in (trainer.delete_file, lambda file_id: list(trainer.file_content(file_id))):
        with pytest.raises(NotFound, match=file_id):
            gone(file_id)


def test_no_name_leads_out_of_the_folder_of_uploads(trainer: LocalTrainer, tmp_path: Path) -> None:
    outside = tmp_path / "tuneport.toml"
    outside.write_text("mine")
    with pytest.raises(NotFound):
        trainer.delete_file("../../tuneport.toml")
    assert outside.exists()


def test_a_job_whose_file_is_gone_is_not_made(trainer: LocalTrainer, tmp_path: Path) -> None:
    plan = trainer.plan(recipe())
    with pytest.raises(FileGone, match="train"):
        trainer.create(plan, "job-1", {"train": plan.files[0].name})
    assert trainer.find("job-1") is None
    assert trainer.file_state(plan.files[0].name).state == "gone"


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the home should be")
    trainer = opened(tmp_path / "home")
    with pytest.raises(ConfigError, match="TUNEPORT_HOME"):
        trainer.upload(trainer.plan(recipe()).files[0])
    assert [finding.rule for finding in trainer.check() if finding.severity == "error"] == ["home"]


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first(trainer: LocalTrainer, tmp_path: Path) -> None:
    for name, seconds in (("second", 20), ("third", 30), ("first", 10)):
        a_finished_job(tmp_path, name, seconds=seconds)
    assert [job.provider_id for job in trainer.list()] == ["third", "second", "first"]
    since = next(job.created_at for job in trainer.list() if job.provider_id == "second")
    assert [job.provider_id for job in trainer.list(since=since)] == ["third", "second"]


def test_an_unknown_job_is_absent_and_has_no_events(trainer: LocalTrainer, tmp_path: Path) -> None:
    a_finished_job(tmp_path, "known")
    assert list(trainer.fetch(["known", "unknown", "../known"])) == ["known"]
    assert trainer.find("unknown") is None
    calls: list[Callable[[str], object]] = [trainer.events, trainer.metrics, trainer.cancel, trainer.result, trainer.delete]
    for call in calls:
        with pytest.raises(NotFound, match="unknown"):
            call("unknown")


def test_a_folder_that_is_being_made_or_deleted_is_no_job(trainer: LocalTrainer, tmp_path: Path) -> None:
    folder = a_finished_job(tmp_path, "known")
    folder.path.rename(folder.path.with_name(".deleted-known"))
    assert list(trainer.list()) == []


def test_a_job_whose_worker_died_after_the_adapter_was_whole_has_succeeded(trainer: LocalTrainer, tmp_path: Path) -> None:
    folder = a_finished_job(tmp_path, "known")
    folder.write_status(replace(folder.status(), state=JobState.FINALIZING, pid=2**22 + 1, process_started=1.0))
    folder.adapter.mkdir()
    (folder.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    (folder.path / "run.json").write_text("{}")
    job = trainer.fetch(["known"])["known"]
    assert (job.state, job.model) == (JobState.SUCCEEDED, "known")


def test_the_checkpoints_of_a_model_can_be_used_in_its_place(trainer: LocalTrainer, tmp_path: Path) -> None:
    folder = a_finished_job(tmp_path, "known")
    folder.adapter.mkdir()
    (folder.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    (folder.path / "run.json").write_text("{}")
    for step, whole in ((5, True), (10, True), (15, False)):
        (folder.checkpoints / f"step-{step:08}").mkdir()
        if whole:
            (folder.checkpoints / f"step-{step:08}" / "complete.json").write_text("{}")
    assert trainer.result("known").checkpoints == ("known@5", "known@10")


def test_a_deleted_job_is_gone(trainer: LocalTrainer, tmp_path: Path) -> None:
    a_finished_job(tmp_path, "known")
    trainer.delete("known")
    assert trainer.fetch(["known"]) == {}
    assert list((tmp_path / "local" / "jobs").iterdir()) == []


def test_a_damaged_job_does_not_hide_the_others(trainer: LocalTrainer, tmp_path: Path) -> None:
    for name in ("whole", "damaged"):
        a_finished_job(tmp_path, name)
    for file in ("recipe.json", "state.json"):
        (tmp_path / "local" / "jobs" / "damaged" / file).write_bytes(b'{"hyperpar')
    assert {job.provider_id: job.state for job in trainer.list()} == {"whole": JobState.SUCCEEDED, "damaged": JobState.UNKNOWN}


def test_deleting_a_job_deletes_its_uploaded_rows_unless_another_job_holds_them(trainer: LocalTrainer, tmp_path: Path) -> None:
    plan = trainer.plan(recipe())
    (uploaded,) = (trainer.upload(file) for file in plan.files)
    path = tmp_path / "local" / "files" / uploaded
    for name in ("first", "second"):
        made_from = {"base": BASE, "method": "sft", "file_ids": {"train": uploaded}, "hyperparameters": {"device": "cpu"}}
        folder, _ = Jobs(tmp_path).make(name, made_from, {"train": path})
        folder.write_status(replace(folder.status(), state=JobState.SUCCEEDED))
    trainer.delete("first")
    assert path.exists()
    trainer.delete("second")
    assert not path.exists()


def test_a_job_whose_folder_cannot_be_written_is_shown_and_a_command_for_it_says_why(trainer: LocalTrainer, tmp_path: Path) -> None:
    folder = a_finished_job(tmp_path, "known")
    folder.write_status(replace(folder.status(), state=JobState.RUNNING, pid=2**22 + 1, process_started=1.0))
    (folder.path / "worker.lock").mkdir()
    assert trainer.fetch(["known"])["known"].state is JobState.RUNNING
    with pytest.raises(ConfigError, match="job known stays as it is"):
        trainer.cancel("known")


def test_a_cancel_that_came_while_the_worker_was_pausing_is_followed(trainer: LocalTrainer, tmp_path: Path) -> None:
    folder = a_finished_job(tmp_path, "known")
    folder.write_status(replace(folder.status(), state=JobState.PAUSED))
    folder.ask("cancel")
    assert trainer.fetch(["known"])["known"].state is JobState.CANCELLED


def test_a_job_that_ended_before_a_pause_was_followed_cannot_be_resumed(trainer: LocalTrainer, tmp_path: Path) -> None:
    a_finished_job(tmp_path, "known").ask("pause")
    with pytest.raises(Refused, match="known is succeeded; only a paused job can be resumed"):
        trainer.resume("known")


@pytest.mark.parametrize("state", [JobState.CANCELLED, JobState.FAILED, JobState.SUCCEEDED])
def test_a_worker_leaves_a_job_that_has_ended_as_it_is(tmp_path: Path, state: JobState) -> None:
    folder = a_finished_job(tmp_path, "known")
    ended = folder.write_status(replace(folder.status(), state=state))
    subprocess.run([sys.executable, "-m", "tuneport_local.worker", str(folder.path)], check=True, capture_output=True)
    assert folder.status() == ended


# --- what it can do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", list(Capability))
def test_every_capability_is_answered_and_every_no_has_a_reason(trainer: LocalTrainer, capability: Capability) -> None:
    answer = trainer.support(capability)
    assert bool(answer) or (answer.reason and answer.whose)


@pytest.mark.parametrize("method", ["sft", "dpo", "orpo", "kto", "reward"])
def test_methods_that_are_built_can_be_trained_and_the_catalogue_says_so(trainer: LocalTrainer, method: str) -> None:
    assert trainer.support(Capability.TRAIN, method=method)
    assert all(method in base.methods for base in trainer.catalogue())


@pytest.mark.parametrize("method", ["no-such-method"])
def test_other_methods_are_ours_to_build(trainer: LocalTrainer, method: str) -> None:
    answer = trainer.support(Capability.TRAIN, method=method)
    assert not answer
    assert answer.whose == "tuneport"


# --- preferences ------------------------------------------------------------------------------------------------------


PAIRS = Dataset.from_examples(
    [
        PreferenceExample((Message("user", f"question {number}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))
        for number in range(12)
    ],
    name="pairs",
)


def test_a_plan_for_preferences_says_every_value_and_carries_the_pairs_whole(trainer: LocalTrainer) -> None:
    plan = trainer.plan(recipe(train=PAIRS, method=DPO(loss="robust", label_smoothing=0.2)))

    taken = {name: plan.hyperparameters[name] for name in ("epochs", "learning_rate", "beta", "loss", "label_smoothing")}
    assert taken == {"epochs": 1, "learning_rate": 5e-5, "beta": 0.1, "loss": "robust", "label_smoothing": 0.2}
    assert plan.notes == ("taken where the recipe says auto: epochs 1, batch_size 8, learning_rate 5e-05, beta 0.1",)
    assert b"".join(plan.files[0].chunks()) == b"".join(PAIRS.chunks(format="canonical"))
    assert (plan.method, plan.requests[0].body["method"]) == ("dpo", "dpo")


@pytest.mark.parametrize(
    ("method", "own"),
    [
        (ORPO(), {"learning_rate": 1e-4, "beta": 0.1}),
        (KTO(undesirable_weight=1.5), {"learning_rate": 5e-5, "beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.5}),
        (Reward(center=0.01), {"learning_rate": 1e-4, "center": 0.01}),
    ],
)
def test_a_plan_for_each_method_that_learns_from_pairs_says_every_value(trainer: LocalTrainer, method: Any, own: dict[str, Any]) -> None:
    plan = trainer.plan(recipe(train=PAIRS, method=method))

    assert {name: plan.hyperparameters[name] for name in own} == own
    assert (plan.method, plan.requests[0].body["method"]) == (method.kind, method.kind)
    assert b"".join(plan.files[0].chunks()) == b"".join(PAIRS.chunks(format="canonical"))


def test_batches_that_are_too_small_for_a_method_are_refused_before_anything_is_written(trainer: LocalTrainer, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="batch_size 1 is too small for method kto, which compares the rows of a batch"):
        trainer.plan(recipe(train=PAIRS, method=KTO(batch_size=1)))
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize("wanted", [True, False])
def test_answers_of_one_sort_are_refused_before_anything_is_written(trainer: LocalTrainer, wanted: bool) -> None:
    rows = [ChatExample((Message("user", str(n)), Message("assistant", "x")), desirable=wanted) for n in range(12)]

    with pytest.raises(CheckFailed, match=r"no answer is an? (un)?wanted one; KTO learns from the difference"):
        trainer.plan(recipe(train=Dataset.from_examples(rows, name="rows"), method=KTO()))


def test_settings_of_one_method_are_not_in_the_plan_of_another(trainer: LocalTrainer) -> None:
    assert not {"beta", "loss", "label_smoothing"} & set(trainer.plan(recipe()).hyperparameters)


@pytest.mark.parametrize(("method", "rows"), [(DPO(), ROWS), (SFT(), Dataset.from_examples([], name="nothing"))])
def test_data_of_the_wrong_kind_are_refused_before_anything_is_written(
    trainer: LocalTrainer, method: Any, rows: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed, match="cannot be used"):
        trainer.plan(recipe(train=rows, method=method))
    assert not (tmp_path / "local").exists()


# --- quotes -----------------------------------------------------------------------------------------------------------


def seen_training(home: Path) -> None:
    measured = throughput.Throughput(tokens_per_second=100.0, startup_s=36.0, on="2026-11-01", source="job one")
    throughput.remember(home / "local", measured, base=BASE, hardware=throughput.hardware_of())


def test_a_quote_without_a_price_says_that_nobody_bills(tmp_path: Path) -> None:
    seen_training(tmp_path)
    quote = opened(tmp_path).estimate(recipe())
    assert (quote.billed, quote.total_usd) == (False, None)
    assert "no provider bills it" in quote.lines[0].note
    assert quote.lines[0].amount.likely > Decimal("0.0099")


def test_a_quote_counts_the_hours_at_the_configured_price(tmp_path: Path) -> None:
    seen_training(tmp_path)
    quote = opened(tmp_path, {"hour_price_usd": 2}).estimate(recipe())
    (line,) = quote.lines
    assert quote.total == line.amount * 2
    assert (line.unit, line.confidence, line.as_of) == ("hour", "configured", "2026-11-01")


def test_a_quote_counts_electricity(tmp_path: Path) -> None:
    seen_training(tmp_path)
    hours = opened(tmp_path, {"hour_price_usd": 1}).estimate(recipe()).lines[0].amount
    quote = opened(tmp_path, {"watts": 500, "power_price_usd_per_kwh": 0.4}).estimate(recipe())
    assert quote.total == hours * Decimal("0.5") * Decimal("0.4")


def test_a_quote_for_a_machine_that_never_trained_the_base_knows_no_time(tmp_path: Path) -> None:
    quote = opened(tmp_path, {"hour_price_usd": 2, "calibrate": False}).estimate(recipe())
    assert quote.total_usd is None
    assert "time is not known" in quote.lines[0].note


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({"hour_prise_usd": 2}, "did you mean 'hour_price_usd'"),
        ({"hour_price_usd": -1}, "hour_price_usd"),
        ({"watts": 300}, "only count together"),
    ],
)
def test_a_wrong_profile_is_named(tmp_path: Path, profile: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        opened(tmp_path, profile).estimate(recipe())


# --- weight -----------------------------------------------------------------------------------------------------------

_SUBMIT = """
import sys
from pathlib import Path
from tuneport_local import provider
from tuneport.provider import ProviderSettings
from tuneport.recipe import Recipe
trainer = provider.open_trainer(ProviderSettings("local", Path(sys.argv[1])))
plan = trainer.plan(Recipe(base="smollm2-135m-instruct", train=sys.argv[2], options={"local": {"device": "cpu"}}))
trainer.create(plan, "quick", {file.purpose: trainer.upload(file) for file in plan.files})
trainer.cancel("quick")
heavy = sorted({"torch", "transformers", "peft", "trl", "datasets"} & set(sys.modules))
print(heavy)
"""


def test_submitting_loads_no_torch_and_nothing_else_that_takes_seconds(tmp_path: Path) -> None:
    ROWS.write(tmp_path / "rows.jsonl")
    ran = subprocess.run(
        [sys.executable, "-c", _SUBMIT, str(tmp_path / "home"), str(tmp_path / "rows.jsonl")], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_importing_the_provider_loads_no_pydantic_and_no_torch() -> None:
    code = "import sys, tuneport_local; print(sorted({'torch', 'pydantic', 'transformers', 'psutil', 'msgspec'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
