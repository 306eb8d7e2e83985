"""Dataset files on the command line: the options that say how one is read, and where one may be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.output import note
from tuneport.cli.session import Session
from tuneport.errors import UsageError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.dataset import Dataset, WriteReport

DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A dataset file; - is standard input.")]
Target = Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; its ending says how. - is standard output.")]
FromFormat = Annotated[
    str | None, typer.Option("--format", "--from", metavar="NAME", help="The file's format, if it is not recognised. See: data formats")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=THEIRS", help="What the file calls a key: prompt=question. Repeatable."),
]
ToFormat = Annotated[str | None, typer.Option("--to", metavar="NAME", help="The format to write. Default: that of the file.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail, and write nothing, when anything would be lost.")]

STANDARD = Path("-")


def open_dataset(path: Path, *, format: str | None = None, columns: Sequence[str] | None = None) -> Dataset:
    """The dataset in a file. `columns` are written NAME=THEIRS. Raises DatasetError, UsageError."""
    from tuneport.dataset import Dataset

    pairs = [column.partition("=") for column in columns or ()]
    wrong = [column for column, (name, equals, theirs) in zip(columns or (), pairs, strict=True) if not (name and equals and theirs)]
    if wrong:
        raise UsageError(f"--column {wrong[0]!r} is not NAME=THEIRS, such as prompt=question.")
    return Dataset.read(path, format=format, columns={name: theirs for name, _, theirs in pairs} or None)


def say_recognised(dataset: Dataset) -> Dataset:
    """Says how the file was read, where nobody said how to; the dataset itself. Raises DatasetError for a file that is not recognised."""
    if dataset.confidence is not None and dataset.confidence < 1:
        names = ", ".join(f"{theirs} as {ours}" for ours, theirs in dataset.taken.items() if theirs != ours)
        note(f"{dataset.name}: read as {dataset.format}, {dataset.confidence:.0%} sure{f', {names}' if names else ''}")
    return dataset


def refuse_targets(targets: Sequence[Path], *, sources: Sequence[Path], overwrite: bool) -> None:
    """Raises UsageError before anything is written: for a target that is a source or another target, or that is there already."""
    places = [Path(os.path.realpath(target)) for target in targets if target != STANDARD]
    read = {os.path.realpath(source) for source in sources if source != STANDARD}
    for target, place in zip([target for target in targets if target != STANDARD], places, strict=True):
        if str(place) in read:
            raise UsageError(f"{target} is the file that is read; nothing was written.", remedy="Choose another name.")
        if places.count(place) > 1:
            raise UsageError(f"{target} is named twice; nothing was written.", remedy="Choose two names.")
        if target.is_file() and not overwrite:
            raise UsageError(f"{target} is already there; nothing was written.", remedy="Choose another name, or add --overwrite.")


def beside(file: Path, word: str) -> Path:
    """`tickets-train.csv.gz` for `tickets.csv.gz` and the word `train`; here, for a file in a cloud's storage."""
    from tuneport.remote_files import address_in

    if file == STANDARD:
        raise UsageError("rows from standard input have no name to write beside.", remedy="Name the files to write.")
    if address_in(file) is not None:
        file = Path(file.name)
    endings = file.suffixes[-2:] if file.suffix.lower() in (".gz", ".zst") else file.suffixes[-1:]
    ending = "".join(endings)
    return file.with_name(f"{file.name.removesuffix(ending)}-{word}{ending}")


def written_document(report: WriteReport) -> dict[str, Any]:
    """What was written, JSON-ready."""
    losses = [{"kind": loss.kind, "rows": loss.rows, "lines": list(loss.lines)} for loss in report.losses]
    return {"path": report.path, "format": report.format, "rows": report.rows, "losses": losses}


def say_written(session: Session, report: WriteReport, *, what: str = "") -> None:
    """What was written, for people. Beside rows on standard output, nothing else is."""
    if report.path == STANDARD:
        note(f"wrote {counted(report.rows, 'row')} as {report.format}")
    elif session.json:
        session.out.document(written_document(report))
    else:
        session.out.say(f"Wrote {counted(report.rows, 'row')}{what} to {report.path} as {report.format}.")
    if not session.json or report.path == STANDARD:
        for loss in report.losses:
            some = ", ".join(map(str, loss.lines[:5])) + (" …" if loss.rows > 5 else "")
            note(f"not carried: {loss.kind} in {counted(loss.rows, 'row')} (lines {some})")
