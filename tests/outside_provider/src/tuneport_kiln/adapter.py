"""The Kiln's Trainer. It translates: no retries, no waiting, no memory of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tuneport.errors import FileGone, NotFound, RecipeError, UnknownModel, Unsupported
from tuneport.job import Event, Metric, Snapshot
from tuneport.model import Model
from tuneport.provider import YES, BaseModel, Capability, FileState, ProviderSettings, Support, not_yet, vendor_cannot
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.span import Span
from tuneport_kiln import wire
from tuneport_kiln.vendor import BASES, Kiln, KilnError

if TYPE_CHECKING:
    from tuneport.finding import Finding
    from tuneport.plan import Plan, PlannedFile
from tuneport.recipe import Recipe

_CANNOT: dict[Capability, Support] = {
    Capability.PAUSE: vendor_cannot("a kiln that has been lit is not paused"),
    Capability.RESUME: vendor_cannot("a kiln that has been lit is not paused"),
    Capability.DOWNLOAD: vendor_cannot("the Kiln keeps what it has fired"),
    Capability.EXPORT: vendor_cannot("the Kiln keeps what it has fired"),
    Capability.CHECKPOINTS: vendor_cannot("the Kiln keeps no checkpoints"),
    Capability.DEPLOY: vendor_cannot("nothing fired here can be served"),
    Capability.PREDICT: vendor_cannot("nothing fired here can be asked"),
    Capability.LOG_PROBABILITIES: vendor_cannot("nothing fired here can be asked"),
    Capability.SUFFIX: vendor_cannot("the Kiln names its models itself"),
    Capability.CONTINUE: not_yet("firing a second time is not built into tuneport-kiln"),
    Capability.TOOLS: not_yet("rows with tools are not built into tuneport-kiln"),
    Capability.IMAGES: not_yet("rows with images are not built into tuneport-kiln"),
}
_USD_PER_ROW = Decimal("0.002")


@contextmanager
def _translated(*, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except KilnError as error:
        raise wire.to_error(error.status, error.reason, writing=writing) from error


class KilnTrainer:
    """One studio at the Kiln. The studio comes from `[providers.kiln] studio`."""

    client_names_jobs = False
    poll_interval_s = (1.0, 30.0)

    def __init__(self, settings: ProviderSettings) -> None:
        self._name = settings.name
        self._studio = str(settings.profile.get("studio", "default"))
        self._kiln = Kiln(settings.home / "kiln" / self._studio, now=settings.clock.now)

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        return f"kiln/{self._studio}"

    def check(self) -> Sequence[Finding]:
        return ()  # nothing can be missing: a real one looks at credentials, region and reach

    def catalogue(self) -> Sequence[BaseModel]:
        return tuple(BaseModel(base, methods=("sft",), context_tokens=4096) for base in BASES)

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        if method not in (None, "sft"):
            return vendor_cannot(f"the Kiln knows sft only, not {method}")
        return _CANNOT.get(capability, YES)

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def plan(self, recipe: Recipe) -> Plan:
        base = recipe.base_for(self._name)
        if base not in BASES:
            raise UnknownModel(f"the Kiln tunes no model {base!r}.", remedy=f"It tunes: {', '.join(BASES)}.")
        if not (support := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{support.reason}.")
        if recipe.suffix is not None:
            self._refuse(Capability.SUFFIX)
        for needed in filter(None, map(wire.needs, chain(recipe.train, recipe.validation or ()))):
            self._refuse(needed)
        if options := recipe.options.get(self._name):
            raise RecipeError(f"options.{self._name}: unknown key {next(iter(options))!r}; the Kiln has no settings of its own.")
        return wire.to_plan(recipe, name=self._name, scope=self.scope(), base=base)

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        rows = Span.exactly(self.plan(recipe).files[0].rows)
        line = QuoteLine("training", rows, "row", _USD_PER_ROW, as_of="2026-11-21", source="made up", confidence="configured")
        return Quote(provider=self._name, base=recipe.base_for(self._name), lines=(line,), usage=usage)

    # --- files -----------------------------------------------------------------------------------------------------------------------

    def find_file(self, file: PlannedFile) -> str | None:
        with _translated():
            listed = self._kiln.files()
        return next((row["id"] for row in listed if (row["name"], row["bytes"]) == (file.name, file.size_bytes)), None)

    def file_state(self, file_id: str) -> FileState:
        try:
            with _translated():
                self._kiln.file(file_id)
        except NotFound:
            return FileState("gone")
        return FileState("ready")

    def upload(self, file: PlannedFile) -> str:
        with _translated(writing=True):
            return str(self._kiln.post_file(file.name, file.chunks())["id"])

    # --- the job ---------------------------------------------------------------------------------------------------------------------

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            with _translated(writing=True):
                job = self._kiln.post_job(
                    plan.base, settings=dict(plan.hyperparameters), files=dict(files), labels=wire.labels(plan, client_id)
                )
        except NotFound as error:
            raise FileGone(error.message, reason=error.reason) from error
        return wire.to_snapshot(job)

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        return next((one for one in self.list(since) if one.client_id == client_id), None)

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        wanted = set(ids)
        return {one.provider_id: one for one in self.list() if one.provider_id in wanted}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        with _translated():
            jobs = self._kiln.jobs()
        snapshots = map(wire.to_snapshot, jobs)
        return (one for one in snapshots if since is None or one.created_at is None or one.created_at >= since)

    def cancel(self, job_id: str) -> Snapshot:
        with _translated(writing=True):
            return wire.to_snapshot(self._kiln.stop(job_id))

    def pause(self, job_id: str) -> Snapshot:
        self._refuse(Capability.PAUSE)

    def resume(self, job_id: str) -> Snapshot:
        self._refuse(Capability.RESUME)

    def delete(self, job_id: str) -> None:
        with _translated(writing=True):
            self._kiln.delete(job_id)

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        with _translated():
            job = self._kiln.job(job_id)
        created = datetime.fromisoformat(job["created"])
        said = ["loaded", *(f"pass {step}" for step in range(1, len(job["losses"]) + 1))]
        found = [Event(f"{i:04d}", created + timedelta(seconds=i), "info", message) for i, message in enumerate(said)]
        return [event for event in found if after is None or event.id > after]

    def metrics(self, job_id: str) -> Iterable[Metric]:
        with _translated():
            losses = self._kiln.job(job_id)["losses"]
        return [Metric(step, {"loss": loss}) for step, loss in enumerate(losses, start=1)]

    def result(self, job_id: str) -> Model:
        with _translated():
            job = wire.to_snapshot(self._kiln.job(job_id))
        if job.model is None:
            raise NotFound(
                f"job {job_id} has no model: it is {job.provider_state}.", remedy=f"See: tuneport jobs show {self._name}:{job_id}"
            )
        return Model(
            uri=f"{self._name}:{job.model}",
            provider=self._name,
            id=job.model,
            base=job.base,
            job_uri=f"{self._name}:{job_id}",
            recipe_fingerprint=job.recipe_fingerprint,
            dataset_fingerprint=job.dataset_fingerprint,
        )

    def download(self, job_id: str, to: Path) -> Path:
        self._refuse(Capability.DOWNLOAD)

    def billed(self, job_id: str) -> Decimal | None:
        return None  # the Kiln never says what it charged; None is 'unknown', not 'free'

    def _refuse(self, capability: Capability) -> NoReturn:
        raise Unsupported(f"{_CANNOT[capability].reason}.")
