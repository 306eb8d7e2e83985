"""From an exception to a sentence, a remedy and an exit code: the one place where the command line reports failures."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import Any

from tuneport.errors import Detached, TuneportError

DEBUG = "TUNEPORT_DEBUG"
UNEXPECTED_EXIT_CODE = 4
"""What an unexpected exception leaves behind is not known."""

_SECRETS = re.compile(
    r"""
      \b(?:sk|rk|pk)-[A-Za-z0-9_\-]{8,}            # OpenAI and its kin
    | \bAIza[A-Za-z0-9_\-]{20,}                    # Google API keys
    | \bya29\.[A-Za-z0-9_\-.]+                     # Google access tokens
    | \b(?:hf|gh[opsu]|glpat|xox[abp])[_\-][A-Za-z0-9\-]{10,}
    | \bAKIA[A-Z0-9]{12,}
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]+    # JSON web tokens
    | (?:(?<=bearer\ )|(?<=basic\ ))[A-Za-z0-9_\-.=+/]{8,}
    | (?<=[?&]sig=)[^&\s'"]+                       # signed URLs
    | (?:(?<=key=)|(?<=key:\ )|(?<=token=)|(?<=token:\ )|(?<=secret=)|(?<=password=))[^\s'",;&]{6,}
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """The text with everything that looks like a key, token or signature blanked out."""
    return _SECRETS.sub("[hidden]", text)


def report(error: BaseException, *, json: bool) -> int:
    """Says on stderr what went wrong (with `json` also as an object on stdout) and returns the exit code."""
    name, message, remedy, code = _described(error)
    message, remedy = without_secrets(message), without_secrets(remedy)
    if os.environ.get(DEBUG):
        sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
    if json:
        from tuneport.cli.output import Output

        Output(json=True).record("error", {"error": {"type": name, "message": message, "remedy": remedy, "exit_code": code}})
    lead = "" if isinstance(error, Detached) or name == "NoArgsIsHelpError" else "error: "
    sys.stderr.write(f"{lead}{message}\n" + (f"{remedy}\n" if remedy else ""))
    return code


def _described(error: BaseException) -> tuple[str, str, str, int]:
    """(type, sentence, remedy, exit code)."""
    name = type(error).__name__
    if isinstance(error, TuneportError):
        return name, error.message, error.remedy, error.exit_code
    if hasattr(error, "format_message"):  # typer's usage errors
        return name, error.format_message(), _usage_hint(error), int(getattr(error, "exit_code", 2))
    if name == "Abort":
        return name, "not confirmed; nothing was done.", "", 1
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return name, f"{where}{error.strerror}.", "", 2
    first_line = (str(error).strip().splitlines() or [""])[0]
    sentence = f"unexpected {name}" + (f": {first_line}" if first_line else "")
    return name, sentence, f"This is a bug. For the traceback, run it again with {DEBUG}=1.", UNEXPECTED_EXIT_CODE


def _usage_hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    if context is None or type(error).__name__ == "NoArgsIsHelpError":
        return ""
    return f"See: {context.command_path} --help"
