"""Which project, region, bucket and credentials a profile and the environment name, and what is said where they name none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tuneport_vertex.profile import ADC, Place, place_of, serving_of

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings


def place(environ: Mapping[str, str] | None = None, /, *, own: str | None = None, **profile: Any) -> Place:
    settings = ProviderSettings(name="work", home=Path("/nowhere"), environ=environ or {}, profile=profile)
    return place_of(settings, own_project=lambda _: own)


def test_a_profile_comes_before_the_environment_and_that_before_the_credentials() -> None:
    assert place({"GOOGLE_CLOUD_PROJECT": "env-project"}, own="own-project", project="said-project").project == "said-project"
    assert place({"GOOGLE_CLOUD_PROJECT": "env-project"}, own="own-project").project == "env-project"
    assert place(own="own-project").project == "own-project"


def test_without_a_region_it_is_us_central1() -> None:
    assert place(project="my-project").scope == "my-project/us-central1"
    assert place({"GOOGLE_CLOUD_LOCATION": "europe-west4"}, project="my-project").parent == "projects/my-project/locations/europe-west4"


@pytest.mark.parametrize(("location", "serving"), [("us-central1", "us"), ("europe-west4", "eu"), ("global", "us"), ("eu", "eu")])
def test_tuned_models_are_served_in_the_multi_region_around(location: str, serving: str) -> None:
    assert serving_of(location) == serving
    assert place(project="my-project", location=location).serving_location == serving
    assert place(project="my-project", location=location, serving_location="eu").serving_location == "eu"


@pytest.mark.parametrize("written", ["rows-of-mine/tuning", "gs://rows-of-mine/tuning/", "gs://rows-of-mine/tuning"])
def test_a_bucket_is_a_name_or_an_address_with_a_folder(written: str) -> None:
    found = place(project="my-project", bucket=written)
    assert (found.bucket, found.prefix) == ("rows-of-mine", "tuning")
    assert found.folder("outputs", "one") == "gs://rows-of-mine/tuning/outputs/one"


def test_without_a_bucket_what_needs_one_says_how_to_name_it() -> None:
    with pytest.raises(ConfigError, match=r"no bucket is named.*\[providers\.work\], or TUNEPORT_VERTEX_BUCKET"):
        place(project="my-project").folder("x")


def test_a_token_is_that_of_the_variable_that_is_named_and_is_shown_nowhere() -> None:
    found = place({"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.secret"}, project="my-project")
    assert (found.token, found.token_source) == ("ya29.secret", "GOOGLE_OAUTH_ACCESS_TOKEN")
    other = place({"OTHER": "ya29.other", "GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.secret"}, project="my-project", token_env="OTHER")
    assert other.token == "ya29.other"
    assert "ya29" not in repr(found) + repr(other)
    assert place(project="my-project").token_source == ADC


def test_plain_http_is_for_this_machine_only() -> None:
    assert place({"GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:8399/"}, project="my-project").endpoint == "http://127.0.0.1:8399"
    assert place({"STORAGE_EMULATOR_HOST": "http://localhost:9"}, project="my-project").storage_endpoint == "http://localhost:9"
    with pytest.raises(ConfigError, match=r"endpoint is not encrypted, and gateway\.example is not this machine"):
        place(project="my-project", endpoint="http://gateway.example")
    assert place(project="my-project", endpoint="https://gateway.example").endpoint == "https://gateway.example"


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({}, "no project is named"),
        ({"project": "X"}, "project is 'X'"),
        ({"project": "my-project", "location": "US Central"}, "location is 'US Central'"),
        ({"project": "my-project", "bucket": "https://storage.googleapis.com/x"}, "bucket is 'https://storage.googleapis.com/x'"),
        ({"project": "my-project", "service_account": "tuner"}, "service_account is 'tuner'"),
        ({"project": "my-project", "kms_key": "my-key"}, "kms_key is 'my-key'"),
        ({"project": "my-project", "token_env": "EMPTY"}, "token_env names EMPTY, which holds no token"),
        ({"project": "my-project", "endpoint": "gateway"}, "endpoint cannot be used"),
        ({"project": "my-project", "endpoint": "http://127.0.0.1:99999"}, "endpoint cannot be used"),
        ({"project": "my-project", "endpoint": "https://user:secret@host"}, "endpoint cannot be used"),
        ({"project": "my-project", "serving_location": "asia"}, "serving_location must be"),
        ({"project": "my-project", "requests_at_once": 0}, "requests_at_once must be at least 1"),
        ({"project": "my-project", "buckets": "x"}, "bucket"),
    ],
)
def test_each_wrong_form_is_one_sentence_with_a_way_out(profile: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place(**profile)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "[providers.work]" in caught.value.message


def test_a_domain_scoped_project_and_a_number_are_projects() -> None:
    assert place(project="example.com:my-project").scope == "example.com:my-project/us-central1"
    assert place(project="123456789012").project == "123456789012"
