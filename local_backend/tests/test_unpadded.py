"""Answers without padding, and with each prompt computed once, are what trl finds with it: values, gradients, and in a whole training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tuneport_local.methods import unpadded
from tuneport_local.methods.attention import SEGMENTS, Segments, segment_attention
from tuneport_local.methods.unpadded import laid_out, without_padding

from .tiny import tiny_model

PROMPTS = ((5, 6, 7, 8, 9, 10), (11, 12, 13))
BETTER, WORSE = ((20, 21, 22), (23,)), ((20, 24), (25, 26, 27, 28))


def batch(*, paired: bool = True) -> dict[str, Any]:
    """Two pairs (or four rows) as trl pads them; the answers are learned."""
    rows = [(*prompt, *answer) for answers in (BETTER, WORSE) for prompt, answer in zip(PROMPTS, answers, strict=True)]
    begins = [len(prompt) for prompt in PROMPTS] * 2
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    place = torch.arange(longest)[None]
    lengths, starts = torch.tensor(list(map(len, rows)))[:, None], torch.tensor(begins)[:, None]
    labels = torch.where((place >= starts) & (place < lengths), ids, -100)
    return {"input_ids": ids, "attention_mask": (place < lengths).long(), "labels": labels}


def headed(seed: int = 0) -> Any:
    from trl.trainer.utils import add_fused_lm_head

    model = tiny_model(seed=seed)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    return model


def asked(model: Any) -> Any:
    return model(**batch(), use_cache=False, fused_lm_head=True)


@pytest.mark.parametrize("length", [8, 300])
def test_the_second_answer_of_a_row_sees_the_prompt_and_itself_only(length: int) -> None:
    """`length` 300 goes to the fused kernel, row by row."""
    torch.manual_seed(3)
    begin, end = 3, length - 2
    states = [torch.randn(1, heads, length, 8, requires_grad=True) for heads in (4, 2, 2)]
    alike = [state.detach().clone().requires_grad_() for state in states]
    places = [torch.arange(end), torch.tensor([*range(begin), *range(end, length)])]

    forked, _ = segment_attention(None, *states, None, segments=Segments((length,), ((begin, end),)))
    plain = [segment_attention(None, *(state[:, :, some] for state in alike), None, segments=Segments((len(some),)))[0] for some in places]
    apart = torch.cat([plain[0], plain[1][:, begin:]], 1)
    forked.square().sum().backward()
    apart.square().sum().backward()

    torch.testing.assert_close(forked, apart, rtol=1e-4, atol=1e-5)
    for one, other in zip(states, alike, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_a_prompt_is_laid_out_once_and_the_second_answer_begins_at_its_own_place() -> None:
    rows = [(1, 2, 3, 7, 8), (1, 9), (1, 2, 3, 6), (1, 9, 5)]

    found = laid_out(rows, [3, 1, 3, 2], paired=True)

    assert found.tokens == [1, 2, 3, 7, 8, 6, 1, 9, 9, 5]  # the answers of the second pair begin at different places: less is shared
    assert found.positions == [0, 1, 2, 3, 4, 3, 0, 1, 1, 2]
    assert found.segments == Segments((6, 4), ((3, 5), (1, 2)))
    assert [[found.tokens[place] for place in row] for row in found.place] == [list(row) for row in rows]


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("at_once", [1 << 30, 14 * 320 * 3])
def test_the_model_answers_trl_as_before_in_values_and_gradients(paired: bool, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where three positions at a time meet the output layer."""
    monkeypatch.setattr(unpadded, "LOGITS_AT_ONCE_BYTES", at_once)
    before, after = headed(), headed()

    assert without_padding(after, batch(), paired=paired) == ""
    wanted, found = asked(before), asked(after)
    for answer in (wanted, found):
        (answer.log_probs.sum(1) * torch.tensor([1.0, 2.0, -1.0, 0.5])).sum().backward()

    assert after.config._attn_implementation == SEGMENTS
    for name in ("log_probs", "entropy", "mean_logits"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=1e-4, atol=1e-5)
    assert torch.equal(found.is_top1, wanted.is_top1)
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_a_model_that_lets_rows_see_each_other_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model, wanted = headed(), asked(headed())
    usual = model.config._attn_implementation
    monkeypatch.setattr(unpadded, "laid_out", lambda rows, answers, *, paired: _leaking(rows))

    assert without_padding(model, batch(), paired=True) == "it does not keep rows apart that lie end to end"
    assert model.config._attn_implementation == usual
    torch.testing.assert_close(asked(model).log_probs, wanted.log_probs)


def _leaking(rows: Any) -> Any:
    """One row of all."""
    found = laid_out(rows, [], paired=False)
    return unpadded.Layout(found.tokens, found.positions, Segments((len(found.tokens),)), found.place)


def test_a_model_whose_attention_is_not_plain_is_left_as_it_was() -> None:
    model = headed()
    usual = model.config._attn_implementation
    for layer in model.model.layers:
        layer.self_attn.forward = _raising

    reason = without_padding(model, batch(), paired=True)

    assert reason == "it does not take rows that lie end to end (ValueError)"
    assert model.config._attn_implementation == usual


def _raising(*_arguments: Any, **given: Any) -> Any:
    raise ValueError("not plain")
