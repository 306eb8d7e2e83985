"""Recipes: what to train, said once and for every provider. A pydantic model; TOML, YAML or JSON on disk."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic.json_schema import WithJsonSchema

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError, TuneportError
from tuneport.files import write_text
from tuneport.graders import with_sources
from tuneport.methods import DPO, GRPO, KTO, METHODS, ORPO, SFT, Classify, EarlyStopping, Method, Regress, Reward
from tuneport.recipe_table import RecipeTable
from tuneport.tuned_weights import Auto, LoRA

__all__ = [
    "DPO",
    "GRPO",
    "KTO",
    "METHODS",
    "ORPO",
    "SFT",
    "Auto",
    "Classify",
    "EarlyStopping",
    "LoRA",
    "Method",
    "Recipe",
    "Regress",
    "Reward",
]

ENDINGS = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
"""Of recipe files, with the format of each."""


def _to_dataset(value: Any) -> Any:
    if isinstance(value, Dataset) or value is None:
        return value
    try:
        return Dataset.from_reference(value)
    except DatasetError as error:
        raise ValueError(str(error)) from None


_reference = PlainSerializer(lambda value: value.reference() if isinstance(value, Dataset) else None)
_schema = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "description": "path of a dataset file"},
            {"type": "object", "description": "path, format, columns, split"},
        ]
    }
)
DatasetField = Annotated[Dataset, BeforeValidator(_to_dataset), _reference, _schema]


_Name = Annotated[str, Field(min_length=1)]


class Recipe(RecipeTable):
    """What to train: base model, method, data.

    base        one name, or one per provider: {"local": "smollm2-135m-instruct", "azure": "gpt-4.1-mini"}
    method      'sft' or its settings
    train       a Dataset, a path, or {path, format, columns, split}; validation likewise
    suffix      goes into the tuned model's name where the provider allows it
    options     settings of one provider only, by provider name; that provider checks them
    """

    base: _Name | Annotated[dict[str, _Name], Field(min_length=1)]
    method: Method = Field(default_factory=SFT)
    train: DatasetField
    validation: DatasetField | None = None
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def base_for(self, provider: str) -> str:
        """The base to tune at `provider`. Raises RecipeError when `base` names other providers only."""
        if isinstance(self.base, str):
            return self.base
        if provider in self.base:
            return self.base[provider]
        raise RecipeError(
            f"the recipe names no base model for {provider!r}, only for {', '.join(sorted(self.base)) or 'nobody'}.",
            remedy=f"Add {provider} to `base`.",
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready. Datasets become references (path, format, split …)."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def fingerprint(self) -> str:
        """sha256 of the recipe with the datasets' fingerprints in place of their paths: equal on every machine that has the same rows."""
        what = self.to_dict()
        what["train"] = self.train.fingerprint
        if self.validation is not None:
            what["validation"] = self.validation.fingerprint
        return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def parse(cls, values: Any, *, folder: Path | None = None) -> Recipe:
        """A recipe from JSON-like data. Relative dataset paths are taken from `folder`. Raises RecipeError."""
        if not isinstance(values, dict):
            raise RecipeError(f"a recipe is a table of keys, not a {type(values).__name__}.")
        values = {str(key): value for key, value in values.items()}
        for key in ("train", "validation"):
            if values.get(key) is not None and not isinstance(values[key], Dataset):
                try:
                    values[key] = Dataset.from_reference(values[key], folder=folder)
                except DatasetError as error:
                    raise RecipeError(f"{key}: {error}") from None
        if folder is not None and isinstance(method := values.get("method"), dict) and "grader" in method:
            values["method"] = {**method, "grader": with_sources(method["grader"], folder=folder)}
        return cls(**values)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Reads a .toml, .yaml/.yml or .json file. Raises RecipeError naming the file."""
        path = Path(path)
        try:
            return cls.parse(read_values(path), folder=path.parent)
        except RecipeError as error:
            raise RecipeError(f"{path}: {error.message}", remedy=error.remedy) from None

    def save(self, path: str | Path) -> Path:
        """Writes the recipe in the format of the file's ending. Raises RecipeError when a dataset exists in memory only."""
        path = Path(path)
        write = _WRITERS[_kind(path)]
        for key, dataset in (("train", self.train), ("validation", self.validation)):
            if dataset is not None and dataset.in_memory:
                raise RecipeError(
                    f"{key}: the dataset {dataset.name!r} exists in memory only, so that a recipe file cannot name it.",
                    remedy="Write it to a file with dataset.write(path), and read that.",
                )
        return write_text(path, write(self.to_dict()))


def _kind(path: Path) -> str:
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise RecipeError(f"{path.name!r} has the ending {path.suffix!r}; a recipe is a .toml, .yaml, .yml or .json file.")
    return kind


def read_values(path: Path) -> Any:
    """What a recipe file says, not yet checked as a recipe. Raises RecipeError without naming the file."""
    kind = _kind(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError("no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot be read: {error}.") from None
    try:
        return _READERS[kind](text)
    except TuneportError:
        raise
    except Exception as error:  # the three parsers have no error class in common
        raise RecipeError(f"is not valid {kind.upper()}: {_said(error)}.") from None


def _said(error: Exception) -> str:
    """What a parser found, on one line and without the piece of the file that YAML's shows."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def _read_yaml(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


def _write_yaml(values: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _write_toml(values: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(values)


def _write_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


_READERS: dict[str, Callable[[str], Any]] = {"toml": tomllib.loads, "yaml": _read_yaml, "json": json.loads}
_WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {"toml": _write_toml, "yaml": _write_yaml, "json": _write_json}
