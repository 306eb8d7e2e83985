"""What templates, regular expressions and numbers in graders mean. Nothing but the standard library, and nothing of Tuneport: the source of
this very file also goes where such a grader has to become Python code (`portable`), so that it scores there as it does here."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

TEMPLATE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<![\w.])[-+]?\.\d+")


def sample_of(answer: str) -> dict[str, Any]:
    """What templates and Python graders see of an answer: its text, and what it is as JSON."""
    try:
        read = json.loads(answer)
    except ValueError:
        read = None
    return {"output_text": answer, "output_json": read}


def looked_up(path: str, sample: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    """The value at `item.a.b`, `item.a[0]` or `sample.output_text`; KeyError where there is none."""
    found: Any = {"item": item, "sample": sample}
    for key in re.findall(r"[^.\[\]]+", path):
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise KeyError(path)
    return found


def filled(text: str, sample: Mapping[str, Any], item: Mapping[str, Any], quote: Callable[[str], str] = str) -> str:
    """The text with what its templates stand for, '' where there is nothing; `quote` is done to each."""

    def value(found: re.Match[str]) -> str:
        try:
            said = looked_up(found[1], sample, item)
        except KeyError:
            return ""
        return quote(said if isinstance(said, str) else "" if said is None else json.dumps(said, ensure_ascii=False))

    return TEMPLATE.sub(value, text)


def regex_score(sample: Mapping[str, Any], item: Mapping[str, Any], *, pattern: str, input: str, match: str, ignore_case: bool) -> float:
    """1.0 or 0.0."""
    expression = re.compile(filled(pattern, sample, item, re.escape), re.IGNORECASE if ignore_case else 0)
    text = filled(input, sample, item)
    return float((expression.fullmatch(text) if match == "full" else expression.search(text)) is not None)


def number_of(text: str) -> float | None:
    """The number that a text such as '1,234.5' or '$ -3' is; None where it is none."""
    found = NUMBER.search(_plain(text))
    value = float(found[0].replace(",", "")) if found else math.nan
    return value if math.isfinite(value) else None


def number_in(text: str, *, take: str, pattern: str | None) -> float | None:
    """The number that counts in an answer, or None."""
    places = list((re.compile(pattern) if pattern else NUMBER).finditer(_plain(text)))
    if not places:
        return None
    place = places[-1 if take == "last" else 0]
    return number_of((place[1] if place.re.groups else place[0]) or "")


def reference_number(text: str) -> float | None:
    """The number of a reference: what follows its last ####, else its last number. None where there is none."""
    return number_in(text.rpartition("####")[2], take="last", pattern=None)


def numeric_score(
    sample: Mapping[str, Any],
    item: Mapping[str, Any],
    *,
    input: str,
    reference: str,
    take: str,
    pattern: str | None,
    tolerance: float,
    relative: float,
) -> float:
    """1.0 or 0.0. Raises ValueError for a reference without a number."""
    right = reference_number(filled(reference, sample, item))
    if right is None:
        raise ValueError("the reference has no number")
    said = number_in(filled(input, sample, item), take=take, pattern=pattern)
    return float(said is not None and abs(said - right) <= max(tolerance, relative * abs(right)))


def _plain(text: str) -> str:
    """Full-width digits as ASCII ones, the minus sign of typesetters as a hyphen."""
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")
