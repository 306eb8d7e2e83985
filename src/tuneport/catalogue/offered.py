"""The catalogue's bases as a provider offers them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from tuneport.catalogue.entry import Base
from tuneport.provider import BaseModel


def offered(bases: Iterable[Base], *, on: date) -> tuple[BaseModel, ...]:
    """Those that are not closed on that day, the end of each in its note."""
    found = [(base, base.availability(on=on)) for base in bases]
    return tuple(
        BaseModel(
            base.id,
            methods=base.methods,
            context_tokens=base.context_tokens,
            size_parameters=int(base.parameters_b * 10**9) if base.parameters_b else None,
            note="; ".join(filter(None, (availability.sentence, base.note))),
        )
        for base, availability in found
        if availability.word != "closed"
    )
