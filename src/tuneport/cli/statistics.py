"""`tuneport data stats`: a dataset in numbers, drawn in the terminal, as JSON, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.data_files import Columns, DataFile, FromFormat, open_dataset
from tuneport.cli.session import Session, session_of
from tuneport.errors import UsageError
from tuneport.statistics_text import bin_name, guessed_text, labels_text, limit_text, spread_text

if TYPE_CHECKING:
    from tuneport.statistics import Limit, Statistics
    from tuneport.tokens import Counter

PIPE_WIDTH = 80
WIDEST = 100
MOST_LONGEST = 5
MOST_LABELS, RAREST = 20, 5
"""Rows and labels shown in the terminal, and how many of the labels are the rarest; the page and --json have more."""

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="Count tokens as it does: openai:gpt-4.1-mini, vertex:gemini-3.5-flash …"),
]
TokenizerPath = Annotated[
    str | None,
    typer.Option("--tokenizer", metavar="PLACE", help="Count by a tokenizer: a folder with a tokenizer.json, or a name on the hub."),
]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page as well; one that is there is replaced.")]


def stats(
    context: typer.Context,
    file: DataFile,
    *,
    model: Model = None,
    tokenizer: TokenizerPath = None,
    html: Page = None,
    format: FromFormat = None,
    columns: Columns = None,
) -> None:
    """Rows, turns, characters, tokens and labels of a dataset, and its longest rows."""
    from tuneport.statistics import measure

    session = session_of(context)
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"{html.name!r} does not end in .html, and a page is what is written.", remedy=f"Name it {html.stem or 'stats'}.html"
        )
    counter, limit = _counter(model, tokenizer), _limit(model)
    dataset = open_dataset(file, format=format, columns=columns)
    found = measure(dataset, counter=counter, limit=limit)
    if html is not None:
        _write_page(html, found, title=dataset.name)
    if session.json:
        session.out.document({**found.to_dict(), **({} if html is None else {"page": str(html)})})
        return
    _draw(session, found)
    if html is not None:
        session.out.say(f"\nWrote {html}")


def _counter(model: str | None, tokenizer: str | None) -> Counter | None:
    from tuneport.tokens import counter_for

    return None if model is None and tokenizer is None else counter_for(model or "", tokenizer=tokenizer)


def _limit(model: str | None) -> Limit | None:
    """The most tokens a row may have for supervised training of the model, where that is known."""
    from tuneport.limits import providers, target
    from tuneport.statistics import Limit
    from tuneport.tokens import provider_of

    if model is None:
        return None
    named = model.partition(":")[0] in providers()
    provider = None if named else provider_of(model)
    if not named and provider not in providers():
        return None
    aim = target(model if named else f"{provider}:{model}")
    return Limit(aim.limits.max_tokens, "; ".join(aim.sources)) if aim.limits.max_tokens is not None else None


def _write_page(path: Path, found: Statistics, *, title: str) -> None:
    from tuneport.files import write_text
    from tuneport.statistics_page import page

    try:
        write_text(path, page(found, title=title))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None


def _draw(session: Session, found: Statistics) -> None:
    out, tokens = session.out, found.tokens
    out.fields(_fields(found))
    if tokens.bins:
        title = "rows by tokens" if tokens.exact else "rows by tokens, estimated"
        _draw_bars(session, title, [(bin_name(each), each.rows) for each in tokens.bins], numeric=True)
    if found.longest:
        out.say("\nlongest rows")
        rows = [(f"{row.line}", f"{row.tokens:,}", f"{row.characters:,}") for row in found.longest[:MOST_LONGEST]]
        out.table(("line", "tokens", "characters"), rows, right=(0, 1, 2))
    if found.labels:
        labels = list(found.labels.items())
        gap = MOST_LABELS - RAREST if len(labels) > MOST_LABELS else None
        _draw_bars(session, labels_text(found.labels), labels if gap is None else [*labels[:gap], *labels[-RAREST:]], gap=gap)
        if gap is not None:
            out.say("All labels: --json, --html FILE")


def _draw_bars(session: Session, title: str, rows: Sequence[tuple[str, int]], *, numeric: bool = False, gap: int | None = None) -> None:
    """`gap` is the place in `rows` before which some were left out."""
    from tuneport.cli.bars import bars, knows_blocks

    out = session.out
    width = min(out.width, WIDEST) if out.terminal else PIPE_WIDTH
    out.say(f"\n{title}")
    for place, line in enumerate(bars(rows, width=width - 1, ascii=not knows_blocks(out.stream), numeric=numeric)):
        if place == gap:
            out.raw("...")
        out.raw(line)


def _fields(found: Statistics) -> list[tuple[str, str]]:
    tokens = found.tokens
    return [
        ("rows", f"{found.rows:,}"),
        ("kind", ", ".join(f"{kind} {count:,}" if len(found.kinds) > 1 else kind for kind, count in found.kinds.items())),
        ("turns a row", spread_text(found.turns)),
        ("characters asked", spread_text(found.asked)),
        ("characters answered", spread_text(found.answered)),
        ("tokens a row", spread_text(tokens.spread)),
        ("counted by", f"{tokens.counted_by}, {'exactly' if tokens.exact else 'an estimate'}"),
        ("of which guessed", guessed_text(tokens)),
        ("over the limit", limit_text(tokens)),
        ("source", tokens.source),
    ]
