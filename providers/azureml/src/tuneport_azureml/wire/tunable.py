"""What a job can begin from: a model of a registry, by its asset id or by the short name of one that our catalogue has."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from tuneport.errors import UnknownModel
from tuneport.nearest import did_you_mean

Road = Literal["custom", "azure_openai"]
OPENAI_REGISTRIES = "azure-openai"
_ASSET = re.compile(r"azureml://registries/([A-Za-z0-9][\w-]{0,62})/models/([A-Za-z0-9][\w.-]{0,254})/(?:versions|labels)/([\w.-]{1,30})")


@dataclass(frozen=True, slots=True)
class Base:
    """A registry's model. `id` is what it goes by here: the catalogue's short name, else the asset id."""

    id: str
    asset: str
    registry: str
    model: str

    @property
    def road(self) -> Road:
        return "azure_openai" if self.registry.startswith(OPENAI_REGISTRIES) else "custom"


def base_of(name: str, *, provider: str) -> Base:
    """The model of that name or asset id. Raises UnknownModel for one that is neither."""
    text = name if "://" in name else name.removeprefix(f"{provider}:")  # of a profile, not the scheme of an asset id
    row = next((row for row in rows() if row["id"].casefold() == text.casefold()), None)
    found = _ASSET.fullmatch(row["asset"] if row is not None else text)
    if found is None:
        names = [str(row["id"]) for row in rows()]
        raise UnknownModel(
            f"{provider} has no base {text!r}; {did_you_mean(text, names)}",
            remedy="Any model of a registry can be named by its asset id: azureml://registries/REGISTRY/models/NAME/versions/N, "
            "which the studio's model catalogue shows.",
        )
    return Base(row["id"] if row is not None else text, found[0], found[1], found[2])


def registry_of(asset: str) -> str | None:
    """The registry in an asset id; None in what is none."""
    found = _ASSET.fullmatch(asset)
    return None if found is None else found[1]


def short_of(asset: str) -> str:
    """What a base goes by here, from its asset id."""
    return next((str(row["id"]) for row in rows() if row["asset"].casefold() == asset.casefold()), asset)


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """The catalogue, each row with its source and the day it was read."""
    text = files("tuneport_azureml").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["models"])
