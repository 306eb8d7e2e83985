"""The vendor's own, unmodified clients on Azure's emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from openai import AzureOpenAI, OpenAI
from tuneport_azure.emulator import AzureEmulator
from tuneport_azure.emulator.platform import GROUP, SUBSCRIPTION

from tuneport.testing.emulator import SteppedClock

GPT = "gpt-4.1-mini-2025-04-14"
PREVIEW, GA = "2025-04-01-preview", "2024-10-21"
_OPENED: list[Any] = []


def v1(emulator: AzureEmulator, key: str | Callable[[], str] | None = None, *, resource: str = "contoso", **options: Any) -> OpenAI:
    """OpenAI's client on the v1 API, without the SDK's retries unless asked for."""
    client = OpenAI(
        base_url=emulator.v1_url(resource), api_key=key or emulator.key(resource), **{"max_retries": 0, "timeout": 10, **options}
    )
    _OPENED.append(client)
    return client


def dated(
    emulator: AzureEmulator, version: str = PREVIEW, *, resource: str = "contoso", key: str | None = None, **options: Any
) -> AzureOpenAI:
    """AzureOpenAI's client; with `azure_ad_token_provider` among the options, without a key."""
    if "azure_ad_token_provider" not in options:
        options["api_key"] = key or emulator.key(resource)
    endpoint = emulator.endpoint(resource)
    client = AzureOpenAI(azure_endpoint=endpoint, api_version=version, **{"max_retries": 0, "timeout": 10, **options})
    _OPENED.append(client)
    return client


class Bearer(SansIOHTTPPolicy[Any, Any]):
    """Signs requests over plain HTTP, which the SDK's own policy refuses to."""

    def __init__(self, token: str) -> None:
        self.token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class Known:
    """A credential that has its token already."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("unused", 2_000_000_000)


def management(emulator: AzureEmulator, token: str | None = None) -> CognitiveServicesManagementClient:
    """The management client with that token (an owner's if none is given), without retries."""
    client = CognitiveServicesManagementClient(
        Known(),
        SUBSCRIPTION,
        base_url=emulator.management_url,
        authentication_policy=Bearer(token or emulator.token()),
        retry_total=0,
        polling_interval=0.01,
    )
    _OPENED.append(client)
    return client


def close_clients() -> None:
    """Closes every client that was opened here."""
    while _OPENED:
        _OPENED.pop().close()


def chat_rows(count: int = 20) -> list[dict[str, Any]]:
    words = ("lost", "stolen", "expired", "blocked")
    return [
        {"messages": [{"role": "user", "content": f"Card {n} is {words[n % 4]}"}, {"role": "assistant", "content": words[n % 4]}]}
        for n in range(count)
    ]


def lines(rows: list[Any]) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def upload(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None) -> str:
    """The id of a processed training file."""
    file = client.files.create(file=("rows.jsonl", lines(chat_rows() if rows is None else rows)), purpose="fine-tune")
    clock.advance(5)
    return file.id


def begun(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None, *, tier: object = "GlobalStandard", **asked: Any) -> Any:
    """A job (the SDK's type, whose words are not Azure's) that has just been made; `tier` None sends no training type."""
    extra = {} if tier is None else {"trainingType": tier}
    body = {"model": GPT, "training_file": upload(client, clock, rows), "extra_body": extra, **asked}
    return client.fine_tuning.jobs.create(**body)


def tuned(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None, **asked: Any) -> Any:
    """A job that has run its course."""
    job = begun(client, clock, rows, **asked)
    clock.advance(10_000)
    return client.fine_tuning.jobs.retrieve(job.id)


def deployable(model: str | None, *, sku: str = "GlobalStandard", capacity: int = 50, **more: str) -> Mapping[str, Any]:
    """The body of a deployment of a tuned model."""
    return {
        "sku": {"name": sku, "capacity": capacity},
        "properties": {"model": {"format": "OpenAI", "name": str(model), "version": "1", **more}},
    }


def put(client: CognitiveServicesManagementClient, name: str, body: Any, *, account: str = "contoso") -> Any:
    """Begins a deployment and does not wait for it."""
    return client.deployments.begin_create_or_update(GROUP, account, name, body, polling=False).result()
