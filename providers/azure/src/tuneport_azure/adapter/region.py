"""What the management plane says of a resource: where it stands, and which bases are trained in which tiers there.

The data plane's list of models says neither: `fine_tune` there is not to be trusted for open models (facts of 2026-11-21).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuneport.errors import CredentialsRefused, TuneportError
from tuneport.finding import Finding
from tuneport.replies import object_in
from tuneport_azure.adapter.management import Management, Row

CAPABILITIES = {"fineTune": "standard", "globalFineTune": "global", "devTierFineTune": "developer"}
"""Of a model in the management plane, with the training type that each means (a recorded answer of 2026-06-25)."""
MOST_SHOWN = 8


def region(management: Management, *, wanted: str) -> list[Finding]:
    """The region, and what it offers. What this identity may not see there is no error: it may train all the same."""
    resource = management.resource
    if resource.subscription is None:
        return [
            Finding(
                "region",
                "info",
                "the subscription is not named, so that the region of the resource and what it offers were not looked at.",
                remedy=f"Set subscription and resource_group in [providers.{resource.name}]; deployments need them as well.",
            )
        ]
    try:
        location = management.location
        found = _offered(management)
    except CredentialsRefused as error:
        return [Finding("role", "warning", f"the management plane cannot be looked at: {error.message}", remedy=error.remedy)]
    except TuneportError as error:
        return [Finding("region", "warning", error.message, remedy=error.remedy)]
    return list(_told(found, location=location, resource=resource.resource, wanted=wanted))


def types_of(management: Management, base: str) -> frozenset[str]:
    """In which training types the region trains that base; empty where it does not, or where that cannot be seen."""
    if management.resource.subscription is None:
        return frozenset()
    try:
        found = _offered(management)
    except TuneportError:
        return frozenset()
    return next((types for name, types in found.items() if base.startswith(name)), frozenset())


def _offered(management: Management) -> Mapping[str, frozenset[str]]:
    at = management.account
    return offered(management.rows("listing what the region offers", lambda client: client.accounts.list_models, at.group, at.name))


def offered(models: Iterable[Row]) -> Mapping[str, frozenset[str]]:
    """The training types of each base that has some."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for model in models:
        name = "-".join(str(part) for part in (model.get("name"), _dated(model.get("version"))) if part)
        for capability, value in object_in(model, "capabilities").items():
            if capability in CAPABILITIES and str(value).casefold() == "true":
                found[name].add(CAPABILITIES[capability])
    return {name: frozenset(types) for name, types in found.items()}


def _dated(version: Any) -> str:
    """A version that is a date is part of the name that the data plane has for a base."""
    return version if isinstance(version, str) and version.count("-") == 2 else ""


def _told(found: Mapping[str, frozenset[str]], *, location: str, resource: str, wanted: str) -> Iterator[Finding]:
    if not found:
        yield Finding(
            "region",
            "error",
            f"{resource} stands in {location}, where no model can be fine-tuned: every job would be refused.",
            remedy="Make a resource in another region: tuneport models bases --provider azure",
        )
        return
    named = [f"{name} ({', '.join(sorted(types))})" for name, types in sorted(found.items())]
    more = f" and {len(named) - MOST_SHOWN} more" if len(named) > MOST_SHOWN else ""
    yield Finding("region", "info", f"{resource} stands in {location}; trained there: {', '.join(named[:MOST_SHOWN])}{more}.")
    if not any(wanted in types for types in found.values()):
        usual = sorted(set().union(*found.values()))
        yield Finding(
            "region",
            "warning",
            f"no model is trained as {wanted} in {location}, which is what recipes get there unless they say otherwise.",
            remedy=f"Set training_type in the profile, or in the recipe's options.azure: {' or '.join(usual)}.",
        )
