"""Rows that lie end to end get what each gets alone, in values and in gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tuneport_local.methods import attention
from tuneport_local.methods.attention import SEGMENTS, Segments, segment_attention
from tuneport_local.methods.batches import EpochOrder, packed, padded
from tuneport_local.methods.sft import packing_is_exact

from .tiny import tiny_model


def states(tokens: int, *, heads: int = 4, key_heads: int = 2) -> list[Any]:
    torch.manual_seed(3)
    return [torch.randn(1, count, tokens, 8, requires_grad=True) for count in (heads, key_heads, key_heads)]


def alone(query: Any, key: Any, value: Any, lengths: tuple[int, ...]) -> Any:
    parts = [
        torch.nn.functional.scaled_dot_product_attention(*row, is_causal=True, enable_gqa=True)
        for row in zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
    ]
    return torch.cat(parts, 2).transpose(1, 2)


@pytest.mark.parametrize("lengths", [(5,), (3, 7, 1, 4), (300, 2)])
def test_each_row_attends_to_itself_only_in_values_and_gradients(lengths: tuple[int, ...]) -> None:
    packed_states, single_states = states(sum(lengths)), states(sum(lengths))

    together, _ = segment_attention(None, *packed_states, None, segments=Segments(lengths))
    apart = alone(*single_states, lengths)
    together.square().sum().backward()
    apart.square().sum().backward()

    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)
    for one, other in zip(packed_states, single_states, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fact", [{"sliding_window": 2}, {"softcap": 30.0}])
def test_attention_that_is_not_plain_is_refused(fact: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not plain"):
        segment_attention(None, *states(6), None, segments=Segments((3, 3)), **fact)


ROWS = [{"input_ids": list(range(10, 10 + size)), "labels": list(range(10, 10 + size))} for size in (4, 9, 2)]


def test_a_model_shows_that_it_keeps_packed_rows_apart_or_is_not_trusted_to() -> None:
    attention.register()
    model = tiny_model()
    model.set_attn_implementation(SEGMENTS)
    assert packing_is_exact(model, ROWS, collate=packed)

    def leaky(rows: Any) -> dict[str, Any]:
        batch = packed(rows)
        return {**batch, "lengths": batch["lengths"].sum()[None]}

    assert not packing_is_exact(model, ROWS, collate=leaky)


def test_packed_and_padded_batches_hold_the_same_tokens_and_never_learn_the_first_of_a_row() -> None:
    one, other = packed(ROWS), padded(ROWS)

    assert one["input_ids"][0].tolist() == other["input_ids"][other["attention_mask"].bool()].tolist()
    assert one["labels"][0].tolist() == other["labels"][other["attention_mask"].bool()].tolist()
    assert one["labels"][0][[0, 4, 13]].tolist() == [-100] * 3
    assert one["position_ids"][0].tolist() == [*range(4), *range(9), *range(2)]


def test_the_order_of_the_rows_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        rows = EpochOrder(30, seed=seed)
        rows.set_epoch(epoch)
        return list(rows)

    assert order(1, 2) == order(1, 2)
    assert sorted(order(1, 2)) == list(range(30))
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
