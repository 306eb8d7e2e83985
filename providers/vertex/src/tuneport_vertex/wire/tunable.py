"""Which base a job names, whether it is tuned in this region and until when, and as what. Dates and regions are the catalogue's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from tuneport.catalogue import Base, catalogue, nearest
from tuneport.errors import NotFound, RecipeError, UnknownModel, Unsupported
from tuneport_vertex.wire.bases import generation_of, is_gemini, short_base
from tuneport_vertex.wire.hyperparameters import Kind
from tuneport_vertex.wire.ids import Located, ResourceName, is_resource, resource
from tuneport_vertex.wire.options import VertexOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDER = "vertex"
"""As the catalogue, the price book and the table of limits call it."""
METHODS = ("sft", "dpo", "grpo")
OF_OPEN_MODELS = ("mode", "output_uri", "custom_base_model")
"""Options that no Gemini takes."""
PLACES = 4
"""How many other places are named where a job cannot be had."""


@dataclass(frozen=True, slots=True)
class Tunable:
    """What a job begins from: a publisher's base (`known`), or a tuned model (`tuned`) whose base the service knows.

    `id` is what the plan names as the base.
    """

    id: str
    kind: Kind
    known: Base | None = None
    tuned: ResourceName | None = None

    @property
    def limits_of(self) -> str:
        """Whose limits its rows have to keep to. A tuned model can only be one of Gemini's: those of the newest hold."""
        return self.known.id if self.known is not None else newest_gemini()

    @property
    def generation(self) -> float:
        return generation_of(self.id) if self.known is not None else 0.0

    def body(self) -> dict[str, Any]:
        """The keys of a job that name it."""
        if self.tuned is None:
            return {"baseModel": self.id}
        checkpoint = {"checkpointId": self.tuned.checkpoint} if self.tuned.checkpoint else {}
        return {"preTunedModel": {"tunedModelName": self.tuned.full} | checkpoint}


def tunable(name: str, *, place: Located, method: str, options: VertexOptions, on: date) -> Tunable:
    """What the recipe's base means there. `name` may be an alias, a full publisher's name, a URI of the profile, or a tuned model of its.

    Raises UnknownModel, and Unsupported for a method that the base does not take, a region that does not tune it, and a base that is not
    tuned any more on that day.
    """
    name = name.removeprefix(f"{place.name}:")
    if is_resource(name) or name.startswith("models/"):
        return Tunable(*_tuned(name, place=place, options=options))
    base = catalogue().demand(short_base(name), provider=PROVIDER)
    if method not in base.methods:
        raise Unsupported(f"{base.id} is not trained by {method} at Vertex AI.", remedy=_trained_by(method, on=on))
    availability = base.availability(on=on)
    if availability.word == "closed":
        raise Unsupported(
            f"{base.id} cannot be tuned at Vertex AI any more: {availability.sentence}.", remedy=_elsewhere(base, method, on=on)
        )
    if base.regions and place.location not in base.regions:
        raise Unsupported(
            f"{base.id} is not tuned in {place.location}, but in {', '.join(base.regions)} ({base.source}).",
            remedy=f'Give it a profile: [providers.NAME] with provider = "vertex" and location = "{_close(place, base.regions)}".',
        )
    return Tunable(base.id, _kind(base, options), known=base)


def _tuned(name: str, *, place: Located, options: VertexOptions) -> tuple[str, Kind, None, ResourceName]:
    try:
        found = resource(place, name, kind="models")
    except NotFound as error:
        raise UnknownModel(error.message, remedy=error.remedy) from None
    wrong = next((each for each in OF_OPEN_MODELS if getattr(options, each) is not None), None)
    if wrong is not None:
        raise RecipeError(f"options: {wrong} is said of open models, and a tuned model that is trained further is a Gemini.")
    return found.public, Kind(gemini=True, distilled=options.teacher is not None), None, found


def _kind(base: Base, options: VertexOptions) -> Kind:
    distilled = options.teacher is not None
    if is_gemini(base.id) or "@" not in base.id:
        wrong = next((name for name in OF_OPEN_MODELS if getattr(options, name) is not None), None)
        if wrong is not None:
            raise RecipeError(f"options: {wrong} is said of open models, and {base.id} is none.")
        return Kind(gemini=True, distilled=distilled)
    offered = {"lora": "adapter", "full": "full"}
    modes = [offered[each] for each in base.weights if each in offered]
    mode = options.mode or (modes[0] if modes else "adapter")
    if modes and mode not in modes:
        raise Unsupported(
            f"{base.id} is tuned as {' or '.join(modes)} only ({base.source}), not as {mode}.", remedy="Change options.vertex.mode."
        )
    return Kind(gemini=False, full=mode == "full", distilled=distilled)


def newest_gemini() -> str:
    """The first of the catalogue."""
    return next(base.id for base in catalogue().of(PROVIDER) if is_gemini(base.id))


def _close(place: Located, regions: Sequence[str]) -> str:
    """The first that lies on the same continent, else the first."""
    return next((region for region in regions if region.partition("-")[0] == place.location.partition("-")[0]), regions[0])


def trained_today(method: str, *, on: date) -> list[Base]:
    """The bases that take the method on that day."""
    return [base for base in catalogue().of(PROVIDER) if method in base.methods and base.availability(on=on).word != "closed"]


def _trained_by(method: str, *, on: date) -> str:
    today = [base.id for base in trained_today(method, on=on)]
    return f"Bases for {method}: {', '.join(today)}." if today else f"No base of Vertex AI is trained by {method} on {on}."


def _elsewhere(base: Base, method: str, *, on: date) -> str:
    """Newer bases here first, then other places."""
    today = [each.uri for each in trained_today(method, on=on) if is_gemini(each.id) == is_gemini(base.id)]
    named = [*today[:PLACES], *(found.uri for found in _places(base, method, on=on))][:PLACES]
    return f"The same data can go to {', '.join(named)}. Compare them: tuneport quote RECIPE" if named else "See: tuneport quote RECIPE"


def _places(base: Base, method: str, *, on: date) -> Iterator[Base]:
    for provider in catalogue().providers():
        if provider != PROVIDER:
            found = (each.base for each in nearest(base, provider) if method in each.base.methods)
            yield from (each for each in [next((one for one in found if one.availability(on=on).word != "closed"), None)] if each)
