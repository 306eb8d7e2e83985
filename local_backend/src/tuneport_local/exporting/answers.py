"""Asking networks in torch: what the original says, and what another one makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tuneport.provider import Generation
from tuneport_local.bases.decoding import Shared, decode, device_of
from tuneport_local.bases.generation import context_tokens
from tuneport_local.exporting.figures import TOP, Heard, Place, Said

ANSWER_TOKENS = 32


def said(model: Any, prompts: Sequence[Sequence[int]], *, ends: frozenset[int]) -> tuple[Said, ...]:
    """The greedy answers to the prompts, with what the model makes of every place of them."""
    found = []
    for prompt in prompts:
        answer = greedy(model, prompt, ends=ends)
        logs = _logs(model, prompt, answer)
        best = logs.topk(min(TOP, logs.shape[-1]), dim=-1)
        places = tuple(
            Place(tuple(tokens), tuple(values)) for tokens, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )
        found.append(Said(tuple(prompt), answer, places, answer[-1] in ends))
    return tuple(found)


def heard(model: Any, said: Sequence[Said], *, ends: frozenset[int]) -> tuple[Heard, ...]:
    """What `model` makes of those answers, and its own to the same prompts."""
    found = []
    for one in said:
        logs = _logs(model, one.prompt, one.answer)
        wanted = torch.tensor([place.tokens for place in one.places], device=logs.device)
        answer = greedy(model, one.prompt, ends=ends)
        found.append(
            Heard(
                logs=tuple(tuple(row) for row in logs.gather(-1, wanted).tolist()),
                choices=tuple(logs.argmax(-1).tolist()),
                answer=answer,
                ended=answer[-1] in ends,
            )
        )
    return tuple(found)


def greedy(model: Any, prompt: Sequence[int], *, ends: frozenset[int]) -> tuple[int, ...]:
    """The likeliest answer, its end token included, of 32 tokens at most."""
    room = max(1, min(ANSWER_TOKENS, context_tokens(model) - len(prompt)))
    steps = decode(model, [prompt], shared=Shared(0, None), generation=Generation(max_tokens=room), seeds=[0], ends=ends)
    return tuple(token for ((_, token),) in steps)


def _logs(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> Any:
    """(places of the answer, vocabulary): log-probabilities, each before its token is seen."""
    ids = torch.tensor([[*prompt, *answer]], device=device_of(model))
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits[0]
    return logits[-len(answer) - 1 : -1].float().log_softmax(-1)
