"""Plans: what submitting a recipe to one provider would do, exactly. Making one sends nothing and writes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tuneport.finding import Finding


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file as it goes over the wire. `chunks` yields its bytes afresh at every call; `sha256` and `size_bytes` are of those bytes."""

    purpose: str
    sha256: str
    size_bytes: int
    rows: int
    chunks: Callable[[], Iterator[bytes]] = field(compare=False, repr=False)
    suffix: str = ".jsonl"

    @property
    def name(self) -> str:
        """The name it gets at the provider, from which a lost upload can be found again."""
        return f"tuneport-{self.sha256[:32]}{self.suffix}"

    @classmethod
    def from_chunks(cls, chunks: Callable[[], Iterator[bytes]], *, purpose: str, rows: int, suffix: str = ".jsonl") -> PlannedFile:
        """Reads the chunks once to learn their digest and size."""
        digest, size = hashlib.sha256(), 0
        for chunk in chunks():
            digest.update(chunk)
            size += len(chunk)
        return cls(purpose=purpose, sha256=digest.hexdigest(), size_bytes=size, rows=rows, chunks=chunks, suffix=suffix)


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request as the provider's own API spells it. File ids not known before the upload stand as `{file:<purpose>}`."""

    call: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. `fingerprint` is equal for two plans exactly when the provider would be asked for the same job.

    `scope` names the account, project or folder the job lands in. `hyperparameters` are the values that will be used, with every `auto`
    resolved that is resolved on our side.

    `sends` is for the eye alone, where there is more to be sent than `requests`: all that a submit would send, in order, uploads of files
    that are not there yet and what is written on the job to find it again (`{client_id}` stands for what is drawn at each submit).

    `tier` is the one of the price book that the job is paid in, where the provider has several: what a quote of this very job goes by.
    `unquoted` is what will be billed beside the quote, for want of a price: with any of it there is no upper bound. `billed`: somebody will
    send a bill for this job, though its provider usually sends none.
    """

    provider: str
    scope: str
    base: str
    method: str
    requests: tuple[PlannedRequest, ...]
    files: tuple[PlannedFile, ...] = ()
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    recipe_fingerprint: str = ""
    dataset_fingerprint: str = ""
    seed: int | None = None
    suffix: str | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    sends: tuple[PlannedRequest, ...] = ()
    tier: str | None = None
    unquoted: tuple[str, ...] = ()
    billed: bool = False

    @property
    def fingerprint(self) -> str:
        """sha256 over scope, requests and the digests of the files. The name of a profile is no part of it: two may be one account."""
        what = {
            "scope": self.scope,
            "requests": [[request.call, request.body] for request in self.requests],
            "files": [[file.purpose, file.sha256] for file in self.files],
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()

    @property
    def epochs(self) -> int | None:
        """How many passes over the data there will be; None where the provider is to choose."""
        said = self.hyperparameters.get("epochs")
        return said if isinstance(said, int) else None

    def may_train(self, base: str | None) -> bool:
        """Whether a job may be this plan's by the base it says: also by the dated id of an alias, or by the alias of a dated id."""
        return base in (None, self.base) or base.startswith(f"{self.base}-") or self.base.startswith(f"{base}-20")

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready data: what `--dry-run` prints."""
        return {
            "provider": self.provider,
            "scope": self.scope,
            "base": self.base,
            "method": self.method,
            "fingerprint": self.fingerprint,
            "recipe_fingerprint": self.recipe_fingerprint,
            "dataset_fingerprint": self.dataset_fingerprint,
            "hyperparameters": self.hyperparameters,
            "files": [
                {"purpose": f.purpose, "name": f.name, "sha256": f.sha256, "size_bytes": f.size_bytes, "rows": f.rows} for f in self.files
            ],
            "requests": [{"call": request.call, "body": request.body} for request in self.requests],
            "seed": self.seed,
            "suffix": self.suffix,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """A plan as the registry kept it: all that `find` compares. Its files' bytes are no longer at hand."""

        def gone() -> Iterator[bytes]:
            raise ValueError("the bytes of a recorded plan are not kept; plan the recipe again")

        files = tuple(
            PlannedFile(purpose=f["purpose"], sha256=f["sha256"], size_bytes=f["size_bytes"], rows=f["rows"], chunks=gone)
            for f in values["files"]
        )
        plain = ("provider", "scope", "base", "method", "recipe_fingerprint", "dataset_fingerprint", "hyperparameters", "seed", "suffix")
        requests = tuple(PlannedRequest(request["call"], request["body"]) for request in values["requests"])
        return cls(requests=requests, files=files, notes=tuple(values["notes"]), **{name: values[name] for name in plain})
