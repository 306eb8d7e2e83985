"""Graders as Python code that scores as they do: for a process of their own, and for providers that have no such grader."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tuneport.graders import NumericAnswer, PythonGrader, RegexCheck

_SCORING = Path(__file__).with_name("scoring.py")
FUNCTIONS = {"regex": "regex_score", "numeric": "numeric_score"}


@cache
def scoring_source() -> str:
    """The source of `scoring`."""
    return _SCORING.read_text(encoding="utf-8")


def settings_of(grader: RegexCheck | NumericAnswer) -> dict[str, Any]:
    """What its function in `scoring` is told."""
    return grader.model_dump(exclude={"kind", "name"})


def as_python(grader: RegexCheck | NumericAnswer) -> PythonGrader:
    """The same grader with a function `grade(sample, item)`."""
    call = f"{FUNCTIONS[grader.kind]}(sample, item, **{settings_of(grader)!r})"
    source = f"{scoring_source()}\n\ndef grade(sample, item):\n    return {call}\n"
    return PythonGrader(name=grader.name, source=source)
