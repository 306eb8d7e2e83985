"""The process of one grader: run as a file, in an interpreter of its own, with nothing but the standard library.

The first line that it reads is {"source", "function", "settings", "memory_bytes", "parent"}, each other one {"answer", "item", "seed",
"limit_s"}; it answers each with one line: {"score", "printed"} or {"error": kind, "where"}. What the grader prints goes nowhere near these
lines: both of its outputs are closed to it, the first thousand characters are handed back. Neither rows nor what an error says of them
leave this process.
"""

from __future__ import annotations

import io
import json
import numbers
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

_PRINTED = 1_000
_GRACE_S = 5.0
_MOST = 1e6
NAME = "<grader>"


class Sink(io.TextIOBase):
    """Keeps the beginning of what is printed."""

    def __init__(self) -> None:
        self.kept = ""

    def write(self, text: Any) -> int:
        self.kept += str(text)[: max(0, _PRINTED - len(self.kept))]
        return len(str(text))


def main() -> None:
    """Until the other side is gone."""
    asked, answers = _own_channel()
    task = json.loads(asked.readline())
    _die_with(task["parent"])
    _limit_memory(task["memory_bytes"])
    sink = Sink()
    sys.stdout = sys.stderr = sink
    grade, failed = _loaded(task)
    _answer(answers, failed or {"ready": True, "printed": sink.kept})
    if grade is None:
        return
    for line in asked:
        sink.kept = ""
        signal.setitimer(signal.ITIMER_REAL, json.loads(line)["limit_s"] + _GRACE_S)  # should nobody be left to end this process
        result = _graded(grade, json.loads(line), task["settings"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        _answer(answers, {**result, "printed": sink.kept})


def _own_channel() -> tuple[TextIO, TextIO]:
    """The two pipes to the other side, out of the grader's reach: its own input and outputs lead nowhere."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    asked, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return asked, answers


def _die_with(parent: int) -> None:
    """Ends this process when its parent does: by the kernel where it knows how, else by a look every second."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
    except (OSError, AttributeError, ImportError):
        pass
    if os.getppid() != parent:
        os._exit(0)
    if sys.platform != "linux":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


def _limit_memory(size: int) -> None:
    """What the process may allocate. Systems other than Linux do not hold to it."""
    import resource

    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    for limit, most in ((kind, size), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):
            continue


def _loaded(task: Mapping[str, Any]) -> tuple[Callable[..., Any] | None, dict[str, Any] | None]:
    """The function, or what went wrong when its source was run."""
    scope: dict[str, Any] = {"__name__": "grader", "__builtins__": __builtins__}
    try:
        exec(compile(task["source"], NAME, "exec"), scope)
    except BaseException as error:  # whatever it raises is an answer
        said = f"{type(error).__name__}: {error}"[:300]
        return None, {"error": "load", "kind": said, "line": _line_of(error)}
    grade = scope.get(task["function"])
    return (grade, None) if callable(grade) else (None, {"error": "function"})


def _graded(grade: Callable[..., Any], asked: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    random.seed(asked["seed"])
    sample, item = asked["sample"], asked["item"]
    try:
        found = grade(sample, item, **settings)
    except MemoryError:
        return {"error": "memory"}
    except (SystemExit, KeyboardInterrupt):
        return {"error": "exit"}
    except BaseException as error:  # whatever it raises is an answer
        return {"error": "raised", "kind": type(error).__name__, "line": _line_of(error)}
    if not isinstance(found, numbers.Real):
        return {"error": "kind", "kind": type(found).__name__}
    score = float(found)
    return {"score": score} if abs(score) <= _MOST else {"error": "number", "kind": f"{score:g}"}


def _line_of(error: BaseException) -> int | None:
    """The last line of the grader's own source on the way to the error; None where there is none."""
    line, step = error.lineno if isinstance(error, SyntaxError) else None, error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == NAME else line
        step = step.tb_next
    return line


def _answer(answers: TextIO, said: Mapping[str, Any]) -> None:
    answers.write(json.dumps(said) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
