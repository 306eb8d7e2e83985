"""TensorBoard's files of a job, in `tensorboard/`: written by the worker after each reading, readable at once."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from tuneport.files import write_bytes
from tuneport_local.tracking.telling import readings_of, settings_of

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder

FOLDER = "tensorboard"


class Board:
    """Hears of a job's readings. What it cannot write it says once, in the job's events, and leaves alone.

    The first reading of an attempt writes the file anew from what `metrics.jsonl` says by then: steps that are trained again after a resume
    are there once. tensorboardX's own writer would keep both, and waits for the disk at each reading.
    """

    def __init__(self, folder: JobFolder) -> None:
        self._job = folder
        self._folder = folder.path / FOLDER
        self._file: BinaryIO | None = None
        self._broken = False

    def hear(self, step: int, values: Mapping[str, float]) -> None:
        """A reading that the job has just written down."""
        if self._broken:
            return
        try:
            if self._file is None:
                self._file = self._begun()
            else:
                self._file.write(_scalars(step, values, at=time.time()))
        except Exception as error:  # a full disk, a library of another version: no reason to end a training
            self._give_up(error)

    def ended(self, outcome: str) -> None:
        """The attempt is over: `succeeded`, `paused` or `cancelled`."""
        if outcome == "succeeded" and self._file is not None and not self._broken:
            with suppress(OSError):
                self._file.write(b"".join(_summary(each) for each in _session(self._job.recipe())[2:]))
        self.close()

    def close(self) -> None:
        """No more readings come in this attempt."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _begun(self) -> BinaryIO:
        older = sorted(self._folder.glob("*tfevents*"))
        written = f"{time.time():.0f}.{os.uname().nodename}.{self._job.status().attempt}"
        path = self._folder / f"events.out.tfevents.{written}"
        write_bytes(path, b"".join(self._content(anew=bool(older))))
        for each in older:
            if each != path:
                each.unlink(missing_ok=True)
        return path.open("ab", buffering=0)

    def _content(self, *, anew: bool) -> Iterator[bytes]:
        """All that is known by now. One who has read an older file is told to begin again."""
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        yield _framed(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if anew:
            yield _framed(Event(wall_time=time.time(), step=0, session_log=SessionLog(status=SessionLog.START)))
        yield from (_summary(each) for each in _session(self._job.recipe())[:2])
        for metric in self._job.metrics():
            yield _scalars(metric.step, metric.values, at=metric.at.timestamp() if metric.at else time.time())

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        self.close()
        with suppress(OSError):
            said = f"TensorBoard's file is no longer written ({type(error).__name__}: {error}); metrics.jsonl has every reading."
            self._job.event("warning", said)


def _session(recipe: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The settings, for TensorBoard's page of them: what they are, the beginning of the run with them, and its end."""
    from tensorboardX.summary import hparams

    measured = "validation/loss" if recipe.get("files", {}).get("validation") else "train/loss"
    found: tuple[Any, Any, Any] = hparams(settings_of(recipe), {measured: 0.0})
    return found


def _summary(summary: Any) -> bytes:
    from tensorboardX.proto.event_pb2 import Event

    return _framed(Event(wall_time=time.time(), step=0, summary=summary))


def _scalars(step: int, values: Mapping[str, float], *, at: float) -> bytes:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    told = [Summary.Value(tag=tag, simple_value=value) for tag, value in readings_of(values).items()]
    return _framed(Event(wall_time=at, step=step, summary=Summary(value=told)))


def _framed(event: Any) -> bytes:
    """One record of a TFRecord file: length, its checksum, the event, its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
