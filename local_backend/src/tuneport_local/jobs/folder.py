"""The folder of one job: the whole contract between the client that submits and the worker that trains.

    recipe.json      what to train; written once, before the folder gets its name
    state.json       where the job stands; replaced whole, and only by whoever holds the job's lock (`launch.claim`)
    wish             what the client would like: pause, cancel or resume (after a pause under way); absent means run
    events.jsonl     what happened, one line each, only ever appended to
    metrics.jsonl    one line per reading, with the attempt it was taken in
    data/            the dataset files
    tensorboard/     the readings once more, for TensorBoard
    tracking/        what other tools were told, where they were asked for
    checkpoints/  adapter/  run.json  worker.log

All file access goes through five operations (`_read`, `_replace`, `_append`, `_remove`, `_exists`), so that the same contract can lie on
other storage. A reader may meet a line that is only half written; it is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tuneport.clock import Clock, SystemClock
from tuneport.files import write_bytes
from tuneport.job import Event, JobState, Metric

Wish = Literal["run", "pause", "cancel"]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The content of state.json. Times are ISO 8601 with zone; `process_started` is in seconds since the epoch, as psutil gives it.

    `queued_at` decides the place in the device's queue: the creation, or the latest resume. `launches` counts the workers started since
    then, `attempt` the ones that got as far as training. `memory_kills`: how many
    processes of this machine the system had ended for want of memory when the worker began.
    """

    state: JobState
    detail: str = ""
    created_at: str = ""
    queued_at: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    updated_at: str = ""
    host: str = ""
    pid: int | None = None
    process_started: float | None = None
    device: str = ""
    attempt: int = 1
    launches: int = 0
    error: str | None = None
    partial: bool = False
    memory_kills: int | None = None

    @classmethod
    def from_json(cls, data: bytes) -> JobStatus:
        """The status in `data`. Unknown keys are ignored and an unknown word becomes `unknown`: a newer version may have written it."""
        values = json.loads(data)
        known = {field.name for field in fields(cls)}
        kept = {key: value for key, value in values.items() if key in known}
        return cls(**{**kept, "state": _state(values.get("state"))})

    def to_json(self) -> bytes:
        """The inverse of `from_json`."""
        return json.dumps(asdict(self), indent=1).encode()


def _state(word: Any) -> JobState:
    try:
        return JobState(word)
    except ValueError:
        return JobState.UNKNOWN


