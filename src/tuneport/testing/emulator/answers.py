"""What an emulator says: JSON, bytes, or a stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tuneport.testing.emulator.blobs import Blob

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and one of: a JSON `value` (when `data` and `stream` are None), `data`, or a `stream` of pieces sent one by one."""

    status: int
    value: object = None
    data: bytes | Blob | None = None
    stream: Iterable[bytes] | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        return self.data is None and self.stream is None

    @property
    def size_bytes(self) -> int | None:
        """None for a stream, whose length nobody knows beforehand."""
        if self.stream is not None:
            return None
        return self.data.size_bytes if isinstance(self.data, Blob) else len(self._whole())

    def pieces(self) -> Iterator[bytes]:
        """The body. A blob is read block by block."""
        if self.stream is not None:
            yield from self.stream
        elif isinstance(self.data, Blob):
            yield from self.data.blocks()
        else:
            yield self._whole()

    def _whole(self) -> bytes:
        if isinstance(self.data, bytes):
            return self.data
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode()


class Refusal(Exception):
    """The answer to a request that is not granted, in the vendor's words. Raised anywhere while a request is served."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.value}")
        self.answer = answer


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, value, headers=headers or {})


def event_stream(values: Iterable[object], *, end: str = "[DONE]") -> Answer:
    """Server-sent events, one per value, and `end` as the last."""
    return Answer(200, stream=_events(values, end), media_type=EVENTS)


def _events(values: Iterable[object], end: str) -> Iterator[bytes]:
    for value in values:
        yield f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
    yield f"data: {end}\n\n".encode()
