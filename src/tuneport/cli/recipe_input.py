"""Recipes as the command line gets them: a file, flags, or both; a flag wins over the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.data_files import Columns, FromFormat, open_dataset
from tuneport.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.recipe import Recipe

RECIPE_ENDINGS = frozenset({".toml", ".yaml", ".yml", ".json"})

RecipeOrData = Annotated[Path | None, typer.Argument(metavar="[RECIPE|FILE]", help="A recipe file, or a dataset file to train on.")]
Train = Annotated[Path | None, typer.Option("--train", metavar="FILE", help="The dataset to train on.")]
Validation = Annotated[Path | None, typer.Option("--validation", metavar="FILE", help="The dataset to measure the loss on while training.")]
Base = Annotated[str | None, typer.Option("--base", metavar="MODEL", help="The model to tune.")]
Method = Annotated[
    str | None,
    typer.Option("--method", metavar="NAME", help="How to train: sft, dpo, orpo, kto …; grpo needs a recipe, which names its grader."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", help="Passes over the data.")]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", metavar="X", help="The learning rate after warm-up.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Rows a step.")]
Rank = Annotated[int | None, typer.Option("--rank", metavar="N", help="The rank of the LoRA adapter.")]
Suffix = Annotated[str | None, typer.Option("--suffix", metavar="NAME", help="Goes into the tuned model's name.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed gives the same training.")]


__all__ = ["Columns", "FromFormat", "RecipeFlags", "flags_in", "provider_for", "read_recipe", "with_option"]


@dataclass(frozen=True, slots=True)
class RecipeFlags:
    """What the flags say; None is not given. `format` and `columns` are of the files that other flags name."""

    train: Path | None = None
    validation: Path | None = None
    base: str | None = None
    method: str | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    rank: int | None = None
    suffix: str | None = None
    seed: int | None = None
    format: str | None = None
    columns: Sequence[str] | None = None

    def over(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values of a recipe file with the flags over them."""
        given: dict[str, Any] = {"base": self.base, "suffix": self.suffix, "seed": self.seed}
        named = {"train": self.train, "validation": self.validation}
        if (self.format or self.columns) and not any(named.values()):
            raise UsageError(
                "--format and --column say how a dataset file given here is read, and none is given.",
                remedy="In a recipe file, write train = {path = …, format = …, columns = {…}}.",
            )
        given |= {key: open_dataset(path, format=self.format, columns=self.columns) for key, path in named.items() if path is not None}
        merged = {**values, **{key: value for key, value in given.items() if value is not None}}
        method = self._method(merged.get("method"))
        return {**merged, "method": method} if method is not None else merged

    def _method(self, written: Any) -> Any:
        """The method's table with the flags over it; None when neither says anything."""
        names = ("epochs", "learning_rate", "batch_size")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if (not given and self.rank is None and self.method is None) or not isinstance(written, str | dict | None):
            return written
        table: dict[str, Any] = {"kind": written} if isinstance(written, str) else dict(written or {})
        table |= {"kind": self.method or table.get("kind", "sft"), **given}
        if self.learning_rate is not None:
            table.pop("learning_rate_multiplier", None)
        lora = table.get("lora", {})
        if self.rank is not None and isinstance(lora, dict):  # anything else is for the recipe to refuse
            table["lora"] = {**lora, "rank": self.rank}
        return table


def flags_in(context: typer.Context) -> RecipeFlags:
    """The flags of the command that is running, by the names its signature gives them."""
    return RecipeFlags(**{name: context.params.get(name) for name in (field.name for field in fields(RecipeFlags))})


def read_recipe(source: Path | None, flags: RecipeFlags) -> Recipe:
    """The recipe that a file and flags make together. A dataset file in the recipe's place is what to train on.

    Raises RecipeError and DatasetError, naming the file.
    """
    from tuneport.recipe import Recipe, read_values

    if source is not None and source.suffix.lower() not in RECIPE_ENDINGS:
        if flags.train is not None:
            raise UsageError(f"both {source} and --train {flags.train} are given; one of them is to be trained on.")
        return read_recipe(None, replace(flags, train=source))
    if source is None:
        _demand(flags)
        return Recipe.parse(flags.over({}))
    try:
        values = read_values(source)
        if not isinstance(values, dict):
            remedy = f"If it is a dataset, write: --train {source}"
            raise RecipeError(f"a recipe is a table of keys, not a {type(values).__name__}.", remedy=remedy)
        return Recipe.parse(flags.over(values), folder=source.parent)
    except RecipeError as error:
        raise RecipeError(f"{source}: {error.message}", remedy=error.remedy) from None


def with_option(recipe: Recipe, name: str, value: Any, *, provider: str) -> Recipe:
    """The recipe with a setting of one provider, which knows it or refuses it by its name."""
    table = {**recipe.options.get(provider, {}), name: value}
    return recipe.model_copy(update={"options": {**recipe.options, provider: table}})


def _demand(flags: RecipeFlags) -> None:
    """Without a recipe file at least the data and the model must be named."""
    missing = [flag for flag, value in (("--train FILE", flags.train), ("--base MODEL", flags.base)) if value is None]
    if missing:
        raise UsageError(
            f"neither a recipe file nor {' and '.join(missing)} is given.",
            remedy="Name a recipe file, or a dataset file with --base MODEL.",
        )


def provider_for(recipe: Recipe, given: str | None, *, client: Client) -> str:
    """Where to train: as given, else the only provider that the recipe names, else the only one installed. Raises UsageError."""
    if given is not None:
        return given
    if isinstance(recipe.base, dict) and len(recipe.base) == 1:
        return next(iter(recipe.base))
    usable = [info.name for info in client.providers() if info.problem is None]
    if len(usable) == 1:
        return usable[0]
    named = sorted(recipe.base) if isinstance(recipe.base, dict) else usable
    possible = ", ".join(named) or "no provider is installed"
    raise UsageError(f"it is not said where to train; possible: {possible}.", remedy="Add --provider NAME.")
