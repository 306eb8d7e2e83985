"""Which method takes which rows, which models and which weights here: one table, from the objectives and the kinds of weights."""

from __future__ import annotations

from tuneport.checks import METHODS as ROWS
from tuneport.examples import Kind
from tuneport.method_row import MethodRow
from tuneport_local.adapters.tuned_kinds import KINDS, goes_with
from tuneport_local.methods.objectives import OBJECTIVES

_WORDS: dict[Kind, str] = {
    "chat": "conversations, prompts with completions, plain text",
    "preference": "pairs of answers",
    "prompt": "prompts, with a reference where the grader wants one",
    "labelled": "texts or images with a label or a score",
}


def method_table() -> tuple[MethodRow, ...]:
    """One row for each method that is built, in the order of the objectives."""
    return tuple(_row(method) for method in OBJECTIVES)


def _row(method: str) -> MethodRow:
    support = {kind: goes_with(kind, method=method) for kind in KINDS}
    return MethodRow(
        method=method,
        data=OBJECTIVES[method].data or "; ".join(_WORDS[kind] for kind in ROWS[method]),
        models=OBJECTIVES[method].models,
        weights=tuple(kind for kind, answer in support.items() if answer),
        refused={kind: answer.reason for kind, answer in support.items() if not answer},
    )
