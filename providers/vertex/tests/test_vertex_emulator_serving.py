"""What has been tuned answers: Gemini on its endpoint, open models once they are deployed; bases, machines and quotas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests
from google import genai
from google.api_core import exceptions
from google.cloud import aiplatform_v1
from google.genai import errors, types
from tuneport_vertex.emulator import SERVED_AT_ONCE, START, Course, Habits, Serving, VertexEmulator

from tuneport.testing.emulator import SteppedClock

from .vertex_emulated import BETA, EUROPE, GEMINI, GEMMA, REGION, capitals, chats, close_clients, example, gapic, gen, place, refused, tuned

L4 = {"machine_spec": {"machine_type": "g2-standard-12", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}, "min_replica_count": 1}
IMAGE = "us-docker.pkg.dev/vertex-ai/vertex-vision-model-garden-dockers/pytorch-vllm-serve:latest"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[VertexEmulator]:
    with VertexEmulator(clock=clock) as running:
        yield running
    close_clients()


def endpoint_of(job: types.TuningJob) -> str:
    assert job.tuned_model
    return job.tuned_model.endpoint or ""


def said(client: genai.Client, model: str, question: str, **config: Any) -> str:
    answer = client.models.generate_content(model=model, contents=question, config=types.GenerateContentConfig(**config))
    return answer.text or ""


# --- Gemini -----------------------------------------------------------------------------------------------------------------------------


def test_a_tuned_gemini_answers_as_its_rows_do_and_its_base_does_not(emulator: VertexEmulator) -> None:
    endpoint, client = endpoint_of(tuned(emulator)), gen(emulator, "us")
    question = "What is the capital of country number 7?"
    assert said(client, endpoint.replace(REGION, "us"), question) == "City 7."
    assert said(client, GEMINI, question).startswith("As a general model")


def test_a_tuned_gemini_3_answers_on_its_multi_region_only(emulator: VertexEmulator) -> None:
    endpoint = endpoint_of(tuned(emulator))
    assert "/locations/us/" in endpoint
    for location in (REGION, "eu"):
        client, elsewhere = gen(emulator, location), endpoint.replace("/us/", f"/{location}/")
        assert refused(partial(said, client, elsewhere, "Hello?"))["status"] == "NOT_FOUND"
    assert refused(lambda: said(gen(emulator), GEMINI, "Hello?"))["status"] == "NOT_FOUND"
    assert said(gen(emulator, "global"), GEMINI, "Hello?")


def test_that_can_be_switched_off(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, habits=Habits(multi_region_only=False)) as emulator:
        assert said(gen(emulator), endpoint_of(tuned(emulator)), "What is the capital of country number 3?") == "City 3."
    close_clients()


def test_an_early_checkpoint_has_learned_less_than_the_last(emulator: VertexEmulator) -> None:
    job, client = tuned(emulator, config={"epoch_count": 4}), gen(emulator, "us")
    assert job.tuned_model
    answers = [
        said(client, (one.endpoint or "").replace(REGION, "us"), "What is the capital of country number 19?")
        for one in job.tuned_model.checkpoints or []
    ]
    assert [answer == "City 19." for answer in answers] == [False, False, False, True]


def test_how_much_is_learned_is_the_courses(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, course=Course(learned=0.5)) as emulator:
        endpoint = endpoint_of(tuned(emulator)).replace(REGION, "us")
        assert said(gen(emulator, "us"), endpoint, "What is the capital of country number 9?") == "City 9."
        assert said(gen(emulator, "us"), endpoint, "What is the capital of country number 19?") != "City 19."
    close_clients()


def test_an_answer_comes_in_pieces_that_make_the_whole(emulator: VertexEmulator) -> None:
    rows = [example(f"Count to ten, {n}", "one two three four five six seven eight nine ten") for n in range(10)]
    endpoint, client = endpoint_of(tuned(emulator, rows=rows)).replace(REGION, "us"), gen(emulator, "us")
    chunks = list(client.models.generate_content_stream(model=endpoint, contents="Count to ten, 3"))
    assert len(chunks) == 3
    assert "".join(chunk.text or "" for chunk in chunks) == "one two three four five six seven eight nine ten"
    assert [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates] == [None, None, types.FinishReason.STOP]
    usage = chunks[-1].usage_metadata
    assert usage
    assert (usage.candidates_token_count, usage.total_token_count) == (10, 14)


def test_gapics_stream_is_an_array_of_the_same_pieces(emulator: VertexEmulator) -> None:
    endpoint = endpoint_of(tuned(emulator)).replace(REGION, "us")
    service = gapic(emulator, "Prediction")
    asked = {"model": endpoint, "contents": [{"role": "user", "parts": [{"text": "What is the capital of country number 7?"}]}]}
    chunks = list(service.stream_generate_content(asked))
    assert "".join(part.text for chunk in chunks for part in chunk.candidates[0].content.parts) == "City 7."
    assert service.generate_content(asked).candidates[0].finish_reason.name == "STOP"


def test_calls_of_functions_are_learned_and_answered(emulator: VertexEmulator) -> None:
    declared = {"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}]}
    rows = [
        {
            "contents": [
                {"role": "user", "parts": [{"text": f"Weather in city {n}?"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": f"city {n}"}}}]},
            ],
            "tools": [declared],
        }
        for n in range(10)
    ]
    endpoint = endpoint_of(tuned(emulator, rows=rows)).replace(REGION, "us")
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather")])
    config = types.GenerateContentConfig(
        tools=[tool], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), system_instruction="Be brief."
    )
    client = gen(emulator, "us")
    answer = client.models.generate_content(model=endpoint, contents="Weather in city 4?", config=config)
    assert answer.function_calls
    assert (answer.function_calls[0].name, answer.function_calls[0].args) == ("weather", {"city": "city 4"})
    streamed = list(client.models.generate_content_stream(model=endpoint, contents="Weather in city 4?", config=config))
    assert streamed[-1].function_calls


def test_settings_of_generation_are_obeyed(emulator: VertexEmulator) -> None:
    client = gen(emulator, "global")
    config = types.GenerateContentConfig(response_logprobs=True, logprobs=3, candidate_count=2, temperature=0.0, seed=1)
    answer = client.models.generate_content(model=GEMINI, contents="one two three", config=config)
    assert answer.candidates
    assert len(answer.candidates) == 2
    logprobs = answer.candidates[0].logprobs_result
    assert logprobs
    assert logprobs.chosen_candidates
    assert logprobs.top_candidates
    assert all(len(one.candidates or []) == 3 for one in logprobs.top_candidates)
    assert all((one.log_probability or 0) < 0 for one in logprobs.chosen_candidates)
    cut = client.models.generate_content(model=GEMINI, contents="x", config=types.GenerateContentConfig(max_output_tokens=3))
    assert cut.candidates
    assert (cut.text, cut.candidates[0].finish_reason) == ("As a general", types.FinishReason.MAX_TOKENS)
    assert said(client, GEMINI, "x", stop_sequences=["general"]) == "As a "
    assert said(client, GEMINI, "x", thinking_config=types.ThinkingConfig(thinking_budget=0), safety_settings=[], labels={"a": "b"})


def test_questions_that_cannot_be_are_refused(emulator: VertexEmulator) -> None:
    client = gen(emulator, "global")
    assert refused(lambda: said(client, "gemini-2.5-flash", "x"))["status"] == "NOT_FOUND"
    assert refused(lambda: said(client, GEMINI, "x", logprobs=3))["status"] == "INVALID_ARGUMENT"
    assert refused(lambda: said(client, GEMINI, "x", candidate_count=9))["status"] == "INVALID_ARGUMENT"
    odd = [types.Content(role="assistant", parts=[types.Part(text="x")])]
    assert refused(lambda: client.models.generate_content(model=GEMINI, contents=odd))["message"].startswith("Please use a valid role")
    assert refused(lambda: said(client, f"{place(emulator, 'us')}/endpoints/1", "x"))["status"] == "NOT_FOUND"
    assert refused(lambda: said(gen(emulator, "global", token=emulator.token(role="viewer")), GEMINI, "x"))["status"] == "PERMISSION_DENIED"


def test_tokens_are_counted(emulator: VertexEmulator) -> None:
    assert gen(emulator, "global").models.count_tokens(model=GEMINI, contents="x" * 400).total_tokens == 100


def test_the_tune_of_a_retired_base_answers_no_more(clock: SteppedClock) -> None:
    start = SteppedClock()
    start.advance_to(START.replace(month=9))
    with VertexEmulator(clock=start) as emulator:
        endpoint = endpoint_of(tuned(emulator, base="gemini-2.5-flash"))
        assert said(gen(emulator), endpoint, "What is the capital of country number 3?") == "City 3."
        start.advance_to(START)
        client = gen(emulator, token=emulator.token())
        assert refused(lambda: said(client, endpoint, "x"))["status"] == "NOT_FOUND"
    close_clients()


# --- the registry -----------------------------------------------------------------------------------------------------------------------


def test_tuned_models_are_listed_with_their_checkpoints_and_deployments(emulator: VertexEmulator) -> None:
    job = tuned(emulator, config={"epoch_count": 2, "labels": {"tuneport-client": "abc"}})
    for version in (aiplatform_v1, BETA):
        service = gapic(emulator, "Model", version=version)
        (model,) = service.list_models(parent=place(emulator, "us"))
        assert job.tuned_model
        assert f"{model.name}@{model.version_id}" == job.tuned_model.model
        assert dict(model.labels) == {"tuneport-client": "abc"}
        assert [one.checkpoint_id for one in service.list_model_version_checkpoints(name=job.tuned_model.model)] == ["1", "2"]
        assert len(service.get_model(name=job.tuned_model.model).deployed_models) == 2
        assert [one.version_id for one in service.list_model_versions(name=model.name)] == ["1"]


def test_a_tuned_model_is_deleted_once_it_is_off_its_endpoints(emulator: VertexEmulator, clock: SteppedClock) -> None:
    job = tuned(emulator, config={"epoch_count": 1})
    models, endpoints = gapic(emulator, "Model"), gapic(emulator, "Endpoint")
    assert job.tuned_model
    name, endpoint = (job.tuned_model.model or "").partition("@")[0], endpoint_of(job)
    with pytest.raises(exceptions.BadRequest, match="deployed"):
        models.delete_model(name=name)
    with pytest.raises(exceptions.BadRequest, match="undeploy"):
        endpoints.delete_endpoint(name=endpoint)
    (deployed,) = endpoints.get_endpoint(name=endpoint).deployed_models
    operation = endpoints.undeploy_model({"endpoint": endpoint, "deployed_model_id": deployed.id})
    assert not operation.done()
    clock.advance(60)
    operation.result(timeout=1)
    for deleting in (endpoints.delete_endpoint(name=endpoint), models.delete_model(name=name)):
        clock.advance(10)
        deleting.result(timeout=1)
    with pytest.raises(exceptions.NotFound):
        models.get_model(name=name)
    assert refused(lambda: said(gen(emulator, "us"), endpoint.replace(REGION, "us"), "x"))["status"] == "NOT_FOUND"


# --- open models ------------------------------------------------------------------------------------------------------------------------


def deployed(emulator: VertexEmulator, **resources: Any) -> str:
    """A tuned Gemma, uploaded and deployed; the endpoint's name."""
    tuned(emulator, rows=chats(), base=GEMMA, config={"output_uri": f"gs://{emulator.bucket}/out"})
    folder = f"gs://{emulator.bucket}/out/postprocess/node-0/checkpoints/final"
    models, endpoints = gapic(emulator, "Model"), gapic(emulator, "Endpoint")
    spec = {"image_uri": IMAGE, "args": [f"--model={folder}"], "ports": [{"container_port": 7080}]}
    uploaded = models.upload_model(parent=place(emulator), model={"display_name": "gemma", "container_spec": spec}).result(timeout=1)
    endpoint = endpoints.create_endpoint(parent=place(emulator), endpoint={"display_name": "gemma"}).result(timeout=1)
    asked = {"model": uploaded.model, "display_name": "gemma", "dedicated_resources": L4 | resources}
    operation = endpoints.deploy_model({"endpoint": endpoint.name, "deployed_model": asked, "traffic_split": {"0": 100}})
    operation.result(timeout=1)
    return str(endpoint.name)


