"""What no training text should hold: credentials, card numbers, special tokens, and traces of a wrong encoding. Only its kind is told.

The texts of many rows are searched at once, and narrowly: credentials stand in words of at least 20 characters, card numbers where 13
digits follow one another in the bare text. A few vector operations find both kinds of place; regular expressions see those only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneport.row_texts import RowTexts

Flags = NDArray[np.bool_]

LONG_WORD = 20
CARD_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Mark:
    """Something found in the row at `place` of its batch: the id of the rule against it, and what it is."""

    place: int
    rule: str
    what: str


def marks(texts: RowTexts, bare: RowTexts, *, forbidden: frozenset[str]) -> Iterator[Mark]:
    """Every mark of every row, some perhaps twice. `forbidden` are the special tokens that the provider refuses."""
    yield from _credentials(texts)
    yield from _card_numbers(texts, bare)
    if b"|" in texts.data:
        for match in _SPECIAL_TOKEN.finditer(texts.data):
            token = match[0].decode()
            yield Mark(texts.at(match.start()), "token-allowed" if token in forbidden else "no-special-token", token)
    if not texts.ascii:
        yield from _wrong_encodings(texts)
    if texts.nul:
        yield from _each(texts, re.compile(b"\1"), rule="encoding-right", what="a NUL character")
    if texts.broken:
        yield from _each(texts, _HALF_A_PAIR, rule="encoding-right", what="half a surrogate pair")


def _each(texts: RowTexts, pattern: re.Pattern[bytes], *, rule: str, what: str) -> Iterator[Mark]:
    return (Mark(texts.at(match.start()), rule, what) for match in pattern.finditer(texts.data))


# --- credentials -----------------------------------------------------------------------------------------------------------------------

_CREDENTIALS: tuple[tuple[str, tuple[bytes, ...], bytes], ...] = (
    ("an Anthropic key", (b"sk-ant-",), rb"[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", (b"sk-",), rb"(?!ant-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"),
    ("an AWS access key", (b"AKIA", b"ASIA"), rb"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a GitHub token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), rb"[A-Za-z0-9]{30,}"),
    ("a GitHub token", (b"github_pat_",), rb"[A-Za-z0-9_]{22,}"),
    ("a GitLab token", (b"glpat-",), rb"[A-Za-z0-9_-]{20}"),
    ("a Slack token", (b"xoxa-", b"xoxb-", b"xoxe-", b"xoxo-", b"xoxp-", b"xoxr-", b"xoxs-"), rb"[A-Za-z0-9-]{10,}"),
    ("a Slack webhook", (b"hooks.slack.com/services/T",), rb"[A-Z0-9]{6,}/"),
    ("a Google API key", (b"AIza",), rb"[A-Za-z0-9_-]{35}"),
    ("a Hugging Face token", (b"hf_",), rb"[A-Za-z0-9]{30,}"),
    ("a Stripe key", (b"sk_live_", b"sk_test_", b"rk_live_", b"rk_test_"), rb"[A-Za-z0-9]{16,}"),
    ("a SendGrid key", (b"SG.",), rb"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("an npm token", (b"npm_",), rb"[A-Za-z0-9]{36}"),
    ("a PyPI token", (b"pypi-AgEI",), rb"[A-Za-z0-9_-]{16,}"),
    ("an Azure storage key", (b"AccountKey=",), rb"[A-Za-z0-9/]{8}"),
    ("a JSON Web Token", (b"eyJ",), rb"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("a password in a URL", (b"://",), rb"[^\s/:@\0]{1,64}:[^\s/:@\0]{3,128}@[A-Za-z0-9]"),
)
"""What, how it begins, and how it goes on. What begins with a letter must not go on a word: `risk-` is no `sk-`."""


def _beginning_with(literal: bytes, rest: bytes) -> re.Pattern[bytes]:
    """A pattern that begins with a literal is searched for at the speed of that literal, which a look behind would spoil."""
    escaped = re.escape(literal)
    apart = rb"(?<![A-Za-z0-9]" + escaped + rb")" if literal[:1].isalpha() else b""
    return re.compile(escaped + apart + rest)


_BY_LITERAL = tuple((literal, _beginning_with(literal, rest), what) for what, literals, rest in _CREDENTIALS for literal in literals)


@cache
def _any_credential() -> Any:
    """All of them at once, without a look at what stands before: RE2 takes as long for twenty patterns as for one."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    begins = [b"(?:" + b"|".join(map(re.escape, literals)) + b")" + _WITHOUT_LOOK.sub(b"", rest) for _, literals, rest in _CREDENTIALS]
    return re2.compile(b"|".join(begins), options)