class JobFolder:
    """One job's folder. The worker writes into it, clients read it and leave wishes."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.adapter = path / "adapter"
        self.log = path / "worker.log"
        self.lock = path / "worker.lock"
        self.hearing: list[Callable[[int, Mapping[str, float]], object]] = []
        self._clock = clock or SystemClock()
        self._attempt: int | None = None

    @property
    def id(self) -> str:
        """The job's id at this provider: the client id it was created with."""
        return self.path.name

    def exists(self) -> bool:
        """Whether the job has been created."""
        return self._exists("recipe.json")

    def recipe(self) -> dict[str, Any]:
        """recipe.json; {} when it cannot be read, so that one damaged folder does not hide the other jobs."""
        return _parsed(self._read("recipe.json") or b"") or {}

    def run(self) -> dict[str, Any]:
        """run.json, or {} before the job has got that far."""
        return _parsed(self._read("run.json") or b"") or {}

    # --- where the job stands ------------------------------------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """state.json as it is now."""
        data = self._read("state.json")
        if data is None:
            return JobStatus(JobState.UNKNOWN, detail="state.json is missing")
        try:
            return JobStatus.from_json(data)
        except (ValueError, TypeError, AttributeError):
            return JobStatus(JobState.UNKNOWN, detail="state.json cannot be read")

    def write_status(self, status: JobStatus) -> JobStatus:
        """Replaces state.json. Only for whoever holds the job's lock."""
        status = replace(status, updated_at=self.now())
        self._replace("state.json", status.to_json())
        return status

    def phase(self, state: JobState, detail: str = "", *, error: str | None = None, partial: bool = False) -> JobStatus:
        """The job moves to `state`. Only for whoever holds the job's lock. A terminal state stays."""
        status = self.status()
        if status.state.terminal:
            return status
        begun = state in (JobState.VALIDATING, JobState.STARTING, JobState.RUNNING)
        return self.write_status(
            replace(
                status,
                state=state,
                detail=detail,
                error=error,
                partial=partial,
                started_at=status.started_at or (self.now() if begun else None),
                finished_at=self.now() if state.terminal else None,
            )
        )

    # --- what the client would like ------------------------------------------------------------------------------------------------

    def wish(self) -> Wish:
        """What the client asks of the worker. One failed open while there is no wish."""
        word = (self._read("wish") or b"").strip()
        return "cancel" if word == b"cancel" else "pause" if word == b"pause" else "run"

    def ask(self, wish: Wish) -> None:
        """Leaves a wish. A cancel is not taken back by a later pause."""
        if wish == "run":
            self._remove("wish")
        elif self.wish() != "cancel":
            self._replace("wish", wish.encode())

    def ask_to_go_on(self) -> None:
        """Leaves the wish that a pause which is under way be followed by a resume."""
        if self.wish() != "cancel":
            self._replace("wish", b"resume")

    def asked_to_go_on(self) -> bool:
        """Whether the job is to be resumed as soon as its pause has been reached."""
        return (self._read("wish") or b"").strip() == b"resume"

    def next_attempt(self) -> JobStatus:
        """The same worker trains on. Only for whoever holds the job's lock."""
        self._attempt = None
        status = self.status()
        return self.write_status(replace(status, attempt=status.attempt + 1))

    def wish_age_s(self) -> float:
        """Seconds since the wish was left; 0.0 while there is none."""
        try:
            return max(0.0, self._clock.now().timestamp() - (self.path / "wish").stat().st_mtime)
        except FileNotFoundError:
            return 0.0

    # --- what happened -------------------------------------------------------------------------------------------------------------

    def event(self, level: str, message: str, data: dict[str, Any] | None = None) -> None:
        """Adds one event. `level` is info | warning | error."""
        self._append("events.jsonl", {"at": self.now(), "level": level, "message": message, "data": data or {}})

    def events(self, after: str | None = None) -> Iterator[Event]:
        """The events after the one with id `after`. An id is the place in the file where the event ends, so it orders and never changes."""
        for end, line in self._lines("events.jsonl", start=int(after or 0)):
            yield Event(f"{end:012d}", _time(line["at"]), line["level"], line["message"], line.get("data") or {})

    def metric(self, step: int, values: dict[str, float]) -> None:
        """Adds the readings of one optimizer step, and tells them to all of `hearing`."""
        if self._attempt is None:
            self._attempt = self.status().attempt
        self._append("metrics.jsonl", {"step": step, "attempt": self._attempt, "at": self.now(), **values})
        for hear in self.hearing:
            hear(step, values)

    def metrics(self) -> list[Metric]:
        """One Metric per step, in order. What a later attempt measured replaces what an earlier one had from that step on."""
        return _one_per_step(line for _, line in self._lines("metrics.jsonl"))

    def readings(self, start: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """(place after it, line as it was written) of every reading from the place `start` on, also those that a later attempt replaced."""
        yield from self._lines("metrics.jsonl", start=start)

    def log_end(self, *, lines: int = 15) -> str:
        """The last lines of worker.log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 8192))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def mend(self) -> None:
        """Ends a line that a killed worker left half written, so that the next one stands alone."""
        for name in ("events.jsonl", "metrics.jsonl"):
            path = self.path / name
            if path.exists() and not path.read_bytes().endswith(b"\n"):
                with path.open("ab") as file:
                    file.write(b"\n")

    def now(self) -> str:
        """The time, as it is written into every file here."""
        return self._clock.now().isoformat()

    # --- the five operations -------------------------------------------------------------------------------------------------------

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def _replace(self, name: str, data: bytes) -> None:
        write_bytes(self.path / name, data)

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with (self.path / name).open("ab", buffering=0) as file:
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def _remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def _exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def _lines(self, name: str, *, start: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """(offset of the line's end, line) for every whole line from byte `start` on."""
        data = (self._read(name) or b"")[start:]
        end = start
        for raw in data.splitlines(keepends=True):
            end += len(raw)
            line = _parsed(raw) if raw.endswith(b"\n") else None
            if line is not None:
                yield end, line


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _one_per_step(lines: Iterable[dict[str, Any]]) -> list[Metric]:
    found: dict[int, Metric] = {}
    attempt = 0
    for line in lines:
        step, of = int(line.pop("step")), int(line.pop("attempt", 1))
        at = _time(line.pop("at"))
        if of != attempt:
            attempt = of
            repeated = step if "loss" in line else step + 1  # a validation left over from a pause belongs to the step before it
            found = {earlier: metric for earlier, metric in found.items() if earlier < repeated}
        known = found[step].values if step in found else {}
        found[step] = Metric(step, {**known, **line}, at)
    return [found[step] for step in sorted(found)]
