"""multipart/form-data (RFC 7578), read as it comes in: files go to disk, and memory holds one block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message

from tuneport.testing.emulator.blobs import BLOCK_BYTES, BlobStore
from tuneport.testing.emulator.request import Form, FormFile

LONGEST_HEAD = 16 * 1024
LONGEST_FIELD = 64 * 1024


class BadForm(ValueError):
    """The body is not the form that its content type promises."""


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart/form-data content type; None for any other type."""
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    boundary = message.get_boundary()
    return None if not boundary else boundary.encode("latin-1")


def read_form(read: Callable[[int], bytes], *, boundary: bytes, blobs: BlobStore) -> Form:
    """The whole form. `read(n)` gives at most n bytes, and b"" at the end. Raises BadForm."""
    scan = _Scanner(read)
    fields: dict[str, str] = {}
    files: dict[str, FormFile] = {}
    scan.expect(b"--" + boundary)
    while scan.take(2) != b"--":
        head = _head(scan)
        name = head.get_param("name", header="content-disposition")
        filename = head.get_filename()
        if not isinstance(name, str) or name in fields or name in files:
            raise BadForm(f"the part {name!r} has no name, or comes twice")
        content = scan.until(b"\r\n--" + boundary)
        if filename is None:
            fields[name] = _text(content, name)
        else:
            files[name] = FormFile(filename, head.get_content_type(), blobs.write(content))
    return Form(fields, files)


def _head(scan: _Scanner) -> Message:
    """The headers of one part; the line end behind the boundary has been taken already."""
    message = Message()
    for line in b"".join(scan.until(b"\r\n\r\n", at_most=LONGEST_HEAD)).decode("utf-8", "surrogateescape").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise BadForm("a part's header has no colon")
        message[name.strip()] = value.strip()
    return message


def _text(content: Iterator[bytes], name: str) -> str:
    data = b""
    for piece in content:
        data += piece
        if len(data) > LONGEST_FIELD:
            raise BadForm(f"the field {name!r} is longer than {LONGEST_FIELD} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadForm(f"the field {name!r} is not UTF-8") from None


class _Scanner:
    """Bytes as they come, cut at marks."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._held = b""

    def _more(self) -> None:
        block = self._read(BLOCK_BYTES)
        if not block:
            raise BadForm("the body ends in the middle of a part")
        self._held += block

    def take(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def expect(self, mark: bytes) -> None:
        if self.take(len(mark)) != mark:
            raise BadForm("the body does not begin with its boundary")

    def until(self, mark: bytes, *, at_most: int | None = None) -> Iterator[bytes]:
        """What comes before `mark`, piece by piece; the mark is consumed."""
        given = 0
        while (found := self._held.find(mark)) < 0:
            sure = len(self._held) - len(mark) + 1
            if sure > 0:
                piece, self._held = self._held[:sure], self._held[sure:]
                given += sure
                yield piece
            if at_most is not None and given > at_most:
                raise BadForm(f"a part's head is longer than {at_most} bytes")
            self._more()
        piece, self._held = self._held[:found], self._held[found + len(mark) :]
        yield piece
