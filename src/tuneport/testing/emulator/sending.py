"""An answer on its way to the client: at once, slowly, or only in part."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from tuneport.testing.emulator.answers import Answer
from tuneport.testing.emulator.faults import Fault, SlowBody, Truncated


class Sending:
    """Sends one answer over a connection."""

    def __init__(self, connection: socket.socket, *, closing: threading.Event, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._closing = closing
        self._headers = headers

    def send(self, answer: Answer, *, fault: Fault | None) -> bool:
        """Whether the connection can be used again."""
        if answer.size_bytes is None:
            return self._stream(answer, cut=isinstance(fault, Truncated), pause_s=fault.pause_s if isinstance(fault, SlowBody) else 0.0)
        if isinstance(fault, Truncated):
            return self._part(answer, fault)
        if isinstance(fault, SlowBody):
            return self._slowly(answer, fault)
        return self._whole(answer)

    def _head(self, answer: Answer, length: int | None) -> bytes:
        """An answer to HEAD, which has no body, says the length itself."""
        reason = HTTPStatus(answer.status).phrase
        size = {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        lines = {"content-type": answer.media_type, **self._headers, **size, **answer.headers}
        return "".join(
            [f"HTTP/1.1 {answer.status} {reason}\r\n", *(f"{name}: {value}\r\n" for name, value in lines.items()), "\r\n"]
        ).encode("latin-1")

    def _whole(self, answer: Answer) -> bool:
        waiting = self._head(answer, answer.size_bytes)
        for piece in answer.pieces():
            self._connection.sendall(waiting + piece)
            waiting = b""
        if waiting:
            self._connection.sendall(waiting)
        return True

    def _part(self, answer: Answer, fault: Truncated) -> bool:
        body = b"".join(answer.pieces())
        kept = body[: int(len(body) * fault.share)]
        self._connection.sendall(self._head(answer, len(kept) if fault.admitted else len(body)) + kept)
        return fault.admitted

    def _slowly(self, answer: Answer, fault: SlowBody) -> bool:
        body = b"".join(answer.pieces())
        self._connection.sendall(self._head(answer, len(body)))
        for piece in _cut(body, fault.pieces):
            if self._closing.wait(fault.pause_s):
                return False
            self._connection.sendall(piece)
        return True

    def _stream(self, answer: Answer, *, cut: bool, pause_s: float) -> bool:
        """In chunks; `cut` ends the connection behind the second one."""
        self._connection.sendall(self._head(answer, None))
        for number, piece in enumerate(answer.pieces(), start=1):
            if pause_s and self._closing.wait(pause_s):
                return False
            self._connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut and number == 2:
                return False
        self._connection.sendall(b"0\r\n\r\n")
        return True


def _cut(body: bytes, pieces: int) -> Iterator[bytes]:
    size = max(1, -(-len(body) // pieces))
    yield from (body[start : start + size] for start in range(0, len(body), size))
