"""Engine `azureml` of the local backend: a command job of a workspace for each launch, its folder a mounted output of the datastore.

Its metrics come home by that folder, so nothing is written to the run's MLflow. All that is asked is asked with the settings that a recipe
keeps; who asks is told by the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from tuneport_local.engines.launcher import Order, Place, Rented, Seen, Settings

from tuneport.clock import Clock, SystemClock
from tuneport.settings import Settings as Configuration
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.adapter.containers import Container
from tuneport_azureml.renting import assets, jobs
from tuneport_azureml.renting.settings import read, workspace
from tuneport_azureml.wire.command_jobs import PLACE_THERE, command_body, place_uri, studio_page

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential


class AzureMLLauncher:
    """`session`: the transport's; `credential` makes one of Entra, where not the usual is meant."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Clock | None = None,
        session: requests.Session | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._configuration = configuration
        self._clock = clock or SystemClock()
        self._session = session
        self._credential = credential
        self._open: dict[tuple[str, str], Connection] = {}

    def read(self, options: Mapping[str, Any]) -> Settings:
        return read(options, self._configuration)

    def gpus(self, settings: Settings) -> int:
        return int(settings["gpus"])

    def check(self, settings: Settings) -> list[str]:
        from tuneport_azureml.renting.checks import reasons

        return reasons(self._connection(settings), settings)

    def place(self, settings: Settings, job_id: str) -> Place:
        from tuneport_azureml.renting.filesystem import BlobFiles

        files = BlobFiles(Container(self._connection(settings)))
        return Place(place_uri(str(settings["datastore"]), job_id).rstrip("/"), files=files)

    def place_there(self, settings: Settings, job_id: str) -> str:
        """What stands for the path in a job's command: it is known on the machine only."""
        return PLACE_THERE

    def find(self, order: Order) -> Rented | None:
        job = jobs.mine(self._connection(order.settings), order.name)
        return None if job is None else Rented(order.name, studio_page(job))

    def launch(self, order: Order) -> Rented:
        connection = self._connection(order.settings)
        code = assets.code(connection, Container(connection), bundle=order.bundle, bundle_sha256=order.bundle_sha256)
        environment = assets.environment(connection, order.settings)
        body = command_body(
            order.settings,
            name=order.name,
            job_id=order.job_id,
            command=order.command(PLACE_THERE),
            code=code,
            environment=environment,
            labels=order.labels,
        )
        return Rented(order.name, studio_page(jobs.create(connection, order.name, body)))

    def look(self, rented: Rented, settings: Settings) -> Seen:
        state, word, detail, reason = jobs.seen(self._connection(settings), rented.id)
        return Seen(cast(Any, state), word, detail, reason)

    def cancel(self, rented: Rented, settings: Settings) -> None:
        jobs.cancel(self._connection(settings), rented.id)

    def log(self, rented: Rented, settings: Settings) -> str:
        return jobs.log(self._connection(settings), rented.id)

    def _connection(self, settings: Settings) -> Connection:
        """One for each workspace and datastore, so that a token is fetched once."""
        place = workspace(settings, self._configuration)
        key = (place.id, place.datastore)
        if key not in self._open:
            self._open[key] = Connection(place, clock=self._clock, session=self._session, credential=self._credential)
        return self._open[key]


def launcher(configuration: Configuration) -> AzureMLLauncher:
    """What the entry point `azureml` of `tuneport.engines` names."""
    return AzureMLLauncher(configuration)
