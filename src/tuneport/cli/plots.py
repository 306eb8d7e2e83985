"""Loss curves, drawn in the terminal or written as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.cli.session import Session
from tuneport.cli.views import short_uri
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.job import Job, Metric

HEIGHT = 14


def plot_jobs(session: Session, uris: Sequence[str], *, png: Path | None) -> None:
    """Draws the jobs' losses, one curve under the other, or all together into the PNG file `png`."""
    jobs = {job.uri: job for job in (session.client.job(uri, refresh=False) for uri in uris)}
    series = {uri: session.client.metrics(job) for uri, job in jobs.items()}
    if png is not None:
        write_png(png, series, title=", ".join(_title(job) for job in jobs.values()))
        return session.out.document({"png": str(png), "jobs": list(jobs)}) if session.json else session.out.say(f"Wrote {png}")
    if session.json:
        raise UsageError("a drawing has no JSON form.", remedy="Use: tuneport jobs metrics JOB --json, or --png FILE.")
    for uri, metrics in series.items():
        _draw(session, jobs[uri], metrics)
    return None


def write_png(path: Path, series: dict[str, list[Metric]], *, title: str) -> None:
    """The loss curves by job URI as a PNG file."""
    from tuneport.plot import loss_png

    loss_png(path, {short_uri(uri): metrics for uri, metrics in series.items()}, title=title)


def _draw(session: Session, job: Job, metrics: Sequence[Metric]) -> None:
    from tuneport.plot import loss_text

    session.out.say(_title(job))
    session.out.raw(loss_text(metrics, width=min(session.out.width, 100) if session.out.terminal else 78, height=HEIGHT))


def _title(job: Job) -> str:
    return f"{short_uri(job.uri)} ({job.base})" if job.base else short_uri(job.uri)
