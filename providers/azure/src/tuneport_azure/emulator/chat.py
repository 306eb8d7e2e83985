"""Chat completions by deployment: the sister's answers, with the fields of Azure's content filter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.chat import Chat
from tuneport_openai.emulator.chat_requests import Question, read_question
from tuneport_openai.emulator.tokens import text_of
from tuneport_openai.emulator.validation import UNSAFE
from tuneport_openai.emulator.world import TunedModel

from tuneport.testing.emulator import Account, Answer, Request
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.deployments import current
from tuneport_azure.emulator.versions import DataRoutes
from tuneport_azure.emulator.world import AzureWorld

CALM: Final[Mapping[str, Any]] = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
PROMPT_RESULTS: Final = [{"prompt_index": 0, "content_filter_results": {**CALM, "jailbreak": {"filtered": False, "detected": False}}}]
FILTERED = "EMULATOR-FILTERED"
"""An answer that holds this text is one that the content filter withholds."""
MINUTE = timedelta(seconds=60)


class AzureChat(Chat):
    """Serves /chat/completions: on v1 the body's `model` names the deployment, on dated versions the path does."""

    def __init__(self, world: AzureWorld, routes: DataRoutes) -> None:
        self._world: AzureWorld = world
        routes.add_inference("/chat/completions", self.complete, dated_path="/deployments/{deployment}/chat/completions")

    def complete(self, request: Request) -> Answer:
        question = read_question(request)
        question = replace(question, model=request.params.get("deployment", question.model))
        return self.answer(self._world.caller(request), question)

    def answer(self, account: Account, question: Question) -> Answer:
        if any(UNSAFE in text_of(message.get("content")) for message in question.messages):
            raise refusals.filtered_prompt()
        return super().answer(account, question)

    def _model(self, account: Account, name: str) -> tuple[Base, TunedModel | None]:
        """What the deployment serves. Asking it counts against its capacity, and as use of it."""
        world, now = self._world, self._world.now()
        resource = world.resources[account.project]
        deployment = current(resource, world).get(name)
        if deployment is None or not deployment.heard(now):
            raise refusals.no_deployment()
        if not deployment.answers(now):
            raise refusals.deployment_not_ready(name)
        if world.habits.throttles:
            self._throttle(resource.requests[name], deployment.capacity)
        resource.requests[name].append(now)
        deployment.used_at = now
        return deployment.base, deployment.tuned

    def _throttle(self, asked: list[Any], capacity: int) -> None:
        """One request a minute for each unit."""
        now = self._world.now()
        recent = [at for at in asked if at > now - MINUTE]
        if len(recent) >= capacity:
            raise refusals.throttled(max(1, math.ceil((recent[-capacity] + MINUTE - now).total_seconds())))

    def completed(self, value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "prompt_filter_results": PROMPT_RESULTS, "choices": [_judged(choice) for choice in value["choices"]]}

    def streamed(self, chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Begins with a piece without choices that says what the filter thought of the prompt."""
        yield {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": PROMPT_RESULTS}
        for chunk in chunks:
            yield {**chunk, "choices": [{**choice, "content_filter_results": dict(CALM)} for choice in chunk["choices"]]}


def _judged(choice: Mapping[str, Any]) -> dict[str, Any]:
    if FILTERED not in (choice["message"]["content"] or ""):
        return {**choice, "content_filter_results": dict(CALM)}
    found = {**CALM, "violence": {"filtered": True, "severity": "medium"}}
    message = {**choice["message"], "content": None}
    return {**choice, "message": message, "finish_reason": "content_filter", "content_filter_results": found}
