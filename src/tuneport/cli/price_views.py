"""How rows of the price book and of the catalogue read: for people, for scripts and as CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.cli.output import decimal_text
from tuneport.prices.row_checks import money
from tuneport.prices.terms import terms

if TYPE_CHECKING:
    from tuneport.catalogue import Base, Nearest
    from tuneport.limits import Target
    from tuneport.prices import Price
    from tuneport.prices.gpus import Gpu

PRICE_HEADERS = ("Provider", "Model", "Unit", "Price", "For", "As of", "Marks")
SOURCED_HEADERS = (*PRICE_HEADERS, "Source")
ONE_MODEL_HEADERS = ("Unit", "Price", "For", "As of", "Marks", "From")


def price_row(row: Price, *, on: date) -> tuple[str, ...]:
    """A price for people, under SOURCED_HEADERS; without its last cell under PRICE_HEADERS."""
    return row.provider, row.model, row.unit, money(row), terms(row), row.as_of.isoformat(), marks(row, on=on), row.source


def one_models_rows(rows: Sequence[Price], *, model: str, on: date) -> list[tuple[str, ...]]:
    """The prices of one model, under ONE_MODEL_HEADERS; whose a price is if not the model's own: all models', a GPU's."""
    sources = numbered(row.source for row in rows)
    return [_one_models_row(row, model=model, on=on, sources=sources) for row in rows]


def _one_models_row(row: Price, *, model: str, on: date, sources: Mapping[str, str]) -> tuple[str, ...]:
    _, named, unit, price, narrowed, as_of, marked, source = price_row(row, on=on)
    of = "" if named.casefold() == model.casefold() else "all models" if named == "*" else named
    return unit, price, ", ".join(filter(None, (of, narrowed))), as_of, marked, sources[source]


def numbered(sources: Iterable[str]) -> dict[str, str]:
    """`[1]` for the first source, and so on: they are too long to stand in each row."""
    return {source: f"[{number}]" for number, source in enumerate(dict.fromkeys(sources), start=1)}


def marks(row: Price, *, on: date) -> str:
    """What a reader has to know before relying on it: `old, third party`."""
    return ", ".join((*row.doubts(on=on), *(("yours",) if row.confidence == "yours" else ())))


def price_document(row: Price, *, on: date) -> dict[str, Any]:
    """A price for scripts: every field, and what is doubtful about it on that day."""
    return {**_document(row), "price": decimal_text(row.price), "doubts": list(row.doubts(on=on))}


