"""Who may come in, and how what goes wrong on the way is spelled."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tuneport.testing.emulator import Request
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.operations import settle
from tuneport_vertex.emulator.storage.refusals import anonymous
from tuneport_vertex.emulator.world import World

WORDS = frozenset({"state", "tuningJobState", "storageClass"})


class Gate:
    """The toolkit's Vendor for Google."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def words(self) -> Collection[str]:
        return WORDS

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        word = refusals.WORDS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        return refusals.body(word, message, status=status)

    def headers(self, request_number: int) -> Mapping[str, str]:
        return {"server": "ESF", "x-content-type-options": "nosniff", "x-emulator-request": str(request_number)}

    def admit(self, request: Request) -> None:
        """Whoever asks needs a token. What takes a while has come as far as the clock says."""
        for operation in list(self._world.operations.values()):
            settle(operation, self._world)
        if "storage/v1" in request.path and "authorization" not in request.headers:
            raise anonymous()
        self._world.token(request)
