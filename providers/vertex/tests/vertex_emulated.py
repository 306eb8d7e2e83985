"""Google's own, unmodified clients on the emulator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.cloud import aiplatform_v1, aiplatform_v1beta1, storage
from google.genai import types
from google.oauth2.credentials import Credentials
from tuneport_vertex.emulator import VertexEmulator

REGION, EUROPE = "us-central1", "europe-west4"
GEMINI, GEMMA = "gemini-3.5-flash", "google/gemma3@gemma-3-4b-it"
CREATE = "POST /v1beta1/projects/{project}/locations/{location}/tuningJobs"
LIST = "GET /v1beta1/projects/{project}/locations/{location}/tuningJobs"
RETRIEVE = "GET /v1beta1/projects/{project}/locations/{location}/tuningJobs/{job}"
_OPENED: list[Any] = []


def signed(emulator: VertexEmulator, token: str | None = None) -> Credentials:
    return Credentials(token=token or emulator.token())


def gen(
    emulator: VertexEmulator, location: str = REGION, *, project: str | None = None, token: str | None = None, version: str = "v1beta1"
) -> genai.Client:
    """google-genai's client, without retries."""
    options = types.HttpOptions(base_url=emulator.url, api_version=version, retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(
        enterprise=True,
        project=project or emulator.project,
        location=location,
        credentials=signed(emulator, token),
        http_options=options,
    )
    _OPENED.append(client)
    return client


def gapic(emulator: VertexEmulator, service: str, *, version: Any = aiplatform_v1, token: str | None = None) -> Any:
    """A REST client of google-cloud-aiplatform: `Model`, `Endpoint`, `GenAiTuning`, `Prediction`, `ModelGarden`."""
    kind = getattr(version, f"{service}ServiceClient")
    client = kind(transport="rest", client_options={"api_endpoint": emulator.url}, credentials=signed(emulator, token))
    _OPENED.append(client.transport)
    return client


def gcs(emulator: VertexEmulator, *, project: str | None = None, token: str | None = None) -> Any:
    """google-cloud-storage's client."""
    client = storage.Client(
        project=project or emulator.project, credentials=signed(emulator, token), client_options={"api_endpoint": emulator.url}
    )
    _OPENED.append(client)
    return client


def close_clients() -> None:
    while _OPENED:
        _OPENED.pop().close()


def place(emulator: VertexEmulator, location: str = REGION, *, project: str | None = None) -> str:
    return f"projects/{project or emulator.project}/locations/{location}"


# data


def example(question: str, answer: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": question}]}, {"role": "model", "parts": [{"text": answer}]}]}


def capitals(count: int = 20) -> list[dict[str, Any]]:
    return [example(f"What is the capital of country number {n}?", f"City {n}.") for n in range(count)]


def chats(count: int = 20) -> list[dict[str, Any]]:
    return [
        {"messages": [{"role": "user", "content": f"Capital of country {n}?"}, {"role": "assistant", "content": f"City {n}."}]}
        for n in range(count)
    ]


def preferences(count: int = 20) -> list[dict[str, Any]]:
    def completion(text: str, score: float) -> dict[str, Any]:
        return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}

    return [
        {
            "contents": [{"role": "user", "parts": [{"text": f"Greet guest {n}"}]}],
            "completions": [completion(f"Welcome, guest {n}!", 1), completion("What do you want?", 0)],
        }
        for n in range(count)
    ]


def lines(rows: Iterable[Any]) -> bytes:
    return "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()


def stored(emulator: VertexEmulator, rows: Iterable[Any], name: str = "data/train.jsonl", **options: Any) -> str:
    """The rows as an object of the bucket; its address."""
    return emulator.put(name, lines(rows), content_type="application/jsonl", **options)


# jobs


@contextmanager
def quiet() -> Iterator[None]:
    """google-genai says at each job that its tuning is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tune(
    client: genai.Client, uri: str, *, base: str = GEMINI, config: Mapping[str, Any] | types.CreateTuningJobConfig | None = None
) -> types.TuningJob:
    settings = config if isinstance(config, types.CreateTuningJobConfig) else types.CreateTuningJobConfig(**(config or {}))
    with quiet():
        job: types.TuningJob = client.tunings.tune(base_model=base, training_dataset=types.TuningDataset(gcs_uri=uri), config=settings)
    return job


def looked_at(client: genai.Client, job: types.TuningJob) -> types.TuningJob:
    with quiet():
        return client.tunings.get(name=job.name or "")


def tuned(
    emulator: VertexEmulator, client: genai.Client | None = None, *, rows: Iterable[Any] | None = None, **options: Any
) -> types.TuningJob:
    """A job that has run to its end."""
    client = client or gen(emulator)
    job = tune(client, stored(emulator, rows or capitals()), **options)
    emulator.clock.advance(3600)  # type: ignore[attr-defined]
    return looked_at(client, job)


def refused(call: Any) -> dict[str, Any]:
    """The google.rpc.Status that the call is refused with."""
    with pytest.raises(genai.errors.ClientError) as caught:
        call()
    status: dict[str, Any] = caught.value.details["error"]
    return status


def posted(emulator: VertexEmulator, path: str, body: Any, *, method: str = "POST", token: str | None = None) -> tuple[int, Any]:
    """A request that no SDK would send; the status and the JSON of its answer."""
    import requests

    headers = {"authorization": f"Bearer {token or emulator.token()}", "content-type": "application/json"}
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = requests.request(method, f"{emulator.url}{path}", data=data, headers=headers, timeout=10)
    return answer.status_code, answer.json() if answer.content else None


BETA = aiplatform_v1beta1
