"""Collecting what is to be ported: an archive of the job, and what the user gives in place of what is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuneport import uri as uris
from tuneport.archive import Archived, Origins, archive_job, verify
from tuneport.archive.bundle import read_manifest
from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, Refused, TuneportError, Unreachable, UsageError
from tuneport.last_days import base_name
from tuneport.porting.named import Named
from tuneport.porting.work import Work

ROWS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Source:
    """A tune as it was found. `uri` is the job's, or the model's where no job is known; `model` the tuned model's.

    `recipe` is as it was written, where that is known; `used` the hyperparameters that were used, in the provider's words. `folder` holds
    the archive, which the user has named where it `stands_alone`. `missing` says of each piece that could not be had why.
    """

    uri: str
    provider: str
    model: str | None = None
    base: str | None = None
    method: str | None = None
    recipe: Mapping[str, Any] | None = None
    used: Mapping[str, Any] = field(default_factory=dict)
    suffix: str | None = None
    seed: int | None = None
    train: Dataset | None = None
    validation: Dataset | None = None
    folder: Path | None = None
    stands_alone: bool = False
    cost_usd: str | None = None
    dataset_fingerprint: str | None = None
    recipe_fingerprint: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


def collect(named: Named, *, work: Work) -> Source:
    """Everything there is. Taken up again it fetches nothing twice; behind the collect step it asks nobody.

    Raises CheckFailed for an archive that is damaged, and where there is nothing to train on, saying what can still be done: what the
    provider raised, else UsageError.
    """
    folder, trouble = _bundle(named, work)
    source = _read(folder) if folder is not None else _by_name(named)
    source = replace(source, stands_alone=named.archive is not None)
    source = replace(source, train=work.wishes.train or source.train, validation=work.wishes.validation or source.validation)
    if source.train is None and work.wishes.prompts is None:
        raise _nothing_to_train_on(source, trouble)
    if not work.journal.done("collect"):
        facts = {"source": source.uri, "folder": folder, "base": source.base, "method": source.method, "missing": source.missing}
        work.journal.finish("collect", facts)
    work.say("collect", *_lines(source, work), facts={"source": source.uri, "model": source.model, "missing": dict(source.missing)})
    return source


def _bundle(named: Named, work: Work) -> tuple[Path | None, TuneportError | None]:
    """The folder of the archive, and what went wrong with fetching it."""
    if named.archive is not None:
        _refuse_damage(named.archive)
        return named.archive, None
    if named.job is None:
        return None, named.problem
    to = work.folder / "source"
    if work.journal.done("collect") and (known := work.journal.facts("collect").get("folder")) and Path(known).is_dir():
        return Path(known), None
    client = work.client
    origins = Origins(client.registry, client.trainer, client.server, client.clock)
    done: Archived = archive_job(named.job, to, origins=origins)
    return done.folder, next(iter(done.errors), None)


def _refuse_damage(folder: Path) -> None:
    faults = [fault for each in verify(folder) for fault in each.faults]
    if faults:
        raise CheckFailed(f"{faults[0].path} {faults[0].sentence}; the archive is not what it was.", remedy="Take another copy of it.")


def _read(folder: Path) -> Source:
    """What an archive tells of the tune."""
    manifest = read_manifest(folder)
    job, record, model = (_document(folder / f"{name}.json") for name in ("job", "record", "model"))
    recipe = _document(folder / "recipe.json") or None
    uri = str(job.get("uri") or manifest.get("job") or folder.name)
    provider = str(job.get("provider") or uri.partition(":")[0])
    told = (recipe or {}).get("method", {})
    return Source(
        uri=uri,
        provider=provider,
        model=job.get("model") or model.get("uri") or (f"{provider}:{record['model']}" if record.get("model") else None),
        base=job.get("base") or record.get("base") or model.get("base"),
        method=(told.get("kind") if isinstance(told, dict) else told) or job.get("method") or record.get("method"),
        recipe=recipe,
        used=_used(_document(folder / "hyperparameters.json"), model),
        suffix=(recipe or {}).get("suffix") or record.get("suffix"),
        seed=(recipe or {}).get("seed", record.get("seed")),
        train=_rows(folder, "train"),
        validation=_rows(folder, "validation"),
        folder=folder,
        cost_usd=job.get("cost"),
        dataset_fingerprint=job.get("dataset_fingerprint"),
        recipe_fingerprint=job.get("recipe_fingerprint"),
        missing={piece: str(said["why"]) for piece, said in manifest["missing"].items()},
    )


def _used(planned: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """What was planned, and what the provider says that it took where that was left to it."""
    told = (model.get("details") or {}).get("hyperparameters") or {}
    return {**told, **{name: value for name, value in planned.items() if value != "auto"}}


def _document(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def _rows(folder: Path, purpose: str) -> Dataset | None:
    path = folder / "files" / f"{purpose}.jsonl"
    return Dataset.read(path) if path.is_file() and path.stat().st_size else None


def _by_name(named: Named) -> Source:
    """All that the name of a model says, where nobody tells more."""
    provider, rest = uris.split(named.uri)
    why = named.problem.message if named.problem is not None else f"{provider} names no job that made it."
    base = named.model.base if named.model is not None else base_name(rest)
    return Source(named.uri, provider, model=named.uri, base=base, missing=dict.fromkeys(("recipe", *ROWS), why))


def _nothing_to_train_on(source: Source, trouble: TuneportError | None) -> TuneportError:
    why = source.missing.get("train", "nobody has them").rstrip(".")
    what = f"the training rows of {source.uri} cannot be had: {why}."
    ways = ["give your own copy: --train FILE"]
    if source.model is not None:
        ways.append(f"or, while {source.model} still answers, make some of its answers: --from-outputs PROMPTS")
    if trouble is not None:
        ways.append("or try again later")
    remedy = f"What can still be done: {'; '.join(ways)}."
    kind = trouble.__class__ if isinstance(trouble, Refused | Unreachable) else UsageError
    return kind(what, remedy=remedy)


def _lines(source: Source, work: Work) -> tuple[str, ...]:
    lost = {piece: why for piece, why in source.missing.items() if piece not in ("download", "plan", *_given(work))}
    return (
        f"{source.uri}: {source.base or 'a base that nobody names'}, {source.method or 'a method that nobody names'}",
        *(f"missing: {piece}: {why}" for piece, why in lost.items()),
    )


def _given(work: Work) -> tuple[str, ...]:
    """The rows that the user gives, which nobody misses."""
    return tuple(name for name in ROWS if getattr(work.wishes, name) is not None)
