"""Evaluations: progress while they run, and tables of what they found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuneport.cli.output import Output, Style, note, printable
from tuneport.cli.session import Session
from tuneport.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuneport.evaluation import Comparison, Evaluation
    from tuneport.examples import Example
    from tuneport.graders import Grader
    from tuneport.intervals import Difference
    from tuneport.model import Model
    from tuneport.provider import Generation

_ANSWER_CHARS = 40
_STYLES: dict[str, Style] = {"better": "good", "worse": "bad", "within the noise": "warn"}


def evaluate_with_progress(
    session: Session,
    model: Model,
    rows: Iterable[Example],
    *,
    against: Sequence[str | Model],
    labels_from: Iterable[Example] | None = None,
    metrics: Sequence[str] | None = None,
    grader: Grader | None = None,
    generation: Generation | None = None,
    seed: int = 0,
) -> Evaluation:
    """`Client.evaluate` with a progress line on standard error."""
    with _progress(quiet=session.json) as tell:
        return session.client.evaluate(
            model,
            rows,
            against=list(against),
            labels_from=labels_from,
            metrics=metrics,
            grader=grader,
            generation=generation,
            seed=seed,
            on_progress=tell,
        )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    if quiet or not sys.stderr.isatty():
        yield _say_finished if not quiet else _say_nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, object] = {}

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(f"asking {name}", total=total)
            bar.update(tasks[name], completed=done)  # type: ignore[arg-type]

        yield tell


def _say_finished(name: str, done: int, total: int) -> None:
    if done == total:
        note(f"asked {name}: {counted(total, 'row')}")


def _say_nothing(name: str, done: int, total: int) -> None:
    return


def print_evaluation(found: Evaluation, *, out: Output, answers: int = 0) -> None:
    """The metrics of every model, the differences with their intervals, the verdicts, and some answers that differ."""
    from tuneport.evaluation import shown

    out.say(counted(found.rows, "row"))
    rows = [[metric, *(shown(values.get(metric)) for _, values in found.models)] for metric in found.metrics]
    out.table(["Metric", *(name for name, _ in found.models)], rows, right=range(1, len(found.models) + 1))
    for remark in found.remarks:
        out.say(remark, style="dim")
    if found.comparisons:
        _print_differences(found, out=out)
    if answers:
        print_answers(found, most=answers, out=out)


def _print_differences(found: Evaluation, *, out: Output) -> None:
    from tuneport.evaluation import shown

    rows = [
        (f"{found.name} - {comparison.name}", metric, shown(difference.value, sign="+"), _interval(difference))
        for comparison in found.comparisons
        for metric, difference in comparison.difference.items()
    ]
    if rows:
        out.say()
        out.table(("Difference", "Metric", "Value", f"{_level(found.comparisons)} interval"), rows, right=(2, 3))
    for comparison in found.comparisons:
        out.say(f"{found.name} is {comparison.verdict}", style=_STYLES.get(comparison.outcome, ""))


def _interval(difference: Difference) -> str:
    from tuneport.evaluation import shown

    return " to ".join(shown(edge, sign="+") for edge in difference.interval)


def _level(comparisons: Sequence[Comparison]) -> str:
    levels = [difference.level for comparison in comparisons for difference in comparison.difference.values()]
    return f"{levels[0]:.0%}" if levels else ""


def print_answers(found: Evaluation, *, most: int, out: Output) -> None:
    """Rows on which the models differ: what is right, and what each said. For people only: these are the rows' contents."""
    others = [comparison.name for comparison in found.comparisons]
    differing = found.differing(others[-1]) if others else ()
    if not differing:
        return
    out.say()
    rows = [(str(a.row + 1), _short(a.reference), *(_short(a.texts[name]) for name in (found.name, *others))) for a in differing[:most]]
    out.table(("Row", "Right", found.name, *others), rows, right=(0,))


def _short(text: str) -> str:
    line = printable(text)
    return line if len(line) <= _ANSWER_CHARS else f"{line[: _ANSWER_CHARS - 1]}…"
