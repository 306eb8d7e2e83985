"""What trl's losses over preferences ask of a model, computed without padding, and the prompt of a pair once for both of its answers.

trl hands over padded sequences and wants the log-probability of every learned token. On the way to the model the padding is left out, the
two answers to a prompt are put behind one copy of it, and only the learned positions go through the output layer. What comes back has the
shape that trl expects, so that its losses stay its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import wraps
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint
from trl.trainer.utils import FusedCausalLMOutput

from tuneport_local.methods import attention
from tuneport_local.methods.attention import SEGMENTS, Segments, why_windowed
from tuneport_local.methods.batches import IGNORED

if TYPE_CHECKING:
    from tuneport_local.training.assembly import Parts
    from tuneport_local.training.watched import Batch

LOGITS_AT_ONCE_BYTES = 1 << 30
_LOGIT_BYTES = 14
"""Per logit: itself, in fp32, its softmax and their gradients."""


@dataclass(frozen=True)
class Layout:
    """Rows of a padded batch as they lie end to end. `place` (rows, longest) says where in `tokens` each token of a row is."""

    tokens: list[int]
    positions: list[int]
    segments: Segments
    place: list[list[int]]


def laid_out(rows: Sequence[Sequence[int]], answers: Sequence[int], *, paired: bool) -> Layout:
    """`answers`: where the answer of each row begins. `paired`: row k and row k + half of them answer one prompt, which is laid out once,
    as far as it is the same tokens."""
    return _forked(rows, answers) if paired else _end_to_end(rows)


def _end_to_end(rows: Sequence[Sequence[int]]) -> Layout:
    tokens: list[int] = []
    positions: list[int] = []
    place = []
    for row in rows:
        place.append([len(tokens) + token for token in range(len(row))])
        positions += range(len(row))
        tokens += row
    return Layout(tokens, positions, Segments(tuple(map(len, rows))), place)


def _forked(rows: Sequence[Sequence[int]], answers: Sequence[int]) -> Layout:
    half = len(rows) // 2
    tokens: list[int] = []
    positions: list[int] = []
    lengths, forks, first, second = [], [], [], []
    for one, other, *begins in zip(rows[:half], rows[half:], answers[:half], answers[half:], strict=True):
        start, shared = len(tokens), _shared(one, other, at_most=min(begins))
        first.append([start + token for token in range(len(one))])
        second.append([start + token + (0 if token < shared else len(one) - shared) for token in range(len(other))])
        tokens += [*one, *other[shared:]]
        positions += [*range(len(one)), *range(shared, len(other))]
        lengths.append(len(tokens) - start)
        forks.append((shared, len(one)))
    return Layout(tokens, positions, Segments(tuple(lengths), tuple(forks)), first + second)


def _shared(one: Sequence[int], other: Sequence[int], *, at_most: int) -> int:
    """How many tokens two rows begin with alike."""
    return next((place for place in range(at_most) if one[place] != other[place]), at_most)


def spare_padding(trainer: Any, parts: Parts[Any], batch: Batch, *, paired: bool) -> None:
    """Lets the model of a trainer, and its reference where that is another one, answer without padding, where the hardware wants that and
    the model has shown on `batch` (input_ids, attention_mask, completion_mask) that it gives the same; the job is told where it does not.
    """
    if not parts.machine.packed:
        return
    model, reference = trainer.model, getattr(trainer, "ref_model", None)
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    learned = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
    device = next(network.parameters()).device
    probe = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": learned}
    probe = {name: each.to(device) for name, each in probe.items()}
    reason = _why_as_it_was(model, network) or why_windowed(network, longest=parts.rows.widest)
    reason = reason or without_padding(network, probe, paired=paired)
    if reason:
        parts.job.event("info", f"padded batches for this model: {reason}")
    elif reference is not None:
        without_padding(reference, probe, paired=paired)


def _why_as_it_was(model: Any, network: Any) -> str:
    """What of a model needs its batches as they are, or ''."""
    active = getattr(model, "active_peft_config", None)
    if active is not None and active.is_prompt_learning:
        return "what is trained stands before its rows"
    balances = hasattr(network.config.get_text_config(), "output_router_logits")
    return "it balances its experts over whole batches" if balances else ""


def without_padding(model: Any, probe: dict[str, Any], *, paired: bool) -> str:
    """Makes `model`, which has trl's fused output layer, answer without padding; '' then. Where it does not give the padded rows of `probe`
    what it gave them before, it is left as it was, and why is returned. `probe`: input_ids, attention_mask and labels.

    `model` is the network itself, not what peft puts around it.
    """
    usual, before = model.config._attn_implementation, model.forward
    try:
        with torch.no_grad():
            wanted = model(**probe, use_cache=False, fused_lm_head=True).log_probs.float()
            attention.register()
            model.set_attn_implementation(SEGMENTS)
            model.forward = MethodType(_forward(before, paired=paired), model)
            found = model(**probe, use_cache=False, fused_lm_head=True).log_probs.float()
        tolerance = 1e-3 if model.dtype is torch.float32 else 0.05
        reason = "" if (found - wanted).norm() <= tolerance * wanted.norm() else "it does not keep rows apart that lie end to end"
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        reason = f"it does not take rows that lie end to end ({type(error).__name__})"
    if reason:
        model.forward = before
        model.set_attn_implementation(usual)
    return reason


def _forward(before: Any, *, paired: bool) -> Any:
    """The model's forward, but for what trl's losses ask. `before` is the one with trl's output layer."""

    @wraps(before.__func__)
    def forward(self: Any, *arguments: Any, fused_lm_head: bool = False, **given: Any) -> Any:
        if not fused_lm_head:
            return before(*arguments, **given)
        return _answers(self, given["input_ids"], given["attention_mask"], given["labels"], paired=paired)

    return forward


