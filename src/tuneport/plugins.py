"""Providers by entry point. Listing reads package metadata only; a provider's module is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import PluginError, UnknownProvider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from tuneport.provider import Provider

GROUP = "tuneport.providers"

KNOWN = {"azure": "tuneport-azure", "local": "tuneport-local", "openai": "tuneport-openai", "vertex": "tuneport-vertex"}
"""The distributions of this project by the provider they bring, for the sentence that says what to install. Only those that exist: a name
that nobody owns must not be recommended to pip."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed provider, not imported yet."""

    name: str
    target: str
    distribution: str
    version: str
    entry_point: EntryPoint

    def load(self) -> Provider:
        """Imports it. Raises PluginError with one sentence, whatever goes wrong inside."""
        from tuneport.provider import PLUGIN_API, Provider

        try:
            provider = self.entry_point.load()
        except (Exception, SystemExit) as error:  # foreign code: anything may come out of an import
            raise PluginError(
                f"provider {self.name!r} ({self.distribution} {self.version}) does not load: {type(error).__name__}: {error}.",
                remedy=f"Reinstall or remove it: pip install --upgrade {self.distribution}",
            ) from error
        if not isinstance(provider, Provider):
            raise PluginError(
                f"provider {self.name!r} ({self.distribution}): {self.target} is a {type(provider).__name__}, not a tuneport Provider."
            )
        if provider.plugin_api != PLUGIN_API:
            raise PluginError(
                f"provider {self.name!r} ({self.distribution} {self.version}) speaks PLUGIN_API {provider.plugin_api}, "
                f"this tuneport {PLUGIN_API}.",
                remedy=f"Install a matching version: pip install --upgrade tuneport {self.distribution}",
            )
        return provider


def installed(points: Iterable[EntryPoint] | None = None) -> dict[str, Plugin]:
    """The installed providers by name, sorted. Two distributions claiming one name: the alphabetically first keeps it."""
    from importlib.metadata import entry_points  # 12 ms, which `tuneport jobs list` need not pay

    found: dict[str, Plugin] = {}
    for point in entry_points(group=GROUP) if points is None else points:
        dist = point.dist
        plugin = Plugin(point.name, point.value, dist.name if dist else "?", dist.version if dist else "?", point)
        if point.name not in found or plugin.distribution < found[point.name].distribution:
            found[point.name] = plugin
    return dict(sorted(found.items()))


def find(name: str, plugins: dict[str, Plugin]) -> Plugin:
    """The plug-in called `name`. Raises UnknownProvider saying what is installed and what to install."""
    if name in plugins:
        return plugins[name]
    remedy = f"Install it: pip install {KNOWN[name]}" if name in KNOWN else "See: tuneport providers"
    raise UnknownProvider(f"no provider {name!r} is installed (installed: {', '.join(plugins) or 'none'}).", remedy=remedy)
