"""Signed addresses are secrets, in whatever form the vendor repeats them: whole or in part, encoded, decoded, escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html.entities import codepoint2name
from urllib.parse import unquote, urlsplit

from tuneport.redaction import without_secrets

LONG = 16
"""Characters of a value in a query that is hidden whatever its name is."""
PIECE = 10
"""Characters of a signature that are hidden where they stand alone: a text may be cut off."""
_NAMED = re.compile(r"sig|token|secret|credential|key", re.IGNORECASE)
_SHORT = 4
"""A value of so few characters would hide words that say something else."""


def without_addresses(text: str, signed: Mapping[str, str]) -> str:
    """The text without those addresses, their queries and signatures, and without whatever else looks like a secret. In their place are
    the variables that they go by in `signed`."""
    for variable, address in signed.items():
        instead = f"(the address in {variable})"
        for pattern in _patterns(address):
            text = instead.join(pattern.split(text))
        for secret in _signatures(address):
            text = _without_pieces(text, secret, instead=instead)
    return without_secrets(text)


def signed_in(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The signed addresses in the environment, by their variables."""
    return {variable: value.strip() for variable, value in environ.items() if _is_signed(value.strip())}


def _is_signed(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and any(_NAMED.search(name) for name, _ in _pairs(parts.query))


def _patterns(address: str) -> Iterator[re.Pattern[str]]:
    """The longest first, so that nothing is left over of them."""
    query = urlsplit(address).query
    for whole in filter(None, (address, query)):
        yield from (_compiled(_forms(text)) for text in (whole, unquote(whole)))
    for name, value in _pairs(query):
        secret = unquote(value).rstrip("=")
        if len(secret) >= (_SHORT if _NAMED.search(name) else LONG):
            yield _compiled([*_forms(secret), f"{_form('=')}*"])


def _signatures(address: str) -> list[str]:
    return [unquote(value).rstrip("=") for name, value in _pairs(urlsplit(address).query) if _NAMED.search(name)]


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]


def _without_pieces(text: str, secret: str, *, instead: str) -> str:
    """Without any stretch of so many of the secret's characters: where stretches overlap they go as one."""
    forms = _forms(secret)
    pieces = ["".join(forms[start : start + PIECE]) for start in range(len(forms) - PIECE + 1)]
    kept, done = "", 0
    for found in re.finditer(f"(?=({'|'.join(pieces)}))", text, re.IGNORECASE) if pieces else ():
        if found.start(1) >= done:
            kept += text[done : found.start(1)] + instead
        done = max(done, found.end(1))
    return kept + text[done:]


def _compiled(forms: Iterable[str]) -> re.Pattern[str]:
    return re.compile("".join(forms), re.IGNORECASE)


def _forms(text: str) -> list[str]:
    return [_form(character) for character in text]


def _form(character: str) -> str:
    """A character as it is, percent-encoded once or more often, or escaped as in HTML or JSON."""
    if character.isascii() and character.isalnum():
        return character
    code, encoded = ord(character), "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    space = {" ": r"|\+", "+": "| "}.get(character, "")
    entity = f"|&{codepoint2name[code]};" if code in codepoint2name else ""
    return rf"(?:{encoded}|&\#0*{code};|&\#x0*{code:x};{entity}|\\u{code:04x}|\\?{re.escape(character)}{space})"