def _answers(model: Any, input_ids: Any, attention_mask: Any, labels: Any, *, paired: bool) -> FusedCausalLMOutput:
    """input_ids, attention_mask, labels: (rows, longest) -> each field (rows, longest - 1), 0 where nothing is learned."""
    lengths = attention_mask.sum(1).tolist()
    rows = [ids[:length] for ids, length in zip(input_ids.tolist(), lengths, strict=True)]
    learned = labels[:, 1:] != IGNORED
    begins = [int(row.nonzero()[0]) + 1 if row.any() else length for row, length in zip(learned, lengths, strict=True)]
    layout = laid_out(rows, begins, paired=paired)
    device = input_ids.device
    states = model.base_model(
        input_ids=torch.tensor(layout.tokens, device=device)[None],
        position_ids=torch.tensor(layout.positions, device=device)[None],
        segments=layout.segments,
        use_cache=False,
    ).last_hidden_state[0]
    row, token = learned.nonzero(as_tuple=True)
    place = torch.tensor([layout.place[one][before] for one, before in zip(row.tolist(), token.tolist(), strict=True)], device=device)
    found = _scored(model.get_output_embeddings(), states[place], labels[row, token + 1])
    fields = (torch.zeros(learned.shape, dtype=each.dtype, device=device).index_put((row, token), each) for each in found)
    log_probs, entropy, mean_logits, is_top1 = fields
    return FusedCausalLMOutput(log_probs=log_probs, entropy=entropy, mean_logits=mean_logits, is_top1=is_top1, label_mask=learned)


def _scored(head: Any, states: Any, targets: Any) -> tuple[Any, ...]:
    """states: (positions, hidden), targets: (positions,) -> log-probability, entropy, mean logit, whether it is the likeliest; (positions,)
    each. So much at a time that the logits fit; those of earlier parts are computed again on the way back."""
    size = max(1, LOGITS_AT_ONCE_BYTES // (_LOGIT_BYTES * head.weight.shape[0]))
    if len(targets) <= size:
        return _of_logits(head, states, targets)
    parts = [
        checkpoint(_of_logits, head, some, wanted, use_reentrant=False)
        for some, wanted in zip(states.split(size), targets.split(size), strict=True)
    ]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _of_logits(head: Any, states: Any, targets: Any) -> tuple[Any, ...]:
    logits = head(states).float()
    whole = logits.logsumexp(-1)
    log_probs = logits.gather(-1, targets[:, None])[:, 0] - whole
    with torch.no_grad():
        seen = logits.detach()
        entropy = whole.detach() - ((seen - whole.detach()[:, None]).exp() * seen).sum(-1)
        return log_probs, entropy, seen.mean(-1), seen.argmax(-1) == targets
