"""Training on from a tune: the recipe's base names a tuned model of ours, or a folder with an adapter. Imports no torch.

The same adapter is trained on, over the base it was trained on, so the recipe may not ask for another kind of adapter or another size. Its
files go with the job, so that the earlier job may be deleted. Of a whole model the new job takes the folder as its base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneport.errors import RecipeError, UnknownModel, Unsupported
from tuneport.model import Model
from tuneport.tuned_weights import IA3, OFT, LNTuning, LoRA, PrefixTuning, PromptTuning, VeRA, Weights
from tuneport_local.adapters.header import refuse_damaged
from tuneport_local.adapters.kind import kind_in, settings_in
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.named import tuned_named
from tuneport_local.jobs.trained import has_adapter, is_adapter

if TYPE_CHECKING:
    from tuneport.methods import Training
    from tuneport.plan import Plan, PlannedFile
    from tuneport.recipe import Recipe

WEIGHTS, SETTINGS = "continued", "continued_settings"
"""The purposes of an earlier adapter's two files, among those of a job."""
_FREE = frozenset({"kind", "quantize", "text"})
"""What a recipe may say of an adapter that it goes on from: how the base is held, what a prompt would have begun as."""
_FILES = {WEIGHTS: "adapter_model.safetensors", SETTINGS: "adapter_config.json"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is trained on from: the tuned model, and what is to be loaded as the base. `adapter` is its folder, None for a whole model."""

    model: Model
    base: str
    adapter: Path | None


def earlier_tune(name: str, *, jobs: Jobs, provider: str) -> Earlier | None:
    """What a recipe's base means where it names a tune; None where it is a base. Raises UnknownModel for one that cannot be trained on."""
    model = tuned_named(name.removeprefix(f"{provider}:"), jobs=jobs, provider=provider)
    if model is None:
        return None
    folder = Path(model.path or "")
    if not has_adapter(model):
        return Earlier(model, str(folder), None)
    if not is_adapter(folder):
        raise UnknownModel(f"{folder} holds no adapter_model.safetensors.", remedy="Name a finished job, or a folder with a PEFT adapter.")
    if (folder / "head.json").is_file():
        raise Unsupported(f"{model.uri} has a head of its own, and going on from one is not built for the local backend yet.")
    refuse_damaged(folder)
    return Earlier(model, model.base or "", folder)


def going_on(recipe: Recipe, earlier: Earlier) -> Recipe:
    """The recipe with the kind and the size of the adapter that it goes on from. Raises RecipeError where it asks for others."""
    if earlier.adapter is None:
        return recipe
    kind, settings = kind_in(earlier.adapter), settings_in(earlier.adapter)
    if kind not in _SAID:
        raise Unsupported(f"{earlier.model.uri} is an adapter of kind {kind}, which the local backend does not train.")
    said = _SAID[kind](settings)
    _refuse_other(recipe.method, kind, said, named=earlier.model.uri)
    table: dict[str, Any] = {"weights": None, "lora": said} if isinstance(said, LoRA) else {"weights": said, "lora": LoRA()}
    if isinstance(said, LoRA) and recipe.method.lora.quantize is not None:
        table["lora"] = said.model_copy(update={"quantize": recipe.method.lora.quantize})
    return recipe.model_copy(update={"method": recipe.method.model_copy(update=table)})


def carried(plan: Plan, earlier: Earlier, recipe: Recipe) -> Plan:
    """The plan for a recipe that goes on from `earlier`, with the recipe as it was given and the adapter's files."""
    (request,) = plan.requests
    body, files, what = {**request.body, "continues": earlier.model.uri}, plan.files, "all of it is the base"
    if earlier.adapter is not None:
        files = (*files, *(_file(earlier.adapter / name, purpose) for purpose, name in _FILES.items()))
        body["files"] = {file.purpose: f"{{file:{file.purpose}}}" for file in files}
        what = f"its adapter is trained on, over {earlier.base}"
    return replace(
        plan,
        requests=(replace(request, body=body),),
        files=files,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        notes=(*plan.notes, f"goes on from {earlier.model.uri}: {what}"),
    )


def _file(path: Path, purpose: str) -> PlannedFile:
    from tuneport.plan import PlannedFile

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

    return PlannedFile.from_chunks(chunks, purpose=purpose, rows=0, suffix=path.suffix)


# --- what an adapter is, in a recipe's words ---------------------------------------------------------------------------------------------


def _lora(settings: Mapping[str, Any]) -> LoRA:
    scaled: Literal["plain", "rslora"] = "rslora" if settings.get("use_rslora") else "plain"
    variant: Literal["plain", "rslora", "dora"] = "dora" if settings.get("use_dora") else scaled
    dropout = settings.get("lora_dropout") or 0.0
    return LoRA(rank=settings["r"], alpha=settings["lora_alpha"], dropout=dropout, targets=_targets(settings), variant=variant)


_SAID: Mapping[str, Callable[[Mapping[str, Any]], Weights | LoRA]] = {
    "lora": _lora,
    "ia3": lambda settings: IA3(),
    "prompt": lambda settings: PromptTuning(tokens=settings["num_virtual_tokens"]),
    "prefix": lambda settings: PrefixTuning(tokens=settings["num_virtual_tokens"]),
    "oft": lambda settings: OFT(block=settings["oft_block_size"], targets=_targets(settings)),
    "vera": lambda settings: VeRA(rank=settings["r"], targets=_targets(settings)),
    "ln": lambda settings: LNTuning(),
}


def _targets(settings: Mapping[str, Any]) -> tuple[str, ...]:
    named = settings.get("target_modules") or ()
    return (named,) if isinstance(named, str) else tuple(sorted(named))


def _refuse_other(method: Training, kind: str, said: Weights | LoRA, *, named: str) -> None:
    asked = method.lora if method.weights is None else method.weights
    wanted = "lora" if method.weights is None else method.weights.kind
    if wanted != kind and (method.weights is not None or method.lora != LoRA()):
        raise _conflict(f"weights {wanted!r}", named, f"is an adapter of kind {kind!r}")
    for name in sorted(asked.model_fields_set - _FREE) if wanted == kind else ():
        value, has = getattr(asked, name), getattr(said, name)
        if value not in ("auto", "all-linear", has):
            raise _conflict(f"{name} {value}", named, f"has {has}")


def _conflict(asked: str, named: str, has: str) -> RecipeError:
    return RecipeError(
        f"the recipe asks for {asked}, and {named}, whose adapter is trained on, {has}.",
        remedy="Leave lora and weights out of the recipe, or name the base to begin a new adapter.",
    )
