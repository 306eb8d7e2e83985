"""`tuneport models export`: a tuned model as a folder for other programs, checked to answer as it does here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.data_files import Columns, FromFormat, open_dataset
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.errors import UsageError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.examples import Example
    from tuneport.exporting import Export, Exported

_MOST_PROMPTS = 100


def export(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's URI, or the job that made it; a unique beginning is enough.")],
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder for it.")],
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="adapter, merged, gguf or ollama.")],
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAME", help="Of merged weights: fp32, bf16, fp16; auto is that of the base.")
    ] = "auto",
    quantise: Annotated[
        str, typer.Option("--quantize", metavar="NAME", help="Of weights in a GGUF file: f16, q8_0, q4_k_m and others.")
    ] = "f16",
    converter: Annotated[
        Path | None, typer.Option("--converter", metavar="PATH", help="llama.cpp's convert_hf_to_gguf.py, or a folder with it.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", metavar="FILE", help="Rows to ask the export in its check, ten of them by default.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=_MOST_PROMPTS, help="At most so many of the rows of --prompts.")
    ] = 10,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Install a converter where none is here, without asking.")] = False,
    format: FromFormat = None,
    columns: Columns = None,
) -> None:
    """Take a tuned model out: an adapter, merged weights, a GGUF file, or one for Ollama. Exit code 1 if it does not answer as it did."""
    from tuneport.exporting import Export

    session = session_of(context)
    rows = () if prompts is None else _asked(prompts, limit, format=format, columns=columns)
    wish = Export(
        form=form,  # type: ignore[arg-type]  # Export refuses what is none
        to=to,
        precision=precision,
        quantise=quantise.lower(),
        converter=converter,
        prompts=rows,
        install=yes,
    )
    target = session.client.model(model)
    done = session.client.export(target, _agreed(session, target.uri, wish), hear=note)
    if session.json:
        session.out.document(document(done))
    else:
        _print(session, done)
    raise typer.Exit(0 if done.ok else 1)


def _asked(file: Path, limit: int, *, format: str | None, columns: list[str] | None) -> tuple[Example, ...]:
    rows = tuple(open_dataset(file, format=format, columns=columns).take(limit))
    if not rows:
        raise UsageError(f"{file} has no rows to ask.", remedy="Leave out --prompts to ask ten fixed questions.")
    return rows


def _agreed(session: Session, uri: str, wish: Export) -> Export:
    """The wish, with leave to install what it takes. Raises UsageError where nobody can be asked, typer.Abort when the answer is no."""
    from dataclasses import replace

    wanted = None if wish.install else session.client.export_needs(uri, wish)
    if wanted is None:
        return wish
    if not session.can_ask:
        raise UsageError(
            f"{wanted} There is no terminal to confirm on; nothing was installed or written.",
            remedy="Add --yes to agree, or name a converter of your own: --converter PATH",
        )
    session.out.say(wanted)
    typer.confirm("Install it?", abort=True)
    return replace(wish, install=True)


def document(done: Exported) -> dict[str, Any]:
    """An export for scripts."""
    check = done.check
    return {
        "model": done.model,
        "form": done.form,
        "folder": done.folder,
        "ok": done.ok,
        "size_bytes": sum(each.size_bytes for each in done.files),
        "files": [{"name": each.name, "size_bytes": each.size_bytes, "sha256": each.sha256} for each in done.files],
        "made_with": done.made_with or None,
        "check": {
            "asked_with": check.asked_with,
            "prompts": check.prompts,
            "figures": dict(check.figures),
            "limits": dict(check.limits),
            "faults": list(check.faults),
            "remarks": list(check.remarks),
        },
        "notes": list(done.notes),
        "command": done.command or None,
        "details": dict(done.details),
    }


def _print(session: Session, done: Exported) -> None:
    check = done.check
    figures = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in check.figures.items() if value is not None)
    session.out.fields(
        [
            ("folder", str(done.folder)),
            ("size", f"{sum(each.size_bytes for each in done.files) / 1e6:,.1f} MB in {counted(len(done.files), 'file')}"),
            ("made with", done.made_with),
            ("asked with", f"{check.asked_with}, {counted(check.prompts, 'prompt')}"),
            ("measured", figures),
        ]
    )
    for remark in (*check.remarks, *done.notes):
        session.out.say(remark)
    if done.ok:
        session.out.say("It answers as the model does here.", style="good")
        if done.command:
            session.out.say(f"To use it: {done.command}")
    for fault in check.faults:
        session.out.say(fault, style="bad")


def _shown(value: float | int | str | None) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
