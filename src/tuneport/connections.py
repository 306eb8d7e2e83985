"""Open trainers and servers: each provider or profile is loaded once, when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport import plugins
from tuneport.clock import Clock
from tuneport.errors import ConfigError, TuneportError, UnknownProvider, Unsupported
from tuneport.settings import Settings

if TYPE_CHECKING:
    from tuneport.provider import Provider, Server, Trainer


@dataclass(slots=True)
class Connections:
    """The providers a client may use: installed plug-ins, profiles from the configuration, and those given by hand (tests, scripts)."""

    settings: Settings
    clock: Clock
    given: Mapping[str, Provider] = field(default_factory=dict)
    _trainers: dict[str, Trainer] = field(default_factory=dict)
    _servers: dict[str, Server] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every name that can stand before the colon of a URI: plug-ins and profiles, sorted. Imports none of them."""
        return sorted({*self.given, *plugins.installed(), *self.settings.providers})

    def provider(self, name: str) -> Provider:
        """The plug-in behind a provider or profile name. Raises UnknownProvider, PluginError or ConfigError."""
        plugin_name = self.profile(name).get("provider", name)
        if not isinstance(plugin_name, str):
            raise ConfigError(f"[providers.{name}]: `provider` must be the name of a plug-in.")
        if plugin_name in self.given:
            return self.given[plugin_name]
        return plugins.find(plugin_name, plugins.installed()).load()

    def profile(self, name: str) -> Mapping[str, Any]:
        """The configured table of a provider or profile, or an empty one."""
        return self.settings.providers.get(name, {})

    def trainer(self, name: str) -> Trainer:
        """The trainer of that provider or profile, opened once."""
        if name not in self._trainers:
            self._trainers[name] = self.provider(name).open_trainer(self._settings(name))
        return self._trainers[name]

    def server(self, name: str) -> Server:
        """The server of that provider or profile, opened once. Raises Unsupported where the provider has none."""
        if name not in self._servers:
            open_server = self.provider(name).open_server
            if open_server is None:
                raise Unsupported(f"{name} has no way to ask its models here.")
            self._servers[name] = open_server(self._settings(name))
        return self._servers[name]

    def _settings(self, name: str) -> Any:
        from tuneport.provider import ProviderSettings

        return ProviderSettings(
            name=name, home=self.settings.home, environ=self.settings.environ, profile=self.profile(name), clock=self.clock
        )

    def listing(self) -> list[ProviderInfo]:
        """What `tuneport providers` shows: one line per name, a broken plug-in with its one line of explanation."""
        return [self._info(name) for name in self.names()]

    def _info(self, name: str) -> ProviderInfo:
        plugin = plugins.installed().get(str(self.profile(name).get("provider", name)))
        distribution, version = (plugin.distribution, plugin.version) if plugin else ("", "")
        try:
            provider = self.provider(name)
        except (UnknownProvider, TuneportError) as error:
            return ProviderInfo(name, distribution, version, "", str(error))
        serves = provider.open_server is not None
        return ProviderInfo(name, distribution, version, provider.summary, None, serves=serves, bills=provider.bills)


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """One provider or profile. `problem` is why it cannot be used, or None."""

    name: str
    distribution: str
    version: str
    summary: str
    problem: str | None
    serves: bool = False
    bills: bool = True
