"""What Google's SDKs raise, and what becomes of it. The exceptions are the SDKs' own: their three clients, unmodified, on loopback."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import requests
from google.api_core import exceptions as core
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials
from tuneport_vertex.errors import _MODULES, TABLE, status_error, vertex_error
from tuneport_vertex.refusals import NoBucket, NotTrained, OtherRegion

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    UnknownModel,
    Unreachable,
)

from .vertex_loopback import SILENT, TOKEN, Said, answering, detail, info, status

JOB = "projects/p/locations/us-central1/tuningJobs/1"
CONSOLE = "https://console.developers.google.com/apis/api/aiplatform.googleapis.com/overview?project=123"
Client = Callable[[str], Any]


def genai(url: str) -> Any:
    """Reads a tuning job."""
    from google.genai import Client as GenAI
    from google.genai import types

    with GenAI(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=Credentials(token=TOKEN),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=url),
    ) as client:
        return client.tunings.get(name=JOB)


def gapic(url: str) -> Any:
    """Reads an endpoint."""
    from google.cloud import aiplatform_v1

    with aiplatform_v1.EndpointServiceClient(
        transport="rest",
        client_options={"api_endpoint": url},
        credentials=Credentials(token=TOKEN),  # type: ignore[no-untyped-call]
    ) as client:
        return client.get_endpoint(name="projects/p/locations/us-central1/endpoints/1")


def storage(url: str) -> Any:
    """Reads an object's metadata."""
    with _bucket(url) as bucket:
        return bucket.blob("x").reload(retry=None)


def contents(url: str) -> Any:
    """Reads an object's bytes."""
    with _bucket(url) as bucket:
        return bucket.blob("x").download_as_bytes(retry=None)


@contextmanager
def _bucket(url: str) -> Iterator[Any]:
    from google.cloud.storage import Client as Storage

    credentials = Credentials(token=TOKEN)  # type: ignore[no-untyped-call]
    client = Storage(project="p", credentials=credentials, client_options={"api_endpoint": url})
    try:
        yield client.bucket("b")
    finally:
        client.close()


def raised(act: Callable[[], Any]) -> Exception:
    """What is raised in it, whatever it is."""
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


EACH = pytest.mark.parametrize("client", [genai, gapic, storage, contents], ids=lambda each: each.__name__)


def told(client: Client, said: Said, *, creating: bool = False) -> TuneportError:
    """What becomes of an answer."""
    with answering(lambda _: said) as (url, _):
        return vertex_error(raised(lambda: client(url)), doing="looking at the job", creating=creating)


def refused(said: Said, *, creating: bool = True) -> TuneportError:
    """What becomes of a refusal while a job is created."""
    return told(genai, said, creating=creating)


# --- the table --------------------------------------------------------------------------------------------------------------------------

OURS = ("google.genai", "google.api_core", "google.auth", "google.oauth2", "google.cloud.storage", "google.resumable_media")
TRANSPORTS = ("requests", "httpx", "httpx2")
NO_ERRORS = (Warning,)


