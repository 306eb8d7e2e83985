"""Ids as Tuneport shows them: `RESOURCE/ftjob-…`, since two resources know nothing of each other. Files keep the vendor's."""

from __future__ import annotations

from tuneport.errors import NotFound

DEPLOYMENTS = "deployments"


def public(resource: str, bare: str) -> str:
    """The id with its resource."""
    return f"{resource}/{bare}"


def bare(resource: str, given: str, *, profile: str) -> str:
    """The vendor's own id of something in `resource`; one without a resource is taken to be of this. Raises NotFound for another's."""
    first, slash, rest = given.partition("/")
    if not slash or first == DEPLOYMENTS:
        return given
    if first.casefold() != resource.casefold():
        raise NotFound(
            f"{given} belongs to the resource {first}, and {profile} is set up for {resource}.",
            remedy=f'Give {first} a profile of its own: [providers.NAME] provider = "azure", endpoint = "https://{first}.openai.azure.com"',
        )
    return rest
