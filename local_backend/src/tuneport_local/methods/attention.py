"""Attention over rows that lie end to end: each attends to itself only, and nothing is spent on padding or on masks of the whole batch.

Registered with transformers under the name SEGMENTS. Exact by construction: a row's keys never meet another row's queries. Short rows are
laid side by side into one batched product, because the fused kernel of torch takes five times as long for them on a CPU (measured on rows
of 50 tokens: 10.8 ms against 2.2 ms per layer, forward and backward); longer ones go to the fused kernel one by one.

A row may fork: two answers to one prompt, of which the second does not see the first. The prompt is computed once for both. Rows may begin
alike: what they have in common then lies in the batch once, and every row attends to it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SEGMENTS = "tuneport_segments"
SHORT = 256


@dataclass(frozen=True)
class Segments:
    """The rows of one packed batch. `lengths`: tokens of each, in order.

    `forks`: for each row, where its first answer begins and where it ends; the tokens from there on are the second answer and do not see
    the first. Empty where no row forks. `shared`: so many tokens all rows begin with; they lie before all rows, once, and count in the
    length of each.
    """

    lengths: tuple[int, ...]
    forks: tuple[tuple[int, int], ...] = ()
    shared: int = 0

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(self.lengths)

    @cached_property
    def places(self) -> Any:
        """(tokens,) where each token lies when every row is laid out in `longest` places."""
        import torch

        return torch.cat([torch.arange(length) + number * self.longest for number, length in enumerate(self.lengths)])

    @cached_property
    def spread(self) -> Any:
        """(sum of lengths,) where in the batch each token of each row lies, those that are shared once for every row."""
        import torch

        ends = itertools.accumulate((length - self.shared for length in self.lengths), initial=self.shared)
        own = [torch.arange(end, end + length - self.shared) for end, length in zip(ends, self.lengths, strict=False)]
        return torch.cat([part for each in own for part in (torch.arange(self.shared), each)])

    @cached_property
    def gathered(self) -> Any:
        """(tokens of the batch,) where each lies among those of `spread`: the shared ones in the first row."""
        import torch

        starts = itertools.accumulate(self.lengths, initial=0)
        own = [torch.arange(start + self.shared, start + length) for start, length in zip(starts, self.lengths, strict=False)]
        return torch.cat([torch.arange(self.shared), *own])

    def hidden(self, length: int, device: Any) -> Any:
        """(rows or 1, length, length) what each token does not see: what comes after it, and the first answer for the second."""
        import torch

        place = torch.arange(length, device=device)
        future = place[None, :] > place[:, None]
        if not self.forks:
            return future[None]
        begin, end = torch.tensor(self.forks, device=device).T[:, :, None, None]
        return future | ((place[:, None] >= end) & (place >= begin) & (place < end))


def register() -> None:
    """Makes SEGMENTS known to transformers. Doing it twice is doing it once."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(SEGMENTS, segment_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(SEGMENTS, _no_mask)


def _no_mask(*_arguments: Any, **_options: Any) -> None:
    """transformers asks for a mask by position and name; there is none."""


def why_windowed(model: Any, *, longest: int) -> str:
    """Why rows of `longest` tokens cannot be packed for a model whose layers see a part of them only, or ''."""
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    narrowest = min((window for window in windows if window), default=longest)
    return f"its layers see {narrowest} tokens at once, the longest row has {longest}" if narrowest < longest else ""


def segment_attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, *, scaling: float | None = None, dropout: float = 0.0, **facts: Any
) -> tuple[Any, None]:
    """Causal attention within each row.

    query: (1, heads, tokens, size); key, value: (1, key heads, tokens, size) -> (1, tokens, heads, size). The signature is the one
    transformers calls; `facts` must hold the batch's `segments`. Raises ValueError for attention that is not plain: a window, a cap on the
    scores, sinks.
    """
    segments: Segments = facts["segments"]
    window = facts.get("sliding_window")
    if any(facts.get(kind) is not None for kind in ("softcap", "s_aux")) or (window is not None and window < segments.longest):
        raise ValueError("this model's attention is not plain causal attention")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if segments.shared:
        return _beginning_alike(query, key, value, segments, scale=scale, dropout=dropout), None
    return _apart(query, key, value, segments, scale=scale, dropout=dropout), None