def asked(emulator: VertexEmulator, path: str, body: Any, **options: Any) -> requests.Response:
    headers = {"authorization": f"Bearer {emulator.token()}"}
    return requests.post(f"{emulator.url}/v1/{path}", json=body, headers=headers, timeout=10, **options)


def test_a_deployed_open_model_answers_chats_in_three_ways(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, serving=SERVED_AT_ONCE) as emulator:
        endpoint = deployed(emulator)
        chat = {"messages": [{"role": "user", "content": "Capital of country 7?"}], "max_tokens": 20}
        direct = asked(emulator, f"{endpoint}/chat/completions", chat).json()
        raw = asked(emulator, f"{endpoint}:rawPredict", chat).json()
        predicted = asked(emulator, f"{endpoint}:predict", {"instances": [{"@requestFormat": "chatCompletions", **chat}]}).json()
        for answer in (direct, raw, predicted["predictions"]):
            assert answer["choices"][0]["message"] == {"role": "assistant", "content": "City 7."}
            assert answer["choices"][0]["finish_reason"] == "stop"
        streamed = asked(emulator, f"{endpoint}/chat/completions", chat | {"stream": True}, stream=True).text
        assert streamed.count("chat.completion.chunk") == 4
        assert streamed.strip().endswith("data: [DONE]")
        prompted = asked(emulator, f"{endpoint}:rawPredict", {"prompt": "Capital of country 7?", "max_tokens": 1}).json()
        assert prompted == {"predictions": ["City"]}
    close_clients()


