"""What our code needs, pinned to the versions that it runs with here. Asks no index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.markers import default_environment
from packaging.requirements import Requirement

FIRST_PYTHON = "3.11"
_TORCH = "torch"
_EXTRAS = {"quantize": "bitsandbytes"}
"""What some recipes need beside: the extra of tuneport-local, and its package."""
_THERE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
"""Rented machines run Linux, whatever this one does."""


@dataclass(frozen=True, slots=True)
class Pins:
    """`lines` are `name==version`, sorted, without torch; `torch` is its line, `first_torch` the least version that will do. `extras`: the
    line of each package that only some recipes need."""

    lines: tuple[str, ...]
    torch: str
    first_torch: str
    extras: Mapping[str, str]


def pins(ours: Iterable[str]) -> Pins:
    """Those of the distributions named, with all that they need in turn. Torch's own needs come with it."""
    found: dict[str, Distribution] = {}
    own, first = {_plain(name) for name in ours}, "0"
    todo, seen = [(name, "") for name in ours], set[tuple[str, str]]()
    while todo:
        asked = todo.pop()
        seen.add(asked)
        for need in _needs(distribution(asked[0]), extra=asked[1]):
            name = _plain(need.name)
            if name == _TORCH:
                first = max(first, _least(need), key=_numbers)
            elif name not in own and (there := _installed(name)) is not None:
                found[name] = there
                todo += [each for each in ((name, ""), *((name, extra) for extra in need.extras)) if each not in seen]
    extras = {package: _extra(package, ours) for package in _EXTRAS.values()}
    return Pins(tuple(sorted(_pinned(each) for each in found.values())), _pinned(distribution(_TORCH)), first, extras)


def _needs(about: Distribution, *, extra: str) -> Iterable[Requirement]:
    """Those that hold on the machines meant, with that extra of it."""
    environment = {**{key: str(value) for key, value in default_environment().items()}, **_THERE, "extra": extra}
    for line in about.requires or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate(environment):
            yield need


def _extra(package: str, ours: Iterable[str]) -> str:
    """Pinned where it is installed here, else as the distribution that wants it says."""
    if (there := _installed(package)) is not None:
        return _pinned(there)
    asked = (Requirement(line) for name in ours for line in distribution(name).requires or ())
    return next(f"{need.name}{need.specifier}" for need in asked if _plain(need.name) == package)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _pinned(about: Distribution) -> str:
    """Without what comes after a `+`: the index knows no builds of our own."""
    return f"{_plain(about.name)}=={about.version.partition('+')[0]}"


def _least(need: Requirement) -> str:
    return max((each.version for each in need.specifier if each.operator == ">="), key=_numbers, default="0")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
