"""`tuneport jobs clean`: the uploaded files that no live job uses, listed, confirmed and deleted."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from tuneport.cli.output import note
from tuneport.cli.session import Session
from tuneport.errors import TuneportError, Unsupported, UsageError, worst_exit_code
from tuneport.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneport.cleaning import Deletion, IdleFile

_AGE = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def age(text: str | None) -> timedelta:
    """`30d`, `12h` or `2w`. Raises UsageError."""
    if text is None:
        return timedelta()
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--older-than {text!r} is not an age; write for example 12h, 30d or 2w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def clean_files(session: Session, *, provider: str | None, older_than: str | None, dry_run: bool, yes: bool) -> None:
    """Lists, asks, deletes, and says what was deleted. Raises typer.Exit with the worst code of the providers."""
    files, failed = _found(session, provider, age(older_than))
    if not session.json:
        _print_files(session, files)
    if files and not dry_run and not yes:
        _confirm(session, files)
    done = [] if dry_run else _deleted(session, files)
    if session.json:
        session.out.document(_document(files, done, failed, dry_run=dry_run))
    elif done:
        gone = [each for each in done if each.error is None]
        session.out.say(f"Deleted {counted(len(gone), 'file')}{_bytes([each.file for each in gone], ', {}')}.")
    errors = [*failed.values(), *(each.error for each in done if each.error is not None)]
    raise typer.Exit(worst_exit_code(error.exit_code for error in errors))


def _found(session: Session, provider: str | None, older_than: timedelta) -> tuple[list[IdleFile], dict[str, TuneportError]]:
    """The files to delete, and the providers that could not be asked."""
    from tuneport.cleaning import idle_files

    client = session.client
    files: dict[tuple[str, str], IdleFile] = {}
    failed: dict[str, TuneportError] = {}
    for name in [provider] if provider else sorted(client.registry.providers()):
        try:
            trainer = client.trainer(name)
            for file in idle_files(name, trainer, registry=client.registry, clock=client.clock, older_than=older_than):
                files.setdefault((trainer.scope(), file.file_id), file)  # two profiles may be one account
        except Unsupported as error:
            if provider is not None:
                raise
            note(error.message)
        except TuneportError as error:
            if provider is not None:
                raise
            failed[name] = error
            note(f"error: {name}: {error}")
    return list(files.values()), failed


def _print_files(session: Session, files: Sequence[IdleFile]) -> None:
    if not files:
        session.out.say("Nothing to clean: no uploaded file is idle.")
        return
    rows = [[file.provider, file.file_id, file.name, _size(file.size_bytes), _age_text(file.age)] for file in files]
    session.out.table(["Provider", "File", "Name", "Bytes", "Unused for"], rows, right=[3, 4])
    session.out.say(f"{counted(len(files), 'file')}{_bytes(files, ', {}')}, used by no live job.")


def _confirm(session: Session, files: Sequence[IdleFile]) -> None:
    if not session.can_ask:
        raise UsageError(
            f"{counted(len(files), 'file')} would be deleted and there is no terminal to confirm on; nothing was deleted.",
            remedy="Add --yes to confirm, or --dry-run to list them.",
        )
    typer.confirm(f"Delete {'it' if len(files) == 1 else 'them'} at the provider?", abort=True)


def _deleted(session: Session, files: list[IdleFile]) -> list[Deletion]:
    from tuneport.cleaning import delete_files

    done = []
    for each in delete_files(files, trainer=session.client.trainer, registry=session.client.registry):
        done.append(each)
        if each.error is not None:
            note(f"error: {each.file.file_id}: {each.error}")
        elif not session.json:
            session.out.say(f"{each.file.provider}:{each.file.file_id} {'was gone already' if each.was_gone else 'deleted'}")
    return done


def _document(files: list[IdleFile], done: list[Deletion], failed: dict[str, TuneportError], *, dry_run: bool) -> dict[str, Any]:
    from tuneport.cli.failures import error_document

    gone = {each.file: each for each in done}
    listed = [
        {
            "provider": file.provider,
            "file_id": file.file_id,
            "name": file.name,
            "size_bytes": file.size_bytes,
            "unused_s": int(file.age.total_seconds()),
            "deleted": file in gone and gone[file].error is None,
        }
        for file in files
    ]
    errors = [{"provider": name, "file_id": None, **error_document(error)} for name, error in failed.items()]
    errors += [
        {"provider": each.file.provider, "file_id": each.file.file_id, **error_document(each.error)}
        for each in done
        if each.error is not None
    ]
    return {"dry_run": dry_run, "files": listed, "errors": errors}


def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else f"{size_bytes:,}"


def _bytes(files: Sequence[IdleFile], form: str) -> str:
    known = sum(file.size_bytes or 0 for file in files)
    return form.format(f"{known:,} bytes") if known else ""


def _age_text(idle: timedelta) -> str:
    return f"{idle.days} d" if idle.days else f"{idle.seconds // 3600} h"
