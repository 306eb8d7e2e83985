"""`tuneport models predict`: the answers to a file of rows, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.asking import Yes, confirm_asking
from tuneport.cli.data_files import STANDARD, Columns, FromFormat, Overwrite, open_dataset, refuse_targets
from tuneport.cli.output import json_text, note
from tuneport.cli.session import session_of
from tuneport.errors import ConfigError, TuneportError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.model import Prediction


def predict(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's URI, or the job that made it; a unique beginning is enough.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows to answer; an answer that a row has already is not shown.")],
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of to the terminal.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N rows.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", metavar="N", min=1, help="The longest answer, in tokens.")] = 256,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="For temperatures above 0.")] = None,
    yes: Yes = False,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Answer a file of rows: one JSON object a line, in the order of the rows."""
    from tuneport.provider import Generation

    session = session_of(context)
    dataset = open_dataset(file, format=format, columns=columns)
    rows = dataset if limit is None else dataset.take(limit)
    if output is not None:
        refuse_targets([output], sources=[file], overwrite=overwrite)
    target = session.client.model(model)
    generation = Generation(max_tokens=max_tokens, temperature=temperature, seed=seed)
    if not yes:
        confirm_asking(session, target, rows, generation=generation)
    records = _records(rows, session.client.predict(target, rows, generation=generation))
    if output is None or output == STANDARD:
        for record in records:
            session.out.raw_json(record)
            session.out.stream.flush()
    else:
        note(f"wrote {counted(_write(output, records), 'answer')} to {output}")


def _write(target: Path, records: Iterator[dict[str, Any]]) -> int:
    """Writes all records or nothing, and returns how many there are."""
    from tuneport.files import write_chunks

    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for record in records:
            count += 1
            yield f"{json_text(record)}\n".encode(errors="replace")

    try:
        write_chunks(target, lines())
    except OSError as error:
        if isinstance(error, TuneportError | ConnectionError):  # not the file's fault
            raise
        raise ConfigError(f"{target} cannot be written: {error.strerror or error}.", remedy="Name another file.") from None
    return count


def _told(answer: Prediction) -> dict[str, object]:
    """What only models with a head of their own say."""
    return {"label": answer.label, "probability": answer.probability, "score": answer.score}


def _records(rows: Dataset, predictions: Iterator[Prediction]) -> Iterator[dict[str, Any]]:
    from tuneport.reference import reference

    for (line, example), answer in zip(rows.numbered(), predictions, strict=True):
        record: dict[str, Any] = {"line": line, "answer": answer.text, "finish": answer.finish}
        record |= {name: value for name, value in _told(answer).items() if value is not None}
        record |= {"prompt_tokens": answer.tokens[0], "completion_tokens": answer.tokens[1], "reference": reference(example)}
        yield record
