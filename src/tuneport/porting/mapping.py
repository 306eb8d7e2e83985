"""From what was found to the recipe for the destination: base, method, settings, rows; each change with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError, Unsupported, UsageError
from tuneport.examples import Kind
from tuneport.last_days import base_name
from tuneport.limits import providers as limited_providers
from tuneport.limits import suffix_problem, target
from tuneport.methods import METHOD_CLASSES
from tuneport.porting.bases import ChosenBase, choose_base
from tuneport.porting.held_out import HeldOut, hold_out, of_ones_own
from tuneport.porting.settings import Change, Terms, in_our_words, translated
from tuneport.porting.source import Source
from tuneport.porting.work import Work
from tuneport.provider import Capability

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.losses import Loss
    from tuneport.recipe import Recipe

RECIPE = "recipe.json"
OF_VALIDATION = " (validation)"
_METHODS: Mapping[Kind, str] = {"chat": "sft", "labelled": "sft", "preference": "dpo", "prompt": "grpo"}
"""What rows are learned by where nobody says."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """`recipe` for the destination, its `changes`, other bases that would do, and the rows to compare on, with what has to be known of
    them."""

    recipe: Recipe
    changes: tuple[Change, ...]
    others: tuple[str, ...]
    held_out: Dataset | None
    sentence: str
    cautions: tuple[str, ...] = ()


def mapped(source: Source, train: Dataset, *, work: Work) -> Mapped:
    """The recipe, in the port's folder. From the submit on it stays as it was, whatever the catalogue says by then.

    Raises UsageError, Unsupported where the destination does not train that way, DatasetError.
    """
    if not (work.journal.done("map") and work.journal.facts("submit")):
        _map(source, train, work)
    facts = work.journal.facts("map")
    from tuneport.dataset import Dataset
    from tuneport.recipe import Recipe

    wishes, kept = work.wishes, facts.get("held_out")
    own = wishes.test
    rows = own or (None if kept is None else Dataset.from_reference(kept))
    changes = tuple(Change(**change) for change in facts["changes"])
    recipe = Recipe.load(work.folder / RECIPE)
    wished = next((change.was for change in changes if change.setting == "epochs"), recipe.method.epochs)
    if work.journal.facts("submit") and wishes.epochs not in (None, wished, recipe.method.epochs):
        raise UsageError(
            f"this port was submitted with {recipe.method.epochs} epochs, not {wishes.epochs}.", remedy="Leave --epochs out to go on."
        )
    sentence, cautions = str(facts["compared"]), tuple(facts.get("cautions", ()))
    if own is not None and wishes.ask:
        known = of_ones_own(own, recipe.train)
        sentence, cautions = known.sentence, known.cautions
    found = Mapped(recipe, changes, tuple(facts["others"]), rows, sentence, cautions)
    work.say("map", *_lines(found, work), facts={name: facts[name] for name in ("base", "method", "changes", "others", "compared")})
    return found


def _map(source: Source, train: Dataset, work: Work) -> None:
    from tuneport.recipe import Recipe

    method, base = _aim(source, train, work)
    values, changes = _settings(source, method, base, work)
    suffix, about_suffix = _suffix(source.suffix, base, method, work)
    seed, about_seed = _seed(source.seed, work)
    options, about_options = _options(source, work)
    held, validation, read_losses = _rows(source, train, work)
    rows = {"train": held.train, "validation": validation}
    named = {"suffix": suffix, "seed": seed, "options": options}
    recipe = Recipe.parse({"base": {work.wishes.to: base.id}, "method": {"kind": method, **values}, **rows, **named})
    recipe.save(work.folder / RECIPE)
    told = (
        Change("base", source.base, base.id, base.why + _of_a_tune(source.base)),
        Change("method", method, method, "kept" if source.method else "what such rows are learned by"),
        *(*changes, *about_suffix, *about_seed, *about_options),
    )
    work.journal.finish(
        "map",
        {
            "base": base.id,
            "same_weights": base.same,
            "method": method,
            "changes": [{"setting": c.setting, "was": c.was, "becomes": c.becomes, "why": c.why} for c in told],
            "others": base.others,
            "held_out": held.rows.reference() if held.rows is not None else None,
            "compared": held.sentence,
            "cautions": held.cautions,
            "recipe_fingerprint": recipe.fingerprint,
            "dataset_fingerprint": held.train.fingerprint,
            "read_losses": [{"kind": kind, "rows": rows} for kind, rows in read_losses],
        },
    )


def _aim(source: Source, train: Dataset, work: Work) -> tuple[str, ChosenBase]:
    """The method and the base. Raises Unsupported, with the destination's reason, where it does not train so."""
    to, method = work.wishes.to, source.method or _METHODS[train.kind]
    if method not in METHOD_CLASSES:
        raise Unsupported(f"{source.uri} was trained by {method}, which is not built into recipes yet.")
    base = choose_base(source, method=method, work=work)
    support = work.client.trainer(to).support(Capability.TRAIN, method=method, base=base.id)
    if not support:
        raise Unsupported(f"{to} does not train {base.id} by {method}: {support.reason}.", remedy="Carry it elsewhere: tuneport watch")
    return method, base


