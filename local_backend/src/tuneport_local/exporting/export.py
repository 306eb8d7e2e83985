"""An export from end to end: what stands in the way is said first, the folder is written, asked, and gets its name last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuneport.errors import TuneportError, UsageError
from tuneport.exporting import Export, Exported, ExportedFile
from tuneport.files import whole_folder
from tuneport.model import Model
from tuneport_local.exporting import prompts
from tuneport_local.exporting.card import write_card
from tuneport_local.exporting.source import refuse_form, source_of
from tuneport_local.exporting.task import Task, Writer
from tuneport_local.jobs.failures import written

FAILED = ".failed"


def export(model: Model, wish: Export, *, home: Path, environ: Mapping[str, str], hear: Callable[[str], object]) -> Exported:
    """Raises what stands in the way before anything is written: Unsupported, UsageError, ConfigError, UnknownModel, Unreachable.

    What its check finds fault with lies beside, under the name with `.failed`; an earlier one of that name goes.
    """
    task = _task(model, wish, home=home, environ=environ, hear=hear)
    fill = _prepared(task)
    failed = wish.to.with_name(wish.to.name + FAILED)
    with _told(wish.to), whole_folder(failed) as part:
        made = fill(part)
        write_card(part, task.source, form=wish.form, made=made)
    folder = failed if made.check.faults else _renamed(failed, wish.to)
    return Exported(
        model=model.uri,
        form=wish.form,
        folder=folder,
        files=_files(folder),
        check=made.check,
        made_with=made.made_with,
        notes=made.notes,
        command=made.command.replace("FOLDER", str(folder)),
        details=made.details,
    )


def _task(model: Model, wish: Export, *, home: Path, environ: Mapping[str, str], hear: Callable[[str], object]) -> Task:
    source = source_of(model, home=home)
    refuse_form(source, wish.form)
    refuse_target(wish.to)
    rows = wish.prompts or prompts.of_job(source.folder, "validation")
    if not rows:
        rows = prompts.of_job(source.folder, "train") if source.has_head else prompts.fixed()
    return Task(source, wish, rows, home, environ, hear)


def refuse_target(to: Path) -> None:
    """Raises UsageError where something of that name is there."""
    if to.exists() or to.is_symlink():
        raise UsageError(f"{to} is there already; an export does not replace anything.", remedy="Name a new folder with --to.")


def _prepared(task: Task) -> Writer:
    """What fills the folder, with the weights loaded and the original asked."""
    if task.source.has_head:
        from tuneport_local.exporting.headed import headed

        return headed(task)
    if task.wish.form == "adapter":
        from tuneport_local.exporting.forms import adapter

        return adapter(task)
    if task.wish.form == "merged":
        from tuneport_local.exporting.forms import merged

        return merged(task)
    if task.wish.form == "gguf":
        from tuneport_local.exporting.gguf import gguf

        return gguf(task)
    from tuneport_local.exporting.ollama import ollama

    return ollama(task)


def _renamed(failed: Path, to: Path) -> Path:
    with _told(to):
        failed.replace(to)
    return to


@contextmanager
def _told(to: Path) -> Iterator[None]:
    """What the system and the libraries raise because the export cannot be written becomes a sentence; our own errors stay."""
    try:
        yield
    except TuneportError:
        raise
    except Exception:
        with written(f"the export {to}"):
            raise


def _files(folder: Path) -> tuple[ExportedFile, ...]:
    return tuple(ExportedFile(path.name, path.stat().st_size, _digest(path)) for path in sorted(folder.iterdir()) if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