def test_a_model_takes_its_time_to_be_deployed_and_to_be_gone(emulator: VertexEmulator, clock: SteppedClock) -> None:
    models, endpoints = gapic(emulator, "Model"), gapic(emulator, "Endpoint")
    uploading = models.upload_model(parent=place(emulator), model={"display_name": "m", "container_spec": {"image_uri": IMAGE}})
    assert not uploading.done()
    clock.advance(20)
    model = uploading.result(timeout=1).model
    creating = endpoints.create_endpoint(parent=place(emulator), endpoint={"display_name": "e"})
    clock.advance(5)
    endpoint = creating.result(timeout=1).name
    deploying = endpoints.deploy_model({"endpoint": endpoint, "deployed_model": {"model": model, "dedicated_resources": L4}})
    assert not endpoints.get_endpoint(name=endpoint).deployed_models
    clock.advance(900)
    done = deploying.result(timeout=1).deployed_model
    assert [one.id for one in endpoints.get_endpoint(name=endpoint).deployed_models] == [done.id]
    assert dict(endpoints.get_endpoint(name=endpoint).traffic_split) == {done.id: 100}
    assert [one.name for one in endpoints.list_endpoints(parent=place(emulator))] == [endpoint]
    assert list(endpoints.list_endpoints(parent=place(emulator, EUROPE))) == []


