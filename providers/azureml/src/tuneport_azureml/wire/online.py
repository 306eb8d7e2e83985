"""Managed online endpoints, on machines by the hour: what is asked for, and what is told of them (azure-ai-ml 1.35.2, arm_ml_service).

That models which were tuned on machines of one's own are served so: Azure/azureml-examples, chat_completion_with_model_as_platform. What
they are asked: microsoft/PhiCookBook, E2E_Phi-3-FineTuning_PromptFlow_Integration. How they answer: what langchain-ai/langchain reads of
such an endpoint, langchain_community/chat_models/azureml_endpoint.py. All read 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.chat_completions import asked
from tuneport.errors import RecipeError, UsageError
from tuneport.examples import ChatExample
from tuneport.model import Phase, Prediction
from tuneport.nearest import did_you_mean
from tuneport.provider import Generation
from tuneport.replies import Json, object_in, text_in, time_in
from tuneport_azureml.wire.endpoints import MODEL, PHASES, Region, Standing, default_name
from tuneport_azureml.wire.tags import tags_of_resource

ONLINE = "onlineEndpoints"
DEPLOYMENT = "tuned"
"""The one deployment of an endpoint of ours."""
OPTIONS = ("name", "machine", "machines")
MOST_NAME_CHARS = 32
ROUTE = {"azureml-model-deployment": DEPLOYMENT}
"""Asks that deployment, whatever share of the traffic it has (azure-ai-ml 1.35.2, constants/_endpoint.py)."""
STATES: Mapping[str, Phase] = {**PHASES, "scaling": "starting"}
"""The words of DeploymentProvisioningState, in small letters."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to be served: on so many machines of a size; `machine` '' is that of its training."""

    name: str
    machine: str
    machines: int


def wanted(options: Mapping[str, Any], *, model: str, scope: str) -> Wanted:
    """Raises RecipeError naming the option."""
    for key in options:
        if key not in OPTIONS:
            raise RecipeError(f"{key!r} is no option of an online endpoint; {did_you_mean(key, OPTIONS)}")
    name = options.get("name") or default_name(model, scope=scope, most=MOST_NAME_CHARS)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecipeError(f"name is {name!r}; it takes 3 to {MOST_NAME_CHARS} letters, digits and '-', and begins with a letter.")
    machine, machines = options.get("machine") or "", options.get("machines", 1)
    if not isinstance(machine, str):
        raise RecipeError(f"machine is {machine!r}; it is the name of a size, such as Standard_NC24ads_A100_v4.")
    if isinstance(machines, bool) or not isinstance(machines, int) or machines < 1:
        raise RecipeError(f"machines is {machines!r}; it is a whole number, from 1 up.")
    return Wanted(name, machine, machines)


def endpoint_body(model: str, region: Region) -> dict[str, Any]:
    return {
        "location": region.location,
        "tags": {MODEL: model},
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key"},
    }


def deployment_body(model: str, region: Region, *, workspace: str, machine: str, machines: int) -> dict[str, Any]:
    """With Microsoft's sample's times: ten minutes for the weights to be loaded, 90 s for an answer."""
    return {
        "location": region.location,
        "tags": {MODEL: model},
        "sku": {"name": "Default", "capacity": machines},
        "properties": {
            "endpointComputeType": "Managed",
            "model": f"{workspace}/{model}",
            "instanceType": machine,
            "livenessProbe": {"initialDelay": "PT10M"},
            "requestSettings": {"requestTimeout": "PT1M30S"},
        },
    }


def standing_of(endpoint: Json, deployment: Json | None) -> Standing:
    """An endpoint with its deployment; None where there is none. Raises ValueError for one without a name."""
    name = text_in(endpoint, "name")
    if name is None:
        raise ValueError("an endpoint without a name")
    properties = object_in(endpoint, "properties")
    state, phase = _state(properties, deployment)
    return Standing(
        name=name,
        serves=text_in(tags_of_resource(endpoint), MODEL) or "",
        state=state,
        phase=phase,
        url=text_in(properties, "scoringUri") or "",
        keyed=(text_in(properties, "authMode") or "Key").casefold() == "key",
        headers=ROUTE,
        reason=_UNFINISHED if deployment is None and phase == "failed" else "",
        created_at=time_in(object_in(endpoint, "systemData"), "createdAt"),
    )


def _state(properties: Json, deployment: Json | None) -> tuple[str, Phase]:
    """The endpoint's own word as long as that is not the last; then its deployment's."""
    own = text_in(properties, "provisioningState") or ""
    phase = PHASES.get(own.casefold(), "unknown")
    if phase in ("failed", "ending", "unknown"):
        return own, phase
    if deployment is None:
        return ("without a deployment", "failed") if phase == "ready" else (own, phase)
    inner = text_in(object_in(deployment, "properties"), "provisioningState") or ""
    return inner, STATES.get(inner.casefold(), "unknown")


_UNFINISHED = "its deployment was not made, so that it costs nothing and answers nothing; deploy the model again"


def question(chat: ChatExample, generation: Generation) -> dict[str, Any]:
    """What a model that was tuned to chat is asked. Raises UsageError for what it cannot be told."""
    if generation.stop or (generation.seed is not None and generation.temperature):
        raise UsageError("an online endpoint of Azure ML takes neither stop strings nor a seed.")
    parameters: dict[str, Any] = {"max_new_tokens": generation.max_tokens, "do_sample": bool(generation.temperature)}
    if generation.temperature:
        parameters |= {"temperature": generation.temperature, "top_p": generation.top_p}
    messages = [{"role": each["role"], "content": each["content"]} for each in asked(chat.messages)]
    return {"input_data": {"input_string": messages, "parameters": parameters}}


def prediction_of(answer: Json) -> Prediction:
    """How it ended and how many tokens it took is not told. Raises ValueError for an answer without text."""
    text = answer.get("output")
    if not isinstance(text, str):
        raise ValueError("an answer without a text")  # noqa: TRY004 - unreadable, as JSON that is none
    return Prediction(text)