def prices_csv(rows: Iterable[Price], *, on: date) -> str:
    """The prices as CSV with a header line: the fields of a price file in its own words, then the doubts."""
    from tuneport.prices import Price

    columns = [*Price.__struct_fields__, "doubts"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        document = {**_document(row), "price": f"{row.price:f}", "doubts": ", ".join(row.doubts(on=on))}
        writer.writerow(["" if document[column] is None else document[column] for column in columns])
    return text.getvalue()


BASE_HEADERS = ("Base", "Methods", "Size", "Context", "Availability", "Ends", "As of", "Marks")


def base_row(base: Base, *, on: date, today: date) -> tuple[str, ...]:
    """A base for people, under BASE_HEADERS: available on that day, marked as of today."""
    there = base.availability(on=on)
    return (
        base.uri,
        " ".join(base.methods),
        size_text(base),
        "" if base.context_tokens is None else f"{base.context_tokens:,}",
        there.word,
        there.ends.isoformat() if there.ends else "",
        base.as_of.isoformat(),
        base_marks(base, on=today),
    )


def size_text(base: Base) -> str:
    """`8.03B`, `30B, 3B active`; '' where it is not published."""
    if base.parameters_b is None:
        return ""
    return f"{base.parameters_b:f}B{'' if base.active_b is None else f', {base.active_b:f}B active'}"


def base_marks(base: Base, *, on: date) -> str:
    """As for prices: what stands in the catalogue may be old, or from somebody who is not the vendor."""
    from tuneport.prices import OLD_AFTER_DAYS

    found = (("old", (on - base.as_of).days > OLD_AFTER_DAYS), ("third party", base.confidence == "third party"))
    return ", ".join(word for word, is_so in found if is_so)


def base_document(base: Base, *, on: date) -> dict[str, Any]:
    """A base for scripts, with what can be done with it on that day."""
    there = base.availability(on=on)
    availability = {"word": there.word, "sentence": there.sentence, "ends": there.ends.isoformat() if there.ends else None}
    return {"uri": base.uri, **_document(base), "availability": availability}


def base_fields(base: Base, *, on: date) -> list[tuple[str, str]]:
    """A base in full, for people."""
    there = base.availability(on=on)
    return [
        ("base", base.uri),
        ("also called", ", ".join(base.names)),
        ("methods", ", ".join(base.methods)),
        ("weights", ", ".join(base.weights)),
        ("size", size_text(base)),
        ("context", "" if base.context_tokens is None else f"{base.context_tokens:,} tokens"),
        ("rows may hold", ", ".join(base.takes)),
        ("tiers", ", ".join(base.tiers)),
        ("regions", ", ".join(base.regions)),
        ("served by the", f"{base.serving or ''}{_least_gpus(base)}"),
        ("availability", f"{there.word}{f': {there.sentence}' if there.sentence else ''}"),
        ("note", base.note),
        ("as of", f"{base.as_of}, {base.confidence}{f' ({marked})' if (marked := base_marks(base, on=on)) else ''}: {base.source}"),
    ]


def _least_gpus(base: Base) -> str:
    return f", at least {base.serving_gpus} {base.serving_gpu}".rstrip() if base.serving_gpus else ""


def gpu_fields(gpu: Gpu) -> list[tuple[str, str]]:
    """A GPU in full, for people."""
    return [
        ("GPU", gpu.name),
        ("also called", ", ".join(gpu.names)),
        ("memory", f"{gpu.memory_gb} GB"),
        ("power", "" if gpu.watts is None else f"{gpu.watts} W"),
        ("bf16", "" if gpu.bf16_tflops is None else f"{gpu.bf16_tflops:g} teraflops"),
        ("as of", f"{gpu.as_of}, {gpu.confidence}: {gpu.source}"),
    ]


def gpu_document(gpu: Gpu) -> dict[str, Any]:
    """A GPU for scripts."""
    return _document(gpu)


NEAREST_HEADERS = ("Base", "Availability", "Same weights", "As of", "From", "Why")


def nearest_rows(found: Sequence[Nearest], *, on: date) -> list[tuple[str, ...]]:
    """The bases that stand in for another, under NEAREST_HEADERS."""
    sources = numbered(each.source for each in found)
    return [
        (
            each.base.uri,
            each.base.availability(on=on).word,
            "yes" if each.same else "no",
            each.as_of.isoformat(),
            sources[each.source],
            each.reason,
        )
        for each in found
    ]


def nearest_document(each: Nearest, *, on: date) -> dict[str, Any]:
    """Likewise for scripts."""
    return {
        "uri": each.base.uri,
        "same_weights": each.same,
        "reason": each.reason,
        "as_of": each.as_of.isoformat(),
        "source": each.source,
        "availability": each.base.availability(on=on).word,
    }


def limits_document(target: Target) -> dict[str, Any]:
    """What a provider takes of training data for one method: only what is known."""
    return {"method": target.method, "known": target.known, "values": known_limits(target), "sources": list(target.sources)}


def known_limits(target: Target) -> dict[str, Any]:
    """The limits that differ from taking everything, sets as sorted lists."""
    plain = type(target.limits)()
    values = {field.name: getattr(target.limits, field.name) for field in fields(plain)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items() if value != getattr(plain, name)
    }


def limits_text(values: Mapping[str, Any]) -> str:
    """`min_rows 10, max_tokens 65,536, roles assistant system user`."""
    return ", ".join(f"{name} {_limit_text(value)}" for name, value in values.items())


def _limit_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _document(row: msgspec.Struct) -> dict[str, Any]:
    """Every field, JSON-ready: dates as ISO, numbers that are not money as text."""
    return {name: _plain(getattr(row, name)) for name in row.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return list(value) if isinstance(value, tuple) else value