def modules(*names: str) -> Iterator[ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            package = importlib.import_module(name)
            yield package
            for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
                if ".tests" in found.name or found.name.endswith("__main__"):
                    continue
                try:
                    yield importlib.import_module(found.name)
                except Exception:  # parts for packages that are not here
                    continue


def exceptions(*names: str) -> set[type[Exception]]:
    found = {kind for module in modules(*names) for kind in list(vars(module).values()) if inspect.isclass(kind)}
    found |= {
        kind
        for name, module in list(sys.modules.items())
        if name.startswith("google.genai._")
        for kind in vars(module).values()
        if inspect.isclass(kind)
    }
    return {
        kind
        for kind in found
        if issubclass(kind, Exception) and not issubclass(kind, NO_ERRORS) and kind.__module__.startswith(names) and kind.__name__[0] != "_"
    }


def test_every_exception_class_of_the_sdks_is_in_the_table_by_its_own_name() -> None:
    kinds = exceptions(*OURS)
    assert len(kinds) > 90
    names = {kind: {kind.__name__, f"{kind.__module__}.{kind.__name__}"} for kind in kinds}
    assert sorted(f"{kind.__module__}.{kind.__name__}" for kind, known in names.items() if not known & TABLE.keys()) == []


def test_every_exception_class_of_the_transports_has_a_meaning() -> None:
    kinds = exceptions(*TRANSPORTS)
    assert len(kinds) > 60
    unknown = [kind for kind in kinds if not any(_listed(each) for each in kind.__mro__)]
    assert unknown == []


def _listed(kind: type) -> bool:
    known = kind.__name__ in TABLE or f"{kind.__module__}.{kind.__name__}" in TABLE
    return known and kind.__module__.partition(".")[0] in _MODULES - {"builtins"}


def test_an_exception_class_that_a_later_sdk_adds_counts_as_its_nearest_known_one() -> None:
    later = type("TokenStaleError", (auth.RefreshError,), {"__module__": "google.auth.exceptions"})
    assert type(vertex_error(later("stale"), doing="x", creating=True)) is CredentialsRefused


def test_an_error_of_ours_stays_as_it_is_and_a_mistake_of_ours_stays_a_mistake() -> None:
    ours = NotFound("no such job")
    assert vertex_error(ours, doing="x") is ours
    with pytest.raises(TypeError, match="a slip"):
        vertex_error(TypeError("a slip"), doing="x", creating=True)


def test_two_classes_of_one_name_keep_their_own_meanings() -> None:
    assert type(vertex_error(auth.OSError("the file of the key"), doing="x", creating=True)) is CredentialsRefused
    assert type(vertex_error(OSError("reset"), doing="x", creating=True)) is Ambiguous
    assert type(vertex_error(auth.TransportError("silent"), doing="x", creating=True)) is Unreachable


# --- credentials ------------------------------------------------------------------------------------------------------------------------


def test_no_credentials_at_all_says_how_to_sign_in() -> None:
    error = vertex_error(auth.DefaultCredentialsError("Your default credentials were not found."), doing="looking", creating=True)
    assert type(error) is CredentialsRefused
    assert "gcloud auth application-default login" in error.remedy
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error.remedy


@EACH
def test_an_expired_token_is_told_as_such_and_nothing_is_lost(client: Client) -> None:
    said = status(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", info("ACCESS_TOKEN_EXPIRED"))
    error = told(client, said, creating=True)
    assert type(error) is CredentialsRefused
    assert "expired" in error.message
    assert "goes on" in error.remedy
    assert "client_secret" not in str(error)


def test_a_sign_in_that_does_not_answer_means_that_nothing_was_begun() -> None:
    error = vertex_error(auth.TransportError("Failed to retrieve"), doing="creating the job", creating=True)
    assert type(error) is Unreachable


def test_what_a_sign_in_answered_is_told_without_its_body() -> None:
    error = vertex_error(auth.RefreshError("invalid_grant: Bad Request", {"error": "x", "id_token": "eyJsecret"}), doing="looking")
    assert type(error) is CredentialsRefused
    assert "invalid_grant" in error.message
    assert "eyJ" not in str(error)


def test_credentials_that_cannot_be_renewed_are_told() -> None:
    error = raised(lambda: AnonymousCredentials().refresh(None))  # type: ignore[no-untyped-call]
    assert type(vertex_error(error, doing="x", creating=True)) is CredentialsRefused


# --- projects and services --------------------------------------------------------------------------------------------------------------


@EACH
def test_an_api_that_is_off_comes_with_the_link_that_turns_it_on(client: Client) -> None:
    off = info("SERVICE_DISABLED", service="aiplatform.googleapis.com", consumer="projects/123", activationUrl=CONSOLE)
    error = told(client, status(403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 123 before.", off))
    assert type(error) is Refused
    assert "aiplatform.googleapis.com is off in project 123" in error.message
    assert CONSOLE in error.remedy
    assert "gcloud services enable aiplatform.googleapis.com" in error.remedy


def test_an_api_that_is_off_is_known_without_details_and_its_link_is_found_in_the_words() -> None:
    words = f"Vertex AI API has not been used in project 123 before or it is disabled. Enable it by visiting {CONSOLE} then retry."
    error = refused(status(403, "PERMISSION_DENIED", words))
    assert "is off" in error.message
    assert CONSOLE in error.remedy


def test_a_link_that_leads_elsewhere_is_not_handed_on() -> None:
    off = info("SERVICE_DISABLED", service="aiplatform.googleapis.com", activationUrl="https://evil.example/apis/x")
    error = refused(status(403, "PERMISSION_DENIED", "Off.", off))
    assert "evil.example" not in str(error)
    assert "https://console.cloud.google.com/apis/library/aiplatform.googleapis.com" in error.remedy


@pytest.mark.parametrize(
    "said",
    [
        status(
            403,
            "PERMISSION_DENIED",
            "Permission denied on resource project My First Project.",
            info("CONSUMER_INVALID", consumer="projects/x"),
        ),
        status(403, "PERMISSION_DENIED", "Permission denied on resource project nowhere."),
        status(403, "PERMISSION_DENIED", "Caller lacks it.", info("USER_PROJECT_DENIED", consumer="projects/nowhere")),
        status(404, "NOT_FOUND", "Project 'nowhere' not found or deleted."),
    ],
)
def test_a_wrong_project_is_no_missing_job_and_names_the_setting(said: Said) -> None:
    error = refused(said, creating=False)
    assert type(error) is CredentialsRefused
    assert "GOOGLE_CLOUD_PROJECT" in error.remedy
    assert "id, not its name" in error.remedy


def test_a_role_that_is_missing_is_named_with_the_permission() -> None:
    words = "Permission 'aiplatform.tuningJobs.create' denied on resource '//aiplatform.googleapis.com/projects/p' (or it may not exist)."
    error = refused(status(403, "PERMISSION_DENIED", words, info("IAM_PERMISSION_DENIED", permission="aiplatform.tuningJobs.create")))
    assert type(error) is CredentialsRefused
    assert "lacks the permission aiplatform.tuningJobs.create" in error.message
    assert "roles/aiplatform.user" in error.remedy


def test_storage_that_refuses_names_the_role_of_the_bucket() -> None:
    words = "viewer@main.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object."
    said = Said(403, {"error": {"code": 403, "message": words, "errors": [{"reason": "forbidden", "domain": "global", "message": words}]}})
    error = told(storage, said)
    assert type(error) is CredentialsRefused
    assert "lacks the permission storage.objects.create" in error.message
    assert "roles/storage.objectUser" in error.remedy


@pytest.mark.parametrize(
    "said",
    [status(403, "PERMISSION_DENIED", "No.", info("BILLING_DISABLED")), status(403, "", "This API method requires billing to be enabled.")],
)
def test_a_project_without_billing_is_told(said: Said) -> None:
    assert "no billing" in refused(said).message


def test_a_policy_of_the_organisation_is_no_missing_role() -> None:
    error = refused(status(403, "PERMISSION_DENIED", "Request is prohibited by organization's policy.", info("SECURITY_POLICY_VIOLATED")))
    assert type(error) is Refused
    assert "policy of the organisation" in error.message


# --- buckets, models, data --------------------------------------------------------------------------------------------------------------


def test_a_bucket_in_another_region_is_told_as_such() -> None:
    words = (
        "The Cloud Storage bucket of `gs://b/x` is in location `us`. "
        "It must be in the same regional location as the service location `us-central1`."
    )
    error = refused(status(400, "FAILED_PRECONDITION", words))
    assert type(error) is OtherRegion
    assert "another region" in error.message
    assert words.rstrip(".") in error.message


def test_a_bucket_that_googles_own_account_cannot_read_names_that_account() -> None:
    words = (
        "Service account `[service-789@gcp-sa-aiplatform.iam.gserviceaccount.com]` does not have `[storage.objects.get]` IAM permission(s)"
        ' to the directory "gs://b/x".'
    )
    error = refused(status(400, "FAILED_PRECONDITION", words))
    assert type(error) is CredentialsRefused
    assert "Give service-789@gcp-sa-aiplatform.iam.gserviceaccount.com the role Storage Object Viewer" in error.remedy


@pytest.mark.parametrize(
    ("words", "lead"),
    [
        ("Base model gemini-2.5-flash is not supported for tuning.", "not tuned in this region"),
        ("Model gemini-3.5-flash is not available for tuning in region asia-east1.", "not tuned in this region"),
        ("The base model gemini-1.5-pro-002 has been retired and can no longer be tuned.", "is retired"),
        ("gemini-2.0-flash is deprecated. Tuning is disabled.", "is retired"),
    ],
)
def test_a_model_that_is_not_tuned_there_or_any_more_is_told(words: str, lead: str) -> None:
    error = refused(status(400, "INVALID_ARGUMENT", words))
    assert type(error) is NotTrained
    assert lead in error.message
    assert "us-central1 and europe-west4" in error.remedy


def test_a_model_that_nobody_knows_is_an_unknown_model() -> None:
    words = "Publisher Model `projects/p/locations/us-central1/publishers/google/models/gemini-9` was not found."
    assert type(refused(status(404, "NOT_FOUND", words))) is UnknownModel


def test_an_adapter_size_that_is_not_offered_names_the_key_of_the_recipe() -> None:
    error = refused(status(400, "INVALID_ARGUMENT", "The adapter size is not supported for this base model."))
    assert type(error) is Refused
    assert "method.lora.rank" in error.remedy


@pytest.mark.parametrize(
    "words",
    [
        "The dataset has 10000001 rows, which exceeds the maximum of 10000000.",
        "Row 17 has 140000 tokens, more than the limit of 131072 tokens.",
        "Validation dataset must have at most 5000 examples.",
        "Too many tokens in the training examples.",
    ],
)
def test_too_many_rows_or_tokens_are_told_with_the_check_that_finds_them(words: str) -> None:
    error = refused(status(400, "INVALID_ARGUMENT", words))
    assert type(error) is Refused
    assert "over a limit" in error.message
    assert "tuneport data check" in error.remedy


def test_a_file_that_is_gone_is_told_to_the_submit_that_can_upload_it_again() -> None:
    field = detail("BadRequest", fieldViolations=[{"field": "tuning_job.supervised_tuning_spec.training_dataset_uri", "description": "x"}])
    said = status(400, "INVALID_ARGUMENT", "The object gs://b/tuneport-1.jsonl does not exist.", field)
    assert type(refused(said)) is FileGone
    assert type(refused(said, creating=False)) is Refused


def test_a_bucket_that_does_not_exist_says_how_to_make_one() -> None:
    said = Said(404, {"error": {"code": 404, "message": "The specified bucket does not exist.", "errors": [{"reason": "notFound"}]}})
    error = told(storage, said)
    assert type(error) is NoBucket
    assert "gcloud storage buckets create" in error.remedy


def test_an_object_whose_bytes_are_gone_is_not_found_though_the_answer_is_plain_text() -> None:
    error = told(contents, Said(404, b"No such object: b/x", media_type="text/plain"))
    assert type(error) is NotFound


# --- quotas -----------------------------------------------------------------------------------------------------------------------------

ONE_JOB = "Quota exceeded for aiplatform.googleapis.com/global_concurrent_tuning_jobs with base model: gemini."


@pytest.mark.parametrize(
    "said",
    [
        status(429, "RESOURCE_EXHAUSTED", ONE_JOB),
        status(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded.",
            info("RATE_LIMIT_EXCEEDED", quota_metric="aiplatform.googleapis.com/global_concurrent_tuning_jobs"),
        ),
        status(
            429,
            "RESOURCE_EXHAUSTED",
            "Exceeded.",
            detail("QuotaFailure", violations=[{"subject": "aiplatform.googleapis.com/global_concurrent_tuning_jobs"}]),
        ),
    ],
)
def test_the_quota_of_one_job_at_a_time_can_be_waited_for(said: Said) -> None:
    error = refused(said)
    assert isinstance(error, QuotaExceeded)
    assert error.concurrent
    assert "--queue" in error.remedy


def test_a_quota_that_time_does_not_refill_is_no_rate_limit() -> None:
    words = "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_serving_nvidia_l4_gpus"
    error = refused(status(429, "RESOURCE_EXHAUSTED", words))
    assert isinstance(error, QuotaExceeded)
    assert not error.concurrent


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        (status(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.", Retry_After="17"), 17.0),
        (status(429, "RESOURCE_EXHAUSTED", "Slow.", detail("RetryInfo", retryDelay="2.500s")), 2.5),
        (status(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Requests' per minute.", info("RATE_LIMIT_EXCEEDED")), None),
        (status(403, "PERMISSION_DENIED", "Slow.", info("RATE_LIMIT_EXCEEDED")), None),
    ],
)
def test_a_rate_limit_was_not_carried_out_and_says_how_long_to_wait(said: Said, wait_s: float | None) -> None:
    error = refused(said)
    assert type(error) is RateLimited
    assert error.retry_after_s == wait_s


# --- no clear answer --------------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("code", [408, 409, 500, 502, 503, 504])
def test_a_status_that_says_nothing_of_the_effect_is_ambiguous_for_a_create(client: Client, code: int) -> None:
    said = status(code, "INTERNAL", "overloaded")
    assert type(told(client, said)) is Unreachable
    error = told(client, said, creating=True)
    assert type(error) is Ambiguous
    assert "overloaded" in error.message


@EACH
def test_a_lost_answer_is_ambiguous_for_a_create_and_no_answer_for_a_read(client: Client) -> None:
    assert type(told(client, SILENT)) is Unreachable
    assert type(told(client, SILENT, creating=True)) is Ambiguous


@EACH
def test_a_create_that_never_left_was_not_made(client: Client) -> None:
    with answering(lambda _: Said()) as (url, _):
        pass
    error = vertex_error(raised(lambda: client(url)), doing="creating the job", creating=True)
    assert type(error) is Unreachable
    assert "nothing could be sent" in error.message
    assert "0x" not in error.message


@pytest.mark.parametrize("client", [genai, gapic, storage])
@pytest.mark.parametrize("body", [b"[1,2", b'{"name": 7, "state": []', b"<html>rows of a customer</html>"])
def test_a_2xx_that_cannot_be_read_is_told_as_such_and_its_content_stays_out(client: Client, body: bytes) -> None:
    error = told(client, Said(200, body), creating=True)
    assert type(error) is Ambiguous
    assert "cannot be read" in error.message
    assert "customer" not in str(error)


def test_an_sdk_that_stumbles_over_an_answer_says_that_it_cannot_be_read() -> None:
    error = told(genai, Said(200, b'{"name": 7, "state": []}'), creating=True)
    assert type(error) is Ambiguous


@EACH
def test_a_page_in_place_of_an_answer_is_no_missing_resource(client: Client) -> None:
    error = told(client, Said(404, b"<html>rows of a customer</html>", media_type="text/html"))
    assert type(error) is Unreachable
    assert "customer" not in str(error)


@EACH
def test_an_error_in_no_known_form_is_known_by_its_status_alone(client: Client) -> None:
    error = told(client, Said(400, {"rows": "of a customer"}))
    assert type(error) is Refused
    assert "customer" not in str(error)


@EACH
def test_the_token_never_shows_even_where_the_answer_repeats_it(client: Client) -> None:
    error = told(client, status(400, "INVALID_ARGUMENT", f"Bad token {TOKEN} in Bearer ya29.abcdefghijkl"))
    assert TOKEN not in str(error)
    assert "ya29" not in str(error)


def test_a_plain_signed_request_is_known_by_its_status() -> None:
    def plain(url: str) -> None:
        requests.get(url, timeout=5).raise_for_status()

    assert type(told(plain, status(404, "NOT_FOUND"))) is NotFound
    assert type(told(plain, status(503, "UNAVAILABLE"), creating=True)) is Ambiguous
    assert "No" in told(plain, status(400, "INVALID_ARGUMENT", "No such thing.")).message


def test_the_address_of_an_upload_never_shows() -> None:
    error = vertex_error(core.BadRequest("PUT https://storage.googleapis.com/upload?upload_id=SECRET: 400 no"), doing="uploading")
    assert "SECRET" not in str(error)


def test_what_a_retry_gave_up_over_is_what_counts() -> None:
    error = vertex_error(core.RetryError("Timeout of 120.0s exceeded", core.TooManyRequests("slow")), doing="listing")
    assert type(error) is RateLimited
    assert type(vertex_error(core.RetryError("gave up", None), doing="x", creating=True)) is Ambiguous


def test_a_status_inside_an_answer_is_read_like_one_of_its_own() -> None:
    assert type(status_error({"code": 5, "message": "Model not there."}, doing="deploying")) is NotFound
    assert type(status_error({"code": 8, "message": ONE_JOB}, doing="creating the job", creating=True)) is QuotaExceeded
    assert type(status_error({"code": 13, "message": "internal"}, doing="deploying")) is Unreachable


def test_a_read_that_breaks_off_in_the_middle_is_no_answer() -> None:
    assert type(vertex_error(requests.exceptions.ChunkedEncodingError("cut"), doing="reading a file")) is Unreachable


@pytest.mark.parametrize("words", [f"TuningJob {JOB.replace('/p/', '/gemini-demo/')} is not found.", "gs://llama-tunes/rows is not found."])
def test_names_that_people_give_are_not_taken_for_those_of_models(words: str) -> None:
    assert type(refused(status(404, "NOT_FOUND", words))) in (NotFound, FileGone)
