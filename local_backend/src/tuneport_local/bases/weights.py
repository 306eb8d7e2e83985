"""Base models by id: where their weights are, and loading them. Resolving needs no torch; loading does.

An id is a name of the catalogue, a folder in the layout of transformers, or a repository of the hub (`owner/name`). Weights are read from
safetensors only.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tuneport.errors import UnknownModel, Unreachable
from tuneport.provider import BaseModel
from tuneport_local.bases import embedded, hub
from tuneport_local.bases.brought import brought
from tuneport_local.machine.threads import share_cores
from tuneport_local.methods.objectives import METHODS

Precision = Literal["fp32", "bf16", "fp16"]
Source = Literal["folder", "cache", "hub", "converted", "package"]

_CATALOGUE = (
    BaseModel(
        id=embedded.MODEL_ID,
        methods=METHODS,
        context_tokens=embedded.CONTEXT_TOKENS,
        size_parameters=134_515_008,
        licence="Apache-2.0",
        note=f"{embedded.REPOSITORY}; works offline with the package {embedded.PACKAGE}",
    ),
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True)
class BaseWeights:
    """Where a base's weights are. `location` is a folder, or a repository of the hub that has to be fetched first."""

    id: str
    source: Source
    location: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory with its tokenizer. `source` and `note` say where it came from, in words for an event or a model card. `processor`
    is that of a model that sees, which shows it pictures; else None."""

    model: Any
    tokenizer: Any
    id: str
    source: Source
    note: str
    processor: Any = None


def catalogue() -> tuple[BaseModel, ...]:
    """The bases known by name. Others can be named by folder or repository."""
    return _CATALOGUE


def published_name(model_id: str) -> str:
    """The name under which others know a base: its repository on the hub, else the id itself. Adapters name their base by it."""
    return embedded.REPOSITORY if model_id == embedded.MODEL_ID else model_id


def resolve(model_id: str, *, home: Path) -> BaseWeights:
    """Where `model_id` would be loaded from now. Reads and fetches no weights.

    Raises UnknownModel with the nearest names, or Unreachable when only the hub could tell and does not answer.
    """
    if (came := brought(model_id, home=home)) is not None:
        return BaseWeights(model_id, "folder", str(came[0]), came[1])
    if model_id == embedded.MODEL_ID:
        return _resolve_embedded(home)
    folder = Path(model_id).expanduser()
    if folder.is_dir():
        return _resolve_folder(model_id, folder)
    refuse_impossible(model_id)
    return _resolve_repository(model_id, home)


def refuse_impossible(model_id: str) -> None:
    """Raises UnknownModel, with the nearest names, for what is no folder here, no name of the catalogue, and cannot be a repository."""
    if model_id == embedded.MODEL_ID or Path(model_id).expanduser().is_dir():
        return
    if model_id.startswith((".", "/", "~")):
        raise UnknownModel(f"there is no folder {model_id!r}.", remedy="Give a folder with config.json and *.safetensors.")
    if _REPOSITORY.fullmatch(model_id):
        return
    near = difflib.get_close_matches(model_id, [base.id for base in _CATALOGUE], n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known by name: {', '.join(base.id for base in _CATALOGUE)}."
    raise UnknownModel(f"no base model {model_id!r}.", remedy=f"{hint} A folder or a hub repository (owner/name) works too.")


def load(
    model_id: str,
    *,
    home: Path,
    dtype: Precision = "fp32",
    device: str = "cpu",
    adapter: Path | None = None,
    trust_remote_code: bool = False,
    say: Callable[[str], None] | None = None,
) -> LoadedModel:
    """Loads a base and, if given, an adapter on it, ready to answer. `say` hears what takes long (a download, the one conversion).

    Raises UnknownModel, Unreachable or ConfigError.
    """
    share_cores()
    from tuneport_local.bases.loading import load_adapter, load_model, load_tokenizer
    from tuneport_local.rows.eyes import processor_of

    found = fetch(resolve(model_id, home=home), home=home, say=say)
    tokenizer = load_tokenizer(Path(found.location), trust_remote_code=trust_remote_code)
    model = load_model(Path(found.location), dtype=dtype, device=device, trust_remote_code=trust_remote_code)
    if adapter is not None:
        model = load_adapter(model, adapter, device=device)
    return LoadedModel(model, tokenizer, model_id, found.source, found.note, processor_of(Path(found.location)))


def fetch(found: BaseWeights, *, home: Path, say: Callable[[str], None] | None = None) -> BaseWeights:
    """The same weights in a folder of this disk, after the download or the conversion that takes. Raises like `load`."""
    if found.source in ("package", "hub"):
        folder = _fetched(found, home=home, say=say or (lambda message: None))
        return replace(found, location=str(folder), note=_note(folder) or found.note)
    return found


def _fetched(found: BaseWeights, *, home: Path, say: Callable[[str], None]) -> Path:
    if found.source == "package" and not hub.reachable(home):
        say(f"converting {found.id} from the package {embedded.PACKAGE}; this happens once and takes about 20 s")
        return embedded.convert(home)
    from tuneport_local.bases.loading import download

    repository = embedded.REPOSITORY if found.source == "package" else found.location
    say(f"fetching {repository} from the hub")
    return download(repository)


def _resolve_embedded(home: Path) -> BaseWeights:
    """What was used here once stays in use, so that an adapter finds the very base that it was trained on."""
    if embedded.is_converted(home):
        folder = embedded.converted_folder(home)
        return BaseWeights(embedded.MODEL_ID, "converted", str(folder), _note(folder))
    if (folder_in_cache := hub.cached(embedded.REPOSITORY)) is not None:
        return BaseWeights(embedded.MODEL_ID, "cache", str(folder_in_cache), f"{embedded.REPOSITORY} from the hub's cache")
    if embedded.packaged_file() is not None:
        return BaseWeights(embedded.MODEL_ID, "package", embedded.PACKAGE, f"from the hub when it answers, else from {embedded.PACKAGE}")
    if hub.reachable(home):
        return BaseWeights(embedded.MODEL_ID, "hub", embedded.REPOSITORY, f"{embedded.REPOSITORY} from the hub")
    raise UnknownModel(
        f"{embedded.MODEL_ID} is not on this machine, and the hub does not answer.",
        remedy=f"Install the package that carries it: {embedded.INSTALL}",
    )


def _resolve_folder(model_id: str, folder: Path) -> BaseWeights:
    if not (folder / "config.json").is_file():
        hint = " It holds an adapter; name its base instead." if _is_adapter(folder) else ""
        raise UnknownModel(
            f"{model_id} holds no config.json.{hint}", remedy="Give a folder as `save_pretrained` of transformers writes it."
        )
    if not any(folder.glob("*.safetensors")):
        raise UnknownModel(
            f"{model_id} holds no *.safetensors.", remedy="Only safetensors are read; convert other weights with transformers first."
        )
    return BaseWeights(model_id, "folder", str(folder.absolute()), _note(folder) or f"the folder {folder.absolute()}")


def _is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file()


def _resolve_repository(model_id: str, home: Path) -> BaseWeights:
    if (folder := hub.cached(model_id)) is not None:
        return BaseWeights(model_id, "cache", str(folder), f"{model_id} from the hub's cache")
    if hub.offline():
        raise UnknownModel(
            f"{model_id} is not in the hub's cache, and HF_HUB_OFFLINE is set.", remedy="Unset it, or name a model that is here."
        )
    if not hub.reachable(home):
        raise Unreachable(
            f"{model_id} is not in the hub's cache, and {hub.shown_endpoint()} does not answer.",
            remedy=f"Try again later, give a folder, or use {embedded.MODEL_ID}, which works offline.",
        )
    if not hub.exists(model_id):
        raise UnknownModel(
            f"the hub shows no repository {model_id!r}.", remedy="Check the spelling; for a gated one, log in with `hf auth login`."
        )
    return BaseWeights(model_id, "hub", model_id, f"{model_id} from the hub")


def _note(folder: Path) -> str:
    """What a folder of our own making says of itself, or ''."""
    try:
        source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
        return f"dequantised from Q4_1 ({source['package']} {source['version']}), stored as {source['stored_as']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
