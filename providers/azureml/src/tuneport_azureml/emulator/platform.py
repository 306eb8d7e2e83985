"""The emulated workspace as one thing: start it, point the SDKs at it, let time pass, break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from tuneport.testing.emulator import BlobStore, EmulatedPlatform, EmulatorServer, FaultPlan, Routes, SteppedClock, Timepiece
from tuneport_azureml.emulator.blob_routes import Blobs
from tuneport_azureml.emulator.code_routes import Codes
from tuneport_azureml.emulator.courses import Course
from tuneport_azureml.emulator.data_routes import Data
from tuneport_azureml.emulator.endpoint_routes import Endpoints
from tuneport_azureml.emulator.gate import Gate
from tuneport_azureml.emulator.habits import Habits
from tuneport_azureml.emulator.job_routes import Jobs
from tuneport_azureml.emulator.machines import Container, Machines
from tuneport_azureml.emulator.model_routes import Models
from tuneport_azureml.emulator.online_routes import Online
from tuneport_azureml.emulator.run_routes import Runs
from tuneport_azureml.emulator.scoring_routes import Scores
from tuneport_azureml.emulator.serving_routes import Serves
from tuneport_azureml.emulator.shelf import Serving
from tuneport_azureml.emulator.workspace_routes import Workspaces
from tuneport_azureml.emulator.world import ARM, ROLES, SIZES, Place, Token, World

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SUBSCRIPTION, GROUP, WORKSPACE = "11111111-2222-4333-8444-555555555555", "tuning", "contoso-ml"
ACCOUNT, CONTAINER, COMPUTE = "contosomlstore", "azureml-blobstore", "gpu-a100"
MODELS = (
    "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/14",
    "azureml://registries/azureml-meta/models/Meta-Llama-3-8B/versions/8",
    "azureml://registries/azureml/models/bert-base-uncased/versions/3",
    "azureml://registries/azure-openai/models/gpt-4o-mini/versions/1",
)
ENVIRONMENTS = (
    "azureml://registries/azureml/environments/acpt-pytorch-2.8-cuda12.6/labels/latest",
    "azureml://registries/azureml/environments/acpt-pytorch-2.8-cuda12.6/versions/12",
)
YEAR_S = 365 * 24 * 3600.0


class AzureMLEmulator(EmulatedPlatform):
    """One workspace of Azure ML with its storage, on loopback; use it in a `with`.

    Without a `clock` time stands still at 2026-11-21 09:00 UTC until `clock.advance(seconds)`. `course` says what becomes of jobs: one for
    all, or a function of the job's number; for `run_commands` command jobs really run. The state lies in `world`.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Timepiece | None = None,
        faults: FaultPlan | None = None,
        habits: Habits | None = None,
        course: Course | Callable[[int], Course] | None = None,
        serving: Serving | None = None,
        folder: Path | None = None,
        port: int = 0,
    ) -> None:
        routes, blobs = Routes(), BlobStore(folder)
        self.clock: Timepiece = clock or SteppedClock(start=START)
        self.world = World(
            clock=self.clock,
            store=blobs,
            place=Place(SUBSCRIPTION, GROUP, WORKSPACE),
            habits=habits or Habits(),
            course_of=course if callable(course) else lambda number: course or Course(),
            seed=seed,
            account=ACCOUNT,
            container=CONTAINER,
            models=set(MODELS),
            shared_environments=set(ENVIRONMENTS),
            computes={COMPUTE: "Standard_NC24ads_A100_v4", "cpu-small": "Standard_E4s_v3"},
            quotas={family: 96 for family, *_ in SIZES.values()},
            serving=serving or Serving(),
        )
        for part in (Runs, Jobs, Data, Codes, Models, Endpoints, Serves, Online, Scores, Workspaces, Blobs):
            part(self.world, routes)
        self.server = EmulatorServer(routes, Gate(self.world), clock=self.clock, blobs=blobs, faults=faults, port=port)
        self.world.address = self.server.url
        self._machines: Machines | None = None

    def run_commands(self, container: Container, folder: Path) -> Machines:
        """From now on command jobs run on this machine, in a process and a folder each, and go by real time."""
        self._machines = Machines(self.world, self.server.turn, container=container, folder=folder)
        self.world.begin = self._machines.begin
        return self._machines

    def close(self) -> None:
        self._end_machines()
        super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_machines()
        super().__exit__(kind, error, trace)

    def _end_machines(self) -> None:
        if self._machines is not None:
            self._machines.close()

    @property
    def url(self) -> str:
        """Of the management plane, the run history and blob storage alike, without a path."""
        return self.server.url

    @property
    def exports(self) -> Mapping[str, str]:
        """The environment that points the real clients here."""
        return {
            "AZUREML_DEV_URL_MFE": self.url,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZUREML_WORKSPACE_NAME": WORKSPACE,
            "AZURE_MANAGEMENT_TOKEN": self.token(),
        }

    def token(self, *, role: str = "scientist", life_s: float = YEAR_S, tenant_right: bool = True, audience: str = ARM) -> str:
        """A new access token of a `scientist`, who may train, of a `reader`, or of `nobody`, for the management plane or for storage."""
        world = self.world
        ends = world.now() + timedelta(seconds=life_s)
        made = Token(world.word("eyJemulated.", 40), f"{role}@contoso", ROLES[role], ends, audience, tenant_right)
        world.tokens[made.value] = made
        return made.value

    def revoke(self, token: str) -> None:
        self.world.tokens.pop(token, None)