_WITHOUT_LOOK = re.compile(rb"\(\?[!=][^()]*\)")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----")
_SPECIAL_TOKEN = re.compile(rb"<\|[A-Za-z][A-Za-z0-9_]{1,30}\|>")


def _credentials(texts: RowTexts) -> Iterator[Mark]:
    words = b" ".join(_long_words(texts.data))
    if not words:
        return
    if _any_credential().search(words):
        for literal, pattern, what in _BY_LITERAL:
            if literal in words:
                yield from _each(texts, pattern, rule="no-credential", what=what)
    if b"PRIVATE KEY" in texts.data:  # its lines are long words, so that nothing else need be searched for it
        yield from _each(texts, _PRIVATE_KEY, rule="no-credential", what="a private key")


def _long_words(data: bytes) -> list[bytes]:
    """The words of at least LONG_WORD letters, digits and marks from `-` on."""
    if len(data) < LONG_WORD:
        return []
    inside = np.frombuffer(data, np.uint8) > ord(",")
    starts = np.flatnonzero(_runs(inside, LONG_WORD))
    if not len(starts):
        return []
    breaks = np.flatnonzero(np.diff(starts) > 1)
    begins, lasts = starts[np.append(0, breaks + 1)], starts[np.append(breaks, len(starts) - 1)]
    return list(map(data.__getitem__, map(slice, begins.tolist(), (lasts + LONG_WORD).tolist())))


def _runs(true: Flags, length: int) -> Flags:
    """Where `length` values in a row are true, by doubling."""
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        true = true[step:] & true[:-step]
        reach += step
    return true


# --- card numbers ----------------------------------------------------------------------------------------------------------------------

_DIGITS = re.compile(rb"[0-9][0-9 -]{11,}[0-9]")
_CARD = re.compile(
    rb"(?<![0-9A-Za-z.,_-])"
    rb"(?:[0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})"
    rb"(?![0-9A-Za-z_-])"
)
_ISSUED = re.compile(
    rb"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    rb"|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""The numbers that Visa, Mastercard, American Express, Discover, Diners Club, JCB and UnionPay issue."""


def _card_numbers(texts: RowTexts, bare: RowTexts) -> Iterator[Mark]:
    digits = np.frombuffer(bare.data, np.uint8) <= ord("9")  # all that is left below are digits and NUL
    if (b"\1" * CARD_DIGITS) not in digits.tobytes():
        return
    for place in np.unique(np.searchsorted(bare.ends, np.flatnonzero(_runs(digits, CARD_DIGITS)), side="right")).tolist():
        if _has_card(texts.row(place)):
            yield Mark(place, "no-card-number", "a card number")


def _has_card(row: bytes) -> bool:
    runs = (match.span() for match in _DIGITS.finditer(row))
    return any(_is_card(match[0]) for start, end in runs for match in _CARD.finditer(row, start, end + 1))


def _is_card(written: bytes) -> bool:
    """Whether an issuer gives out such numbers and the last digit is the check digit (Luhn, ISO/IEC 7812-1)."""
    number = written.translate(None, b" -")
    digits = [byte - ord("0") for byte in reversed(number)]
    check = sum(digits[::2]) + sum(digit * 2 - 9 * (digit > 4) for digit in digits[1::2])
    return bool(_ISSUED.fullmatch(number)) and check % 10 == 0


# --- wrong encodings -------------------------------------------------------------------------------------------------------------------

_HALF_A_PAIR = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_TRACES = (
    (b"\xef\xbf\xbd", "a replacement character (U+FFFD)"),
    (b"\xc3\x83\xc2", "UTF-8 read as Latin-1 or Windows-1252"),
    (b"\xc3\x82\xc2", "UTF-8 read as Latin-1 or Windows-1252"),
    (b"\xc3\xa2\xe2\x82\xac", "UTF-8 read as Latin-1 or Windows-1252"),
)
"""What U+FFFD is in UTF-8, and what the beginnings of accented letters, of signs and of typographic quotes become when read wrongly."""


def _wrong_encodings(texts: RowTexts) -> Iterator[Mark]:
    for trace, what in _TRACES:
        if trace in texts.data:
            yield from _each(texts, re.compile(re.escape(trace)), rule="encoding-right", what=what)
