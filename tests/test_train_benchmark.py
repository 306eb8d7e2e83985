"""That the comparison of trainers compares the same work, and that its operations are those that are executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import train
from benchmarks.train_room import others
from benchmarks.train_room.arithmetic import Network, Work, executed, nominal, scores_one_by_one, scores_side_by_side
from benchmarks.train_room.comparison import Plan, Room, compared, fastest, losses_apart, time_to_loss
from benchmarks.train_room.material import SOURCES, Source
from benchmarks.train_room.task import DEFAULTS, OURS, SETTINGS, TRL, Setting, Task

pytest.importorskip("tuneport_local")

RANK = 4
LENGTHS = (9, 5, 7)
NETWORK = Network(blocks=2, hidden=32, intermediate=64, queries=32, keys=16, vocabulary=320, rank=RANK)


def counted(step: Callable[[Any], Any], *, recomputed: bool = False, attention: str) -> float:
    """What torch counts, operation by operation, for one way there and back of the tiny llama with adapters; rotary embeddings included."""
    from peft import LoraConfig, get_peft_model
    from tiny import tiny_model
    from torch.utils.flop_counter import FlopCounterMode
    from tuneport_local.methods import attention as ours
    from tuneport_local.quiet import quiet

    ours.register()
    model = tiny_model()
    model.set_attn_implementation(attention)
    with quiet():
        tuned = get_peft_model(model, LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM")).train()
        if recomputed:
            tuned.enable_input_require_grads()
            tuned.gradient_checkpointing_enable({"use_reentrant": False})
        with FlopCounterMode(display=False) as counter:
            step(tuned).backward()
    return float(counter.get_total_flops())


def test_operations_of_rows_end_to_end_are_those_that_torch_counts() -> None:
    import torch
    from tuneport_local.methods.attention import SEGMENTS, Segments

    tokens, learned = sum(LENGTHS), torch.tensor([3, 4, 12])

    def step(model: Any) -> Any:
        positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
        given = {"position_ids": positions, "segments": Segments(LENGTHS), "use_cache": False, "logits_to_keep": learned}
        return model(input_ids=torch.arange(3, 3 + tokens)[None], **given).logits.sum()

    work = Work(tokens, tokens, scores_side_by_side(LENGTHS), 0, len(learned), head_passes=2)
    assert executed(NETWORK, work) == pytest.approx(counted(step, attention=SEGMENTS), rel=1e-3)


@pytest.mark.parametrize("recomputed", [False, True])
def test_operations_of_padded_rows_are_those_that_torch_counts(recomputed: bool) -> None:
    import torch

    rows, longest = len(LENGTHS), max(LENGTHS)

    def step(model: Any) -> Any:
        mask = (torch.arange(longest)[None] < torch.tensor(LENGTHS)[:, None]).long()
        return model(input_ids=torch.full((rows, longest), 7), attention_mask=mask, use_cache=False).logits.sum()

    places = rows * longest
    work = Work(sum(LENGTHS), places, rows * longest**2, 0, places, head_passes=2, recomputed=recomputed)
    assert executed(NETWORK, work) == pytest.approx(counted(step, recomputed=recomputed, attention="eager"), rel=1e-3)


def test_the_sizes_of_a_network_are_those_of_the_model() -> None:
    from tiny import tiny_model

    model = tiny_model()
    assert Network.of(model.config.to_dict(), rank=RANK) == NETWORK
    norms = sum(weights.numel() for name, weights in model.named_parameters() if "norm" in name)
    assert NETWORK.parameters == sum(weights.numel() for weights in model.parameters()) - norms


def test_the_nominal_figure_is_four_operations_a_weight_and_real_token() -> None:
    assert nominal(NETWORK, Work(10, 99, 99, 99, 99, head_passes=3)) == 40 * NETWORK.parameters


def test_rows_by_themselves_are_causal_and_rows_side_by_side_are_as_long_as_the_longest() -> None:
    assert scores_one_by_one([3, 2]) == 6 + 3
    assert scores_side_by_side([3, 2]) == 2 * 9


def test_the_defaults_of_trl_are_those_that_are_compared_with() -> None:
    from trl import SFTConfig

    usual = {field.name: field.default for field in fields(SFTConfig)}
    assert SETTINGS[0] == DEFAULTS
    assert DEFAULTS.checkpointing is usual["gradient_checkpointing"]
    assert DEFAULTS.batching == "padded"
    assert not usual["packing"]
    assert not usual["padding_free"]
    assert len(set(SETTINGS)) == len(SETTINGS)


def test_settings_are_chosen_by_words_and_unknown_words_are_refused() -> None:
    assert train.chosen("packed,eager") == (Setting("packed", "eager"),)
    assert len(train.chosen("checkpointing")) == 3
    with pytest.raises(SystemExit, match="no setting has all of 'flash'"):
        train.chosen("flash")


def small_data(folder: Path) -> Path:
    """As much of banking77 as a test needs."""
    (folder / "banking77").mkdir()
    for name in ("train.csv", "test.csv"):
        lines = [f'"Where is my card, number {number}{"?" * (1 + number % 9)}",card_{number % 4}' for number in range(40)]
        (folder / "banking77" / name).write_text("\n".join(["text,category", *lines]) + "\n")
    return folder


def test_rows_are_spread_over_the_whole_file(tmp_path: Path) -> None:
    rows = SOURCES["banking77"].rows(small_data(tmp_path), count=4, file="train")
    assert [answered for _, answered in rows] == ["card_0", "card_2", "card_0", "card_2"]
    assert [asked.split("number ")[1].rstrip("?") for asked, _ in rows] == ["0", "10", "20", "30"]


def a_run(task: Task, *, per_s: float) -> dict[str, Any]:
    """What a process would have told."""
    rates = {"per_s": per_s, "later_per_s": per_s, "per_processor_s": per_s, "later_per_processor_s": per_s}
    use = {"use": 0.3, "processor_use": 0.3, "nominal_use": 0.4}
    course = [(2, 1.0, 3.0), (4, 400 / per_s, 2.0)] if task.validate_every else []
    return {"name": task.name, **rates, **use, "peak_mb": 100.0, "losses": [3.0, 2.0], "course": course, "learned": 7}


def a_room(folder: Path, run: Callable[..., dict[str, Any]]) -> Room:
    return Room("model", "home", small_data(folder), folder, SETTINGS, 2, run=run)


PLAN = Plan(SOURCES["banking77"], rows=8, short_rows=4, limit=1.5)


def test_the_fastest_setting_takes_turns_with_ours_and_decides(tmp_path: Path) -> None:
    went: list[str] = []

    def run(task: Task, *, factory: str | None) -> dict[str, Any]:
        went.append(task.name)
        fast = task.who == TRL and task.setting == Setting("padding-free")
        return a_run(task, per_s=400 if task.who == OURS else 200 if fast else 100)

    found = compared(PLAN, a_room(tmp_path, run))
    theirs = "trl padding-free, sdpa"
    assert went[len(SETTINGS) :] == [OURS, theirs, theirs, OURS, OURS, theirs, f"{OURS}, adapters in bf16", f"{OURS}, beginnings shared"]
    assert found.figures["fastest"] == theirs
    assert [verdict.value for verdict in found.verdicts] == [2.0, 2.0, 1.0, 0.0]
    assert all(verdict.holds for verdict in found.verdicts)
    assert found.figures["time_to_loss"]["seconds"] == {OURS: 1.0, theirs: 2.0}
    json.dumps(found.to_dict())


def test_sides_that_learned_other_tokens_are_not_compared(tmp_path: Path) -> None:
    def run(task: Task, *, factory: str | None) -> dict[str, Any]:
        return {**a_run(task, per_s=1), "learned": 7 + (task.setting.batching == "packed")}

    with pytest.raises(RuntimeError, match="did not learn the same tokens"):
        compared(PLAN, a_room(tmp_path, run))


def test_data_that_are_absent_are_passed_over_with_the_reason(tmp_path: Path) -> None:
    room = Room("model", "home", tmp_path, tmp_path, SETTINGS, 2)
    (verdict,) = compared(replace(PLAN, source=Source("none", "a.csv", "b.csv", "q", "a")), room).verdicts
    assert verdict.value is None
    assert str(verdict) == f"none: not measured: there is no {tmp_path / 'none' / 'a.csv'}"


def test_two_are_the_fastest_where_clock_and_processor_disagree() -> None:
    rates = {"trl a": (2, 1), "trl b": (1, 2), "trl c": (1, 1), "other": (9, 9)}
    runs = {name: {"per_s": wall, "per_processor_s": processor} for name, (wall, processor) in rates.items()}
    assert fastest(runs, who=TRL) == {"trl a", "trl b"}
    assert fastest(runs, who="nobody") == set()


def test_llama_factory_takes_turns_beside_them_where_it_is_there(tmp_path: Path) -> None:
    def run(task: Task, *, factory: str | None) -> dict[str, Any]:
        return a_run(task, per_s={OURS: 400, TRL: 200}.get(task.who, 100 if task.setting.checkpointing else 300))

    found = compared(PLAN, replace(a_room(tmp_path, run), factory="python"))
    assert list(found.figures["turns"]) == [OURS, "trl padded, sdpa, checkpointing", "llamafactory padded, sdpa"]
    assert found.figures["ratios"]["per_s"] == 2.0
    assert any("1.33 x llamafactory padded, sdpa" in note for note in found.notes)


def test_losses_are_compared_by_their_last_and_their_mean() -> None:
    assert losses_apart({"losses": [3.0, 1.1]}, {"losses": [3.0, 1.0]}) == pytest.approx({"last": 0.1, "mean": 0.025})


def test_the_time_to_a_loss_is_that_to_the_end_of_whoever_ends_higher() -> None:
    found = time_to_loss({"a": {"course": [(2, 5.0, 3.0), (4, 9.0, 2.0)]}, "b": {"course": [(2, 3.0, 2.03), (4, 6.0, 1.0)]}})
    assert found == {"loss": pytest.approx(2.04), "seconds": {"a": 9.0, "b": 3.0}}


def test_every_trainer_that_is_not_measured_is_named_with_its_reason() -> None:
    assert len(others.lines(factory=None)) == 3
    assert len(others.lines(factory="python")) == 2
    assert all(": not run: " in line for line in others.lines(factory=None))


@pytest.mark.slow
@pytest.mark.parametrize("setting", [*SETTINGS[:4], SETTINGS[-1]], ids=lambda setting: setting.name)
def test_ours_and_trl_learn_the_same_tokens(tmp_path: Path, setting: Setting) -> None:
    from tiny import save_tiny

    from benchmarks.train_room.material import write
    from benchmarks.train_room.process import run

    rows = SOURCES["banking77"].rows(small_data(tmp_path), count=12, file="train")
    path = str(write(rows, tmp_path / "rows.jsonl"))
    task = Task(OURS, str(save_tiny(tmp_path / "tiny")), str(tmp_path / "home"), path, path, setting, validate_every=1)
    ours, theirs = run(task), run(replace(task, who=TRL))
    assert ours["learned"] == theirs["learned"] > 0
    assert ours["tokens"] == theirs["tokens"] <= theirs["positions"]
    assert 0 < ours["use"] < 1
    assert ours["operations"] < theirs["operations"]
    if setting.batching != "packed":
        assert ours["losses"] == pytest.approx(theirs["losses"], abs=0.1)
        assert [loss for *_, loss in ours["course"]] == pytest.approx([loss for *_, loss in theirs["course"]], abs=0.1)
