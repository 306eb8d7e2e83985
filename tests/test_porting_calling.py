"""The code that a switch prints: whole programs on the vendor's own SDK, with every key from the environment."""

from __future__ import annotations

from typing import Any

import pytest

from tuneport.porting.calling import Callee, by_table, calls, genai_code, openai_code, served, tuneport_code


def code(provider: str, model: str = "ft:gpt-4.1-mini:acme::x", **profile: Any) -> str:
    return openai_code(by_table(calls()[provider], model, profile=profile))


@pytest.mark.parametrize(
    "program",
    [
        code("openai"),
        code("openai", base_url="https://api.example/v1", api_key_env="EXAMPLE_KEY"),
        code("azure", "mine"),
        code("azure", "mine", endpoint="https://north.openai.azure.com/", api_key_env="NORTH_KEY"),
        openai_code(served("local:4f1c09a2")),
        tuneport_code("fake:x"),
        genai_code("my-proj/us/endpoints/123", profile={}),
        genai_code("my-proj/us/endpoints/123", profile={"endpoint": 'https://a"b.example'}),
    ],
    ids=["openai", "compatible", "azure", "azure profile", "served", "tuneport", "vertex", "vertex profile"],
)
def test_every_program_is_python_and_holds_no_key(program: str) -> None:
    compile(program, "program", "exec")
    assert "sys.argv[1]" in program
    assert "api_key='" not in program


def test_at_openai_the_sdk_knows_address_and_key_by_itself() -> None:
    assert "client = OpenAI()" in code("openai")


def test_another_account_of_openai_is_asked_with_its_own_key() -> None:
    program = code("openai", api_key_env="WORK_OPENAI_API_KEY")
    assert 'api_key=os.environ["WORK_OPENAI_API_KEY"]' in program
    assert "base_url" not in program


def test_azure_is_asked_at_the_v1_address_of_the_resource() -> None:
    assert 'base_url=os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/") + "/openai/v1/"' in code("azure", "mine")
    named = code("azure", "mine", endpoint="https://north.openai.azure.com/", api_key_env="NORTH_KEY")
    assert 'base_url="https://north.openai.azure.com/openai/v1/"' in named
    assert 'api_key=os.environ["NORTH_KEY"]' in named


def test_a_model_name_with_a_quote_in_it_stays_a_name() -> None:
    compile(openai_code(Callee('a"b\\c')), "program", "exec")


def test_a_name_beyond_sixteen_bits_stays_a_name() -> None:
    program = openai_code(Callee("support-🚀-é"))
    assert '"support-🚀-é"' in program
    compile(program, "program", "exec")


def test_a_tuned_gemini_is_asked_on_googles_own_sdk_at_its_endpoint_in_the_location_of_that() -> None:
    program = genai_code("my-proj/us/endpoints/123", profile={})
    assert 'genai.Client(enterprise=True, project="my-proj", location="us")' in program
    assert 'model="projects/my-proj/locations/us/endpoints/123"' in program
    assert calls()["vertex"].sdk == "google-genai"