def _beginning_alike(query: Any, key: Any, value: Any, segments: Segments, *, scale: float, dropout: float) -> Any:
    """Every row gets a copy of what is shared; of what that gives, the first row's counts, which all others' equal."""
    whole = Segments(segments.lengths)
    spread = segments.spread.to(query.device)
    q, k, v = (states.index_select(2, spread) for states in (query, key, value))
    return _apart(q, k, v, whole, scale=scale, dropout=dropout).index_select(1, segments.gathered.to(query.device))


def _apart(query: Any, key: Any, value: Any, segments: Segments, *, scale: float, dropout: float) -> Any:
    if segments.longest <= SHORT and dropout == 0.0:
        return _side_by_side(query, key, value, segments, scale=scale)
    return _one_by_one(query, key, value, segments, scale=scale, dropout=dropout)


def _one_by_one(query: Any, key: Any, value: Any, segments: Segments, *, scale: float, dropout: float) -> Any:
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    lengths = list(segments.lengths)
    grouped = query.shape[1] != key.shape[1]
    answers = [
        scaled_dot_product_attention(q, k, v, scale=scale, dropout_p=dropout, enable_gqa=grouped, **_seen(segments, row, q))
        for row, (q, k, v) in enumerate(zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True))
    ]
    return torch.cat(answers, 2).transpose(1, 2).contiguous()


def _seen(segments: Segments, row: int, query: Any) -> dict[str, Any]:
    """How the fused kernel is told what a row's tokens see."""
    if not segments.forks:
        return {"is_causal": True}
    alone = Segments(segments.lengths[row : row + 1], segments.forks[row : row + 1])
    return {"attn_mask": ~alone.hidden(query.shape[2], query.device)}


def _side_by_side(query: Any, key: Any, value: Any, segments: Segments, *, scale: float) -> Any:
    """All rows in one product, each in `longest` places; what lies behind a row's end is never looked at, causality sees to it.

    rows r, places L, key heads k, queries per key head g, head size d.
    """
    import torch

    r, n = len(segments.lengths), segments.longest
    k, d = key.shape[1], key.shape[3]
    g = query.shape[1] // k
    q = _laid_out(query, segments).view(r, n, k, g, d).permute(0, 2, 3, 1, 4).reshape(r * k, g * n, d)
    keys = _laid_out(key, segments).view(r, n, k, d).permute(0, 2, 3, 1).reshape(r * k, d, n)
    values = _laid_out(value, segments).view(r, n, k, d).transpose(1, 2).reshape(r * k, n, d)
    hidden = segments.hidden(n, query.device)
    scores = torch.bmm(q, keys).view(r, k, g, n, n) if segments.forks else torch.bmm(q, keys).view(r * k, g, n, n)
    hidden = hidden[:, None, None] if segments.forks else hidden[0]
    weights = (scores.float() * scale).masked_fill(hidden, -math.inf).softmax(-1).to(value.dtype)
    mixed = torch.bmm(weights.view(r * k, g * n, n), values).view(r, k, g, n, d).permute(0, 3, 1, 2, 4).reshape(r * n, k * g, d)
    return mixed.index_select(0, segments.places.to(mixed.device))[None]


def _laid_out(states: Any, segments: Segments) -> Any:
    """(1, heads, tokens, size) -> (rows * longest, heads, size), zeros behind each row's end."""
    heads, size = states.shape[1], states.shape[3]
    room = states.new_zeros(len(segments.lengths) * segments.longest, heads, size)
    return room.index_copy(0, segments.places.to(states.device), states[0].transpose(0, 1))
