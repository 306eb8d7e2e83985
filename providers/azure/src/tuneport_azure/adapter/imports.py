"""Files that the vendor fetches from blob storage. Their signed addresses are secrets: from the environment, and to the vendor alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, unquote, urlsplit

from tuneport_openai.adapter import files
from tuneport_openai.adapter.connection import DialectConnection, Reply

from tuneport.errors import ConfigError, Refused, TuneportError, Unreachable
from tuneport_azure.wire.plans import ImportedFile

READ_WITHIN_S = 1800.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def address_of(file: ImportedFile, environ: Mapping[str, str]) -> str:
    """The address in the file's variable. Raises ConfigError, which does not repeat it."""
    address = environ.get(file.variable, "").strip()
    if not address:
        raise ConfigError(
            f"the recipe has the {file.purpose} file imported from the address in {file.variable}, which is not set.",
            remedy=f"Set it: export {file.variable}='https://ACCOUNT.blob.core.windows.net/…?…sig=…'",
        )
    parts = urlsplit(address)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise ConfigError(f"{file.variable} holds no https address, from which the {file.purpose} file is to be imported.")
    return address


def imported(connection: DialectConnection, file: ImportedFile, environ: Mapping[str, str]) -> str:
    """Has the file fetched and returns its id, once its size is known to be the planned one.

    Raises Refused where it is another file, which is deleted; Ambiguous when the request may have arrived.
    """
    address = address_of(file, environ)
    doing = f"having the {file.purpose} file imported"
    body = {"purpose": files.PURPOSE, "filename": file.name, "content_url": address}
    with _hiding(address, file.variable):
        answer = connection.post(doing, "/files/import", body, creating=True)
        file_id = files.id_in(connection, answer, doing, creating=True)
        row = _fetched(connection, file_id, file)
    if row.get("bytes") != file.size_bytes:
        with suppress(TuneportError):
            files.delete(connection, file_id)
        raise _another(file, row.get("bytes"))
    return file_id


def _fetched(connection: DialectConnection, file_id: str, file: ImportedFile) -> Reply:
    """The file when the vendor has it all. Raises Refused where it could not read it."""
    started, pause_s = connection.clock.monotonic(), 1.0
    while True:
        row = connection.patiently(lambda: files.row(connection, file_id))
        word = row.get("status")
        if word in ("error", "deleting", "deleted"):
            reason = str(row.get("status_details") or word)
            raise Refused(
                f"the {file.purpose} file could not be imported from the address in {file.variable}: {reason}.",
                reason=reason,
                remedy="See whether the address can be read, and is signed for long enough.",
            )
        if word in ("processed", "uploaded", None):
            return row
        if connection.clock.monotonic() - started > READ_WITHIN_S:
            raise Unreachable(f"the {file.purpose} file is still being imported after {READ_WITHIN_S:.0f} s.", remedy="Submit again later.")
        connection.clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 15.0)


def _another(file: ImportedFile, size: object) -> Refused:
    said = f"{size:,} bytes" if isinstance(size, int) else "a size that the vendor does not tell"
    return Refused(
        f"what was imported from the address in {file.variable} is not the planned {file.purpose} file: it has {said}, and the plan "
        f"{file.size_bytes:,}. It was deleted again.",
        remedy="The blob must hold the very file that would be uploaded: UTF-8 with a byte order mark, one row a line.",
    )


@contextmanager
def _hiding(address: str, variable: str) -> Iterator[None]:
    """Whatever the vendor says, the address is not handed on."""
    try:
        yield
    except TuneportError as error:
        for secret in _secrets(address):
            error.message = error.message.replace(secret, f"(the address in {variable})")
            if isinstance(error, Refused):
                error.reason = error.reason.replace(secret, f"(the address in {variable})")
        error.args = (error.message,)
        raise


def _secrets(address: str) -> list[str]:
    query = urlsplit(address).query
    signed = [each for values in parse_qs(query).values() for each in values if len(each) >= 16]
    return [each for each in (address, unquote(address), query, unquote(query), *signed) if each]
