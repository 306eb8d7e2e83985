"""Rows that begin alike: what a batch has in common at its beginning goes through the model once, and every row attends to it.

Rows of a chat begin with the system turn of their template, and often with the same instructions. Their states there are the same in every
row, since a token sees only what is before it; the gradients of all rows come together in the one copy. What is trained is what would be
trained otherwise, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch

from tuneport_local.methods.attention import Segments
from tuneport_local.methods.batches import IGNORED, packed

LEAST = 8
"""Tokens in common below which a batch is packed as it is."""


def common_beginning(rows: Sequence[dict[str, Any]]) -> int:
    """Tokens that all rows begin with, and behind which nothing is learned at once: that would be told from a place that all share."""
    first = rows[0]["input_ids"]
    alike = zip(first, *(row["input_ids"] for row in rows[1:]), strict=False)
    common = sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, alike))
    learned = (next((place for place, label in enumerate(row["labels"]) if place and label != IGNORED), common + 1) for row in rows)
    return min(common, *(len(row["input_ids"]) - 1 for row in rows), *(place - 1 for place in learned))


def beginning_once(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As `packed`, with the common beginning before all rows instead of in each. `shared`: its tokens; `lengths` count them in each row."""
    shared = common_beginning(rows) if len(rows) > 1 else 0
    if shared < LEAST:
        return packed(rows)
    lengths = [len(row["input_ids"]) for row in rows]
    own = [token for row in rows for token in row["input_ids"][shared:]]
    learned = [label for row in rows for label in row["labels"][shared:]]
    positions = [torch.arange(shared), *(torch.arange(shared, length) for length in lengths)]
    return {
        "input_ids": torch.tensor([*rows[0]["input_ids"][:shared], *own])[None],
        "labels": torch.tensor([*[IGNORED] * shared, *learned])[None],
        "position_ids": torch.cat(positions)[None],
        "lengths": torch.tensor(lengths),
        "shared": torch.tensor(shared),
    }


def sharing_is_exact(model: Any, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether `model`, which keeps packed rows apart, gives rows that begin alike what it gives them packed. The rows are the beginning of
    the first, made different behind it."""
    begun = list(rows[0]["input_ids"][: 2 * LEAST])
    alike = [{"input_ids": [*begun, *row["input_ids"][: LEAST + number]], "labels": []} for number, row in enumerate(rows)]
    alike = [{**row, "labels": [IGNORED] * len(row["input_ids"])} for row in alike]
    once, each = beginning_once(alike), packed(alike)
    if "shared" not in once:
        return False
    segments = Segments(tuple(once["lengths"].tolist()), shared=int(once["shared"]))
    device = next(model.parameters()).device
    with torch.no_grad():
        found, wanted = (
            model(input_ids=batch["input_ids"].to(device), position_ids=batch["position_ids"].to(device), segments=seen, use_cache=False)
            .logits[0]
            .float()
            for batch, seen in ((once, segments), (each, Segments(segments.lengths)))
        )
    tolerance = 1e-3 if model.dtype is torch.float32 else 0.05
    return bool((found[segments.spread.to(device)] - wanted).norm() <= tolerance * wanted.norm())
