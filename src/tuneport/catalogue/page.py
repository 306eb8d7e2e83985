"""docs/models.md, made from the catalogue: every base, until when, says who, and which are near to each other.

python -m tuneport.catalogue.page > docs/models.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date

from tuneport.catalogue.catalogue import catalogue
from tuneport.catalogue.entry import Base
from tuneport.catalogue.nearest_bases import Group, groups
from tuneport.prices.page import table_line


def document() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_same(), _TIERS, *_tiers(), *_bases()]) + "\n"


_HEAD = """# Models

This page is made from the code: `python -m tuneport.catalogue.page > docs/models.md`. A test compares the two.

The catalogue (`src/tuneport/catalogue/*.toml`) has the bases that can be tuned at each provider, or could be, with methods, sizes and
dates; each with its source and its day. What is empty has not been published, or not been found. What a provider takes of training data
stands in `src/tuneport/limits.toml`, what it takes of money in [prices.md](prices.md).

```
tuneport models bases --provider azure --method grpo --on 2027-02-10
tuneport models nearest openai:gpt-4.1-mini --provider vertex
tuneport prices show openai:gpt-4.1-mini
```

A base is **available**; **closing** when new customers are turned away or a last day is less than 180 days away; **closed** when the last
day for new jobs or for answers has passed. The last day itself still counts. A date after *at least* is only promised not to come sooner,
and closes nothing. Old facts and those of third parties are marked as in [prices.md](prices.md#marks).

## Nearest bases

A recipe that names one base is quoted at other providers for the nearest one there, and the quote says which and why: the same weights
under another name where the provider has them, else those of the same tier.

### The same weights

| bases | why | as of | source |
|---|---|---|---|"""


def _same() -> Iterator[str]:
    return (_group(group) for group in groups() if not group.name)


_TIERS = """
### Tiers

Bases of like size and price. They are our own judgement, and nobody has measured them on your task. Each provider's first is its usual one.

| tier | bases | why | as of | source |
|---|---|---|---|---|"""


def _tiers() -> Iterator[str]:
    return (_group(group, group.name) for group in groups() if group.name)


def _group(group: Group, *first: str) -> str:
    return table_line(*first, ", ".join(f"`{uri}`" for uri in group.bases), group.reason, str(group.as_of), group.source)


_HEADINGS = (
    *("base", "also called", "methods", "weights", "size in B", "context", "rows may hold", "tiers", "regions"),
    *("closed to new since", "new jobs until", "answers until", "served by the", "as of", "confidence", "source", "note"),
)


def _bases() -> Iterator[str]:
    known = catalogue()
    yield f"\n## The catalogue\n\n{len(known.bases)} bases."
    for provider in known.providers():
        yield f"\n### {provider}\n\n{table_line(*_HEADINGS)}\n|{'---|' * len(_HEADINGS)}"
        yield from (table_line(*_cells(base)) for base in known.of(provider))


def _cells(base: Base) -> Iterator[str]:
    yield f"`{base.id}`"
    yield from (", ".join(words) for words in (base.names, base.methods, base.weights))
    yield "" if base.parameters_b is None else f"{base.parameters_b:f}{f' ({base.active_b:f} active)' if base.active_b else ''}"
    yield "" if base.context_tokens is None else f"{base.context_tokens:,}"
    yield from (", ".join(words) for words in (base.takes, base.tiers, base.regions))
    yield str(base.closed_to_new_since or "")
    yield from (_last_day(base, "training", base.training_ends), _last_day(base, "serving", base.serving_ends))
    yield f"{base.serving or ''}{f' ({base.serving_gpus} {base.serving_gpu})' if base.serving_gpus else ''}"
    yield from (str(base.as_of), base.confidence, base.source, base.note)


def _last_day(base: Base, which: str, ends: date | None) -> str:
    return "" if ends is None else f"{'at least ' if which in base.earliest else ''}{ends}"


if __name__ == "__main__":
    sys.stdout.write(document())
