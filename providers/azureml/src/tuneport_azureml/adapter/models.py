"""The tuned models of a workspace: what its fine-tuning jobs have registered, with their lineage; and bases by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tuneport.errors import NotFound, UnknownModel
from tuneport.model import Model
from tuneport.replies import Json, object_in, text_in, time_in
from tuneport_azureml.adapter import jobs
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.wire.jobs import model_of, snapshot_of
from tuneport_azureml.wire.names import job_name, model_id, model_parts
from tuneport_azureml.wire.tunable import base_of


class Models:
    """Those of one workspace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place

    def listed(self) -> Sequence[Model]:
        """The tuned models that stand, the youngest first. Names that were archived are left out, as the studio does."""
        shelf = self._shelf()
        rows = self._connection.patiently(lambda: [row for page in jobs.pages(self._connection) for row in page])
        made = [model for row in rows if (model := model_of(self._place, row, None)) is not None]
        found = [replace(model, created_at=_made_at(shelf[name])) for model in made if (name := _name(model)) in shelf]
        return sorted(found, key=lambda model: str(model.created_at), reverse=True)

    def find(self, text: str) -> Model:
        """A registered model, the model of a job, or a base by its short name or asset id. Raises UnknownModel."""
        bare = text.removeprefix(f"{self._place.name}:") if not text.startswith("azureml://") else text
        try:
            if model_parts(bare) is not None:
                return self.tuned(bare)
            if bare.startswith(("azureml://", "//")):
                return self._base(f"azureml:{bare}" if bare.startswith("//") else bare)
            try:
                return self._base(bare)
            except UnknownModel:
                return self._made_by(bare)
        except NotFound as error:
            raise UnknownModel(
                f"{self._place.name} has no model {text!r}: {error.message}",
                remedy=error.remedy or f"See: tuneport models list --provider {self._place.name}",
            ) from None

    def tuned(self, own: str) -> Model:
        """A registered model with the lineage of the job that made it, as far as that is there. Raises NotFound."""
        parts = model_parts(own)
        assert parts is not None
        version = self._connection.patiently(
            lambda: self._connection.arm("GET", f"/models/{parts[0]}/versions/{parts[1]}", doing="looking at a registered model")
        )
        job = self._job(text_in(object_in(version, "properties"), "jobName"))
        made = None if job is None else model_of(self._place, job, version)
        return made if made is not None and made.id == own else self._registered(model_id(*parts), version)

    # --- inside ------------------------------------------------------------------------------------------------------------------------

    def _made_by(self, text: str) -> Model:
        name = job_name(self._place, text)
        job = self._connection.patiently(lambda: jobs.job(self._connection, name))
        model = model_of(self._place, job, None)
        if model is None:
            raise NotFound(f"job {name} has made no model: it is {snapshot_of(job).provider_state}.")
        return self.tuned(model.id)

    def _base(self, name: str) -> Model:
        base = base_of(name, provider=self._place.name)
        details = {"asset": base.asset, "registry": base.registry}
        return Model(uri=f"{self._place.name}:{base.id}", provider=self._place.name, id=base.id, base=base.id, kind="base", details=details)

    def _job(self, name: str | None) -> Reply | None:
        if name is None:
            return None
        return found_or_none(lambda: self._connection.patiently(lambda: jobs.job(self._connection, name)))

    def _registered(self, own: str, version: Json) -> Model:
        """One whose job is gone, or was no fine-tuning job."""
        properties = object_in(version, "properties")
        told = {
            "model_uri": text_in(properties, "modelUri"),
            "model_type": text_in(properties, "modelType"),
            "job": text_in(properties, "jobName"),
        }
        return Model(
            uri=f"{self._place.name}:{own}",
            provider=self._place.name,
            id=own,
            created_at=time_in(object_in(version, "systemData"), "createdAt"),
            details={key: value for key, value in told.items() if value},
        )

    def _shelf(self) -> Mapping[str, Json]:
        """The names of the models of the workspace that are not archived."""
        doing = "listing models"

        def read() -> dict[str, Json]:
            pages = self._connection.rows("/models", doing=doing, query={"listViewType": "ActiveOnly"})
            return {name: row for page in pages for row in page if (name := text_in(row, "name")) is not None}

        return self._connection.patiently(read)


def _name(model: Model) -> str:
    parts = model_parts(model.id)
    return parts[0] if parts else ""


def _made_at(row: Json) -> datetime | None:
    return time_in(object_in(row, "systemData"), "createdAt")
