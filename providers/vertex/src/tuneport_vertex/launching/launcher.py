"""The launcher of Vertex AI's custom jobs. SDKs are imported when something is asked; planning only reads settings.

The container finds the bucket mounted under /gcs, so that it needs neither credentials nor a package for storage.
Create is not idempotent there: the name of the launch goes on the job, the SDK repeats nothing, and a lost answer is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tuneport_local.engines.launcher import Place as Folder
from tuneport_local.engines.launcher import Rented, Seen

from tuneport.clock import Clock, SystemClock
from tuneport.errors import CredentialsRefused, NotFound, QuotaExceeded, Refused, TuneportError, Unreachable
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.signing_in import DefaultCredentials, default_credentials
from tuneport_vertex.launching.bundles import brought, other_region
from tuneport_vertex.launching.machine import place_in, read
from tuneport_vertex.launching.machines import quota_of
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.buckets import ObjectAddress
from tuneport_vertex.wire.custom_jobs import body_of, folder_there, label_of, mounted, page_of, reason_of, standing, unmounted
from tuneport_vertex.wire.states import state_word

if TYPE_CHECKING:
    from tuneport_local.engines.launcher import Order, Settings

    from tuneport.settings import Settings as Configuration
    from tuneport_vertex.adapter.custom_jobs import CustomJobs
    from tuneport_vertex.adapter.storage import Storage
    from tuneport_vertex.profile import Place

T = TypeVar("T")
KIND: ids.Kind = "customJobs"
LOG = "worker.log"
"""What the machine there leaves of its own words in the job's folder."""
LOG_BYTES = 20_000
NEEDED = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
STORE = "Ask for the role Storage Object User (roles/storage.objectUser) on the bucket."
SPOT = "its machine may be taken away at any time; Vertex AI starts the job again then"


class _There:
    """One place that is asked, and what asks it."""

    def __init__(self, place: Place, *, clock: Clock, default: DefaultCredentials) -> None:
        from tuneport_vertex.adapter.custom_jobs import CustomJobs
        from tuneport_vertex.adapter.storage import Storage

        self.place = place
        self.connection = Connection(place, clock=clock, default=default)
        self.jobs: CustomJobs = CustomJobs(self.connection)
        self.storage: Storage = Storage(self.connection)


