"""Several adapters of one base made into one adapter, by peft, in a folder that answers as any tuned model does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuneport.combining import THINNED, Combination
from tuneport.errors import Unsupported, UsageError
from tuneport.files import whole_folder
from tuneport.model import Model
from tuneport_local.adapters.kind import kind_in, settings_in
from tuneport_local.bases import weights
from tuneport_local.jobs.failures import written
from tuneport_local.jobs.trained import has_adapter, stands_on
from tuneport_local.jobs.tuned import tuned_in

_RESULT = "default"
_KINDS = ("lora", "ia3")
"""Those that peft has a sum of."""


def combine(wish: Combination, *, home: Path, provider: str) -> Model:
    """Raises Unsupported for adapters that do not go together, UsageError for a folder that is there already."""
    to = wish.to.expanduser().absolute()
    if to.exists():
        raise UsageError(f"{to} is there already.", remedy="Name a new folder with --to.")
    kind = _refuse_apart(wish)
    base = stands_on(wish.parts[0][0])
    tuned = _together(wish, base, home)
    _add(tuned, wish, kind)
    with written(f"the adapter in {to}"), whole_folder(to) as part:
        tuned.peft_config[_RESULT].base_model_name_or_path = weights.published_name(base)
        tuned.save_pretrained(part, save_embedding_layers=False, selected_adapters=[_RESULT])
        (part / "README.md").write_text(_card(wish, base), encoding="utf-8")
        (part / "run.json").write_text(json.dumps(_run(wish, base), indent=1) + "\n", encoding="utf-8")
    found = tuned_in(str(to), provider=provider)
    assert found is not None
    return found


def _refuse_apart(wish: Combination) -> str:
    """The kind of them all. Raises Unsupported where they have no base, kind or way in common."""
    models = [model for model, _ in wish.parts]
    if whole := next((model for model in models if not has_adapter(model)), None):
        raise Unsupported(f"{whole.uri} is a whole model, not an adapter: only adapters are combined.")
    bases = {stands_on(model) for model in models}
    if len(bases) > 1:
        raise Unsupported(f"adapters of different bases cannot be combined: these stand on {', '.join(sorted(bases))}.")
    kinds = {kind_in(Path(model.path or "")) for model in models}
    if len(kinds) > 1:
        raise Unsupported(f"adapters of different kinds cannot be combined: these are {', '.join(sorted(kinds))}.")
    (kind,) = kinds
    if kind not in _KINDS:
        raise Unsupported(f"adapters of kind {kind!r} cannot be combined; peft has a sum of {' and '.join(_KINDS)} only.")
    if kind == "ia3" and wish.how != "linear":
        raise Unsupported(
            f"factors, as of weights 'ia3', are combined by 'linear' alone, not by {wish.how!r}.", remedy="Add --method linear."
        )
    for model in models:
        _refuse_odd(model)
    return kind


def _refuse_odd(model: Model) -> None:
    folder = Path(model.path or "")
    if (folder / "head.json").is_file():
        raise Unsupported(f"{model.uri} has a head of its own, and heads are not combined.")
    if settings_in(folder).get("use_dora"):
        raise Unsupported(
            f"{model.uri} is of variant 'dora', whose lengths have no sum.", remedy="Merge it instead: tuneport models export"
        )


def _together(wish: Combination, base: str, home: Path) -> Any:
    """The base in fp32 with all of them on it."""
    from tuneport_local.bases.loading import load_adapter

    trusted = any(model.details.get("trust_remote_code") for model, _ in wish.parts)
    tuned = weights.load(base, home=home, dtype="fp32", trust_remote_code=trusted).model
    for number, (model, _) in enumerate(wish.parts):
        tuned = load_adapter(tuned, Path(model.path or ""), device="cpu", name=f"part{number}")
    return tuned


def _add(tuned: Any, wish: Combination, kind: str) -> None:
    import torch

    torch.manual_seed(wish.seed)
    names, shares = [f"part{number}" for number in range(len(wish.parts))], [share for _, share in wish.parts]
    if kind == "ia3":
        tuned.base_model.add_weighted_adapter(names, shares, _RESULT)
        return
    tuned.peft_config[names[0]].use_rslora = False  # the sum is scaled by 1 already, and is made after the first one's settings
    options: dict[str, Any] = {"density": wish.density} if wish.how in THINNED else {}
    try:
        tuned.base_model.add_weighted_adapter(names, shares, _RESULT, combination_type=wish.how, **options)
    except ValueError as error:
        raise Unsupported(f"these adapters cannot be combined by {wish.how!r}: {error}", remedy="Take 'cat' or 'svd'.") from None


def _run(wish: Combination, base: str) -> dict[str, Any]:
    parts = [{"model": model.uri, "weight": share, "recipe_fingerprint": model.recipe_fingerprint} for model, share in wish.parts]
    return {"base": {"id": base, "name": weights.published_name(base)}, "combined": {"how": wish.how, "seed": wish.seed, "parts": parts}}


def _card(wish: Combination, base: str) -> str:
    name = weights.published_name(base)
    rows = "\n".join(f"| {model.uri} | {share:g} |" for model, share in wish.parts)
    front = f"---\nbase_model: {name}\nlibrary_name: peft\n---\n"
    return f"{front}\n# Adapters for {name}, combined\n\nBy {wish.how}, of:\n\n| adapter | weight |\n|---|---|\n{rows}\n"
