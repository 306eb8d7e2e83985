"""A provider that does not exist, for tests: a trainer and a server over a `FakeCloud`, in both flavours.

`fake_provider(cloud, names="provider")`: the provider names the job, our client id is in its metadata (or dropped, if the cloud does so).
`fake_provider(cloud, names="client")`: our client id is the job's name, and a second PUT updates the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import NotFound, RecipeError, Refused, UnknownModel, Unsupported
from tuneport.job import Event, Metric, Snapshot
from tuneport.model import Model
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import YES, BaseModel, Capability, FileState, Provider, Support, not_yet, vendor_cannot
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.server import FakeServer
from tuneport.testing.translation import Names, build_plan, demand, needs_of, plan_files, scope_of, snapshot, time_of
from tuneport.testing.wire import DirectWire, HttpAnswer, Kind, NoAnswer, Reply, Wire, to_error

if TYPE_CHECKING:
    from tuneport.finding import Finding
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe


BASES = (
    BaseModel("fake-small", methods=("sft",), context_tokens=8192, size_parameters=135_000_000),
    BaseModel("fake-large", methods=("sft",), context_tokens=131_072),
)

_CANNOT: dict[Capability, Support] = {
    Capability.DOWNLOAD: vendor_cannot("this cloud keeps the weights to itself"),
    Capability.EXPORT: vendor_cannot("this cloud keeps the weights to itself"),
    Capability.CHECKPOINTS: vendor_cannot("this cloud keeps no checkpoints"),
    Capability.DEPLOY: vendor_cannot("a tuned model answers here without a deployment"),
    Capability.CONTINUE: not_yet("continuing a tuned model is not built into the fake"),
    Capability.TOOLS: not_yet("tool calls are not built into the fake"),
    Capability.IMAGES: not_yet("images are not built into the fake"),
    Capability.LOG_PROBABILITIES: vendor_cannot("this cloud answers with text only"),
}

FEW = 3
"""Up to so many jobs are asked for one by one; more are read off the listing."""


def fake_provider(cloud: FakeCloud, *, names: Names = "provider", name: str = "fake", wire: Wire | None = None) -> Provider:
    """A plug-in over `cloud`. `names` says who names the jobs; `wire` is where a test lets requests go wrong."""
    return Provider(
        name=name,
        summary=f"a cloud that does not exist; the {names} names its jobs",
        open_trainer=lambda settings: FakeTrainer(cloud, names=names, wire=wire, name=settings.name),
        open_server=lambda settings: FakeServer(cloud, wire=wire, name=settings.name, bases=tuple(base.id for base in BASES)),
        version="1",
    )


def open_fake(cloud: FakeCloud, *, names: Names = "provider", name: str = "fake", wire: Wire | None = None) -> FakeTrainer:
    """The trainer alone, without a plug-in around it."""
    return FakeTrainer(cloud, names=names, wire=wire, name=name)


class FakeTrainer:
    """Translates between `tuneport.provider.Trainer` and the cloud's requests, as a careful adapter would."""

    poll_interval_s = (5.0, 60.0)

    def __init__(self, cloud: FakeCloud, *, names: Names, name: str, wire: Wire | None = None) -> None:
        self.client_names_jobs = names == "client"
        self._cloud = cloud
        self._names: Names = names
        self._name = name
        self._wire: Wire = wire or DirectWire()

    def _send(self, call: str, effect: Callable[[], Reply], *, kind: Kind = "read") -> Reply:
        try:
            return self._wire.send(call, effect, kind=kind)
        except (HttpAnswer, NoAnswer) as error:
            raise to_error(error, call=call, kind=kind) from None

    def scope(self) -> str:
        return scope_of(self._name)

    def check(self) -> Sequence[Finding]:
        return ()

    def catalogue(self) -> Sequence[BaseModel]:
        return BASES

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        if method not in (None, "sft"):
            return not_yet(f"the fake trains with sft only, not {method}")
        return _CANNOT.get(capability, YES)

    def plan(self, recipe: Recipe) -> Plan:
        base = recipe.base_for(self._name)
        if base not in {known.id for known in BASES}:
            raise UnknownModel(f"{self._name} tunes no model {base!r}.", remedy=f"Known: {', '.join(known.id for known in BASES)}.")
        if not (support := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{support.reason}.")
        for needed in needs_of(recipe):
            if not (support := self.support(needed)):
                raise Unsupported(f"{recipe.train.name} cannot be trained on here: {support.reason}.")
        if unknown := recipe.options.get(self._name):
            raise RecipeError(f"options.{self._name}: unknown key {next(iter(unknown))!r}; the fake has no options.")
        return build_plan(
            name=self._name,
            scope=self.scope(),
            names=self._names,
            base=base,
            files=tuple(plan_files(recipe)),
            hyperparameters=recipe.method.model_dump(mode="json"),
            seed=recipe.seed,
            suffix=recipe.suffix,
            recipe=recipe.to_dict(),
            recipe_fingerprint=recipe.fingerprint,
            dataset_fingerprint=recipe.train.fingerprint,
        )

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport.quote import Quote, QuoteLine
        from tuneport.span import Span

        rows = Span.exactly(sum(1 for _ in recipe.train))
        line = QuoteLine("training", rows, "row", Decimal("0.01"), as_of="2026-03-01", source="made up", confidence="configured")
        return Quote(provider=self._name, base=recipe.base_for(self._name), lines=(line,), usage=usage)

    def find_file(self, file: PlannedFile) -> str | None:
        listed = demand(self._send("GET /files", self._cloud.list_files), "data", call="GET /files")
        same = (row for row in listed if row.get("name") == file.name and row.get("bytes") == file.size_bytes)
        return next((str(demand(row, "id", call="GET /files")) for row in same), None)

    def file_state(self, file_id: str) -> FileState:
        try:
            self._send(f"GET /files/{file_id}", lambda: self._cloud.get_file(file_id))
        except NotFound:
            return FileState("gone", "the provider no longer has it")
        return FileState("ready")

    def upload(self, file: PlannedFile) -> str:
        reply = self._send(
            "POST /files", lambda: self._cloud.post_file(file.name, purpose=file.purpose, chunks=file.chunks()), kind="upload"
        )
        return str(demand(reply, "id", call="POST /files", kind="upload"))

    def file_content(self, file_id: str) -> Iterable[bytes]:
        call = f"GET /files/{file_id}/content"
        return (demand(self._send(call, lambda: self._cloud.get_content(file_id)), "content", call=call),)

    def delete_file(self, file_id: str) -> None:
        self._send(f"DELETE /files/{file_id}", lambda: self._cloud.delete_file(file_id), kind="action")

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        body = dict(plan.requests[0].body)
        body["files"] = dict(files)
        body["file_names"] = {file.purpose: file.name for file in plan.files}
        body["metadata"] = {
            "client_id": client_id,
            "plan": plan.fingerprint,
            "recipe": plan.recipe_fingerprint,
            "dataset": plan.dataset_fingerprint,
        }
        if self.client_names_jobs:
            return self._there_already(client_id, plan) or self._put(client_id, body)
        return snapshot(self._send("POST /jobs", lambda: self._cloud.post_job(body), kind="create"), "POST /jobs", "create")

    def _there_already(self, client_id: str, plan: Plan) -> Snapshot | None:
        """The job of that name, if it is there: a PUT would change it."""
        job = self._get(client_id)
        if job is not None and job.plan_fingerprint not in (None, plan.fingerprint):
            raise Refused(f"job {client_id} is there already, made from another plan; it was left as it is.", reason="name_taken")
        return job

    def _put(self, client_id: str, body: Reply) -> Snapshot:
        call = f"PUT /jobs/{client_id}"
        return snapshot(self._send(call, lambda: self._cloud.put_job(client_id, body), kind="create"), call, "create")

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        if self.client_names_jobs:
            return self._get(client_id)
        if self._cloud.keeps_metadata:
            return next((one for one in self._listed(client_id=client_id) if one.client_id == client_id), None)
        found = () if plan is None else self._unmarked(plan, since)
        return found[0] if len(found) == 1 else None

    def matching(self, plan: Plan, *, since: datetime) -> Sequence[Snapshot] | None:
        return None if self.client_names_jobs or self._cloud.keeps_metadata else self._unmarked(plan, since)

    def _unmarked(self, plan: Plan, since: datetime | None) -> Sequence[Snapshot]:
        names = {file.purpose: file.name for file in plan.files}
        rows = [
            row for row in self._rows() if row.get("file_names") == names and row.get("base") == plan.base and row.get("seed") == plan.seed
        ]
        return [one for one in map(snapshot, rows) if since is None or one.created_at is None or one.created_at >= since]

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Few jobs one by one; many off the listing, back to the oldest of them. What no page holds is asked for by id: listings lag."""
        wanted = set(ids)
        found: dict[str, Snapshot] = {}
        if len(wanted) > FEW:
            for one in self._listed():
                if one.provider_id in wanted:
                    found[one.provider_id] = one
                    if len(found) == len(wanted):
                        break
        for job_id in ids:
            if job_id not in found and (one_more := self._get(job_id)) is not None:
                found[job_id] = one_more
        return found

    def _get(self, job_id: str) -> Snapshot | None:
        try:
            return snapshot(self._send(f"GET /jobs/{job_id}", lambda: self._cloud.get_job(job_id)))
        except NotFound:
            return None

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        for one in self._listed():
            if since is not None and one.created_at is not None and one.created_at < since:
                return
            yield one

    def _listed(self, client_id: str | None = None) -> Iterator[Snapshot]:
        return map(snapshot, self._rows(client_id))

    def _rows(self, client_id: str | None = None) -> Iterator[Reply]:
        cursor: str | None = None
        while True:
            call = f"GET /jobs?after={cursor or ''}"
            page = self._send(call, partial(self._cloud.list_jobs, after=cursor, client_id=client_id))
            yield from demand(page, "data", call=call)
            if (cursor := demand(page, "next", call=call)) is None:
                return

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        call = f"GET /jobs/{job_id}/events"
        rows = demand(self._send(call, lambda: self._cloud.list_events(job_id)), "data", call=call)
        start = 0 if after is None else next((i + 1 for i, row in enumerate(rows) if row["id"] == after), 0)
        return [Event(id=row["id"], at=time_of(row["at"]), level="info", message=row["message"]) for row in rows[start:]]

    def metrics(self, job_id: str) -> Iterable[Metric]:
        call = f"GET /jobs/{job_id}/metrics"
        rows = demand(self._send(call, lambda: self._cloud.list_metrics(job_id)), "data", call=call)
        return [Metric(step=row["step"], values={"loss": row["loss"]}) for row in rows]

    def cancel(self, job_id: str) -> Snapshot:
        return self._act(f"POST /jobs/{job_id}/cancel", lambda: self._cloud.cancel_job(job_id))

    def pause(self, job_id: str) -> Snapshot:
        return self._act(f"POST /jobs/{job_id}/pause", lambda: self._cloud.pause_job(job_id))

    def resume(self, job_id: str) -> Snapshot:
        return self._act(f"POST /jobs/{job_id}/resume", lambda: self._cloud.resume_job(job_id))

    def _act(self, call: str, effect: Callable[[], Reply]) -> Snapshot:
        return snapshot(self._send(call, effect, kind="action"), call, "action")

    def result(self, job_id: str) -> Model:
        job = self._get(job_id)
        if job is None or job.model is None:
            raise NotFound(f"job {job_id} has no tuned model ({job.provider_state if job else 'no such job'}).")
        return Model(
            uri=f"{self._name}:{job.model}",
            provider=self._name,
            id=job.model,
            base=job.base,
            job_uri=f"{self._name}:{job_id}",
            recipe_fingerprint=job.recipe_fingerprint,
            dataset_fingerprint=job.dataset_fingerprint,
            created_at=job.finished_at,
        )

    def download(self, job_id: str, to: Path) -> Path:
        raise Unsupported(f"{_CANNOT[Capability.DOWNLOAD].reason}.")

    def delete(self, job_id: str) -> None:
        self._send(f"DELETE /jobs/{job_id}", lambda: self._cloud.delete_job(job_id), kind="action")

    def billed(self, job_id: str) -> Decimal | None:
        call = f"GET /jobs/{job_id}/bill"
        usd = demand(self._send(call, lambda: self._cloud.get_bill(job_id)), "usd", call=call)
        return None if usd is None else Decimal(usd)
