"""`tuneport data`: convert, split, sample, deduplicate and merge datasets. Checking and measuring have files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tuneport.cli.checking import check, rules
from tuneport.cli.data_files import (
    Columns,
    DataFile,
    FromFormat,
    Overwrite,
    Strict,
    Target,
    ToFormat,
    beside,
    open_dataset,
    refuse_targets,
    say_recognised,
    say_written,
    written_document,
)
from tuneport.cli.grading import grade
from tuneport.cli.session import session_of
from tuneport.cli.statistics import stats
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="Check, convert, split and measure datasets.")

app.command()(check)
app.command()(rules)
app.command()(grade)


@app.command()
def convert(
    context: typer.Context,
    file: DataFile,
    target: Target,
    *,
    to: ToFormat = None,
    format: FromFormat = None,
    columns: Columns = None,
    strict: Strict = False,
    workers: Annotated[int | None, typer.Option("--workers", metavar="N", min=1, help="Processes for a large file of JSON lines.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a dataset in another format, and say what that could not carry.

    The ending of TARGET says how the rows lie in it: .jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt, or .dataset for a folder that
    `datasets` loads; .gz or .zst behind it compress.
    """
    session = session_of(context)
    refuse_targets([target], sources=[file], overwrite=overwrite)
    dataset = say_recognised(open_dataset(file, format=format, columns=columns))
    say_written(session, dataset.write(target, format=to or dataset.format, strict=strict, workers=workers))


@app.command()
def split(
    context: typer.Context,
    file: DataFile,
    *,
    test: Annotated[str, typer.Option("--test", metavar="SHARE", help="A share below 1, or a number of rows.")] = "0.2",
    validation: Annotated[
        str | None, typer.Option("--validation", metavar="SHARE", help="A share of the whole file, or a number of rows, for validation.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same sides.")] = 0,
    near: Annotated[bool, typer.Option("--near", help="Also keep rows that ask nearly the same on one side.")] = False,
    stratify: Annotated[
        bool | None, typer.Option("--stratify/--no-stratify", help="Keep the shares of the answers. Default: where they are labels.")
    ] = None,
    to: ToFormat = None,
    train_file: Annotated[Path | None, typer.Option("--train-file", metavar="FILE", help="Default: <name>-train beside it.")] = None,
    test_file: Annotated[Path | None, typer.Option("--test-file", metavar="FILE", help="Default: <name>-test beside it.")] = None,
    validation_file: Annotated[
        Path | None, typer.Option("--validation-file", metavar="FILE", help="Default: <name>-validation beside it.")
    ] = None,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Split into train, test and perhaps validation; rows that ask the same never part."""
    from tuneport.dataset import write_all

    session = session_of(context)
    if validation is None and validation_file is not None:
        raise UsageError("--validation-file needs --validation, which says how many rows go there.")
    dataset = say_recognised(open_dataset(file, format=format, columns=columns))
    sides = _sides(dataset, test=test, validation=validation, seed=seed, near=near, stratify=stratify)
    named = {"train": train_file, "test": test_file, "validation": validation_file}
    targets = {name: named[name] or beside(file, name) for name in sides}
    refuse_targets(list(targets.values()), sources=[file], overwrite=overwrite)
    reports = write_all({targets[name]: side for name, side in sides.items()}, format=to or dataset.format)
    if session.json:
        session.out.document({name: written_document(report) for name, report in zip(sides, reports, strict=True)})
    else:
        for report in reports:
            say_written(session, report)


def _sides(dataset: Dataset, *, test: str, validation: str | None, seed: int, near: bool, stratify: bool | None) -> dict[str, Dataset]:
    from_whole = _size(test, "--test")
    kept: Literal["auto"] | bool = "auto" if stratify is None else stratify
    train, tested = dataset.split(test=from_whole, seed=seed, near=near, stratify=kept)
    if validation is None:
        return {"train": train, "test": tested}
    wanted = _size(validation, "--validation")
    rows = wanted if isinstance(wanted, int) else max(1, round(wanted * (len(train) + len(tested))))
    train, validated = train.split(test=rows, seed=seed, near=near, stratify=kept)
    return {"train": train, "validation": validated, "test": tested}


def _size(text: str, option: str) -> float | int:
    """A share or a number of rows."""
    try:
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is neither a share such as 0.2 nor a number of rows.") from None


@app.command()
def sample(
    context: typer.Context,
    file: DataFile,
    target: Target,
    *,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="How many.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same rows.")] = 0,
    to: ToFormat = None,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Write some rows at random, in their order."""
    session = session_of(context)
    refuse_targets([target], sources=[file], overwrite=overwrite)
    dataset = say_recognised(open_dataset(file, format=format, columns=columns))
    say_written(session, dataset.sample(rows, seed=seed).write(target, format=to or dataset.format))


@app.command()
def dedupe(
    context: typer.Context,
    file: DataFile,
    target: Target,
    *,
    alike: Annotated[
        str, typer.Option("--alike", metavar="exact|text|near", help="Equal; equal but for spaces and letter case; or nearly equal.")
    ] = "exact",
    to: ToFormat = None,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the rows without those that are like an earlier one."""
    session = session_of(context)
    refuse_targets([target], sources=[file], overwrite=overwrite)
    dataset = say_recognised(open_dataset(file, format=format, columns=columns))
    once = dataset.unique(alike=alike)  # type: ignore[arg-type]
    report = once.write(target, format=to or dataset.format)
    say_written(session, report, what=f" of {report.rows + once.left_out:,}")


@app.command()
def merge(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Dataset files, in any formats.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="TARGET", help="The file to write; its ending says how.")],
    to: ToFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Write all rows of several files into one, one file after another."""
    from tuneport.dataset import Dataset

    session = session_of(context)
    refuse_targets([output], sources=files, overwrite=overwrite)
    datasets = [say_recognised(open_dataset(file, columns=columns)) for file in files]
    say_written(session, Dataset.merged(datasets).write(output, format=to or datasets[0].format))


@app.command()
def formats(context: typer.Context) -> None:
    """The formats and kinds of file that are read and written."""
    from tuneport.containers.known import CONTAINERS
    from tuneport.formats.known import FORMATS

    session = session_of(context)
    if session.json:
        session.out.document(
            {
                "formats": [{"name": each.name, "kinds": list(each.kinds), "summary": each.summary} for each in FORMATS],
                "files": [{"name": each.name, "endings": list(each.suffixes), "summary": each.summary} for each in CONTAINERS],
            }
        )
        return
    session.out.table(("Format", "Rows"), [(each.name, each.summary) for each in FORMATS])
    session.out.say()
    session.out.table(("File", "Endings", ""), [(each.name, " ".join(each.suffixes), each.summary) for each in CONTAINERS])


app.command()(stats)
