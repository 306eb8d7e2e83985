"""A job's history. The service has no list of events: it is made of what the job says, with ids that stay and are in order.

Ids begin with the place of their kind in a job's life, so that whoever asks for what came after one of them gets it, though the job may no
longer say what that one said. What only a finished job tells comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tuneport.job import Event, JobState
from tuneport.replies import Json, number_of, text_in, time_in
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.jobs import checkpoints_of, error_of
from tuneport_vertex.wire.states import detail_sentence, detail_word, job_state, state_word
from tuneport_vertex.wire.stats import findings, stats_of

_DETAILS = {"WAITING_FOR_QUOTA": "10", "PROCESSING_DATASET": "20", "WAITING_FOR_CAPACITY": "30", "TUNING": "50", "POST_PROCESSING": "80"}
_ENDS = {
    JobState.SUCCEEDED: ("info", "the job has succeeded"),
    JobState.FAILED: ("error", "the job has failed"),
    JobState.CANCELLED: ("warning", "the job was cancelled"),
    JobState.EXPIRED: ("error", "the job has expired"),
}


def events_of(job: Json, *, place: ids.Located) -> list[Event]:
    """What is known of its life so far, in order."""
    return list(_events(job, place))


def after(events: list[Event], event_id: str | None) -> list[Event]:
    """Those whose place is behind that of an earlier answer's last."""
    return events if event_id is None else [event for event in events if event.id > event_id]


def _events(job: Json, place: ids.Located) -> Iterator[Event]:
    created = time_in(job, "createTime")
    last = time_in(job, "endTime") or time_in(job, "updateTime") or created
    state = job_state(state_word(job.get("state")), detail := text_in(job, "tuningJobState") or "")
    if created is None or last is None:
        return
    yield Event("00-created", created, "info", "the job was created")
    if started := time_in(job, "startTime"):
        yield Event("40-started", started, "info", "the job was started")
    if not state.terminal and (word := detail_word(detail)):
        yield Event(f"{_DETAILS.get(word, '55')}-{word.lower()}", last, "info", f"the job {detail_sentence(detail)}", {"state": word})
    yield from _checkpoints(job, place, last)
    if state.terminal:
        yield from _data(job, last)
        yield from _end(job, state, last)


def _checkpoints(job: Json, place: ids.Located, at: datetime) -> Iterator[Event]:
    for number, each in enumerate(checkpoints_of(job), start=1):
        epoch, step = _whole(each, "epoch"), _whole(each, "step")
        where = " and ".join(f"{name} {value}" for name, value in (("epoch", epoch), ("step", step)) if value is not None)
        data: dict[str, Any] = {"checkpoint": str(each["checkpointId"]), "epoch": epoch, "step": step}
        if endpoint := text_in(each, "endpoint"):
            data["endpoint"] = ids.public(place, endpoint)
        message = f"checkpoint {each['checkpointId']} was kept{f' at {where}' if where else ''}"
        yield Event(f"60-checkpoint-{number:04}", at, "info", message, {key: value for key, value in data.items() if value is not None})


def _data(job: Json, at: datetime) -> Iterator[Event]:
    for number, finding in enumerate(findings(stats_of(job))):
        line = "" if finding.line is None else f"line {finding.line}: "
        data: dict[str, Any] = {"rule": finding.rule} | ({} if finding.line is None else {"line": finding.line})
        yield Event(f"90-data-{number:06}", at, finding.severity, f"{line}{finding.message}", data)


def _end(job: Json, state: JobState, at: datetime) -> Iterator[Event]:
    level, said = _ENDS[state]
    word, why = state_word(job.get("state")), error_of(job)
    partly = " in part" if word.endswith("PARTIALLY_SUCCEEDED") else ""
    yield Event(f"99-{state.value}", at, "warning" if partly else level, f"{said}{partly}{f': {why}' if why else ''}", {"state": word})


def _whole(row: Json, key: str) -> int | None:
    number = number_of(row.get(key))
    return None if number is None else int(number)