def _rows(source: Source, train: Dataset, work: Work) -> tuple[HeldOut, Dataset | None, list[tuple[str, int]]]:
    """The rows to learn from and to compare on, and those to validate on, in the port's folder; and what was lost in reading them, with how
    many rows lost it."""
    folder, test = work.folder / "data", work.wishes.test
    rows, losses = _kept(train, folder / "train.jsonl")
    lost = [(loss.kind, loss.rows) for loss in losses]
    validation = None
    if source.validation is not None:
        validation, more = _kept(source.validation, folder / "validation.jsonl")
        lost += [(f"{loss.kind}{OF_VALIDATION}", loss.rows) for loss in more]
    held = hold_out(rows, validation, wishes=work.wishes)
    if test is not None:
        held = replace(held, rows=_kept(test, folder / "test.jsonl")[0])
    return held, validation, lost


def _options(source: Source, work: Work) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """Those of the destination are kept; another provider's mean nothing there."""
    options = (source.recipe or {}).get("options", {})
    dropped = {name: table for name, table in options.items() if name != work.wishes.to and table}
    changes = tuple(Change(f"options.{name}", table, None, f"settings of {name} only") for name, table in dropped.items())
    return {name: table for name, table in options.items() if name == work.wishes.to}, changes


def _of_a_tune(base: str | None) -> str:
    """What is lost where the old job went on from an earlier tune."""
    return "; the old base was a tune itself, and what that had learned is not in these rows" if base and base_name(base) != base else ""


def _settings(source: Source, method: str, base: ChosenBase, work: Work) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """The method's settings. What somebody chose stands in the recipe; else all that is known is what the provider used."""
    written = (source.recipe or {}).get("method")
    used = in_our_words(source.used, method=method)
    values = {"kind": written} if isinstance(written, str) else dict(written or {})
    chosen = source.recipe is not None
    if not chosen:
        values = used
    elif values.get("epochs", "auto") == "auto" and isinstance(used.get("epochs"), int):
        values["epochs"] = used["epochs"]
    if work.wishes.epochs is not None:
        values["epochs"] = work.wishes.epochs
    if method == "grpo" and "grader" not in values:
        raise RecipeError(
            f"{source.uri} was trained by reinforcement, and its grader is not known.",
            remedy="Write a recipe with the grader and submit it: tuneport submit RECIPE",
        )
    terms = Terms(work.destination(work.wishes.to, base.id), work.destination(source.provider, source.base), base.same, chosen)
    return translated(values, method=method, terms=terms)


def _suffix(suffix: str | None, base: ChosenBase, method: str, work: Work) -> tuple[str | None, tuple[Change, ...]]:
    """Cut, and without the letters, that the destination does not take."""
    vendor = work.vendor(work.wishes.to, limited_providers())
    if suffix is None or vendor is None:
        return suffix, (Change("suffix", suffix, suffix, "kept"),) if suffix else ()
    limits = target(f"{vendor}:{base.id}", method=method).limits
    problem = suffix_problem(suffix, limits)
    if problem is None:
        return suffix, (Change("suffix", suffix, suffix, "kept"),)
    plain = "".join("-" if letter in (limits.suffix_without or "") else letter for letter in suffix)
    fitting = plain[: limits.max_suffix_chars].rstrip("-._") or None
    return fitting, (Change("suffix", suffix, fitting, problem.rstrip(".")),)


def _seed(seed: int | None, work: Work) -> tuple[int, tuple[Change, ...]]:
    there = work.destination(work.wishes.to)
    if not seed or not 0 <= seed < 2**31:
        return 0, ()
    if there is not None and not there.seed:
        return 0, (Change("seed", seed, 0, f"{there.provider} takes none"),)
    return seed, (Change("seed", seed, seed, "kept; another provider's chance is another one all the same"),)


def _kept(rows: Dataset, path: Path) -> tuple[Dataset, tuple[Loss, ...]]:
    """The rows in our own form, which holds all there is, in the port's folder; and what was lost in reading them."""
    from tuneport.dataset import Dataset

    if rows.count() == 0:
        raise UsageError(f"{rows.name} holds no rows.")
    report = rows.write(path, format="canonical")
    return Dataset.read(path, format="canonical"), report.losses


def _lines(found: Mapped, work: Work) -> tuple[str, ...]:
    others = [f"other bases there: {', '.join(found.others)} (--base)"] if found.others and work.wishes.base is None else []
    return (*(_line(change) for change in found.changes), *others, found.sentence)


def _line(change: Change) -> str:
    if change.kept:
        return f"{change.setting}: {shown(change.was)}, {change.why}"
    return f"{change.setting}: {shown(change.was)} -> {shown(change.becomes)}: {change.why}"


def shown(value: Any) -> str:
    """A value of a recipe for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(inner)}" for name, inner in value.items())
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
