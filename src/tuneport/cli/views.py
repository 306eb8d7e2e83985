"""How values read: jobs, models and times as rows for people and as objects for scripts. Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneport.finding import Finding
    from tuneport.job import Event, Job, Metric
    from tuneport.model import Model

_LONG_ID = re.compile(r"[0-9a-f]{32}$")
SHORT_ID = 8
"""So much of a long id is shown to people; every command takes a unique beginning."""


def short_uri(uri: str) -> str:
    """A URI to read and to type: a client id of 32 hexadecimal digits is cut after the first eight."""
    found = _LONG_ID.search(uri)
    return uri if found is None else uri[: found.start() + SHORT_ID]


def job_document(job: Job) -> dict[str, Any]:
    """A job for scripts: every field, times and states still as values."""
    return {field.name: getattr(job, field.name) for field in fields(job)}


def event_document(uri: str, event: Event) -> dict[str, Any]:
    """An event for scripts."""
    return {"uri": uri, **asdict(event)}


def metric_document(metric: Metric) -> dict[str, Any]:
    """The measurements of one step for scripts."""
    return {"step": metric.step, "at": metric.at, "values": dict(metric.values)}


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding for scripts, in the order of the documented shape."""
    return {name: getattr(finding, name) for name in ("line", "rule", "severity", "message", "remedy")}


def model_document(model: Model) -> dict[str, Any]:
    """A model for scripts."""
    return {field.name: getattr(model, field.name) for field in fields(model)}


def in_words(value: Any) -> str:
    """A value of JSON for people: names with values, one after the other, not Python's spelling of them."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    return "" if value is None else str(value)


JOB_HEADERS = ("Job", "State", "Base", "Created", "Heard", "Note")


def job_row(job: Job, *, now: datetime, terminal: bool) -> tuple[str, ...]:
    """A job for people: short and relative on a terminal, whole and absolute in a pipe."""
    if terminal:
        return short_uri(job.uri), job.state.value, job.base or "", ago(job.created_at, now), ago(job.last_heard_at, now), job_note(job)
    return job.uri, job.state.value, job.base or "", iso(job.created_at), iso(job.last_heard_at), job_note(job)


def job_note(job: Job) -> str:
    """The one thing worth saying beside the state."""
    if job.missing_since is not None:
        return f"not known to {job.provider} since {iso(job.missing_since)}"
    return (job.error or "").partition("\n")[0] or job.note or ("partial result" if job.partial else "") or job.detail


def job_fields(job: Job, *, now: datetime) -> list[tuple[str, str]]:
    """A job in full, for people."""
    state = job.state.value
    return [
        ("job", job.uri),
        ("state", state),
        ("provider's word", job.provider_state if job.provider_state != state else ""),
        ("detail", job.detail),
        ("error", job.error or ""),
        ("model", job.model or ""),
        ("base", job.base or ""),
        ("method", job.method or ""),
        ("created", when(job.created_at, now)),
        ("finished", when(job.finished_at, now)),
        ("last heard", when(job.last_heard_at, now)),
        ("missing since", when(job.missing_since, now)),
        ("cost", f"{job.cost} USD" if job.cost is not None else ""),
        ("scope", job.scope),
        ("client id", job.client_id or ""),
        ("attempt", str(job.attempt) if job.attempt > 1 else ""),
        ("recipe", (job.recipe_fingerprint or "")[:16]),
        ("dataset", (job.dataset_fingerprint or "")[:16]),
        ("note", job.note or ("partial result" if job.partial else "")),
    ]


def iso(at: datetime | None) -> str:
    """ISO 8601 to the second, with offset; '' for None."""
    return at.isoformat(timespec="seconds") if at else ""


def when(at: datetime | None, now: datetime) -> str:
    """A time with its distance from now; '' for None."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({ago(at, now)})" if at else ""


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if seconds < 5:
        return "just now"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def duration(seconds: float) -> str:
    """4:07, or 1:02:33 from an hour up."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: float) -> str:
    """A measurement to read: four significant digits, whole numbers without a point."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.4g}"
