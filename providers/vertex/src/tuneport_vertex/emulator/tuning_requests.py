"""The body of tuningJobs.create: read into the vendor's types, then held against what each base offers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.genai import types
from pydantic import BaseModel, create_model

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.bases import DISTILLATION, PREFERENCE, REINFORCEMENT, SFT, SIZES, Base, plain
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.models import Version, version_called
from tuneport_vertex.emulator.reading import Json, read, snake
from tuneport_vertex.emulator.rewards import reward_problems
from tuneport_vertex.emulator.world import Place, World

OUTPUT_ONLY = (
    "name",
    "state",
    "createTime",
    "startTime",
    "endTime",
    "updateTime",
    "error",
    "experiment",
    "tunedModel",
    "tuningDataStats",
    "pipelineJob",
    "evaluateDatasetRuns",
    "tuningJobState",
    "tuningJobMetadata",
    "gcsMetricsUri",
)
"""Ignored where a client sends them, as the API's conventions have it."""
SPECS = (SFT, PREFERENCE, DISTILLATION, REINFORCEMENT)
OTHER_SPECS = ("partnerModelTuningSpec", "veoTuningSpec", "veoLoraTuningSpec", "fullFineTuningSpec", "distillationSamplingSpec")
JSONL = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]/.+\.jsonl")
FOLDER = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/.*)?")
KEY, VALUE = re.compile(r"[^\W\d_A-Z][\w-]{0,62}"), re.compile(r"[\w-]{0,63}")
ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+")
KMS = re.compile(r"projects/[^/]+/locations/([^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
NEEDED = "Required field is not set."


class _DistillationHyperParameters(types.DistillationHyperParameters):
    sft_loss_weight_multiplier: float | None = None


class _DistillationSpec(types.DistillationSpec):
    hyper_parameters: _DistillationHyperParameters | None = None


class _TuningJob(types.TuningJob):
    distillation_spec: _DistillationSpec | None = None


_Preference = create_model("_Preference", __base__=BaseModel, preference_optimization_spec=(types.PreferenceOptimizationSpec | None, None))
LACKING: Mapping[str, type[BaseModel]] = {"v1": _Preference, "v1beta1": _TuningJob}
"""What google-cloud-aiplatform's TuningJob lacks in each version. v1 has taken preference tuning too, says its discovery document (read
2026-11-21)."""


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """A job that can be begun. `body` is what was sent, names in camelCase; `tuned` what a continued job starts from."""

    body: Json
    method: str
    base: Base
    tuned: Version | None = None
    checkpoint: str | None = None

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.body[self.method]
        return spec

    @property
    def hyper(self) -> Mapping[str, Any]:
        return self.spec.get("hyperParameters") or {}

    @property
    def training_uri(self) -> str:
        return str(self.spec.get("promptDatasetUri") or self.spec.get("trainingDatasetUri"))

    @property
    def validation_uri(self) -> str | None:
        return self.spec.get("validationDatasetUri")

    @property
    def last_checkpoint_only(self) -> bool:
        return bool(self.spec.get("exportLastCheckpointOnly"))

    def whole(self, name: str) -> int | None:
        """A 64-bit hyperparameter; 0 is what protobuf has for none."""
        return int(self.hyper[name]) or None if name in self.hyper else None


def read_request(value: object, place: Place, world: World, *, version: str) -> TuningRequest:
    """Raises Refusal."""
    job = read(value, message(version, "TuningJob"), LACKING[version], root="tuning_job")
    body = {name: inner for name, inner in job.items() if name not in OUTPUT_ONLY}
    problems = list(_unset(body))
    if problems:
        raise refusals.found_errors(problems)
    method = next(name for name in SPECS if name in body)
    tuned, base = _source(body, place, world)
    _check_base(base, method, place, world)
    request = TuningRequest(body, method, base, tuned, (body.get("preTunedModel") or {}).get("checkpointId") or None)
    problems = [*_wrong(request, place), *label_problems(body.get("labels") or {}, where="tuning_job.labels")]
    if problems:
        raise refusals.found_errors(problems)
    return request


def _unset(body: Json) -> Iterator[tuple[str, str]]:
    """What has to be there, once."""
    if any(name in body for name in OTHER_SPECS):
        name = next(name for name in OTHER_SPECS if name in body)
        raise refusals.refusal("UNIMPLEMENTED", f"The emulator does not rehearse {name}.")
    sources = [name for name in ("baseModel", "preTunedModel") if body.get(name)]
    if len(sources) != 1:
        yield "tuning_job.base_model", NEEDED if not sources else "base_model and pre_tuned_model cannot be set at the same time."
    specs = [name for name in SPECS if name in body]
    if len(specs) != 1:
        yield "tuning_job.tuning_spec", NEEDED if not specs else "Exactly one tuning spec can be set."
        return
    uri = "promptDatasetUri" if specs[0] == DISTILLATION and "promptDatasetUri" in body[specs[0]] else "trainingDatasetUri"
    if not body[specs[0]].get(uri):
        yield f"tuning_job.{snake(specs[0])}.{snake(uri)}", NEEDED


def _source(body: Json, place: Place, world: World) -> tuple[Version | None, Base]:
    if "preTunedModel" in body:
        named = body["preTunedModel"].get("tunedModelName")
        if not named:
            raise refusals.found_errors([("tuning_job.pre_tuned_model.tuned_model_name", NEEDED)])
        tuned = version_called(named, place, world)
        checkpoint = body["preTunedModel"].get("checkpointId")
        if tuned.base is None:
            raise refusals.refusal("FAILED_PRECONDITION", f"The model {named} was not tuned from a model that can be tuned further.")
        if checkpoint and checkpoint not in {one.id for one in tuned.checkpoints}:
            raise refusals.not_found("checkpoint", f"{named} {checkpoint}")
        return tuned, tuned.base
    base = world.bases.get(plain(body["baseModel"]))
    if base is None:
        raise refusals.refusal("INVALID_ARGUMENT", f"Base model {body['baseModel']} is not supported.")
    return None, base


def _check_base(base: Base, method: str, place: Place, world: World) -> None:
    """Whether this base is tuned so, there and now. The wordings are not published."""
    if not base.tunes or not base.alive(world.now()):
        raise refusals.refusal("FAILED_PRECONDITION", f"Base model {base.name} is not available for tuning, or not any more.")
    if place.location not in base.regions:
        why = "Tuning is not supported in the location" if place.location == "global" else "Base model is not supported for tuning in"
        raise refusals.refusal("FAILED_PRECONDITION", f"{why} {place.location}. Supported locations: {', '.join(base.regions)}.")
    if method not in base.methods:
        raise refusals.refusal("INVALID_ARGUMENT", f"{snake(method)} is not supported for the base model {base.name}.")


def _wrong(request: TuningRequest, place: Place) -> Iterator[tuple[str, str]]:
    body, spec = request.body, f"tuning_job.{snake(request.method)}"
    for name in ("trainingDatasetUri", "promptDatasetUri", "validationDatasetUri"):
        uri = request.spec.get(name)
        if uri and JSONL.fullmatch(uri) is None:
            yield f"{spec}.{snake(name)}", f"{snake(name)} should be a GCS object of type JSONL."
    yield from _open_or_not(request, spec)
    yield from _numbers(request, f"{spec}.hyper_parameters")
    if len(body.get("tunedModelDisplayName") or "") > 128:
        yield "tuning_job.tuned_model_display_name", "The display name is longer than 128 characters."
    if "serviceAccount" in body and ACCOUNT.fullmatch(body["serviceAccount"]) is None:
        yield "tuning_job.service_account", "The service account is not an e-mail address."
    yield from _encryption(request, place)
    if request.method == REINFORCEMENT:
        yield from reward_problems(request.spec, spec)
    if request.method == DISTILLATION and not (request.spec.get("baseTeacherModel") or request.spec.get("tunedTeacherModelSource")):
        yield f"{spec}.base_teacher_model", NEEDED
    evaluation = request.spec.get("evaluationConfig")
    if evaluation is not None and not (evaluation.get("metrics") and evaluation.get("outputConfig")):
        yield f"{spec}.evaluation_config", NEEDED


def _open_or_not(request: TuningRequest, spec: str) -> Iterator[tuple[str, str]]:
    """What is for open models only, and what for Gemini only (the reference of tuningJobs, read 2026-11-21)."""
    body, base = request.body, request.base
    only_open = "This field is only available for open source models."
    if base.is_open:
        if not body.get("outputUri"):
            yield "tuning_job.output_uri", NEEDED
        elif FOLDER.fullmatch(body["outputUri"]) is None:
            yield "tuning_job.output_uri", "output_uri should be a Cloud Storage directory."
        if "learningRateMultiplier" in request.hyper:
            yield f"{spec}.hyper_parameters.learning_rate_multiplier", "This field is only available for 1P models."
        mode = request.spec.get("tuningMode")
        if mode not in (None, *base.modes):
            yield f"{spec}.tuning_mode", f"{mode} is not supported for this base model."
        return
    for name in ("outputUri", "customBaseModel"):
        if body.get(name):
            yield f"tuning_job.{snake(name)}", only_open
    if "tuningMode" in request.spec:
        yield f"{spec}.tuning_mode", only_open
    allowed = ("batchSize",) if request.method == REINFORCEMENT else ()
    for name in ("learningRate", "batchSize"):
        if name in request.hyper and name not in allowed:
            yield f"{spec}.hyper_parameters.{snake(name)}", only_open


def _numbers(request: TuningRequest, where: str) -> Iterator[tuple[str, str]]:
    hyper = request.hyper
    for name in ("epochCount", "batchSize", "samplesPerPrompt", "evaluateInterval", "checkpointInterval", "maxOutputTokens"):
        if name in hyper and int(hyper[name]) < 0:
            yield f"{where}.{snake(name)}", "The value must be positive."
    for name in ("learningRate", "learningRateMultiplier", "beta"):
        if name in hyper and not 0 < float(hyper[name]) <= 100:
            yield f"{where}.{snake(name)}", "The value must be positive."
    offered = {f"ADAPTER_SIZE_{SIZES[size]}" for size in request.base.adapter_sizes}
    if hyper.get("adapterSize", "ADAPTER_SIZE_UNSPECIFIED") not in {"ADAPTER_SIZE_UNSPECIFIED", *offered}:
        raise refusals.refusal("INVALID_ARGUMENT", "The adapter size is not supported for this base model.")


def _encryption(request: TuningRequest, place: Place) -> Iterator[tuple[str, str]]:
    key = (request.body.get("encryptionSpec") or {}).get("kmsKeyName")
    if "encryptionSpec" not in request.body:
        return
    where = "tuning_job.encryption_spec.kms_key_name"
    matched = KMS.fullmatch(key or "")
    if matched is None:
        yield where, NEEDED if not key else "The name of the key is malformed."
    elif matched[1] != place.location:
        yield where, f"The key must be in the location {place.location}."
    elif not request.base.offers_cmek:
        yield where, "Customer-managed encryption keys are not supported for this base model."


def label_problems(labels: Mapping[str, str], *, where: str) -> Sequence[tuple[str, str]]:
    """The rules for labels of resources: at most 64, lower case, 63 characters."""
    problems = [(where, "At most 64 labels can be set.")] if len(labels) > 64 else []
    for key, value in labels.items():
        if KEY.fullmatch(key) is None or key != key.lower():
            problems.append((where, f"The label key {key!r} is invalid."))
        if VALUE.fullmatch(value) is None or value != value.lower():
            problems.append((f"{where}[{key}]", f"The label value {value!r} is invalid."))
    return problems
