"""Damage to files of rows, of the kinds that real files have: what a reader must answer with rows, findings or one clear error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]

_WRONG = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"[]",
    b"{}",
    b'"\\ud800"',
    b"true",
    b"123456789012345678901234567890",
    b'"\\u0000"',
    b"''",
)
_STRAY = (
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\0",
    b"\r",
    b"\n",
    b"\n\n \n",
    b'"',
    b"\\",
    b",",
    b"}",
    b"[",
    b"\x1f\x8b",
    b"\t",
)
_SCALAR = re.compile(rb'"[^"\\\n]*"|\b\d+\b|\btrue\b|\bnull\b')


def _place(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def flip_bits(data: bytes, random: Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        if damaged:
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def cut_off(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def remove(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    return data[:start] + data[start + random.choice((1, 2, 10, 500)) :]


def repeat(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    end = start + random.choice((1, 5, 200))
    return data[:end] + data[start:]


def insert_stray(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    return data[:start] + random.choice(_STRAY) + data[start:]


def wrong_value(data: bytes, random: Random) -> bytes:
    """A text, a number or a word of JSON becomes another one, or nothing of the kind."""
    found = list(_SCALAR.finditer(data))
    if not found:
        return data
    start, end = random.choice(found).span()
    return data[:start] + random.choice(_WRONG) + data[end:]


def nest_deeply(data: bytes, random: Random) -> bytes:
    depth, (opening, closing) = random.choice((50, 900, 5000, 100_000)), random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    start = _place(data, random)
    return data[:start] + opening * depth + b"1" + closing * random.choice((depth, 0)) + data[start:]


def huge_text(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    return data[:start] + random.choice((b"x", b"\\", b'\\"', b"\xc3\xa9", b" ", b"\r")) * random.choice((70_000, 300_000)) + data[start:]


def repeat_key(data: bytes, random: Random) -> bytes:
    """An object says one of its keys twice."""
    keys = list(re.finditer(rb'("[^"\\\n]*")\s*:', data))
    if not keys:
        return data
    key = random.choice(keys)
    return data[: key.start()] + key[1] + b": " + random.choice(_WRONG) + b", " + data[key.start() :]


def other_line_ends(data: bytes, random: Random) -> bytes:
    return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b" \n\t", b"", b"\x0b")), random.choice((1, 2, -1)))


def break_lines(data: bytes, random: Random) -> bytes:
    """A value goes over two lines, and two values stand on one."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    inner = random.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:inner] + b"\n" + lines[at][inner:]
    join = random.randrange(len(lines))
    lines[join : join + 2] = [b"".join(lines[join : join + 2])]
    return b"\n".join(lines)


def shuffle_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    random.shuffle(lines)
    return b"\n".join(lines)


def other_header(data: bytes, random: Random) -> bytes:
    first, end, rest = data.partition(b"\n")
    return random.choice((b"", b"a,a", b"text", first[:-1], first + b"," + first, b'"' + first, json.dumps("é").encode())) + end + rest


def other_encoding(data: bytes, random: Random) -> bytes:
    text = data.decode(errors="replace")
    return text.encode(random.choice(("utf-16", "utf-16-le", "latin-1", "utf-8-sig", "utf-32")), errors="replace")


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, cut_off, remove, repeat, insert_stray, insert_stray, wrong_value, wrong_value, repeat_key),
    *(nest_deeply, huge_text, other_line_ends, break_lines, break_lines, shuffle_lines, other_header, other_encoding),
)


def mutated(data: bytes, random: Random) -> bytes:
    """The file with one to three kinds of damage."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(MUTATIONS)(data, random)
    return data