def test_a_deployment_that_fails_says_why(clock: SteppedClock) -> None:
    with (
        VertexEmulator(clock=clock, serving=Serving(0, 0, 0, 0, 0, error="The model server exited.")) as emulator,
        pytest.raises(exceptions.GoogleAPICallError, match="The model server exited"),
    ):
        deployed(emulator)
    close_clients()


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"machine_spec": {"machine_type": "g2-standard-12"}}, "accelerator_type"),
        ({"machine_spec": {"machine_type": "g7-huge", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}}, "machine_type"),
        ({"min_replica_count": 0}, "min_replica_count"),
        ({"min_replica_count": 9}, "custom_model_serving_nvidia_l4_gpus"),
    ],
)
def test_machines_have_to_exist_and_the_quota_to_have_room(clock: SteppedClock, resources: Any, message: str) -> None:
    with VertexEmulator(clock=clock, serving=SERVED_AT_ONCE) as emulator, pytest.raises(exceptions.GoogleAPICallError, match=message):
        deployed(emulator, **resources)
    close_clients()


def test_the_garden_deploys_weights_in_one_operation(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, serving=SERVED_AT_ONCE) as emulator:
        tuned(emulator, rows=chats(), base=GEMMA, config={"output_uri": f"gs://{emulator.bucket}/out"})
        folder = f"gs://{emulator.bucket}/out/postprocess/node-0/checkpoints/final"
        service = gapic(emulator, "ModelGarden", version=BETA)
        request = {
            "destination": place(emulator),
            "custom_model": {"gcs_uri": folder},
            "endpoint_config": {"endpoint_display_name": "gemma"},
            "deploy_config": {"dedicated_resources": L4},
        }
        done = service.deploy(request).result(timeout=1)
        chat = {"messages": [{"role": "user", "content": "Capital of country 3?"}]}
        assert asked(emulator, f"{done.endpoint}/chat/completions", chat).json()["choices"][0]["message"]["content"] == "City 3."
    close_clients()


def test_gemini_is_no_container_and_a_container_no_gemini(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, serving=SERVED_AT_ONCE) as emulator:
        endpoint = endpoint_of(tuned(emulator, rows=capitals()))
        assert asked(emulator, f"{endpoint}:rawPredict", {"prompt": "x"}).status_code == 400
        gemma = deployed(emulator)
        with pytest.raises(errors.ClientError, match="does not support generateContent"):
            said(gen(emulator), gemma, "x")
        assert asked(emulator, f"{gemma}/chat/completions", {"messages": []}).status_code == 400
    close_clients()