class VertexLauncher:
    """Custom jobs of whichever profile the settings name. `default` gives application default credentials, where not the vendor's own are
    wanted."""

    def __init__(
        self, configuration: Configuration, *, clock: Clock | None = None, default: DefaultCredentials = default_credentials
    ) -> None:
        self._configuration = configuration
        self._clock = clock or SystemClock()
        self._default = default
        self._known: dict[Place, _There] = {}

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def read(self, options: Mapping[str, Any]) -> Settings:
        return read(options, self._configuration, default=self._default)

    def gpus(self, settings: Settings) -> int:
        return int(settings["accelerator_count"])

    def machines(self, settings: Settings) -> int:
        return int(settings.get("replica_count", 1))

    def check(self, settings: Settings) -> list[str]:
        """Three requests at most. Quotas and the accelerators of a region are left to the service: it tells neither by this API.

        Raises Unreachable where it does not answer, and nothing else is known to be in the way."""
        found: list[str] = []
        try:
            there = self._there(settings)
            bucket = there.place.bucket or ""
            if problem := other_region(there.storage, there.place):
                found.append(str(problem))
            if lacking := there.storage.lacks(bucket, NEEDED):
                found.append(f"gs://{bucket}: this identity lacks {', '.join(lacking)}. {STORE}")
            there.jobs.reachable()
        except Unreachable:
            if not found:
                raise
        except TuneportError as error:
            found.append(str(error))
        return found

    # --- the job's folder ------------------------------------------------------------------------------------------------------------

    def place(self, settings: Settings, job_id: str) -> Folder:
        from tuneport_vertex.adapter.bucket_filesystem import BucketFilesystem

        def ask(what: Callable[[Storage], Any]) -> Any:
            return self._asked(settings, lambda there: there.connection.patiently(lambda: what(there.storage)))

        return Folder(_folder(settings, job_id), files=BucketFilesystem(ask))

    def place_there(self, settings: Settings, job_id: str) -> str:
        return mounted(_folder(settings, job_id))

    # --- the job ---------------------------------------------------------------------------------------------------------------------

    def find(self, order: Order) -> Rented | None:
        def find(there: _There) -> Rented | None:
            found = there.jobs.find(order.name, label=label_of(order.name))
            return None if found is None else _rented(found, there.place)

        return self._asked(order.settings, find)

    def launch(self, order: Order) -> Rented:
        _python, _start, *words = order.command(self.place_there(order.settings, order.job_id))

        def launch(there: _There) -> Rented:
            patiently = there.connection.patiently
            program = brought(order.bundle, order.bundle_sha256, storage=there.storage, place=there.place, patiently=patiently)
            body = body_of(order.settings, name=order.name, program=[mounted(program), *words], labels=order.labels)
            return _rented(there.jobs.create(body, name=order.name, label=label_of(order.name)), there.place)

        try:
            return self._asked(order.settings, launch)
        except QuotaExceeded as error:
            _tell_of_quota(error, order.settings)

    def look(self, rented: Rented, settings: Settings) -> Seen:
        """A job that Vertex AI starts again after a preemption says nothing of it: it runs, or waits, until it is over."""
        job = self._asked(settings, lambda there: there.jobs.job(_full(rented, there.place)))
        state, word = standing(job), state_word(job.get("state"))
        detail = SPOT if settings["spot"] and state == "running" else ""
        return Seen(state, word, detail=detail, reason=reason_of(job) if state == "failed" else "")  # type: ignore[arg-type]

    def cancel(self, rented: Rented, settings: Settings) -> None:
        try:
            self._asked(settings, lambda there: there.jobs.cancel(_full(rented, there.place)))
        except Refused as error:
            if type(error) is not Refused:
                raise
            if self.look(rented, settings).state in ("waiting", "running", "unknown"):  # an old answer, perhaps: to be asked again
                raise Unreachable(error.message, remedy="It may be over already; look again.") from None

    def log(self, rented: Rented, settings: Settings) -> str:
        """What the machine there has left in the job's folder: Cloud Logging has the rest."""

        def read(there: _There) -> bytes:
            folder = folder_there(there.jobs.job(_full(rented, there.place)))
            if not folder.startswith(mounted(settings["place"]["bucket"])):
                return b""
            with suppress(NotFound):
                return b"".join(there.storage.content(ObjectAddress.of(f"{unmounted(folder)}/{LOG}")))
            return b""

        return self._asked(settings, read)[-LOG_BYTES:].decode(errors="replace")

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _asked(self, settings: Settings, ask: Callable[[_There], T]) -> T:
        """What `ask` brings. Where the login is refused the next question begins with whoever is signed in then: who signs in again while a
        job is followed need do nothing else."""
        there = self._there(settings)
        try:
            return ask(there)
        except CredentialsRefused:
            self._known.pop(there.place, None)
            raise

    def _there(self, settings: Settings) -> _There:
        place = place_in(settings, self._configuration, default=self._default, clock=self._clock)
        if place not in self._known:
            self._known[place] = _There(place, clock=self._clock, default=self._default)
        return self._known[place]


def _folder(settings: Settings, job_id: str) -> str:
    return f"{settings['place']['bucket']}/tuneport/jobs/{job_id}"


def _rented(job: Reply, place: Place) -> Rented:
    name = str(job["name"])
    return Rented(ids.public(place, name), page=page_of(name, project=place.project))


def _full(rented: Rented, place: Place) -> str:
    return ids.full(place, rented.id, kind=KIND)


def _tell_of_quota(error: QuotaExceeded, settings: Settings) -> NoReturn:
    """Which quota, where, and that it is not that of Compute Engine: the service often names the metric alone."""
    where, spot = settings["place"], settings["spot"]
    metric = quota_of(settings["accelerator_type"], spot=spot)
    raise QuotaExceeded(
        error.message,
        reason=error.reason,
        remedy=f"Ask for more at https://console.cloud.google.com/iam-admin/quotas?project={where['project']} : {metric} in "
        f"{where['location']} (a quota of Vertex AI, not of Compute Engine{'; spot has its own' if spot else ''}).",
    ) from None
