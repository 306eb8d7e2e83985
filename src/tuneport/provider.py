"""What a provider is: a Trainer that makes tuned models, perhaps a Server that lets them answer.

A plug-in is a `Provider` value under the entry point group `tuneport.providers`. Importing its module must be cheap: no SDK, no torch,
no network; those come when `open_trainer` or `open_server` is called, or later.

Errors: every method raises from `tuneport.errors` and nothing else. `Refused` and its kin mean that nothing happened; `RateLimited` that
nothing happened yet; `Ambiguous` that it may have; `Unreachable` that a read got no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from tuneport.clock import Clock, SystemClock

if TYPE_CHECKING:
    from tuneport.examples import Example, Message
    from tuneport.finding import Finding
    from tuneport.job import Event, Metric, Snapshot
    from tuneport.model import Deployment, DeploymentPlan, Model, Prediction
    from tuneport.plan import Plan, PlannedFile
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe

PLUGIN_API = 1
"""Raised whenever this module changes in a way that breaks plug-ins. A plug-in built for another number is refused at load."""


class Capability(StrEnum):
    """What a trainer or server may or may not be able to do. Asked in one place: `support`."""

    TRAIN = "train"
    VALIDATION = "validation"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    EVENTS = "events"
    METRICS = "metrics"
    CHECKPOINTS = "checkpoints"
    DOWNLOAD = "download"
    SUFFIX = "suffix"
    SEED = "seed"
    CONTINUE = "continue"
    TOOLS = "tools"
    IMAGES = "images"
    PREDICT = "predict"
    LOG_PROBABILITIES = "log_probabilities"
    DEPLOY = "deploy"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Support:
    """Whether something can be done, and if not, why: `whose` is 'vendor' (it cannot) or 'tuneport' (we have not yet)."""

    supported: bool
    reason: str = ""
    whose: Literal["", "vendor", "tuneport"] = ""

    def __bool__(self) -> bool:
        return self.supported


YES = Support(True)


def vendor_cannot(reason: str) -> Support:
    """Not supported, and not ours to change."""
    return Support(False, reason, "vendor")


def not_yet(reason: str) -> Support:
    """Not supported by Tuneport so far."""
    return Support(False, reason, "tuneport")


@dataclass(frozen=True, slots=True)
class BaseModel:
    """One entry of a provider's catalogue: a model that can be tuned there. `size_parameters` is the number of weights, if known."""

    id: str
    methods: tuple[str, ...]
    context_tokens: int | None = None
    size_parameters: int | None = None
    licence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FileState:
    """What the provider says of a file: ready to be used, pending, gone, or in error with its reason."""

    state: Literal["ready", "pending", "gone", "error"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """How answers are generated. `temperature` 0 is greedy. `stop` are further stop strings beside the model's own end of turn."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What a provider gets when it is opened. `name` is the provider's or the profile's name, the first part of its URIs.

    `home` is Tuneport's state folder, `profile` the table `[providers.<name>]` of the configuration, `profiles` all of these tables by
    their names, `environ` the environment. Those three may hold keys: `repr` leaves them out.
    """

    name: str
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    profile: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    clock: Clock = field(default_factory=SystemClock)


@runtime_checkable
class Trainer(Protocol):
    """Makes tuned models at one provider, in one scope. Translates; never retries a create."""

    client_names_jobs: bool
    """True when the job's id at the provider is our client id (`azureml`, `local`): then `create` is preceded by a look."""

    poll_interval_s: tuple[float, float]
    """The shortest and the longest sensible time between two looks at a job."""

    def scope(self) -> str:
        """The account, project, endpoint or folder that jobs land in: stable, printable, without secrets."""

    def check(self) -> Sequence[Finding]:
        """Credentials, region, reach: one finding each, with reasons. An `error` means that submitting would fail."""

    def catalogue(self) -> Sequence[BaseModel]:
        """The bases that can be tuned here."""

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        """Whether this can be done, without any request."""

    def plan(self, recipe: Recipe) -> Plan:
        """The exact requests for `recipe`. Pure: sends and writes nothing. Raises Unsupported, UnknownModel, RecipeError, CheckFailed."""

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        """What `recipe` would cost here, and with `usage` what the tuned model would each month. May measure this machine, never asks for
        money."""

    def find_file(self, file: PlannedFile) -> str | None:
        """The id of a file of ours with that name and size at the provider, or None: finds an upload whose reply was lost."""

    def file_state(self, file_id: str) -> FileState:
        """Whether an uploaded file can be used now."""

    def upload(self, file: PlannedFile) -> str:
        """Sends a file; returns its id. Raises Ambiguous when it may have arrived."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        """Creates the job once, with no retry, `client_id` and the fingerprints on it. `files` maps purposes to ids.

        Raises FileGone when a file is no longer there, RateLimited when nothing was created, Ambiguous when something may have been.
        """

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        """The job that carries `client_id`, compared on our side; without metadata at the provider, the one job created after `since`
        that matches the plan's files, base, seed and suffix. Several matches are no match."""

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """The given jobs, in as few requests as the API allows. An id the provider does not know is absent from the answer."""

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        """All jobs of this scope, newest first, created at or after `since`."""

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        """Events in order, after the one with id `after`."""

    def metrics(self, job_id: str) -> Iterable[Metric]:
        """Step metrics in order of step."""

    def cancel(self, job_id: str) -> Snapshot: ...

    def pause(self, job_id: str) -> Snapshot: ...

    def resume(self, job_id: str) -> Snapshot: ...

    def result(self, job_id: str) -> Model:
        """The tuned model and its checkpoints. Raises NotFound while there is none."""

    def download(self, job_id: str, to: Path) -> Path:
        """Fetches what the provider lets one have (weights, logs) into the folder `to`."""

    def delete(self, job_id: str) -> None:
        """Deletes the job and its tuned model at the provider."""

    def billed(self, job_id: str) -> Decimal | None:
        """What the provider charged in USD, or None where it does not say."""


@runtime_checkable
class CleansFiles(Protocol):
    """A trainer that can delete what was uploaded. Not every provider can: looked for with isinstance."""

    def delete_file(self, file_id: str) -> None:
        """Deletes an uploaded file at the provider. Raises NotFound when it is not there."""


@runtime_checkable
class UploadsAtOnce(Protocol):
    """A trainer whose files may be looked for, uploaded and looked at from several threads. Looked for with isinstance."""

    uploads_at_once: int
    """How many at a time."""


@runtime_checkable
class ReturnsFiles(Protocol):
    """A trainer that gives uploaded files back. Looked for with isinstance."""

    def file_content(self, file_id: str) -> Iterable[bytes]:
        """The bytes of an uploaded file, as they were sent. Raises NotFound when it is gone, Refused where it is not given back."""


@runtime_checkable
class MatchesJobs(Protocol):
    """A trainer of a service that may keep nothing of what is written on a job. Looked for with isinstance, and asked in place of `find`,
    so that core can leave out the jobs that it knows to be another submit's."""

    def matching(self, plan: Plan, *, since: datetime) -> Sequence[Snapshot] | None:
        """Every job without a mark of ours, created at or after `since`, that fits the plan's files, base, seed and suffix, and those with
        one of this plan, where some are kept. None where jobs always carry our mark: then `find` says it all."""


Need = Literal["text", "log_probabilities", "labels", "scores"]
"""What a metric needs of a server's answers."""


@runtime_checkable
class Server(Protocol):
    """Lets models of one provider answer."""

    gives: frozenset[Need]

    def model(self, model_id: str) -> Model:
        """A base or tuned model by id. Raises UnknownModel."""

    def models(self) -> Sequence[Model]:
        """The tuned models that can be used here."""

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        """One answer per row, in order, batched as suits the server. For a chat row that ends with the assistant, that last turn is the
        reference: it is not shown, and its log-probability is returned when `needs` asks for it."""

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        """The answer to a conversation, piece by piece."""

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        """Begins to serve the model and returns at once. A second call for the same model and name makes no second deployment."""

    def deployments(self) -> Sequence[Deployment]: ...

    def undeploy(self, deployment_id: str) -> None:
        """Ends a deployment, and what it costs. Raises NotFound when it is not there."""


@runtime_checkable
class GivesByModel(Protocol):
    """A server of which not every model gives the same: some answer with text, some with labels. Looked for with isinstance."""

    def gives_of(self, target: Model | Deployment) -> frozenset[Need]:
        """What this model gives; part of `gives`."""


def given_by(server: Server, target: Model | Deployment) -> frozenset[Need]:
    """What `target` gives when `server` lets it answer."""
    return server.gives_of(target) if isinstance(server, GivesByModel) else server.gives


@runtime_checkable
class Deploys(Protocol):
    """A server whose models answer through deployments, which may cost money as long as they stand. Looked for with isinstance."""

    def deployment_plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """What `deploy` would send and cost; only reads. Raises Refused where the name is another model's, RecipeError for options."""

    def deployment(self, deployment_id: str) -> Deployment:
        """One deployment as it is now. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a provider's own storage, as it is now: `version` is another one whenever its bytes are others."""

    address: str
    size_bytes: int
    version: str


@runtime_checkable
class RemoteFiles(Protocol):
    """Reads files at addresses of a provider's own storage, such as gs://BUCKET/NAME. Never writes any."""

    def look(self, address: str) -> RemoteFile:
        """The file there. Raises NotFound, and what a refusal or silence is."""

    def content(self, file: RemoteFile) -> Iterable[bytes]:
        """The bytes of that very version. Raises NotFound where it is no longer there."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A plug-in, as its entry point names it. `open_server` is None where nothing can be asked.

    `bills` is False where a job costs no money (one's own machine): submitting there asks for no confirmation. `reads` opens what reads
    files by the scheme of their address: `gs` for gs://BUCKET/NAME.
    """

    name: str
    summary: str
    open_trainer: Callable[[ProviderSettings], Trainer]
    open_server: Callable[[ProviderSettings], Server] | None = None
    plugin_api: int = PLUGIN_API
    version: str = ""
    bills: bool = True
    reads: Mapping[str, Callable[[ProviderSettings], RemoteFiles]] = field(default_factory=dict)
