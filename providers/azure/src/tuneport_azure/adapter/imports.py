"""Files that the vendor fetches from blob storage. Their signed addresses are secrets: from the environment, and to the vendor alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from tuneport_openai.adapter import files
from tuneport_openai.adapter.connection import DialectConnection, Reply

from tuneport.errors import Ambiguous, ConfigError, NotFound, Refused, TuneportError, Unreachable
from tuneport.provider import FileState
from tuneport_azure.adapter.signed_addresses import signed_in, without_addresses
from tuneport_azure.wire.addresses import LOOPBACK
from tuneport_azure.wire.plans import ImportedFile

READ_WITHIN_S = 1800.0
FOUND_WITHIN_S = 300.0
"""How long one that was found again is waited for, each time that it is looked for."""
HEARD_OF_WITHIN_S = 30.0
"""How long the vendor may not know of a file whose id it has just given."""
SIZED_WITHIN_S = 30.0
"""How long a file that is processed may have no size."""


def address_of(file: ImportedFile, environ: Mapping[str, str]) -> str:
    """The address in the file's variable. Raises ConfigError, which does not repeat it."""
    address = environ.get(file.variable, "").strip()
    if not address:
        raise ConfigError(
            f"the recipe has the {file.purpose} file imported from the address in {file.variable}, which is not set.",
            remedy=f"Set it: export {file.variable}='https://ACCOUNT.blob.core.windows.net/…?…sig=…'",
        )
    parts = urlsplit(address)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ConfigError(f"{file.variable} holds no https address, from which the {file.purpose} file is to be imported.")
    return address


def imported(connection: DialectConnection, file: ImportedFile, environ: Mapping[str, str]) -> str:
    """Has the file fetched and returns its id, once its size is known to be the planned one.

    Raises Refused where it is another file, which is deleted; Ambiguous when the request may have arrived, or what came of it cannot be
    told: then the file stays, to be found again.
    """
    address = address_of(file, environ)
    doing = f"having the {file.purpose} file imported"
    body = {"purpose": files.PURPOSE, "filename": file.name, "content_url": address}
    with _hiding({file.variable: address}):
        answer = connection.post(doing, "/files/import", body, creating=True)
        file_id = files.id_in(connection, answer, doing, creating=True)
        try:
            return _checked(connection, file_id, file, within_s=READ_WITHIN_S)
        except Unreachable as error:
            raise Ambiguous(error.message, remedy=error.remedy) from None


def found_again(connection: DialectConnection, file: ImportedFile, environ: Mapping[str, str]) -> str | None:
    """The id of the file where it was imported already, once its size is known to be the planned one; raises as `imported` does."""
    with _hiding({file.variable: address_of(file, environ)}):
        file_id = files.find(connection, file)
        return None if file_id is None else _checked(connection, file_id, file, within_s=FOUND_WITHIN_S)


def _checked(connection: DialectConnection, file_id: str, file: ImportedFile, *, within_s: float) -> str:
    row = _fetched(connection, file_id, file, within_s=within_s)
    if row.get("bytes") != file.size_bytes:
        with suppress(TuneportError):
            files.delete(connection, file_id)
        raise _another(file, row.get("bytes"))
    return file_id


def state(connection: DialectConnection, file_id: str, environ: Mapping[str, str]) -> FileState:
    """Whether the file can be used. Another process than this one may have had it fetched: no signed address in `environ` is told."""
    signed = signed_in(environ)
    with _hiding(signed):
        found = files.state(connection, file_id)
    return replace(found, reason=without_addresses(found.reason, signed))


def _fetched(connection: DialectConnection, file_id: str, file: ImportedFile, *, within_s: float) -> Reply:
    """The file when the vendor has it all and says how much. Raises Refused where it could not, Unreachable where it says neither."""
    clock, processed_at, pause_s = connection.clock, None, 1.0
    started = clock.monotonic()
    while True:
        row = _row(connection, file_id, young=clock.monotonic() - started < HEARD_OF_WITHIN_S)
        word = row.get("status")
        if word in ("error", "deleting", "deleted"):
            reason = str(row.get("status_details") or word)
            raise Refused(
                f"the {file.purpose} file could not be imported from the address in {file.variable}: {reason}.",
                reason=reason,
                remedy="See whether the address can be read, and is signed for long enough.",
            )
        if word in ("processed", "uploaded", None):
            if row.get("bytes") is not None:
                return row
            processed_at = clock.monotonic() if processed_at is None else processed_at
            if clock.monotonic() - processed_at > SIZED_WITHIN_S:
                raise _unsized(file, file_id)
        elif clock.monotonic() - started > within_s:
            raise Unreachable(f"the {file.purpose} file is still being imported after {within_s:.0f} s.", remedy="Submit again later.")
        clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 15.0)


def _row(connection: DialectConnection, file_id: str, *, young: bool) -> Reply:
    """What the vendor says of the file; of a young one it may know nothing yet."""
    try:
        return connection.patiently(lambda: files.row(connection, file_id))
    except NotFound:
        if not young:
            raise
        return {"status": "pending"}


def _unsized(file: ImportedFile, file_id: str) -> Unreachable:
    return Unreachable(
        f"the {file.purpose} file was imported from the address in {file.variable} as {file_id}, and the vendor does not tell its size: "
        "whether it is the planned one is not known. It was left there.",
        remedy="Submit again later: it is looked at again, and not imported twice.",
    )


def _another(file: ImportedFile, size: object) -> Refused:
    said = f"{size:,} bytes" if isinstance(size, int) else "a size that the vendor does not tell"
    return Refused(
        f"what was imported from the address in {file.variable} is not the planned {file.purpose} file: it has {said}, and the plan "
        f"{file.size_bytes:,}. It was deleted again.",
        remedy="The blob must hold the very file that would be uploaded: UTF-8 with a byte order mark, one row a line.",
    )


@contextmanager
def _hiding(signed: Mapping[str, str]) -> Iterator[None]:
    """Whatever the vendor says, those addresses are not handed on; they go by their variables."""
    try:
        yield
    except TuneportError as error:
        error.message = without_addresses(error.message, signed)
        error.remedy = without_addresses(error.remedy, signed)
        if isinstance(error, Refused):
            error.reason = without_addresses(error.reason, signed)
        error.args = (error.message,)
        raise
