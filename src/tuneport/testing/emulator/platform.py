"""What every emulated platform is, whoever's it is: a server in a `with`, with its log and its faults."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tuneport.testing.emulator.faultplan import FaultPlan
from tuneport.testing.emulator.requestlog import RequestLog
from tuneport.testing.emulator.server import EmulatorServer


class EmulatedPlatform:
    """Use it in a `with`. A vendor's own fills `server`, which serves from then on."""

    server: EmulatorServer

    @property
    def log(self) -> RequestLog:
        return self.server.log

    @property
    def faults(self) -> FaultPlan:
        return self.server.faults

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server.__exit__(kind, error, trace)
