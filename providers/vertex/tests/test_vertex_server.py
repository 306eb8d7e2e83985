"""Tuned Gemini models answer, over the emulated Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_vertex.adapter.server import VertexServer

from tuneport.dataset import Dataset
from tuneport.errors import NotFound, UnknownModel, Unsupported, UsageError
from tuneport.examples import ChatExample, ImagePart, Message, TextPart, Tool, ToolCall
from tuneport.provider import Deploys, Generation
from tuneport.testing.emulator.faults import RateLimited, ServerError

from .vertex_served import ASK, Served, served
from .vertex_stage import GEMMA, chats

TEXT = frozenset({"text"})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as found:
        yield found


def said(server: VertexServer, target: object, count: int = 4, **generation: int) -> list[str]:
    rows = chats(count)
    found = server.predict(target, rows, generation=Generation(**generation), needs=TEXT)  # type: ignore[arg-type]
    return [each.text for each in found]


def test_a_tuned_gemini_answers_at_its_endpoint_in_the_multi_region_in_order_and_with_its_tokens(stage: Served) -> None:
    model, server = stage.tuned(), stage.server(requests_at_once=3)
    answers = list(server.predict(model, chats(12), generation=Generation(), needs=TEXT))
    assert [each.text for each in answers[:4]] == ["It is lost", "It is stolen", "It is expired", "It is blocked"]
    assert [each.text for each in answers] == [row.messages[-1].text for row in chats(12)]
    assert all(each.finish == "stop" and min(each.tokens) > 0 for each in answers)
    endpoint = model.details["endpoint"].rpartition("/")[2]
    assert set(stage.asked()) == {f"/v1beta1/projects/tune-main/locations/us/endpoints/{endpoint}:generateContent"}


def test_the_untuned_base_is_asked_by_its_name_where_its_generation_answers(stage: Served) -> None:
    server = stage.server()
    base = server.model("gemini-3.5-flash")
    assert (base.kind, base.uri) == ("base", "vertex:gemini-3.5-flash")
    assert said(server, base, 1) != ["It is lost"]
    asked = [entry.path for entry in stage.emulator.log if "generateContent" in entry.path]
    assert asked == ["/v1beta1/projects/tune-main/locations/us/publishers/google/models/gemini-3.5-flash:generateContent"]


def test_a_conversation_is_answered_piece_by_piece(stage: Served) -> None:
    model, server = stage.tuned(), stage.server()
    pieces = list(server.chat(model, [Message("user", "My card number 3 is blocked")], generation=Generation()))
    assert "".join(pieces) == "It is blocked"
    with pytest.raises(UsageError, match="no message"):
        server.chat(model, [], generation=Generation())


def test_an_answer_that_was_cut_says_so(stage: Served) -> None:
    model = stage.tuned()
    (answer,) = stage.server().predict(model, chats(1), generation=Generation(max_tokens=1), needs=TEXT)
    assert answer.finish == "length"
    assert "It is lost".startswith(answer.text)


def test_log_probabilities_of_a_reference_are_not_to_be_had_and_nothing_stands_in_for_them(stage: Served) -> None:
    server = stage.server()
    assert server.gives == TEXT
    with pytest.raises(Unsupported, match="of the model's own words"):
        server.predict(server.model("gemini-3.5-flash"), chats(1), generation=Generation(), needs=frozenset({"log_probabilities"}))
    assert stage.asked() == []


def test_a_model_is_found_by_its_id_its_uri_the_services_own_name_its_job_and_its_endpoint(stage: Served) -> None:
    model, server = stage.tuned(suffix="tickets"), stage.server()
    bare = model.id.rpartition("/")[2]
    names = [model.id, model.uri, f"projects/100000000001/locations/{model.id.split('/')[1]}/models/{bare}", str(model.job_uri)]
    found = [server.model(name) for name in names]
    assert {each.id for each in found} == {model.id}
    assert {each.job_uri for each in found} == {model.job_uri}
    assert {each.details["endpoint"] for each in found} == {model.details["endpoint"]}
    at = server.model(model.details["endpoint"])
    assert (at.id, at.base, at.details["model"]) == (model.details["endpoint"], "gemini-3.5-flash", model.id)
    assert at.id.startswith("tune-main/us/endpoints/")
    assert said(server, at, 2) == ["It is lost", "It is stolen"]


def test_models_come_with_their_jobs_the_youngest_first_and_without_the_bases(stage: Served) -> None:
    first, second = stage.tuned(), stage.tuned(about="parcel")
    found = stage.server().models()
    assert [each.id for each in found] == [second.id, first.id]
    assert [each.job_uri for each in found] == [second.job_uri, first.job_uri]
    assert {each.base for each in found} == {"gemini-3.5-flash"}
    assert found[1].recipe_fingerprint == first.recipe_fingerprint


def test_a_checkpoint_answers_at_an_endpoint_of_its_own(stage: Served) -> None:
    model, server = stage.tuned(), stage.server()
    first = server.model(model.checkpoints[0])
    assert (first.id, first.base) == (model.checkpoints[0], "gemini-3.5-flash")
    assert first.details["endpoint"] != model.details["endpoint"]
    assert said(server, first, 1) == said(server, model, 1) == ["It is lost"]
    ends = [each.details["endpoint"].rpartition("/")[2] for each in (first, model)]
    assert [path.rpartition("/")[2].partition(":")[0] for path in stage.asked()] == ends


@pytest.mark.parametrize("name", ["nothing-of-that-name", "tune-main/us-central1/models/123", "123", "elsewhere/us-central1/models/1"])
def test_a_model_that_is_not_there_is_unknown_and_says_where_to_look(stage: Served, name: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        stage.server().model(name)
    assert unknown.value.remedy


def test_a_deleted_model_is_no_longer_listed_and_does_not_answer(stage: Served) -> None:
    model, other = stage.tuned(), stage.tuned(about="parcel")
    stage.trainer().delete(str(model.job_uri))
    server = stage.server()
    assert [each.id for each in server.models()] == [other.id]
    with pytest.raises(UnknownModel):
        server.model(model.id)
    with pytest.raises(NotFound):
        said(server, model, 1)


def test_deleting_one_version_of_a_model_leaves_those_that_were_tuned_further_from_it(stage: Served) -> None:
    first = stage.tuned()
    second = stage.tuned(first.id, about="parcel")
    assert (first.id.partition("@")[2], second.id.partition("@")[2]) == ("1", "2")
    assert first.id.partition("@")[0] == second.id.partition("@")[0]
    stage.trainer().delete(str(first.job_uri))
    server = stage.server()
    assert [each.id for each in server.models()] == [second.id]
    assert server.model(second.id).details["endpoint"] == second.details["endpoint"]
    with pytest.raises(UnknownModel):
        server.model(first.id)


def test_a_model_that_is_overloaded_is_asked_again_and_a_lost_answer_too(stage: Served) -> None:
    model = stage.tuned()
    plan = stage.emulator.faults
    plan.once(RateLimited(30.0), on=ASK)
    plan.once(ServerError(503), on=ASK)
    began = stage.clock.monotonic()
    assert said(stage.server(requests_at_once=1), model, 2) == ["It is lost", "It is stolen"]
    assert stage.clock.monotonic() - began >= 30


def test_a_model_that_learned_to_call_tools_calls_them_and_is_told_which_there_are(stage: Served) -> None:
    tool = Tool("find", "Finds a parcel.", {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]})
    asked = [
        ChatExample(
            (Message("user", f"Where is parcel {n}?"), Message("assistant", None, (ToolCall("find", f'{{"id": {n}}}', f"call_{n}"),))),
            (tool,),
        )
        for n in range(12)
    ]
    model, server = stage.tuned(rows=Dataset.from_examples(asked, name="parcels")), stage.server()
    (answer,) = server.predict(model, asked[3:4], generation=Generation(), needs=TEXT)
    assert (answer.text, answer.finish) == ('find({"id":3})', "tool_calls")


def test_who_may_not_see_the_jobs_still_finds_a_model_where_it_answers(stage: Served) -> None:
    model = stage.tuned()
    hidden = stage.emulator.token(without=["aiplatform.tuningJobs.list"])
    server = stage.server(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": hidden})
    found = server.model(model.id)
    assert (found.base, found.details["endpoint"], found.job_uri) == (model.base, model.details["endpoint"], None)
    assert found.recipe_fingerprint == model.recipe_fingerprint
    first = server.model(model.checkpoints[0])
    assert first.details["endpoint"] == stage.server().model(model.checkpoints[0]).details["endpoint"] != found.details["endpoint"]
    assert said(server, found, 1) == ["It is lost"]


def test_an_open_base_is_not_asked_and_says_why(stage: Served) -> None:
    server = stage.server()
    with pytest.raises(Unsupported, match="rented machines"):
        said(server, server.model(GEMMA), 1)


def test_a_picture_of_this_machine_goes_along_in_the_question(stage: Served, tmp_path: Path) -> None:
    model, picture = stage.tuned(), tmp_path / "card.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    row = ChatExample((Message("user", (TextPart("My card number 3 is blocked"), ImagePart(str(picture)))), Message("assistant", "x")))
    (answer,) = stage.server().predict(model, [row], generation=Generation(), needs=TEXT)
    assert answer.text == "It is blocked"
    gone = ChatExample((Message("user", (TextPart("?"), ImagePart(str(tmp_path / "gone.png")))), Message("assistant", "x")))
    with pytest.raises(UsageError, match=r"gone\.png"):
        list(stage.server().predict(model, [gone], generation=Generation(), needs=TEXT))


def test_a_tuned_gemini_stands_without_a_deployment(stage: Served) -> None:
    model, server = stage.tuned(), stage.server()
    assert isinstance(server, Deploys)
    with pytest.raises(Unsupported, match="without a deployment"):
        server.deployment_plan(model, options={})
    assert server.deployments() == []
