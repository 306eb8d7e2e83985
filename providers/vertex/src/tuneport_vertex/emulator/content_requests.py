"""The body of generateContent, streamGenerateContent and countTokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.genai import types
from pydantic import BaseModel

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.reading import Json, read

MOST_TOP = 20
ROLES = ("user", "model", "function", "tool", "")


class _Config(types.GenerationConfig):
    """With what google-genai puts there though its own type for answers lacks it."""

    response_logprobs: bool | None = None
    logprobs: int | None = None


class ContentRequest(BaseModel):
    """A request for content as google-genai spells it on the wire."""

    contents: list[types.Content] | None = None
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    generation_config: _Config | None = None
    safety_settings: list[types.SafetySetting] | None = None
    labels: dict[str, str] | None = None
    cached_content: str | None = None
    model_armor_config: types.ModelArmorConfig | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a model. `top` None: no log-probabilities."""

    body: Json

    @property
    def config(self) -> Mapping[str, Any]:
        return self.body.get("generationConfig") or {}

    @property
    def candidates(self) -> int:
        return int(self.config.get("candidateCount") or 1)

    @property
    def most_tokens(self) -> int | None:
        return self.config.get("maxOutputTokens") or None

    @property
    def top(self) -> int | None:
        return int(self.config.get("logprobs") or 0) if self.config.get("responseLogprobs") else None


def read_content_request(value: object, *, version: str = "v1beta1", root: str = "") -> Json:
    """The body, names in camelCase. Raises Refusal."""
    return read(value, message(version, "GenerateContentRequest"), ContentRequest, root=root or "generate_content_request")


def read_question(value: object, *, version: str) -> Question:
    """Raises Refusal."""
    question = Question(read_content_request(value, version=version))
    contents = question.body.get("contents") or []
    if not contents:
        raise refusals.refusal("INVALID_ARGUMENT", "at least one contents field is required")
    for content in contents:
        if content.get("role", "") not in ROLES:
            raise refusals.refusal("INVALID_ARGUMENT", "Please use a valid role: user, model.")
        if not content.get("parts"):
            raise refusals.refusal("INVALID_ARGUMENT", "Unable to submit request because it must include at least one parts field.")
    if not 1 <= question.candidates <= 8:
        raise refusals.refusal("INVALID_ARGUMENT", "Candidate count must be between 1 and 8.")
    if question.config.get("logprobs") is not None and question.top is None:
        raise refusals.refusal("INVALID_ARGUMENT", "Logprobs is only supported when response_logprobs is set to true.")
    if (question.top or 0) > MOST_TOP:
        raise refusals.refusal("INVALID_ARGUMENT", f"Logprobs must be between 0 and {MOST_TOP}.")
    return question
