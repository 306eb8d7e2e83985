"""`tuneport submit --dry-run`: what would be sent, request by request, with the first rows as they would go and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tuneport.cli.output import Output
from tuneport.plurals import counted
from tuneport.redaction import without_secrets

if TYPE_CHECKING:
    from tuneport.plan import Plan, PlannedFile, PlannedRequest
    from tuneport.quote import Quote

FIRST_ROWS = 3
_SHOWN_CHARS = 400
"""Of a row, to people."""


def print_plan(plan: Plan, quotes: Sequence[Quote], *, out: Output) -> None:
    """The plan; `quotes` are of this very job, none where nobody sends a bill. What looks like a key is blanked out."""
    rows = {file.purpose: first_rows(file) for file in plan.files}
    if out.json:
        from tuneport.cli.quote_documents import quote_document

        requests = [{"call": request.call, "body": request.body} for request in _requests(plan)]
        said = {**plan.to_dict(), "requests": requests, "first_rows": rows, "quotes": [quote_document(quote) for quote in quotes]}
        out.document(_masked(said))
        return
    out.say(f"Would send this to {plan.provider} ({plan.scope}); nothing was sent.")
    out.fields(_about(plan, quotes))
    for note in plan.notes:
        out.say(note)
    for request in _requests(plan):
        out.say()
        out.say(request.call)
        out.raw_json(_masked(request.body), indent=2)
    for purpose, texts in rows.items():
        out.say()
        out.say(f"first rows of the {purpose} file:")
        for text in texts:
            out.raw(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} … ({len(text):,} characters)")


def _requests(plan: Plan) -> Sequence[PlannedRequest]:
    return plan.sends or plan.requests


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value


def _about(plan: Plan, quotes: Sequence[Quote]) -> list[tuple[str, str]]:
    files = [(f"{file.purpose} file", f"{file.name}, {counted(file.rows, 'row')}, {file.size_bytes:,} bytes") for file in plan.files]
    return [("base", plan.base), ("method", plan.method), ("plan", plan.fingerprint[:16]), *files, *_cost(quotes)]


def _cost(quotes: Sequence[Quote]) -> list[tuple[str, str]]:
    if not quotes:
        return []
    from tuneport.cli.quote_tables import cost_sentence

    tokens = next((line.note for line in quotes[0].lines if line.item == "training"), "")
    return [("tokens", tokens), ("quote", cost_sentence(quotes))]


def first_rows(file: PlannedFile) -> list[str]:
    """The first lines of a planned file, as they would go over the wire but for what looks like a key."""
    return [without_secrets(line) for line in islice(_lines(file), FIRST_ROWS)]


def _lines(file: PlannedFile) -> Any:
    """The lines of its chunks, of which no more are made than are asked for."""
    rest = b""
    for chunk in file.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace").removeprefix("\ufeff") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
