"""Rows that begin alike: their beginning goes through the model once, and what is trained stays the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.methods import attention
from tuneport_local.methods.attention import SEGMENTS, Segments, segment_attention
from tuneport_local.methods.batches import IGNORED, packed
from tuneport_local.methods.beginnings import beginning_once, common_beginning, sharing_is_exact
from tuneport_local.plans.planning import LocalOptions, refuse_what_does_not_run_here, resolved
from tuneport_local.training.train import train

import tuneport as tp
from tuneport.errors import Unsupported
from tuneport.recipe import SFT

from .joblog import MemoryJob, spec_of, weights
from .tiny import save_tiny, tiny_model, write_chats

BEGUN = list(range(100, 112))


def row(*own: int, learned: int = 2) -> dict[str, Any]:
    """A row that begins as all do; its last `learned` tokens are learned."""
    tokens = [*BEGUN, *own]
    return {"input_ids": tokens, "labels": [IGNORED] * (len(tokens) - learned) + tokens[len(tokens) - learned :]}


ROWS = [row(1, 2, 3, 4), row(5, 6, 7), row(8, 9, 10, 11, 12, 13)]


def test_the_beginning_is_as_long_as_all_rows_have_it_in_common() -> None:
    assert common_beginning(ROWS) == len(BEGUN)
    assert common_beginning([row(1, 2, 3, 4), row(1, 5, 6, 7)]) == len(BEGUN) + 1
    assert common_beginning([row(1, 2, 3), {"input_ids": [9, 9], "labels": [IGNORED, 9]}]) == 0


def test_no_token_is_learned_from_a_place_that_rows_share() -> None:
    assert common_beginning([row(1, 2, learned=2), row(3, 4, learned=2)]) == len(BEGUN) - 1
    assert common_beginning([row(1, 2), row(1, 2)]) == len(BEGUN) - 1
    assert common_beginning([row(1, 2, learned=14), row(3, 4, learned=14)]) == 0


def test_a_row_that_is_all_beginning_keeps_a_token_of_its_own() -> None:
    short = {"input_ids": BEGUN, "labels": [IGNORED] * len(BEGUN)}
    assert common_beginning([short, row(1, 2, 3)]) == len(BEGUN) - 1


def test_a_batch_holds_the_beginning_once_and_counts_it_in_every_row() -> None:
    batch = beginning_once(ROWS)
    assert batch["input_ids"].tolist() == [[*BEGUN, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]]
    assert batch["position_ids"][0, 12:19].tolist() == [12, 13, 14, 15, 12, 13, 14]
    assert [place for place in batch["labels"][0].tolist() if place != IGNORED] == [3, 4, 6, 7, 12, 13]
    assert int(batch["lengths"].sum()) == int(packed(ROWS)["lengths"].sum())


def test_rows_with_little_in_common_and_single_rows_are_packed_as_they_are() -> None:
    apart = [{"input_ids": [number, 2, 3], "labels": [IGNORED, 2, 3]} for number in (7, 8)]
    for rows in (apart, ROWS[:1]):
        assert "shared" not in beginning_once(rows)


@pytest.mark.parametrize("lengths", [(7, 5, 9), (300, 6)])
def test_every_row_attends_to_the_beginning_and_to_itself_in_values_and_gradients(lengths: tuple[int, ...]) -> None:
    shared = 4
    segments = Segments(lengths, shared=shared)
    tokens = shared + sum(length - shared for length in lengths)
    torch.manual_seed(3)
    given = [torch.randn(1, heads, tokens, 8) for heads in (4, 2, 2)]
    once, each = ([states.clone().requires_grad_(True) for states in given] for _ in range(2))

    found, _ = segment_attention(None, *once, None, segments=segments)
    wanted, _ = segment_attention(None, *(states[:, :, segments.spread] for states in each), None, segments=Segments(lengths))
    own = wanted[:, segments.gathered]
    found.square().sum().backward()
    own.square().sum().backward()

    torch.testing.assert_close(found, own)
    for one, other in zip(once, each, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_model_shows_that_sharing_gives_the_same_or_is_not_trusted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    attention.register()
    model = tiny_model()
    model.set_attn_implementation(SEGMENTS)
    assert sharing_is_exact(model, ROWS)
    monkeypatch.setattr(attention, "_beginning_alike", lambda query, *_, **__: query.transpose(1, 2))
    assert not sharing_is_exact(model, ROWS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


def trained(base: Path, folder: Path, **changes: Any) -> MemoryJob:
    folder.mkdir()
    job = MemoryJob(folder / "job")
    files = {"validation": write_chats(folder / "validation.jsonl", 5)}
    spec = spec_of(base, write_chats(folder / "train.jsonl", 14), epochs=1, **files, **changes)
    assert train(job, spec=spec, home=folder) == "succeeded"
    return job


@pytest.mark.train
def test_a_training_that_shares_beginnings_trains_the_same(base: Path, tmp_path: Path) -> None:
    plain, shared = trained(base, tmp_path / "plain"), trained(base, tmp_path / "shared", share_beginning=True)

    assert shared.said("what the rows of a batch begin with is computed once")
    assert shared.losses() == pytest.approx(plain.losses(), rel=1e-4)
    assert [values.get("tokens") for _, values in shared.metrics] == [values.get("tokens") for _, values in plain.metrics]
    one, other = weights(plain), weights(shared)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-2, atol=1e-4)


@pytest.mark.train
def test_with_dropout_every_row_keeps_its_own_beginning_and_the_job_is_told(base: Path, tmp_path: Path) -> None:
    job = trained(base, tmp_path / "dropped", share_beginning=True, lora={"dropout": 0.1})
    assert job.said("share_beginning: dropout is another for each row")


def test_a_plan_that_does_not_ask_for_it_says_nothing_of_it() -> None:
    assert "share_beginning" not in resolved(SFT(), LocalOptions(), seed=0)
    assert resolved(SFT(), LocalOptions(share_beginning=True), seed=0)["share_beginning"] is True


def test_a_method_that_cannot_share_beginnings_refuses_the_setting(tmp_path: Path) -> None:
    recipe = tp.Recipe(base="x", method="dpo", train=write_chats(tmp_path / "rows.jsonl", 2))
    options = LocalOptions(share_beginning=True)
    with pytest.raises(Unsupported, match="share_beginning is for method sft; the recipe says dpo"):
        refuse_what_does_not_run_here(recipe, options, resolved(recipe.method, options, seed=0))
