"""`tuneport data`: check, convert, split and measure datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import counted
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.checks import CheckReport
    from tuneport.dataset import Dataset, WriteReport
    from tuneport.finding import Finding

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Check, convert, split and measure datasets.")

DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A dataset file.")]
FromFormat = Annotated[str | None, typer.Option("--format", metavar="NAME", help="The file's format, if it is not recognised.")]
Columns = Annotated[
    list[str] | None, typer.Option("--column", metavar="NAME=THEIRS", help="What the file calls prompt, completion, text, label or system.")
]
ToFormat = Annotated[str, typer.Option("--to", metavar="NAME", help="The format to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]

MOST_SHOWN = 40


def open_dataset(path: Path, *, format: str | None = None, columns: Sequence[str] | None = None) -> Dataset:
    """The dataset in a file. `columns` are written NAME=THEIRS. Raises DatasetError, UsageError."""
    from tuneport.dataset import Dataset

    pairs = [column.partition("=") for column in columns or ()]
    wrong = [column for column, (name, equals, theirs) in zip(columns or (), pairs, strict=True) if not (name and equals and theirs)]
    if wrong:
        raise UsageError(f"--column {wrong[0]!r} is not NAME=THEIRS, such as prompt=question.")
    return Dataset.read(path, format=format, columns={name: theirs for name, _, theirs in pairs} or None)


@app.command()
def check(
    context: typer.Context,
    file: DataFile,
    *,
    train: Annotated[
        Path | None, typer.Option("--train", metavar="FILE", help="Also look for rows that this training file has as well.")
    ] = None,
    method: Annotated[str, typer.Option("--method", metavar="NAME", help="What the data are to be trained with.")] = "sft",
    format: FromFormat = None,
    columns: Columns = None,
) -> None:
    """Say everything that is wrong with a dataset. Exit code 1 if there are errors."""
    from tuneport.checks import check, check_pair

    session = session_of(context)
    dataset = open_dataset(file, format=format, columns=columns)
    reports = [check(dataset, method=method)]
    if train is not None and reports[0].ok:
        reports.append(check_pair(open_dataset(train, format=format, columns=columns), dataset))
    if session.json:
        session.out.document(_report_document(reports))
    else:
        _print_report(session, file, reports)
    raise typer.Exit(0 if all(report.ok for report in reports) else 1)


def _report_document(reports: Sequence[CheckReport]) -> dict[str, Any]:
    first, *others = [report.to_dict() for report in reports]
    for other in others:
        first["findings"] += other["findings"]
        first["counts"] = {**first["counts"], **other["counts"]}
        first["truncated"], first["ok"] = first["truncated"] or other["truncated"], first["ok"] and other["ok"]
    return first


def _print_report(session: Session, file: Path, reports: Sequence[CheckReport]) -> None:
    findings = [finding for report in reports for finding in report.findings]
    total = sum(count for report in reports for count in report.counts.values())
    for finding in findings[:MOST_SHOWN]:
        style = "bad" if finding.severity == "error" else "warn" if finding.severity == "warning" else ""
        session.out.say(f"{_place(file, finding)}: {finding.severity}: {finding.message} [{finding.rule}]", style=style)  # type: ignore[arg-type]
    if total > MOST_SHOWN:
        session.out.say(f"and {total - len(findings[:MOST_SHOWN]):,} more; --json lists them.")
    for rule, remedy in {finding.rule: finding.remedy for finding in findings if finding.remedy}.items():
        session.out.say(f"{rule}: {remedy}")
    ok = all(report.ok for report in reports)
    found = counted(total, "finding") if total else "nothing found"
    verdict = "ok" if ok else "not usable as it is"
    session.out.say(f"{file}: {counted(reports[0].rows, 'row')}, {found}: {verdict}.", style="good" if ok else "bad")


def _place(file: Path, finding: Finding) -> str:
    return f"{file}:{finding.line}" if finding.line is not None else str(file)


@app.command()
def convert(
    context: typer.Context,
    file: DataFile,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write.")],
    *,
    to: ToFormat = "chat",
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a dataset in another format, and say what that could not carry."""
    session = session_of(context)
    _refuse_existing([target], overwrite=overwrite)
    report = open_dataset(file, format=format, columns=columns).write(target, format=to)
    if session.json:
        session.out.document(_written_document(report))
    else:
        _say_written(session, report)


@app.command()
def split(
    context: typer.Context,
    file: DataFile,
    *,
    test: Annotated[float, typer.Option("--test", metavar="SHARE", help="A share below 1, or a number of rows.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same sides.")] = 0,
    to: ToFormat = "chat",
    train_file: Annotated[Path | None, typer.Option("--train-file", metavar="FILE", help="Default: <name>-train.jsonl beside it.")] = None,
    test_file: Annotated[Path | None, typer.Option("--test-file", metavar="FILE", help="Default: <name>-test.jsonl beside it.")] = None,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Split into train and test; rows that ask the same never part."""
    session = session_of(context)
    sides = open_dataset(file, format=format, columns=columns).split(test=test if test < 1 else int(test), seed=seed)
    ending = {"chat": ".jsonl", "completion": ".jsonl"}.get(to, file.suffix)
    targets = [train_file or _beside(file, "train", ending), test_file or _beside(file, "test", ending)]
    _refuse_existing(targets, overwrite=overwrite)
    reports = [side.write(target, format=to) for side, target in zip(sides, targets, strict=True)]
    if session.json:
        session.out.document({"train": _written_document(reports[0]), "test": _written_document(reports[1])})
    else:
        for report in reports:
            _say_written(session, report)


def _beside(file: Path, side: str, ending: str) -> Path:
    return file.with_name(f"{file.stem}-{side}{ending}")


def _refuse_existing(targets: Sequence[Path], *, overwrite: bool) -> None:
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]} is already there; nothing was written.", remedy="Choose another name, or add --overwrite.")


def _written_document(report: WriteReport) -> dict[str, Any]:
    losses = [{"kind": loss.kind, "rows": loss.rows, "lines": list(loss.lines)} for loss in report.losses]
    return {"path": report.path, "rows": report.rows, "losses": losses}


def _say_written(session: Session, report: WriteReport) -> None:
    session.out.say(f"Wrote {counted(report.rows, 'row')} to {report.path}.")
    for loss in report.losses:
        some = ", ".join(map(str, loss.lines[:5])) + (" …" if loss.rows > 5 else "")
        note(f"not carried: {loss.kind} in {counted(loss.rows, 'row')} (lines {some})")


@app.command()
def stats(context: typer.Context, file: DataFile, format: FromFormat = None, columns: Columns = None) -> None:
    """Rows, turns, characters and labels of a dataset."""
    from tuneport.cli.statistics import measure

    session = session_of(context)
    found = measure(open_dataset(file, format=format, columns=columns))
    if session.json:
        session.out.document(found.to_dict())
        return
    session.out.fields(
        [
            ("rows", f"{found.rows:,}"),
            ("kind", ", ".join(f"{kind} {count:,}" if len(found.kinds) > 1 else kind for kind, count in found.kinds.items())),
            ("turns a row", found.turns.text()),
            ("characters asked", found.asked.text()),
            ("characters answered", found.answered.text()),
        ]
    )
    if found.labels:
        session.out.say()
        session.out.table(("Label", "Rows"), [(label, f"{count:,}") for label, count in found.labels.items()], right=(1,))
