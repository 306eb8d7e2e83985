"""Tuned models answer through deployments, which the management plane makes and ends; so do bases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from tuneport_openai.adapter.names import is_checkpoint
from tuneport_openai.adapter.server import ANSWER_S, DialectServer

from tuneport.errors import ConfigError, CredentialsRefused, NotFound, Refused, TuneportError, UnknownModel, Unreachable
from tuneport.model import Deployment, DeploymentPlan, Model, Prediction
from tuneport.provider import ProviderSettings
from tuneport.redaction import warn
from tuneport.replies import day_in, object_in, time_in
from tuneport_azure.adapter.asking import AskingConnection, Filtered, NotDeployed, NotReady
from tuneport_azure.adapter.deploying import begin, end
from tuneport_azure.adapter.deployment_plans import plan_of
from tuneport_azure.adapter.deployments import Deployments
from tuneport_azure.adapter.management import Row, management_of
from tuneport_azure.profile import resource_of
from tuneport_azure.wire import ids
from tuneport_azure.wire.deployments import Standing, base_of, is_tuned
from tuneport_azure.wire.dialect import AZURE

if TYPE_CHECKING:
    import httpx2
    from azure.core.credentials import TokenCredential
    from tuneport_openai.adapter.connection import Reply

T = TypeVar("T")

SETTLES_S = 600.0
"""How long a young deployment is waited for: Microsoft's own tests wait ten minutes after it is said to be ready."""
YOUNG = timedelta(hours=1)
UNHEARD_S = 60.0
"""How long one is waited for of which nobody can say whether it is there at all."""
PAUSE_S = 10.0


