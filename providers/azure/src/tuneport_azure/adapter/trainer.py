"""The Trainer of one Azure OpenAI resource: OpenAI's API in Azure's dialect. A create is sent once; reads are left to core to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuneport_openai.adapter import jobs
from tuneport_openai.adapter.connection import Reply
from tuneport_openai.adapter.trainer import DialectTrainer
from tuneport_openai.wire.jobs import PLAN, carries, matches, trained_tokens

from tuneport.errors import NotFound, Refused, UnknownModel, Unsupported
from tuneport.job import JobState, Snapshot
from tuneport.provider import YES, BaseModel, Capability, ProviderSettings, Support, vendor_cannot
from tuneport.replies import object_in, text_in, time_in
from tuneport_azure.adapter.connection import AzureConnection
from tuneport_azure.profile import resource_of
from tuneport_azure.refusals import NotTrained
from tuneport_azure.wire.dialect import AZURE
from tuneport_azure.wire.ids import bare, public
from tuneport_azure.wire.options import options_of, training_type_of
from tuneport_azure.wire.plans import ImportedFile
from tuneport_azure.wire.versions import SINCE, refuse_old, too_old

if TYPE_CHECKING:
    import httpx2
    from azure.core.credentials import TokenCredential

    from tuneport.finding import Finding
    from tuneport.model import Model
    from tuneport.plan import Plan, PlannedFile
    from tuneport.provider import FileState
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe
    from tuneport_azure.adapter.management import Management

_SINCE_PREVIEW = frozenset({Capability.TRAIN, Capability.PAUSE, Capability.RESUME})
_DONE = {
    Capability.CANCEL: frozenset({JobState.CANCELLED, JobState.CANCELLING}),
    Capability.PAUSE: frozenset({JobState.PAUSED, JobState.PAUSING}),
    Capability.RESUME: frozenset({JobState.RUNNING, JobState.QUEUED}),
}
"""What a job may be already, so that nothing is left to ask for."""


class AzureTrainer(DialectTrainer):
    """Jobs of one resource. `http_client` is the SDK's transport, and `credential` makes the one of Entra, where not the vendor's own are
    wanted."""

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        http_client: httpx2.Client | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._resource = resource_of(settings)
        self._azure = AzureConnection(self._resource, clock=settings.clock, http_client=http_client, credential=credential)
        self._credential = credential
        super().__init__(self._azure, settings=settings, dialect=AZURE)

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        from tuneport_azure.adapter.checks import check

        return check(self._azure, self.list(), management=self._management(), on=self._today())

    def _management(self) -> Management:
        from tuneport_azure.adapter.management import management_of

        return management_of(self._resource, self._settings, credential=self._credential)

    def catalogue(self) -> Sequence[BaseModel]:
        from tuneport_openai.adapter.bases import tunable

        from tuneport_azure.adapter.costs import PROVIDER

        return tunable(PROVIDER, on=self._today())

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        from tuneport_openai.adapter.bases import refused_by_base

        from tuneport_azure.adapter.costs import PROVIDER

        version = self._resource.api_version
        if capability in _SINCE_PREVIEW and too_old(version):
            return vendor_cannot(f"api_version {version} is too old to {capability.value}: {SINCE} is the first that can")
        if capability is Capability.DELETE and version is None:
            return vendor_cannot(f"the v1 API documents no call that deletes a job; a dated one does: api_version = {SINCE!r}")
        if capability is Capability.LOG_PROBABILITIES:
            return vendor_cannot("the chat API tells the log-probabilities of the model's own words only, not of a reference")
        if capability is Capability.EXPORT:
            return vendor_cannot("the weights of tuned models stay with the vendor")
        refused = refused_by_base(capability, provider=PROVIDER, method=method, base=base)
        return YES if refused is None else refused

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_azure.adapter.imports import address_of
        from tuneport_azure.adapter.sends import sends
        from tuneport_azure.wire.plans import to_plan

        refuse_old(self._resource.api_version, what="to train with")
        if not (answer := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{answer.reason}.")
        plan = to_plan(
            recipe,
            provider=self._name,
            scope=self.scope(),
            base=self._base(recipe),
            on=self._today(),
            training_type=self._resource.training_type,
            version=self._resource.api_version,
        )
        for file in plan.files:
            if isinstance(file, ImportedFile):
                address_of(file, self._settings.environ)
        return replace(plan, sends=tuple(sends(plan, self._resource)))

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_azure.adapter.costs import estimate

        chosen = options_of(recipe, provider=self._name).training_type or self._resource.training_type
        return estimate(
            recipe,
            name=self._name,
            base=self._base(recipe),
            training_type=chosen,
            home=self._settings.home,
            usage=usage,
            on=self._today(),
        )

    def _base(self, recipe: Recipe) -> str:
        """The base as the vendor calls it, or an alias: a tuned model of this resource may stand there by its URI."""
        named = recipe.base_for(self._name).removeprefix(f"{self._name}:")
        try:
            return self._bare(named)
        except NotFound as error:
            raise UnknownModel(error.message, remedy=error.remedy) from None

    # --- files and jobs --------------------------------------------------------------------------------------------------------------

    def find_file(self, file: PlannedFile) -> str | None:
        from tuneport_azure.adapter.imports import found_again

        return found_again(self._azure, file, self._settings.environ) if isinstance(file, ImportedFile) else super().find_file(file)

    def upload(self, file: PlannedFile) -> str:
        from tuneport_azure.adapter.imports import imported

        return imported(self._azure, file, self._settings.environ) if isinstance(file, ImportedFile) else super().upload(file)

    def file_state(self, file_id: str) -> FileState:
        """What the vendor says of a file that it could not fetch may hold the signed address."""
        from tuneport_azure.adapter.imports import state

        return state(self._azure, file_id, self._settings.environ)

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        """As at OpenAI; where the base is not trained so, what its region offers is looked up as far as that may be seen."""
        try:
            return super().create(plan, client_id, files)
        except NotTrained as error:
            raise self._not_trained(plan, error) from None

    def _not_trained(self, plan: Plan, error: NotTrained) -> Refused:
        from tuneport_azure.adapter.region import types_of

        chosen, where = training_type_of(plan.requests[-1].body), self._resource.resource
        types = types_of(self._management(), plan.base)
        why = "its region does not offer that" if types else "the base is unknown or retired, or the region does not offer it so"
        offered = f"Its region trains {plan.base} as {' or '.join(sorted(types))}: options.azure.training_type." if types else error.remedy
        said = f"{where} does not train {plan.base} as {chosen}: {why}: {error.reason.rstrip('.')}."
        return Refused(said, reason=error.reason, remedy=offered)

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        """By our mark, where the service kept it; else the one job that fits the plan."""
        listed = list(self._listed(None))
        marked = next((job for job in listed if carries(job, client_id)), None)
        if marked is not None:
            return self._snapshot(marked)
        fitting = [] if plan is None else self._fitting(listed, plan, since)
        return self._snapshot(fitting[0]) if len(fitting) == 1 else None

    def matching(self, plan: Plan, *, since: datetime) -> Sequence[Snapshot]:
        """The jobs that carry the mark of this plan, and those without any that fit it: what is kept of a job is not documented."""
        listed = list(self._listed(None))
        ours = [job for job in listed if text_in(object_in(job, "metadata"), PLAN) == plan.fingerprint]
        return [self._snapshot(job) for job in (*ours, *self._fitting(listed, plan, since))]

    def _fitting(self, listed: Sequence[Reply], plan: Plan, since: datetime | None) -> Sequence[Reply]:
        ids = self._copies(plan)
        return [job for job in listed if matches(job, plan, files=ids, since=since)]

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Where none of them is known, whether that is word of the jobs or of a wrong address is made sure of."""
        found = super().fetch(ids)
        if ids and not found:
            next(jobs.pages(self._connection), None)
        return found

    def _listed(self, since: datetime | None) -> Iterator[Reply]:
        """All pages: in which order they come is not documented, and a resource keeps some hundred jobs."""
        found = list(chain.from_iterable(jobs.pages(self._connection)))
        found.sort(key=_created, reverse=True)
        yield from (job for job in found if since is None or _created(job) + 1 > since.timestamp())

    def _events(self, job_id: str, *, after: str | None = None) -> Sequence[Reply]:
        found = super()._events(job_id)
        seen = next((number for number, event in enumerate(found, start=1) if event["id"] == after), 0)
        return found[seen:]

    def _change(self, job_id: str, how: Capability) -> Snapshot:
        """Asking again for what is so already is no error; a refusal says what the job is."""
        try:
            return super()._change(job_id, how)
        except NotFound:
            raise
        except Refused as error:
            if type(error) is not Refused:
                raise
            now = self._snapshot(self._job(job_id))
            if now.state in _DONE[how]:
                return now
            said = f"{now.provider_id} is {now.provider_state}, and cannot be asked to {how.value}: {error.reason or error.message}"
            raise Refused(said, reason=error.reason, remedy=error.remedy) from None

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def _described(self, model: Model, job: Reply) -> Model:
        told = training_type_of(job)
        return replace(model, details={**model.details, "training_type": told}) if told else model

    def delete(self, job_id: str) -> None:
        """Deletes the job, where the version of the API has a call for that. The tuned model is the vendor's to keep or not."""
        if not (answer := self.support(Capability.DELETE)):
            raise Unsupported(f"{answer.reason}.")
        self._connection.delete("deleting a job", f"/fine_tuning/jobs/{quote(self._bare(job_id), safe='')}")

    def billed(self, job_id: str) -> Decimal | None:
        from tuneport_azure.adapter.costs import billed

        job = self._job(job_id)
        return billed(self._snapshot(job), tokens=trained_tokens(job), training_type=training_type_of(job))

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _bare(self, public: str) -> str:
        return bare(self._resource.resource, public, profile=self._name)

    def _published(self, job: Reply) -> Reply:
        return self._with_resource(job, "id", "fine_tuned_model")

    def _published_checkpoint(self, checkpoint: Reply) -> Reply:
        """What is deployed is the checkpoint by its own id, not by that of its model."""
        return self._with_resource(checkpoint | {"fine_tuned_model_checkpoint": None}, "id")

    def _with_resource(self, row: Reply, *keys: str) -> Reply:
        named = {key: public(self._resource.resource, value) for key in keys if isinstance(value := row.get(key), str) and value}
        return row | named


def _created(job: Reply) -> float:
    created = time_in(job, "created_at")
    return 0.0 if created is None else created.timestamp()
