"""What Vertex AI's emulator refuses: bodies that its types do not know, wrong combinations, and callers who may not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.genai import types
from tuneport_vertex.emulator import AT_ONCE, START, VertexEmulator

from tuneport.testing.emulator import SteppedClock

from .vertex_emulated import EUROPE, GEMINI, GEMMA, REGION, capitals, close_clients, gapic, gen, place, posted, refused, stored, tune

URI = "gs://tune-main-us/data/train.jsonl"
JOBS = f"/v1beta1/projects/tune-main/locations/{REGION}/tuningJobs"
SPEC = {"trainingDatasetUri": URI}
KEY = f"projects/tune-main/locations/{REGION}/keyRings/ring/cryptoKeys/key"
OPEN = {"baseModel": GEMMA, "outputUri": "gs://tune-main-us/out"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[VertexEmulator]:
    with VertexEmulator(clock=clock, course=AT_ONCE) as running:
        yield running
    close_clients()


def created(emulator: VertexEmulator, body: Any, *, location: str = REGION) -> tuple[int, dict[str, Any]]:
    code, answer = posted(emulator, JOBS.replace(REGION, location), body)
    return code, answer if code == 200 else answer["error"]


def hyper(**settings: Any) -> dict[str, Any]:
    return {"supervisedTuningSpec": SPEC | {"hyperParameters": settings}}


# --- bodies that do not fit the types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        ({"surprise": 1}, "tuning_job", 'Unknown name "surprise"'),
        (hyper(batch=1), "tuning_job.supervised_tuning_spec.hyper_parameters", 'Unknown name "batch"'),
        (hyper(epochCount="many"), "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count", "epoch_count"),
        (hyper(adapterSize="ADAPTER_SIZE_SEVEN"), "tuning_job.supervised_tuning_spec.hyper_parameters.adapter_size", "ADAPTER_SIZE_SEVEN"),
        ({"baseModel": 7}, "tuning_job.base_model", "base_model"),
        ({"labels": {"a": 1}}, "tuning_job.labels", "labels"),
        ({"supervisedTuningSpec": [SPEC]}, "tuning_job.supervised_tuning_spec", "SupervisedTuningSpec"),
        ({"preferenceOptimizationSpec": {"epochs": 1}}, "tuning_job.preference_optimization_spec", 'Unknown name "epochs"'),
        (
            {"reinforcementTuningSpec": {"hyperParameters": {"samplesPerPrompt": "few"}}},
            "tuning_job.reinforcement_tuning_spec.hyper_parameters.samples_per_prompt",
            "TYPE_INT64",
        ),
    ],
)
def test_a_body_that_does_not_fit_says_where(emulator: VertexEmulator, body: Any, where: str, said: str) -> None:
    code, error = created(emulator, body)
    assert (code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert said in error["message"]
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert error["details"][0]["fieldViolations"][0]["field"] == where


def test_two_members_of_a_union_are_refused(emulator: VertexEmulator) -> None:
    code, error = created(emulator, {"baseModel": GEMINI, "preTunedModel": {"tunedModelName": "x"}, "supervisedTuningSpec": SPEC})
    assert (code, "oneof" in error["message"]) == (400, True)


def test_names_may_be_spelled_as_in_protobuf(emulator: VertexEmulator) -> None:
    emulator.put("data/train.jsonl", b"{}")
    code, job = created(emulator, {"base_model": GEMINI, "supervised_tuning_spec": {"training_dataset_uri": URI}})
    assert (code, job["baseModel"], job["supervisedTuningSpec"]) == (200, GEMINI, {"trainingDatasetUri": URI})


@pytest.mark.parametrize("body", [b"{not json", b"[]", b"", b'{"a": 1, "a": 2}', b'{"a": NaN}'])
def test_a_body_that_is_no_object_is_refused(emulator: VertexEmulator, body: bytes) -> None:
    code, answer = posted(emulator, JOBS, body)
    assert (code, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_query_parameter_that_nobody_knows_is_refused(emulator: VertexEmulator) -> None:
    code, answer = posted(emulator, f"{JOBS}?surprise=1", b"", method="GET")
    assert (code, "surprise" in answer["error"]["message"]) == (400, True)
    assert posted(emulator, f"{JOBS}?pageToken=made-up", b"", method="GET")[0] == 400


# --- jobs that cannot be ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"supervisedTuningSpec": SPEC}, "tuning_job.base_model"),
        ({"baseModel": GEMINI}, "tuning_job.tuning_spec"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": {}}, "tuning_job.supervised_tuning_spec.training_dataset_uri"),
        (
            {"baseModel": GEMINI, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/train.csv"}},
            "tuning_job.supervised_tuning_spec.training_dataset_uri",
        ),
        (
            {"baseModel": GEMINI, "supervisedTuningSpec": SPEC | {"validationDatasetUri": "/data/valid.jsonl"}},
            "tuning_job.supervised_tuning_spec.validation_dataset_uri",
        ),
        ({"baseModel": GEMINI} | hyper(learningRate=1e-4), "tuning_job.supervised_tuning_spec.hyper_parameters.learning_rate"),
        ({"baseModel": GEMINI} | hyper(batchSize=4), "tuning_job.supervised_tuning_spec.hyper_parameters.batch_size"),
        ({"baseModel": GEMINI} | hyper(epochCount=-1), "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "outputUri": "gs://tune-main-us/out"}, "tuning_job.output_uri"),
        (
            {"baseModel": GEMINI, "supervisedTuningSpec": SPEC | {"tuningMode": "TUNING_MODE_FULL"}},
            "tuning_job.supervised_tuning_spec.tuning_mode",
        ),
        ({"baseModel": GEMMA, "supervisedTuningSpec": SPEC}, "tuning_job.output_uri"),
        (OPEN | hyper(learningRateMultiplier=1.0), "tuning_job.supervised_tuning_spec.hyper_parameters.learning_rate_multiplier"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "labels": {"Upper": "a"}}, "tuning_job.labels"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "labels": {"a": "With Space"}}, "tuning_job.labels[a]"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "labels": {"a": "x" * 64}}, "tuning_job.labels[a]"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "serviceAccount": "nobody"}, "tuning_job.service_account"),
        (
            {"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "encryptionSpec": {"kmsKeyName": KEY}},
            "tuning_job.encryption_spec.kms_key_name",
        ),
        (
            OPEN | {"supervisedTuningSpec": SPEC, "encryptionSpec": {"kmsKeyName": KEY.replace(REGION, EUROPE)}},
            "tuning_job.encryption_spec.kms_key_name",
        ),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC, "tunedModelDisplayName": "x" * 129}, "tuning_job.tuned_model_display_name"),
        ({"baseModel": GEMINI, "reinforcementTuningSpec": SPEC}, "tuning_job.reinforcement_tuning_spec.reward_config"),
        (
            {"baseModel": GEMINI, "reinforcementTuningSpec": SPEC | {"singleRewardConfig": {"rewardName": "r"}}},
            "tuning_job.reinforcement_tuning_spec.single_reward_config.reward_scorer",
        ),
        (
            {
                "baseModel": GEMINI,
                "reinforcementTuningSpec": SPEC
                | {"singleRewardConfig": {"codeExecutionRewardScorer": {"pythonCodeSnippet": "def grade(x): return 1"}}},
            },
            "tuning_job.reinforcement_tuning_spec.single_reward_config.code_execution_reward_scorer.python_code_snippet",
        ),
        ({"baseModel": GEMINI, "distillationSpec": {"promptDatasetUri": URI}}, "tuning_job.distillation_spec.base_teacher_model"),
        (
            {"baseModel": GEMINI, "supervisedTuningSpec": SPEC | {"evaluationConfig": {}}},
            "tuning_job.supervised_tuning_spec.evaluation_config",
        ),
    ],
)
def test_a_job_that_cannot_be_says_which_field_is_wrong(emulator: VertexEmulator, body: Any, field: str) -> None:
    code, error = created(emulator, body)
    assert (code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith("List of found errors:")
    assert error["details"][0]["fieldViolations"][0]["field"] == field
    assert not emulator.world.jobs


@pytest.mark.parametrize(
    ("body", "location", "status"),
    [
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC}, "global", "FAILED_PRECONDITION"),
        ({"baseModel": GEMINI, "supervisedTuningSpec": SPEC}, "us-east5", "FAILED_PRECONDITION"),
        ({"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": SPEC}, REGION, "FAILED_PRECONDITION"),
        ({"baseModel": "gemini-3.1-pro-preview", "supervisedTuningSpec": SPEC}, REGION, "FAILED_PRECONDITION"),
        ({"baseModel": "gpt-6", "supervisedTuningSpec": SPEC}, REGION, "INVALID_ARGUMENT"),
        ({"baseModel": GEMINI, "preferenceOptimizationSpec": SPEC}, REGION, "INVALID_ARGUMENT"),
        ({"baseModel": GEMINI} | hyper(adapterSize="ADAPTER_SIZE_THIRTY_TWO"), REGION, "INVALID_ARGUMENT"),
        ({"preTunedModel": {"tunedModelName": "projects/tune-main/locations/us-central1/models/1@1"}} | hyper(), REGION, "NOT_FOUND"),
        ({"baseModel": "veo", "veoTuningSpec": {"trainingDatasetUri": URI}}, REGION, "UNIMPLEMENTED"),
    ],
)
def test_a_base_is_tuned_only_where_and_how_it_is_offered(emulator: VertexEmulator, body: Any, location: str, status: str) -> None:
    _, error = created(emulator, body, location=location)
    assert error["status"] == status


def test_open_models_are_tuned_globally_too(emulator: VertexEmulator) -> None:
    code, job = created(emulator, OPEN | {"supervisedTuningSpec": SPEC}, location="global")
    assert (code, job["baseModel"]) == (200, GEMMA)


def test_a_base_can_be_tuned_until_the_day_it_retires() -> None:
    for day, code in ((datetime(2026, 10, 15, tzinfo=UTC), 200), (datetime(2026, 10, 16, tzinfo=UTC), 400)):
        with VertexEmulator(clock=SteppedClock(start=day)) as emulator:
            assert created(emulator, {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": SPEC})[0] == code


def test_the_full_name_of_a_publishers_model_is_a_base_too(emulator: VertexEmulator) -> None:
    for name in (f"publishers/google/models/{GEMINI}", GEMINI):
        assert created(emulator, {"baseModel": name, "supervisedTuningSpec": SPEC})[0] == 200


def test_output_fields_of_a_body_are_ignored(emulator: VertexEmulator) -> None:
    told = {"state": "JOB_STATE_SUCCEEDED", "name": "projects/1/locations/x/tuningJobs/1"}
    body = {"baseModel": GEMINI, "supervisedTuningSpec": SPEC, **told}
    code, job = created(emulator, body)
    assert (code, job["state"]) == (200, "JOB_STATE_FAILED")
    assert job["name"] != told["name"]


# --- who may --------------------------------------------------------------------------------------------------------------------------


def test_a_token_is_needed_and_has_to_be_alive(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator, token=emulator.token(life_s=60))
    uri = stored(emulator, capitals())
    tune(client, uri)
    clock.advance(61)
    expired = refused(lambda: tune(client, uri))
    assert (expired["code"], expired["details"][0]["reason"]) == (401, "ACCESS_TOKEN_EXPIRED")
    strange = refused(lambda: tune(gen(emulator, token="made-up"), uri))
    assert (strange["status"], strange["details"][0]["reason"]) == ("UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED")
    with pytest.raises(RefreshError):
        gapic(emulator, "Model", token="made-up").list_models(parent=place(emulator))


def test_roles_may_do_what_they_are_for(emulator: VertexEmulator) -> None:
    uri = stored(emulator, capitals())
    job = tune(gen(emulator), uri)
    looking = gen(emulator, token=emulator.token(role="viewer"))
    assert looking.tunings.get(name=job.name or "").name == job.name
    denied = refused(lambda: tune(looking, uri))
    assert (denied["status"], denied["details"][0]["reason"]) == ("PERMISSION_DENIED", "IAM_PERMISSION_DENIED")
    assert "aiplatform.tuningJobs.create" in denied["message"]


def test_a_project_that_is_not_there_or_not_ones_own_looks_the_same(emulator: VertexEmulator) -> None:
    other = gen(emulator, project="tune-other", token=emulator.token(projects=("tune-main",)))
    for client in (other, gen(emulator, project="no-such-project")):
        denied = refused(lambda client=client: tune(client, URI))
        assert (denied["status"], "(or it may not exist)" in denied["message"]) == ("PERMISSION_DENIED", True)


def test_an_api_that_is_off_says_how_to_turn_it_on(emulator: VertexEmulator) -> None:
    emulator.project_called().services.discard("aiplatform.googleapis.com")
    denied = refused(lambda: tune(gen(emulator), URI))
    assert (denied["code"], denied["details"][0]["reason"]) == (403, "SERVICE_DISABLED")
    assert denied["details"][0]["metadata"]["service"] == "aiplatform.googleapis.com"


def test_what_is_not_there_is_not_found(emulator: VertexEmulator) -> None:
    name = f"{place(emulator)}/tuningJobs/1"
    assert refused(lambda: gen(emulator).tunings.get(name=name))["status"] == "NOT_FOUND"
    assert refused(lambda: gen(emulator).tunings.cancel(name=name))["status"] == "NOT_FOUND"
    for service, call, kind in (("Model", "get_model", "models"), ("Endpoint", "get_endpoint", "endpoints")):
        with pytest.raises(exceptions.NotFound):
            getattr(gapic(emulator, service), call)(name=f"{place(emulator)}/{kind}/1")
    code, answer = posted(emulator, "/v1/projects/tune-main/locations/us-central1/unknownThings", b"", method="GET")
    assert (code, answer["error"]["status"]) == (404, "NOT_FOUND")


def test_the_config_as_google_genai_spells_it_is_accepted_whole(emulator: VertexEmulator) -> None:
    config = types.CreateTuningJobConfig(
        epoch_count=1,
        adapter_size=types.AdapterSize.ADAPTER_SIZE_ONE,
        encryption_spec=types.EncryptionSpec(kms_key_name=KEY),
        output_uri="gs://tune-main-us/out",
        learning_rate=1e-4,
        batch_size=8,
        custom_base_model="gs://tune-main-us/weights",
        tuning_mode=types.TuningMode.TUNING_MODE_FULL,
        labels={"a": "b"},
        http_options=types.HttpOptions(extra_body={"serviceAccount": "tuner@tune-main.iam.gserviceaccount.com"}),
    )
    job = tune(gen(emulator), stored(emulator, capitals()), base=GEMMA, config=config)
    assert (job.service_account, job.custom_base_model) == ("tuner@tune-main.iam.gserviceaccount.com", "gs://tune-main-us/weights")
    assert job.encryption_spec
    assert job.encryption_spec.kms_key_name == KEY
    composite = types.CompositeReinforcementTuningRewardConfig(
        weighted_reward_configs=[
            types.CompositeReinforcementTuningRewardConfigWeightedRewardConfig(
                weight=weight,
                reward_config=types.SingleReinforcementTuningRewardConfig(
                    reward_name=f"reward-{weight}", string_match_reward_scorer=types.ReinforcementTuningStringMatchRewardScorer()
                ),
            )
            for weight in (0.25, 0.75)
        ]
    )
    config = types.CreateTuningJobConfig(
        method=types.TuningMethod.REINFORCEMENT_TUNING,
        composite_reward_config=composite,
        evaluate_interval=5,
        checkpoint_interval=10,
        max_output_tokens=512,
        thinking_level=types.ReinforcementTuningThinkingLevel.HIGH,
        batch_size=8,
    )
    assert tune(gen(emulator), stored(emulator, capitals()), config=config).reinforcement_tuning_spec