class AzureServer(DialectServer):
    """The models and deployments of one resource. What a model is asked by is the name of a deployment of it."""

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        http_client: httpx2.Client | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._resource = resource_of(settings)
        connection = AskingConnection(
            self._resource, clock=settings.clock, timeout_s=ANSWER_S, http_client=http_client, credential=credential
        )
        super().__init__(connection, dialect=AZURE)
        self._clock = settings.clock
        self._deployments = Deployments(management_of(self._resource, settings, credential=credential))
        self._patience: dict[str, tuple[float, float]] = {}
        self._looking = Lock()

    # --- models ----------------------------------------------------------------------------------------------------------------------

    def model(self, model_id: str) -> Model:
        """A tuned model, a checkpoint, a base, or what answers at a deployment (`RESOURCE/deployments/NAME`). Raises UnknownModel."""
        try:
            bare = ids.bare(self._resource.resource, model_id, profile=self._name)
        except NotFound as error:
            if is_tuned(model_id.partition("/")[2]):
                return self._elsewhere(model_id)
            raise UnknownModel(error.message, remedy=error.remedy) from None
        if bare.startswith(f"{ids.DEPLOYMENTS}/"):
            return self._at_deployment(bare.partition("/")[2])
        if is_tuned(bare) and ".ft-" not in bare:
            return self._model({"id": bare})  # a checkpoint is in no list of models
        try:
            row = self._patient("asking for a model", lambda client: client.models.with_raw_response.retrieve(bare))
        except (NotFound, UnknownModel) as error:
            if is_tuned(bare):
                return self._model({"id": bare})  # perhaps another resource's, to be deployed here: its PUT says
            return self._by_name(bare, error)
        return self._model(row | {"id": bare})

    def _elsewhere(self, model_id: str) -> Model:
        """A tuned model of another resource. It cannot be looked at from here; with a `source` it can be deployed."""
        return Model(uri=f"{self._name}:{model_id}", provider=self._name, id=model_id, base=base_of(model_id.partition("/")[2]))

    def models(self) -> Sequence[Model]:
        """Tuned models, the youngest first, with the names of their deployments where the management plane tells them."""
        rows = self._connection.patiently(
            lambda: self._connection.rows("listing models", lambda client: client.models.with_raw_response.list())
        )
        names = self._names()
        tuned = [self._model(row, names.get(row["id"], ())) for row in rows if is_tuned(row["id"]) and not is_checkpoint(row["id"])]
        return sorted(tuned, key=lambda model: str(model.created_at), reverse=True)

    def _names(self) -> Mapping[str, Sequence[str]]:
        """The names of the deployments of each model; none where that cannot be seen."""
        found: dict[str, list[str]] = {}
        try:
            for each in self._deployments.standing():
                found.setdefault(each.model, []).append(each.name)
        except (ConfigError, Refused, Unreachable):
            return {}
        return found

    def _by_name(self, name: str, why: TuneportError) -> Model:
        """People name a deployment without more. Raises UnknownModel."""
        if self._resource.subscription is not None and "/" not in name:
            try:
                return self._standing_model(self._deployments.look(name))
            except (ConfigError, Refused, Unreachable):
                pass
        raise UnknownModel(
            f"{self._name} has no model and no deployment {name!r}: {why.message}",
            remedy=f"See: tuneport models list --provider {self._name}; a deployment goes by {self._name}:{self._deployments.id('NAME')}",
        ) from None

    def _at_deployment(self, name: str) -> Model:
        """Without a role in the management plane one may still ask a deployment whose name one knows."""
        try:
            return self._standing_model(self._deployments.look(name))
        except NotFound as error:
            raise UnknownModel(error.message, remedy=error.remedy) from None
        except (ConfigError, CredentialsRefused, Unreachable):
            return Model(uri=f"{self._name}:{self._deployments.id(name)}", provider=self._name, id=self._deployments.id(name))

    def _standing_model(self, standing: Standing) -> Model:
        found = self._deployments.id(standing.name)
        return Model(
            uri=f"{self._name}:{found}",
            provider=self._name,
            id=found,
            base=base_of(standing.model) or (None if standing.tuned else standing.model),
            kind="tuned" if standing.tuned else "base",
            created_at=standing.created_at,
            details={"model": ids.public(self._resource.resource, standing.model), "state": standing.state},
        )

    def _model(self, row: Row, names: Sequence[str] = ()) -> Model:
        bare = str(row["id"])
        tuned, public = is_tuned(bare), ids.public(self._resource.resource, bare)
        job, ends = row.get("fine_tune"), _last_day(row) if tuned else None
        return Model(
            uri=f"{self._name}:{public}",
            provider=self._name,
            id=public,
            base=base_of(bare) if tuned else bare,
            kind="tuned" if tuned else "base",
            job_uri=f"{self._name}:{ids.public(self._resource.resource, job)}" if isinstance(job, str) and job else None,
            created_at=time_in(row, "created_at") or time_in(row, "created"),
            details={**({"deployments": list(names)} if names else {}), **({"shutdown_date": ends} if ends else {})},
        )

    # --- asking ----------------------------------------------------------------------------------------------------------------------

    def _asked_as(self, target: Model | Deployment) -> str:
        """The name of the deployment: its own, or that of the youngest one that serves the model and is ready."""
        bare = ids.bare(self._resource.resource, target.id, profile=self._name)
        if isinstance(target, Deployment) or bare.startswith(f"{ids.DEPLOYMENTS}/"):
            return self._deployments.name(target.id)
        try:
            serving = [each for each in self._deployments.standing() if each.model == bare or (not each.tuned and _is_of(each, bare))]
        except (ConfigError, CredentialsRefused) as error:
            raise type(error)(
                f"{self._name}: which deployment serves {bare} cannot be seen: {error.message}",
                remedy=f"Name the deployment instead, {self._name}:{self._deployments.id('NAME')}. {error.remedy}",
            ) from None
        ready = [each for each in serving if each.phase == "ready"]
        if not ready:
            raise self._nothing_serves(bare, serving)
        return max(ready, key=lambda each: str(each.created_at)).name

    def _nothing_serves(self, bare: str, serving: Sequence[Standing]) -> TuneportError:
        uri = f"{self._name}:{ids.public(self._resource.resource, bare)}"
        for each in serving:
            if each.phase in ("starting", "unknown"):
                return Unreachable(
                    f"{uri} does not answer yet: its deployment {each.name} is {each.state}.",
                    remedy=f"Look: tuneport models deployments --provider {self._name}",
                )
        failed = f" ({serving[0].name} is {serving[0].state})" if serving else ""
        return NotFound(
            f"{uri} answers only through a deployment, and none on {self._resource.resource} serves it{failed}.",
            remedy=f"Deploy it: tuneport models deploy {uri}"
            if is_tuned(bare)
            else "Deploy that base in the portal, or with: az cognitiveservices account deployment create",
        )

    def _prediction(self, body: Reply) -> Prediction:
        """A question that the content filter refuses has no answer; the others have."""
        try:
            return self._once_heard(body["model"], lambda: super(AzureServer, self)._prediction(body))
        except Filtered as error:
            warn(error.message)
            return Prediction("", finish="error")

    def _begin(self, body: Reply) -> Any:
        return self._once_heard(body["model"], lambda: super(AzureServer, self)._begin(body))

    def _once_heard(self, name: str, ask: Callable[[], T]) -> T:
        """`ask`, again while a young deployment is not heard of yet, by our own clock."""
        began = self._clock.monotonic()
        while True:
            try:
                return ask()
            except (NotDeployed, NotReady) as error:
                left_s = self._patience_s(name, error) - (self._clock.monotonic() - began)
                if left_s <= 0:
                    raise self._never_heard(name, error) from None
            self._clock.sleep(min(PAUSE_S, left_s))

    def _patience_s(self, name: str, error: TuneportError) -> float:
        """How long it is worth waiting. Looked at once for all rows that wait. Raises NotFound where the deployment is gone."""
        with self._looking:
            looked_at, patience_s = self._patience.get(name, (-math.inf, 0.0))
            if self._clock.monotonic() - looked_at > SETTLES_S:
                patience_s = self._seen_patience_s(name, error)
                self._patience[name] = self._clock.monotonic(), patience_s
                warn(f"{self._name}: the deployment {name} does not answer yet; waiting for it, up to {patience_s / 60:.0f} minutes.")
            return patience_s

    def _seen_patience_s(self, name: str, error: TuneportError) -> float:
        try:
            found = self._deployments.look(name)
        except NotFound:
            raise NotFound(
                f"{self._name}: the deployment {name} is not there (any more): Azure removes one that nobody asks for 15 days, and a "
                "developer's after 24 hours.",
                remedy=f"The model stays; see: tuneport models list --provider {self._name}, and deploy it again: tuneport models deploy",
            ) from None
        except (ConfigError, Refused, Unreachable):
            return SETTLES_S if isinstance(error, NotReady) else UNHEARD_S
        if found.phase == "failed":
            raise Refused(f"{self._name}: the deployment {name} is {found.state}{f': {found.reason}' if found.reason else ''}.")
        young = found.created_at is None or self._clock.now() - found.created_at < YOUNG
        return SETTLES_S if young or found.phase != "ready" else UNHEARD_S

    def _never_heard(self, name: str, error: TuneportError) -> TuneportError:
        """What stays so after minutes does not pass: nobody asks again by itself."""
        remedy = f"See: tuneport models deployments --provider {self._name}. One that stays so has to be ended and made again."
        return (NotFound if isinstance(error, NotDeployed) else Refused)(
            f"{self._name}: the deployment {name} does not answer: {error.message}", remedy=remedy
        )

    # --- deployments -----------------------------------------------------------------------------------------------------------------

    def deployment_plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """What `deploy` would send and cost; only reads. Raises Refused where the name is another model's, RecipeError for options."""
        return plan_of(self._deployments, model, options=options)

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        """Begins to serve the model, unless it is served under that name. `options`: name, type, capacity, source."""
        return begin(self._deployments, model, options=options)

    def deployment(self, deployment_id: str) -> Deployment:
        """One deployment as it is now. Raises NotFound."""
        return self._deployments.get(deployment_id)

    def deployments(self) -> Sequence[Deployment]:
        """Those of tuned models, the youngest first."""
        return self._deployments.listed()

    def undeploy(self, deployment_id: str) -> None:
        """Ends a deployment, and sees it gone. Raises NotFound when it is not there."""
        end(self._deployments, deployment_id)


def _last_day(row: Row) -> str | None:
    """Until when it answers, as the list of models says."""
    day = day_in(object_in(row, "deprecation"), "inference")
    return None if day is None else day.isoformat()


def _is_of(standing: Standing, base: str) -> bool:
    """Whether a deployment serves that base, which may be named without its version."""
    name, mark, _ = standing.model.rpartition("-20")
    return base in (standing.model, name if mark else standing.model)
