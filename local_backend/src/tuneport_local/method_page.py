"""docs/methods.md, made from the tables in the code: what the local backend trains, by which method, on which models, which weights.

python -m tuneport_local.method_page > docs/methods.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tuneport.method_row import MethodRow
from tuneport_local.adapters.tuned_kinds import KINDS
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.methods.table import method_table

_HEAD = """# Local methods

This page is made from the code: `python -m tuneport_local.method_page > docs/methods.md`. A test compares the two. The same table is what a
plan is checked against before anything runs, and `tuneport providers check local` prints it. How each method is told what to do stands in
[local-methods.md](local-methods.md).

| method | learns | from | on | `auto`: epochs, batch, learning rate |
|---|---|---|---|---|"""

_WEIGHTS = """
## Which weights

`weights = "full"` in the method's table, or `weights = {kind = "full", …}`; without it low-rank adapters are trained, as `lora` says. The
learning rate that `auto` means is multiplied by what the last column says.

| weights | what is left | memory | learning rate |
|---|---|---|---|"""

_TOGETHER = """
## Methods and weights

| | {methods} |
|---|{lines}|"""


def document() -> str:
    """The whole page."""
    rows = method_table()
    head = _TOGETHER.format(methods=" | ".join(row.method for row in rows), lines="|".join("---" for _ in rows))
    return "\n".join([_HEAD, *_methods(rows), _WEIGHTS, *_kinds(), head, *_together(rows), *_reasons(rows)]) + "\n"


def _methods(rows: tuple[MethodRow, ...]) -> Iterator[str]:
    for row in rows:
        objective = OBJECTIVES[row.method]
        usual = objective.defaults
        auto = f"{usual.epochs}, {usual.batch_size}, {usual.learning_rate:g}"
        yield f"| {row.method} | {objective.learned} | {row.data} | {row.models} | {auto} |"


def _kinds() -> Iterator[str]:
    for kind in KINDS.values():
        left = "a whole model" if kind.whole else "an adapter"
        yield f"| {kind.name} | {left} | {kind.memory} | {kind.rate:g} x |"


def _together(rows: tuple[MethodRow, ...]) -> Iterator[str]:
    for kind in KINDS:
        yield f"| {kind} | " + " | ".join("yes" if kind in row.weights else "no" for row in rows) + " |"


def _reasons(rows: tuple[MethodRow, ...]) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for row in rows:
        for kind, why in row.refused.items():
            told.setdefault(why, []).append(f"{kind} by {row.method}")
    if told:
        yield "\nWhy not:\n"
    yield from (f"- {', '.join(pairs)}: {why}." for why, pairs in told.items())


if __name__ == "__main__":
    sys.stdout.write(document())
