"""The Trainer of this machine: translates between Tuneport's values and job folders. Never imports torch."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import ConfigError, FileGone, NotFound, Refused, TuneportError, Unsupported
from tuneport.files import write_chunks
from tuneport.job import Event, JobState, Metric, Snapshot
from tuneport.provider import YES, BaseModel, Capability, FileState, ProviderSettings, Support, vendor_cannot
from tuneport.settings import Settings as Configuration
from tuneport_local.jobs.folder import JobFolder, JobStatus, Wish
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.lifecycle import Lifecycle
from tuneport_local.jobs.trained import trained
from tuneport_local.plans.machines import refuse_unlaunchable
from tuneport_local.support import support

if TYPE_CHECKING:
    from tuneport.finding import Finding
    from tuneport.method_row import MethodRow
    from tuneport.model import Model
    from tuneport.plan import Plan, PlannedFile
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe

_UNDERWAY: dict[Wish, JobState] = {"cancel": JobState.CANCELLING, "pause": JobState.PAUSING}


class LocalTrainer:
    """Trains on this machine. A job is a folder, named by the client's id; a detached worker fills it."""

    client_names_jobs = True
    poll_interval_s = (0.5, 5.0)

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._name = settings.name
        self._jobs = Jobs(settings.home, clock=settings.clock)
        self._lifecycle = Lifecycle(environ=settings.environ, clock=settings.clock)

    def scope(self) -> str:
        """Jobs lie in the state folder, as the registry does: it may move, and they with it."""
        return "this machine"

    def check(self) -> Sequence[Finding]:
        from tuneport_local.readiness import readiness

        return readiness(self._configuration())

    def catalogue(self) -> Sequence[BaseModel]:
        from tuneport_local.bases.weights import catalogue

        return tuple(catalogue())

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        answer = support(capability, method=method, engine=engine)
        if capability is not Capability.IMAGES or base is None or not answer:
            return answer
        return self._sees(base)

    def methods(self) -> Sequence[MethodRow]:
        from tuneport_local.methods.table import method_table

        return method_table()

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_local.bases.seeing import why_base_blind
        from tuneport_local.bases.weights import resolve
        from tuneport_local.machine.what_fits import refuse_recipe
        from tuneport_local.plans import planning
        from tuneport_local.plans.continuing import carried, earlier_tune, going_on
        from tuneport_local.plans.tokenizer_file import template_knows_tools

        answer = support(Capability.TRAIN, method=recipe.method.kind)
        if not answer:
            raise Unsupported(f"{answer.reason}.")
        earlier = earlier_tune(recipe.base_for(self._name), jobs=self._jobs, provider=self._name)
        base = recipe.base_for(self._name) if earlier is None else earlier.base
        asked = recipe if earlier is None else going_on(recipe, earlier)
        configuration = self._configuration()
        refuse_recipe(asked, base=base, provider=self._name, home=self._settings.home, configuration=configuration)
        found = resolve(base, home=self._settings.home)
        knows_tools = found.source in ("package", "hub") or template_knows_tools(Path(found.location))
        blind = why_base_blind(found)
        about: dict[str, Any] = {"knows_tools": knows_tools, "blind": blind, "configuration": configuration}
        made = planning.plan(asked, provider=self._name, scope=self.scope(), base=base, **about)
        return made if earlier is None else carried(made, earlier, recipe)

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_local.plans.estimate import estimate

        profile, configuration = self._settings.profile, self._configuration()
        return estimate(recipe, provider=self._name, home=self._settings.home, profile=profile, usage=usage, configuration=configuration)

    def _configuration(self) -> Configuration:
        """What a launcher reads: of all profiles, not of this one alone."""
        return Configuration(self._settings.home, providers=self._settings.profiles, environ=self._settings.environ)

    # --- files -----------------------------------------------------------------------------------------------------------------------

    def find_file(self, file: PlannedFile) -> str | None:
        path = self._jobs.files / file.name
        return file.name if path.is_file() and path.stat().st_size == file.size_bytes else None

    def file_state(self, file_id: str) -> FileState:
        """Ready when the bytes still have the digest that the file is named after."""
        path = self._file(file_id)
        if path is None:
            return FileState("gone")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        named = file_id.removeprefix("tuneport-").partition(".")[0]
        return FileState("ready") if digest.startswith(named) else FileState("error", "its content is no longer what its name says")

    def upload(self, file: PlannedFile) -> str:
        try:
            self._jobs.open()
            write_chunks(self._jobs.files / file.name, file.chunks())
        except OSError as error:
            raise ConfigError(
                f"the {file.purpose} file ({file.size_bytes:,} bytes) cannot be written to {self._jobs.files}: {error.strerror or error}.",
                remedy="Free some space or rights there, or choose another home with TUNEPORT_HOME.",
            ) from None
        return file.name

    def file_content(self, file_id: str) -> Iterator[bytes]:
        try:
            with self._uploaded(file_id).open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk
        except OSError as error:
            if isinstance(error, TuneportError):
                raise
            raise ConfigError(f"{self._jobs.files / Path(file_id).name} cannot be read: {error.strerror or error}.") from None

    def delete_file(self, file_id: str) -> None:
        """The jobs keep their own copies."""
        path = self._uploaded(file_id)
        try:
            path.unlink()
        except OSError as error:
            raise ConfigError(f"{path} cannot be deleted: {error.strerror or error}.") from None

    def _uploaded(self, file_id: str) -> Path:
        path = self._file(file_id)
        if path is None:
            raise NotFound(f"there is no file {file_id} in {self._jobs.files}.")
        return path

    def _file(self, file_id: str) -> Path | None:
        path = self._jobs.files / Path(file_id).name
        return path if path.is_file() else None

    # --- jobs ------------------------------------------------------------------------------------------------------------------------

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        folder = self._jobs.get(client_id)
        if folder is None:
            refuse_unlaunchable(plan.hyperparameters, configuration=self._configuration())
            folder, _ = self._jobs.make(client_id, self._recipe_file(plan, client_id, files), self._paths(files))
        made_from = folder.recipe().get("plan_fingerprint")
        if made_from != plan.fingerprint:
            raise Refused(
                f"there is already a job {client_id} here, made from another plan ({str(made_from)[:12]}…); it was left as it is.",
                reason="plan fingerprints differ",
            )
        with _writing(folder):
            return self._snapshot(folder, self._lifecycle.start(folder))

    def _recipe_file(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> dict[str, Any]:
        from tuneport_local.plans.planning import body_of

        return {
            **body_of(plan),
            "recipe": plan.recipe,
            "client_id": client_id,
            "plan_fingerprint": plan.fingerprint,
            "recipe_fingerprint": plan.recipe_fingerprint,
            "dataset_fingerprint": plan.dataset_fingerprint,
            "file_ids": dict(files),
            "home": str(self._settings.home),
        }

    def _paths(self, files: Mapping[str, str]) -> dict[str, Path]:
        paths = {purpose: self._file(file_id) for purpose, file_id in files.items()}
        for purpose, path in paths.items():
            if path is None:
                raise FileGone(f"the {purpose} file {files[purpose]} is no longer in {self._jobs.files}.")
        return {purpose: path for purpose, path in paths.items() if path is not None}

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        folder = self._jobs.get(client_id)
        return None if folder is None else self._look(folder)

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        folders = {job_id: self._jobs.get(job_id) for job_id in ids}
        return {job_id: self._look(folder) for job_id, folder in folders.items() if folder is not None}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        snapshots = [self._look(folder) for folder in self._jobs.all()]
        recent = [one for one in snapshots if since is None or (one.created_at is not None and one.created_at >= since)]
        yield from sorted(recent, key=lambda one: (one.created_at is not None and one.created_at.timestamp()) or 0.0, reverse=True)

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        return self._known(job_id).events(after)

    def metrics(self, job_id: str) -> Iterable[Metric]:
        return self._known(job_id).metrics()

    def cancel(self, job_id: str) -> Snapshot:
        folder = self._known(job_id)
        with _writing(folder):
            return self._snapshot(folder, self._lifecycle.cancel(folder))

    def pause(self, job_id: str) -> Snapshot:
        folder = self._known(job_id)
        with _writing(folder):
            return self._snapshot(folder, self._lifecycle.pause(folder))

    def resume(self, job_id: str) -> Snapshot:
        folder = self._known(job_id)
        with _writing(folder):
            return self._snapshot(folder, self._lifecycle.resume(folder))

    def result(self, job_id: str) -> Model:
        from tuneport_local.jobs.tuned import model_of

        folder = self._known(job_id)
        if trained(folder.path) is None:
            remedy = f"See: tuneport jobs show {self._name}:{job_id}"
            raise NotFound(f"job {job_id} has no tuned model: it is {self._look(folder).state}.", remedy=remedy)
        return model_of(folder, provider=self._name)

    def download(self, job_id: str, to: Path) -> Path:
        folder = self._known(job_id)
        found = trained(folder.path)
        if found is None:
            raise NotFound(f"job {job_id} has no tuned model to copy: it is {self._look(folder).state}.")
        try:
            shutil.copytree(found, to, dirs_exist_ok=True)
            shutil.copy2(folder.path / "run.json", to / "run.json")
        except OSError as error:
            raise ConfigError(f"the tuned model cannot be copied to {to}: {error.strerror or error}.") from None
        return to

    def delete(self, job_id: str) -> None:
        folder = self._known(job_id)
        uploaded = folder.recipe().get("file_ids", {}).values()
        self._jobs.forget_rows(folder)
        with _writing(folder):
            self._lifecycle.delete(folder)
        self._jobs.forget_files(uploaded)

    def billed(self, job_id: str) -> Decimal | None:
        """None: nobody bills for one's own machine. `estimate` counts its hours where a price for them is configured."""
        return None

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _sees(self, base: str) -> Support:
        """Whether a base at hand is shown images; of one that has yet to be fetched nobody knows until it is here."""
        from tuneport_local.bases.at_hand import at_hand
        from tuneport_local.bases.seeing import why_base_blind

        found = at_hand(base, home=self._settings.home)
        blind = "" if found is None else why_base_blind(found)
        return vendor_cannot(f"{base} is shown no images: {blind}") if blind else YES

    def _known(self, job_id: str) -> JobFolder:
        folder = self._jobs.get(job_id)
        if folder is None:
            raise NotFound(f"there is no job {job_id!r} in {self._jobs.folder}.", remedy="See: tuneport jobs list")
        return folder

    def _look(self, folder: JobFolder) -> Snapshot:
        return self._snapshot(folder, self._lifecycle.look(folder))

    def _snapshot(self, folder: JobFolder, status: JobStatus) -> Snapshot:
        recipe = folder.recipe()
        return Snapshot(
            provider_id=folder.id,
            state=_shown(status, folder),
            provider_state=str(status.state),
            detail=status.detail,
            created_at=_time(status.created_at),
            finished_at=_time(status.finished_at),
            base=recipe.get("base"),
            method=recipe.get("method"),
            model=folder.id if status.state is JobState.SUCCEEDED else None,
            error=status.error,
            client_id=recipe.get("client_id"),
            plan_fingerprint=recipe.get("plan_fingerprint"),
            recipe_fingerprint=recipe.get("recipe_fingerprint"),
            dataset_fingerprint=recipe.get("dataset_fingerprint"),
            files=recipe.get("file_ids", {}),
            seed=recipe.get("hyperparameters", {}).get("seed"),
            suffix=recipe.get("suffix"),
            partial=status.partial,
            attempt=status.attempt,
        )


@contextmanager
def _writing(folder: JobFolder) -> Iterator[None]:
    try:
        yield
    except TuneportError:  # some of ours are also OSErrors
        raise
    except OSError as error:
        raise ConfigError(
            f"job {folder.id} stays as it is, {folder.path} cannot be written: {error.strerror or error}.",
            remedy="Free some space or rights there.",
        ) from None


def _shown(status: JobStatus, folder: JobFolder) -> JobState:
    """The job's state; while a wish is not followed yet, that it is being followed."""
    if status.state.terminal or status.state is JobState.UNKNOWN:
        return status.state
    if status.state is JobState.PAUSED:
        return JobState.CREATED if folder.asked_to_go_on() else JobState.PAUSED
    return _UNDERWAY.get(folder.wish(), status.state)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
