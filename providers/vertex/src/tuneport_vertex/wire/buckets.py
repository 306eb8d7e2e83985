"""Addresses in Cloud Storage, and whether a bucket lies where a tuning runs. Pure.

Locations of buckets: cloud.google.com/storage/docs/locations (predefined dual-regions; read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.errors import NotFound

SCHEME = "gs://"
OURS = re.compile(r"(?:.*/)?tuneport-[0-9a-f]{32}(?:\.\w{1,10})?")
"""The names of objects that were uploaded from here."""
_ADDRESS = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.+)", re.DOTALL)
_DUAL: Mapping[str, frozenset[str]] = {
    "nam4": frozenset({"us-central1", "us-east1"}),
    "eur4": frozenset({"europe-north1", "europe-west4"}),
    "eur5": frozenset({"europe-west1", "europe-west2"}),
    "eur7": frozenset({"europe-west2", "europe-west3"}),
    "eur8": frozenset({"europe-west3", "europe-west6"}),
    "asia1": frozenset({"asia-northeast1", "asia-northeast2"}),
}
_MULTI: Mapping[str, str] = {"us": "us-", "eu": "europe-", "asia": "asia-"}


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """An object: its bucket, and its name there."""

    bucket: str
    name: str

    @classmethod
    def of(cls, text: str) -> ObjectAddress:
        """From gs://BUCKET/NAME. Raises NotFound for any other text: there is no such object."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise NotFound(f"{text!r} is no address in Cloud Storage.", remedy="It looks like gs://BUCKET/NAME.")
        return cls(found[1], found[2])

    @property
    def uri(self) -> str:
        """As Vertex AI and gcloud write it."""
        return f"{SCHEME}{self.bucket}/{self.name}"

    @property
    def is_ours(self) -> bool:
        """Whether its name is one of those that uploads from here have."""
        return OURS.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where a bucket's objects lie: a region, a multi-region, or the `parts` of a dual one. In small letters."""

    location: str
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> BucketPlace | None:
        """From the bucket as storage describes it; None where it does not say."""
        location = resource.get("location")
        if not isinstance(location, str) or not location:
            return None
        placed = resource.get("customPlacementConfig")
        named: Sequence[Any] = placed.get("dataLocations") or () if isinstance(placed, Mapping) else ()
        return cls(location.lower(), tuple(str(each).lower() for each in named))

    def holds(self, tuning: str) -> bool:
        """Whether a tuning in that location reads from its own region. One that runs anywhere (`global`) reads from everywhere."""
        if tuning == "global" or tuning in self.regions:
            return True
        begins = _MULTI.get(self.location)
        if begins is not None and not self.parts:
            return tuning == self.location or tuning.startswith(begins)
        return tuning in _MULTI and all(region.startswith(_MULTI[tuning]) for region in self.regions)

    @property
    def regions(self) -> frozenset[str]:
        """The regions by name, as far as they are known."""
        return frozenset(self.parts) or _DUAL.get(self.location, frozenset({self.location}))

    def __str__(self) -> str:
        return f"{self.location} ({', '.join(sorted(self.regions))})" if len(self.regions) > 1 else next(iter(self.regions))
