"""What a provider's author tests with: the conformance kit, a provider that does not exist, simulated time and faults.

    from tuneport.testing import TrainerConformance

    class TestMyTrainer(TrainerConformance):
        ...

Names are imported when first used. The kit's assertions are rewritten by pytest where pytest is installed, so that a failure shows values.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneport.testing.clock import SimulatedClock as SimulatedClock
    from tuneport.testing.cloud import FakeCloud as FakeCloud
    from tuneport.testing.conformance import TrainerConformance as TrainerConformance
    from tuneport.testing.fake import FakeTrainer as FakeTrainer
    from tuneport.testing.fake import fake_provider as fake_provider
    from tuneport.testing.faults import FaultSchedule as FaultSchedule
    from tuneport.testing.remote_job import Course as Course
    from tuneport.testing.server import FakeServer as FakeServer
    from tuneport.testing.server_conformance import ServerConformance as ServerConformance
    from tuneport.testing.simulation import InvariantViolation as InvariantViolation
    from tuneport.testing.simulation import replay as replay
    from tuneport.testing.simulation import simulate as simulate
    from tuneport.testing.translation import fake_plan as fake_plan

if "pytest" in sys.modules:  # a run of pytest: what merely imports an emulator must not load it
    import pytest

    rules = ("plans", "jobs", "listing", "results", "failures", "capabilities", "undeclared")
    modules = ("conformance", "kit", *(f"kit_{name}" for name in rules), "server_conformance")
    pytest.register_assert_rewrite(*(f"tuneport.testing.{name}" for name in modules))

_HOMES = {
    "clock": ("SimulatedClock",),
    "cloud": ("FakeCloud",),
    "conformance": ("TrainerConformance",),
    "fake": ("FakeTrainer", "fake_provider"),
    "faults": ("FaultSchedule",),
    "remote_job": ("Course",),
    "server": ("FakeServer",),
    "server_conformance": ("ServerConformance",),
    "simulation": ("InvariantViolation", "replay", "simulate"),
    "translation": ("fake_plan",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"tuneport.testing.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'tuneport.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
