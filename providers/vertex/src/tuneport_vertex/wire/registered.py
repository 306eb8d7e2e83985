"""A model of the registry, and the tuned model that it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tuneport.model import Model
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.bases import is_gemini, short_base
from tuneport_vertex.wire.labels import DATA, OURS, RECIPE, unpacked
from tuneport_vertex.wire.tunes import answering

TUNED = frozenset({"GENIE", "MODEL_GARDEN"})
"""Where tuned models of the registry come from, as the service words it (ModelSourceInfo of aiplatform_v1, 2.7.0)."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a model. `name` is its full name without the version; `endpoints` are the full names of those that serve it."""

    name: str
    version: str = ""
    display_name: str = ""
    base: str = ""
    source: str = ""
    endpoints: tuple[str, ...] = ()
    weights: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    checkpoints: tuple[str, ...] = ()
    default_checkpoint: str = ""

    @property
    def full(self) -> str:
        """The name with the version."""
        return f"{self.name}@{self.version}" if self.version else self.name

    @property
    def tuned(self) -> bool:
        """Whether it was tuned: by its base and source, or by a label of ours."""
        ours = any(name.startswith(OURS) for name in self.labels)
        return ours or (bool(self.base) and (self.source in TUNED or is_gemini(self.base)))


def model_of(place: ids.Located, found: Registered, *, checkpoint: str = "") -> Model:
    """What the registry tells of a tuned model or of a checkpoint of it, where nobody knows its job; its first endpoint is the one."""
    public = ids.public(place, found.full, checkpoint=checkpoint)
    base = short_base(found.base) if found.base else None
    endpoint = found.endpoints[0] if found.endpoints else ""
    labels = {name: value for name, value in found.labels.items() if not name.startswith(OURS)}
    details = {
        "endpoint": answering(place, endpoint, base) if endpoint else None,
        "weights": found.weights if base and not is_gemini(base) else None,
        "display_name": found.display_name,
        "labels": labels,
    }
    return Model(
        uri=f"{place.name}:{public}",
        provider=place.name,
        id=public,
        base=base,
        kind="tuned" if found.tuned else "registered",
        recipe_fingerprint=unpacked(found.labels.get(RECIPE)),
        dataset_fingerprint=unpacked(found.labels.get(DATA)),
        created_at=found.created_at,
        checkpoints=() if checkpoint else tuple(f"{public}#{each}" for each in found.checkpoints),
        details={key: value for key, value in details.items() if value},
    )
