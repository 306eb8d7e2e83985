"""Where state lives and what is configured: flags > environment > tuneport.toml in the project > user configuration."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """The folder of all state, the provider tables and the environment they came from. Those two may hold keys: `repr` leaves them out.

    `prices` are the user's own price files, of which the last wins.
    """

    home: Path
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    prices: tuple[Path, ...] = ()


def load_settings(*, home: str | Path | None = None, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Reads the settings once. `folder` is where tuneport.toml is looked for, upwards (default: the current directory).

    Raises ConfigError for a file that is not TOML or has tables of the wrong shape. Creates nothing. Price files are found, not read.
    """
    env = os.environ if environ is None else environ
    merged: dict[str, dict[str, Any]] = {}
    written = (_user_file(env), _project_file(folder or Path.cwd()))
    for path in written:
        for name, table in _provider_tables(path).items():
            merged.setdefault(name, {}).update(table)
    return Settings(home=_home(home, env), providers=merged, environ=dict(env), prices=_price_files(env, written))


def _price_files(environ: Mapping[str, str], beside: Iterable[Path | None]) -> tuple[Path, ...]:
    """Those that TUNEPORT_PRICES names, whether they are there or not; else each prices.toml beside one of the configuration files."""
    named = environ.get("TUNEPORT_PRICES")
    if named is not None:
        return tuple(Path(part).expanduser() for part in named.split(os.pathsep) if part)
    found = (path.with_name("prices.toml") for path in beside if path is not None)
    return tuple(dict.fromkeys(path for path in found if path.is_file()))


def _home(home: str | Path | None, environ: Mapping[str, str]) -> Path:
    given = home or environ.get("TUNEPORT_HOME")
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("tuneport", appauthor=False)


def _user_file(environ: Mapping[str, str]) -> Path:
    given = environ.get("TUNEPORT_CONFIG")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_config_path

    return user_config_path("tuneport", appauthor=False) / "tuneport.toml"


def _project_file(folder: Path) -> Path | None:
    return next((path for parent in (folder, *folder.parents) if (path := parent / "tuneport.toml").is_file()), None)


def _provider_tables(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None or not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from None
    unknown = set(document) - {"providers"}
    if unknown:
        raise ConfigError(f"{path}: unknown table {sorted(unknown)[0]!r}; known: providers.")
    tables = document.get("providers", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{path}: [providers.<name>] must be tables.")
    return tables
