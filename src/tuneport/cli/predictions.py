"""`tuneport models predict`: the answers to a file of rows, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.output import note
from tuneport.cli.session import session_of
from tuneport.cli.views import counted

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
) -> None:
    """Answer a file of rows: one JSON object a line, in the order of the rows."""
    from tuneport.cli.data import open_dataset
    from tuneport.files import write_chunks
    from tuneport.provider import Generation

    session = session_of(context)
    rows = open_dataset(file) if limit is None else open_dataset(file).take(limit)
    target = session.client.model(model)
    generation = Generation(max_tokens=max_tokens, temperature=temperature, seed=seed)
    lines = _lines(rows, session.client.predict(target, rows, generation=generation))
    if output is None:
        for line in lines:
            session.out.stream.write(line + "\n")
            session.out.stream.flush()
        return
    write_chunks(output, (f"{line}\n".encode() for line in lines))
    note(f"wrote {counted(rows.count(), 'answer')} to {output}")


def _lines(rows: Dataset, predictions: Iterator[Prediction]) -> Iterator[str]:
    from tuneport.reference import reference

    for (line, example), answer in zip(rows.numbered(), predictions, strict=True):
        record: dict[str, Any] = {"line": line, "answer": answer.text, "finish": answer.finish}
        record |= {"prompt_tokens": answer.tokens[0], "completion_tokens": answer.tokens[1], "reference": reference(example)}
        yield json.dumps(record, ensure_ascii=False)
