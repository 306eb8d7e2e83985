"""The launchers that other distributions bring, by the names of their engines. Listing them imports none."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from tuneport.errors import PluginError, TuneportError, Unsupported
from tuneport.settings import Settings as Configuration
from tuneport_local.engines.launcher import GROUP, Launcher

KNOWN = {"azureml": "tuneport-azureml", "vertex": "tuneport-vertex"}
"""The distributions of this project by the engine they bring, for the sentence that says what to install."""
_ASKED = tuple(sorted(name for name in vars(Launcher) if not name.startswith("_")))


def installed(points: Iterable[EntryPoint] | None = None) -> dict[str, EntryPoint]:
    """By name, sorted. Of two distributions that claim one name the alphabetically first keeps it."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP) if points is None else points:
        if point.name not in found or _whose(point) < _whose(found[point.name]):
            found[point.name] = point
    return dict(sorted(found.items()))


def opened(name: str, configuration: Configuration, *, points: Iterable[EntryPoint] | None = None) -> Launcher:
    """The launcher of that engine. Raises Unsupported where it is not installed, PluginError where it does not load or answer."""
    found = installed(points)
    if name not in found:
        raise Unsupported(f"{not_installed(name)}.", remedy=f"Install it: pip install {KNOWN[name]}" if name in KNOWN else "")
    point = found[name]
    try:
        launcher = point.load()(configuration)
    except TuneportError:
        raise
    except (Exception, SystemExit) as error:  # foreign code: anything may come out of an import
        raise PluginError(
            f"engine {name!r} ({_whose(point)}) does not load: {type(error).__name__}: {error}.",
            remedy=f"Reinstall or remove it: pip install --upgrade {_whose(point)}",
        ) from error
    if wrong := why_no_launcher(launcher):
        raise PluginError(f"engine {name!r} ({_whose(point)}) is no launcher: {wrong}.", remedy=f"pip install --upgrade {_whose(point)}")
    return cast(Launcher, launcher)


def not_installed(name: str) -> str:
    """That an engine is not here."""
    return f"engine {name!r} is brought by {KNOWN[name]}, which is not installed" if name in KNOWN else f"no engine {name!r} is installed"


def why_no_launcher(thing: Any) -> str:
    """What `thing` lacks of a Launcher, or ''."""
    for name in _ASKED:
        if not callable(method := getattr(thing, name, None)):
            return f"it has no {name}()"
        wanted = [*inspect.signature(getattr(Launcher, name)).parameters][1:]
        if (has := [*inspect.signature(method).parameters]) != wanted:
            return f"its {name}() takes ({', '.join(has)}) and not ({', '.join(wanted)})"
    return ""


def _whose(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"
