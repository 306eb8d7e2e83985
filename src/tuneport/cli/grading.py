"""`tuneport data grade`: a grader tried on rows and answers, before a training is paid for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.data_files import Columns, DataFile, FromFormat, open_dataset, say_recognised
from tuneport.cli.session import session_of
from tuneport.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from tuneport.cli.output import Output
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.grading.trial import Trial

_SHOWN = 5
GraderFile = Annotated[
    Path, typer.Option("--grader", metavar="FILE", help="A recipe with a grader, a grader's table, or a .py file with grade(sample, item).")
]


def grade(
    context: typer.Context,
    file: DataFile,
    *,
    grader: GraderFile,
    answers: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE", help="Answers to the rows, as models predict writes them.")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", metavar="TEXT", help="This answer to every row.")] = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Only the first N rows.")] = 100,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.01, help="That one call of a grader may take.")] = 10.0,
    format: FromFormat = None,
    columns: Columns = None,
) -> None:
    """Try a grader: what it gives for the rows' own references and for an empty answer, or for answers of your own; and where it fails."""
    from tuneport.grading.process import GraderLimits
    from tuneport.grading.reading import read_grader
    from tuneport.grading.trial import tried

    session = session_of(context)
    if answers is not None and answer is not None:
        raise UsageError("give --answers or --answer, not both.")
    asked = read_grader(grader)
    dataset = say_recognised(open_dataset(file, format=format, columns=columns)).take(rows).recast("prompt")
    limits = GraderLimits(timeout_s=timeout)
    trials = [tried(asked, answered, what=what, limits=limits) for what, answered in _answered(dataset, answers, answer)]
    if session.json:
        session.out.document({"grader": asked.name, "trials": [trial.to_dict() for trial in trials]})
    else:
        _print(trials, out=session.out)
    if any(trial.failures for trial in trials):
        raise typer.Exit(1)


def _answered(dataset: Dataset, answers: Path | None, answer: str | None) -> Iterator[tuple[str, list[tuple[int, Example, str]]]]:
    from tuneport.grading.fitness import item_of

    numbered = list(dataset.numbered())
    if answers is not None:
        said = _read(answers)
        yield f"answers of {answers.name}", [(line, row, said[line]) for line, row in numbered if line in said]
    elif answer is not None:
        yield "the answer given", [(line, row, answer) for line, row in numbered]
    else:
        yield "the references", [(line, row, str(item_of(row).get("reference", ""))) for line, row in numbered]
        yield "an empty answer", [(line, row, "") for line, row in numbered]


def _read(path: Path) -> dict[int, str]:
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {int(record["line"]): str(record["answer"]) for record in records}
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or 'each of its lines has to be {"line": …, "answer": …}'
        raise DatasetError(f"{path} holds no answers: {why}.", remedy="Make some: tuneport models predict MODEL FILE -o FILE") from None


def _print(trials: list[Trial], *, out: Output) -> None:
    found = [trial.to_dict() for trial in trials]
    parts = list(dict.fromkeys(name for each in found for name in each["parts"]))
    table = [
        [each["answers"], str(each["rows"]), _shown(each["mean"]), _shown(each["std"]), _shown(each["full_marks"])]
        + [_shown(each["parts"].get(name)) for name in parts]
        + [str(len(each["failures"]))]
        for each in found
    ]
    out.table(["Answers", "Rows", "Mean", "Spread", "Full marks", *parts, "Failed"], table, right=range(1, 6 + len(parts)))
    for trial in trials:
        for failure in trial.failures[:_SHOWN]:
            out.say(f"line {failure.line}: {failure.reason}", style="bad")
        if len(trial.failures) > _SHOWN:
            out.say(f"and {len(trial.failures) - _SHOWN} more like these", style="dim")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
