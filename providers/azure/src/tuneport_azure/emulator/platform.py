"""The emulated Azure as one thing: start it, point the SDKs at it, let time pass, break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuneport_openai.emulator.bases import by_name
from tuneport_openai.emulator.organisations import Organisation

from tuneport.testing.emulator import (
    Account,
    Answer,
    BlobStore,
    EmulatedPlatform,
    EmulatorServer,
    FaultPlan,
    Request,
    Routes,
    SteppedClock,
    Timepiece,
)
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.accounts import Accounts
from tuneport_azure.emulator.arm import ArmRoutes
from tuneport_azure.emulator.bases import KNOWN, AzureBase
from tuneport_azure.emulator.chat import AzureChat
from tuneport_azure.emulator.courses import AzureCourse, DeploymentCourse
from tuneport_azure.emulator.deployment_routes import Deployments
from tuneport_azure.emulator.deployments import current
from tuneport_azure.emulator.entra import LOOKS_LIKE_A_TOKEN, ROLES, Token
from tuneport_azure.emulator.files import AzureFiles
from tuneport_azure.emulator.gate import Gate
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.job_routes import AzureJobs
from tuneport_azure.emulator.jobs import settle
from tuneport_azure.emulator.metrics import Metrics
from tuneport_azure.emulator.models import AzureModels
from tuneport_azure.emulator.resources import Quotas, Resource
from tuneport_azure.emulator.uploads import AzureUploads
from tuneport_azure.emulator.versions import DataRoutes
from tuneport_azure.emulator.world import AzureWorld, HexIds

YEAR_S = 365 * 24 * 3600.0
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SUBSCRIPTION, GROUP = "11111111-2222-3333-4444-555555555555", "tuning"


class AzureEmulator(EmulatedPlatform):
    """Azure OpenAI and Azure Resource Manager on loopback; use it in a `with`.

        with AzureEmulator() as emulator:
            client = OpenAI(base_url=emulator.v1_url(), api_key=emulator.key())
            dated = AzureOpenAI(azure_endpoint=emulator.endpoint(), api_key=emulator.key(), api_version="2025-04-01-preview")
            token = emulator.token(role="owner")        # for the management plane at emulator.management_url

    Without a `clock` time stands still at 2026-11-21 09:00 UTC until `clock.advance(seconds)`. There are three resources: `contoso` (in a
    region with all but the Standard tier), `nordic` (with all tiers), and `remote` (whose region has no fine-tuning). `course` says what
    becomes of jobs and `deployment` what becomes of deployments: one for all, or a function of the number. The state lies in `world`.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Timepiece | None = None,
        faults: FaultPlan | None = None,
        habits: AzureHabits | None = None,
        quotas: Quotas | None = None,
        course: AzureCourse | Callable[[int], AzureCourse] | None = None,
        deployment: DeploymentCourse | Callable[[int], DeploymentCourse] | None = None,
        bases: Iterable[AzureBase] = KNOWN,
        folder: Path | None = None,
        port: int = 0,
    ) -> None:
        routes, blobs = Routes(), BlobStore(folder)
        self.clock: Timepiece = clock or SteppedClock(start=START)
        self.world = AzureWorld(
            clock=self.clock,
            blobs=blobs,
            bases=by_name(bases),
            habits=habits or AzureHabits(),
            course_of=course if callable(course) else lambda number: course or AzureCourse(),
            deployment_course_of=deployment if callable(deployment) else lambda number: deployment or DeploymentCourse(),
            quotas=quotas or Quotas(),
            ids=HexIds(seed),
        )
        self.add_resource("contoso", location="eastus2")
        self.add_resource("nordic", location="swedencentral")
        self.add_resource("remote", location="norwayeast")
        data, arm = DataRoutes(routes), ArmRoutes(self.world, routes)
        for part in (AzureFiles, AzureUploads, AzureJobs, AzureModels, AzureChat):
            part(self.world, data)
        for managed in (Deployments, Accounts, Metrics):
            managed(self.world, arm)
        routes.add("GET /blobs/{name}", self._blob)
        self.server = EmulatorServer(routes, Gate(self.world), clock=self.clock, blobs=blobs, faults=faults, port=port)

    # where it is

    def endpoint(self, resource: str = "contoso") -> str:
        """What AZURE_OPENAI_ENDPOINT is."""
        return f"{self.server.url}/{resource}"

    def v1_url(self, resource: str = "contoso") -> str:
        return f"{self.endpoint(resource)}/openai/v1/"

    @property
    def management_url(self) -> str:
        return self.server.url

    # what there is

    def resource(self, name: str = "contoso") -> Resource:
        """A resource, to be changed by a test."""
        return self.world.resources[name]

    def key(self, resource: str = "contoso") -> str:
        return self.resource(resource).keys[0]

    def add_resource(self, name: str, *, location: str, subscription: str = SUBSCRIPTION, group: str = GROUP) -> Resource:
        resource = Resource(name, location, subscription, group, [self.world.ids.new("azkey", 40)])
        self.world.resources[name] = resource
        self.world.organisations[name] = Organisation(name, name)
        return resource

    def token(
        self,
        *,
        role: str = "owner",
        life_s: float = YEAR_S,
        audience: str | None = None,
        resources: Iterable[str] | None = None,
        without: Iterable[str] = (),
    ) -> str:
        """A new token: `owner` may do everything, `user` train but not deploy, `reader` look, `nobody` nothing; less what is `without`."""
        made = Token(
            value=self.world.ids.new(LOOKS_LIKE_A_TOKEN, 48),
            principal=self.world.ids.new(""),
            may=ROLES[role] - frozenset(without),
            expires_at=self.world.now() + timedelta(seconds=life_s),
            audience=audience,
            resources=None if resources is None else frozenset(resources),
        )
        return self.world.directory.issue(made)

    def revoke(self, token: str) -> None:
        self.world.directory.tokens.pop(token, None)

    def publish(self, name: str, data: bytes, *, signature: str = "emulator") -> str:
        """Lays the data where a file can be imported from; its URL, with a signature that is needed to read it."""
        url = f"{self.server.url}/blobs/{name}?sv=2025-01-05&sp=r&sig={signature}"
        self.world.web[url] = self.world.blobs.write([data])
        return url

    def settle(self) -> None:
        """Lets every job and deployment run its course up to now, as a request about it would."""
        with self.server.turn:
            for resource in self.world.resources.values():
                settle(Account(resource.name, resource.name), self.world)
                current(resource, self.world)

    def _blob(self, request: Request) -> Answer:
        query = "&".join(f"{name}={value}" for name, value in request.query)
        blob = self.world.web.get(f"{self.server.url}{request.path}?{query}")
        if blob is None:
            raise refusals.refusal(403, "AuthenticationFailed", "Server failed to authenticate the request.")
        return Answer(200, data=blob, media_type="application/octet-stream")
