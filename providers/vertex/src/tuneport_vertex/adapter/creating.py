"""Creating a job, once: from the body of a plan to the typed arguments of `client.tunings.tune`, which make that very body again.

What its config cannot say goes beside it (HttpOptions.extra_body). A rebase goes by the client of google-cloud-aiplatform, since
google-genai has no call for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuneport.errors import Ambiguous
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.jobs import created_job, reply_of
from tuneport_vertex.errors import status_error

if TYPE_CHECKING:
    from google.genai.types import CreateTuningJobConfig

_METHODS = {
    "supervisedTuningSpec": "SUPERVISED_FINE_TUNING",
    "preferenceOptimizationSpec": "PREFERENCE_TUNING",
    "distillationSpec": "DISTILLATION",
    "reinforcementTuningSpec": "REINFORCEMENT_TUNING",
}
_OF_JOB = ("tunedModelDisplayName", "description", "labels", "encryptionSpec", "outputUri", "customBaseModel")
_OF_SPEC = {
    "exportLastCheckpointOnly": "exportLastCheckpointOnly",
    "tuningMode": "tuningMode",
    "baseTeacherModel": "baseTeacherModel",
    "tunedTeacherModelSource": "tunedTeacherModelSource",
    "singleRewardConfig": "rewardConfig",
    "compositeRewardConfig": "compositeRewardConfig",
}
"""Keys of a spec, with what the config calls them; hyperparameters have the same names in both."""
DOING = "creating the job"


def create(connection: Connection, body: Mapping[str, Any]) -> Reply:
    """Sends the job once, and gives the one that was created."""
    from google.genai.types import TuningDataset

    spec_name = next(name for name in _METHODS if name in body)
    spec = body[spec_name]
    dataset = TuningDataset(gcs_uri=spec.get("trainingDatasetUri") or spec.get("promptDatasetUri"))
    base = body.get("baseModel") or body["preTunedModel"]["tunedModelName"]
    config = config_of(body, spec_name)
    job = connection.ask(DOING, lambda client: client.tunings.tune(base_model=base, training_dataset=dataset, config=config), creating=True)
    return created_job(connection, reply_of(job))


def config_of(body: Mapping[str, Any], spec_name: str) -> CreateTuningJobConfig:
    """The typed config: a dict would lose the checkpoint that a job goes on from."""
    from google.genai.types import CreateTuningJobConfig, HttpOptions

    spec = body[spec_name]
    said: dict[str, Any] = {"method": _METHODS[spec_name]}
    said |= {key: body[key] for key in _OF_JOB if key in body}
    said |= {name: spec[key] for key, name in _OF_SPEC.items() if key in spec}
    said |= spec.get("hyperParameters", {})
    if "validationDatasetUri" in spec:
        said["validationDataset"] = {"gcsUri": spec["validationDatasetUri"]}
    if checkpoint := body.get("preTunedModel", {}).get("checkpointId"):
        said["preTunedModelCheckpointId"] = checkpoint
    if "serviceAccount" in body:
        said["httpOptions"] = HttpOptions(extra_body={"serviceAccount": body["serviceAccount"]})
    return CreateTuningJobConfig.model_validate(said)


def rebase(connection: Connection, body: Mapping[str, Any]) -> Reply:
    """Sends the rebase once. The answer is an operation, whose job is told when it is done: until then it is looked for by its label.

    Raises Ambiguous while it is not."""
    from google.api_core.client_options import ClientOptions
    from google.cloud.aiplatform_v1 import GenAiTuningServiceClient, RebaseTunedModelRequest, TuningJob

    address = connection.address()
    with connection.translating(DOING):
        request = RebaseTunedModelRequest.from_json(json.dumps({"parent": connection.place.parent, **body}))
        client = GenAiTuningServiceClient(
            credentials=connection.sign_in.credentials(address),
            transport="rest",
            client_options=ClientOptions(api_endpoint=address),
        )
    limit_s = connection.timeout_s  # by itself the client would wait for ever
    begun = connection.sent(DOING, lambda: client.rebase_tuned_model(request, retry=None, timeout=limit_s), creating=True).operation
    if begun.HasField("error"):
        raise status_error({"code": begun.error.code, "message": begun.error.message}, doing=DOING, creating=True)
    if not begun.done:
        raise Ambiguous(f"the rebase was begun ({begun.name}), and which job it makes is not told yet.")
    made = TuningJob()
    with connection.translating(DOING, creating=True):
        begun.response.Unpack(TuningJob.pb(made))
        found = json.loads(TuningJob.to_json(made, use_integers_for_enums=False, always_print_fields_with_no_presence=False))
    return created_job(connection, found)
