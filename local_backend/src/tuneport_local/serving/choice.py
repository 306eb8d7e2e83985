"""Which engine serves, and what has to be installed for it. Imports neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from tuneport.clock import Clock
from tuneport.errors import ConfigError, Unsupported
from tuneport.serving import Open, Served, Service

_NEEDED = ("starlette", "uvicorn")


def serve(
    models: Sequence[Served], service: Service, *, home: Path, clock: Clock, engines: Sequence[str], ready: Callable[[Open], object]
) -> None:
    """Serves until told to stop. Raises Unsupported for an engine that is not known, or not here."""
    engine = _chosen() if service.engine == "auto" else service.engine
    if engine not in engines:
        raise Unsupported(f"there is no engine {engine!r} here.", remedy=f"Known: auto, {', '.join(engines)}.")
    if engine == "vllm":
        from tuneport_local.serving import vllm

        vllm.serve(models, service, home=home, ready=ready)
        return
    _refuse_missing()
    from tuneport_local.serving import running

    running.serve(models, service, home=home, clock=clock, ready=ready)


def _chosen() -> str:
    """vLLM is made for GPUs; without one, or without vLLM, torch answers."""
    from tuneport_local.serving.vllm import program

    if program() is None:
        return "torch"
    from tuneport_local.machine import hardware

    return "vllm" if hardware.choose().device.startswith("cuda") else "torch"


def _refuse_missing() -> None:
    if lacking := [name for name in _NEEDED if find_spec(name) is None]:
        raise ConfigError(f"serving needs {' and '.join(lacking)}.", remedy="Install them: pip install 'tuneport-local[serve]'")
