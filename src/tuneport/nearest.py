"""A word nobody knows is refused with the nearest one that is known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def refuse_unknown_keys(given: Iterable[Any], known: Iterable[str]) -> None:
    """Raises ValueError for the first key of `given` that is not in `known`: `unknown key 'epoch'; did you mean 'epochs'?`"""
    names = list(known)
    for key in given:
        if key not in names:
            raise ValueError(f"unknown key {key!r}; {did_you_mean(key, names)}")


def did_you_mean(word: Any, known: Iterable[str], *, most: int | None = None) -> str:
    """`did you mean 'epochs'?`, or what is known where nothing is near: all of it, or the first `most`."""
    names = list(known)
    near = difflib.get_close_matches(str(word), names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = " …" if most is not None and len(names) > most else ""
    return f"known: {', '.join(names[:most])}{more}."
