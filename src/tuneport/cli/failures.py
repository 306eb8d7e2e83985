"""From an exception to a sentence, a remedy and an exit code: the one place where the command line reports failures."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from tuneport.errors import Detached, TuneportError
from tuneport.redaction import without_secrets

DEBUG = "TUNEPORT_DEBUG"
UNEXPECTED_EXIT_CODE = 4
"""What an unexpected exception leaves behind is not known."""


def error_document(error: BaseException) -> dict[str, Any]:
    """An error as scripts get it. `reason` holds the provider's own words, where it refused with some."""
    name, message, remedy, code = _described(error)
    reason = getattr(error, "reason", None)
    said = {"message": message, "remedy": remedy, "reason": reason if isinstance(error, TuneportError) and isinstance(reason, str) else ""}
    return {"type": name, **{key: without_secrets(text) for key, text in said.items()}, "exit_code": code}


def report(error: BaseException, *, json: bool) -> int:
    """Says on stderr what went wrong (with `json` also as an object on stdout) and returns the exit code."""
    document = error_document(error)
    name, message, remedy, code = document["type"], document["message"], document["remedy"], int(document["exit_code"])
    if os.environ.get(DEBUG):
        sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
    if json:
        _print_json(document)
    lead = "" if isinstance(error, Detached) or name in ("NoArgsIsHelpError", "Abort") else "error: "
    sys.stderr.write("".join(f"{_fitted(text)}\n" for text in (f"{lead}{message}", remedy) if text))
    return code


def _fitted(text: str) -> str:
    """The text without control characters; on a terminal, long lines are broken between words, but never one with a command to copy."""
    from shutil import get_terminal_size

    from tuneport.cli.output import printable_text

    lines = printable_text(text).split("\n")
    if sys.stderr.isatty():
        width = get_terminal_size().columns
        lines = [line if len(line) <= width or "tuneport " in line else _broken(line, width) for line in lines]
    return "\n".join(lines)


def _broken(line: str, width: int) -> str:
    from textwrap import fill

    return fill(line, width, break_long_words=False, break_on_hyphens=False)


def _print_json(document: dict[str, Any]) -> None:
    from tuneport.cli.output import Output
    from tuneport.cli.pipes import cut_off

    try:
        Output(json=True).record("error", {"error": document})
    except BrokenPipeError:
        if not cut_off(sys.stdout):
            raise


def _described(error: BaseException) -> tuple[str, str, str, int]:
    """(type, sentence, remedy, exit code)."""
    name = type(error).__name__
    if isinstance(error, TuneportError):
        return name, error.message, error.remedy, error.exit_code
    if hasattr(error, "format_message"):  # typer's usage errors
        return name, _plain(error.format_message()), _usage_hint(error), int(getattr(error, "exit_code", 2))
    if name == "Abort":
        return name, "not confirmed; nothing was done.", "", 1
    if isinstance(error, ConnectionError):
        said = f"a connection broke: {error.strerror or name}."
        return name, said, "What it led to is not known. See: tuneport jobs sync", UNEXPECTED_EXIT_CODE
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return name, f"{where}{error.strerror}.", "", 2
    first_line = (str(error).strip().splitlines() or [""])[0]
    sentence = f"unexpected {name}" + (f": {first_line}" if first_line else "")
    return name, sentence, f"This is a bug. For the traceback, run it again with {DEBUG}=1.", UNEXPECTED_EXIT_CODE


_WORDS = {
    "Input should be a valid integer, unable to parse string as an integer": "not a whole number.",
    "Input should be a valid number, unable to parse string as a number": "not a number.",
}
"""What pydantic says of a value that typer converts, and what a user understands."""


def _plain(message: str) -> str:
    for said, plain in _WORDS.items():
        message = message.replace(said, plain)
    return message


def _usage_hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    if context is None or type(error).__name__ == "NoArgsIsHelpError":
        return ""
    return f"See: {context.command_path} --help"
