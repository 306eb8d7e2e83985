"""Open trainers and servers: each provider or profile is loaded once, when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport import plugins
from tuneport.clock import Clock
from tuneport.errors import ConfigError, PluginError, TuneportError, UnknownProvider, Unsupported
from tuneport.redaction import warn
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
    _installed: dict[str, plugins.Plugin] | None = None

    def installed(self) -> dict[str, plugins.Plugin]:
        """The installed plug-ins by name, looked up once: reading the metadata of every distribution takes milliseconds."""
        if self._installed is None:
            self._installed = plugins.installed()
        return self._installed

    def names(self) -> list[str]:
        """Every name that can stand before the colon of a URI: plug-ins and profiles, sorted. Imports none of them."""
        return sorted({*self.given, *self.installed(), *self.settings.providers})

    def refuse_unknown(self, name: str, *, beside: Iterable[str] = ()) -> None:
        """Raises UnknownProvider if neither a plug-in nor a profile has that name; `beside` may have been meant as well."""
        if name not in (names := self.names()):
            from tuneport.nearest import did_you_mean

            meant = did_you_mean(name, sorted({*names, *beside}))
            raise UnknownProvider(f"no provider or profile {name!r}; {meant}", remedy="See: tuneport providers")

    def provider(self, name: str) -> Provider:
        """The plug-in behind a provider or profile name. Raises UnknownProvider, PluginError or ConfigError."""
        plugin_name = self.profile(name).get("provider", name)
        if not isinstance(plugin_name, str):
            raise ConfigError(f"[providers.{name}]: `provider` must be the name of a plug-in.")
        if plugin_name in self.given:
            return self.given[plugin_name]
        return plugins.find(plugin_name, self.installed()).load()

    def profile(self, name: str) -> Mapping[str, Any]:
        """The configured table of a provider or profile, or an empty one."""
        return self.settings.providers.get(name, {})

    def trainer(self, name: str) -> Trainer:
        """The trainer of that provider or profile, opened once."""
        if name not in self._trainers:
            with _loading(name):
                self._trainers[name] = self.provider(name).open_trainer(self._settings(name))
        return self._trainers[name]

    def trainers(self, names: Iterable[str], *, passing_over: bool = False) -> dict[str, Trainer]:
        """The trainers of those names. `passing_over` leaves out one that cannot be opened, which else is raised."""
        opened = {}
        for name in names:
            try:
                opened[name] = self.trainer(name)
            except TuneportError as error:
                if not passing_over:
                    raise
                warn(f"{name} was not asked: {error.message}")
        return opened

    def server(self, name: str) -> Server:
        """The server of that provider or profile, opened once. Raises Unsupported where the provider has none."""
        if name not in self._servers:
            open_server = self.provider(name).open_server
            if open_server is None:
                raise Unsupported(f"{name} has no way to ask its models here.")
            with _loading(name):
                self._servers[name] = open_server(self._settings(name))
        return self._servers[name]

    def _settings(self, name: str) -> Any:
        from tuneport.provider import ProviderSettings

        return ProviderSettings(
            name=name,
            home=self.settings.home,
            environ=self.settings.environ,
            profile=self.profile(name),
            profiles=self.settings.providers,
            clock=self.clock,
        )

    def listing(self) -> list[ProviderInfo]:
        """What `tuneport providers` shows: one line per name, a broken plug-in with its one line of explanation."""
        return [self._info(name) for name in self.names()]

    def _info(self, name: str) -> ProviderInfo:
        plugin = self.installed().get(str(self.profile(name).get("provider", name)))
        distribution, version = (plugin.distribution, plugin.version) if plugin else ("", "")
        try:
            provider = self.provider(name)
        except TuneportError as error:
            return ProviderInfo(name, distribution, version, "", str(error))
        serves = provider.open_server is not None
        return ProviderInfo(name, distribution, version, provider.summary, None, serves=serves, bills=provider.bills)


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """A module that is missing when a provider is opened (a vendor's SDK, say) is its own trouble, and no bug of ours."""
    try:
        yield
    except TuneportError:
        raise
    except ImportError as error:
        raise PluginError(f"provider {name!r} does not load: {error}.", remedy="Install it again, with what it depends on.") from error


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
