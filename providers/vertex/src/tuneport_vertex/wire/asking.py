"""What Gemini is asked for one answer, and what the answer says. Through the core's Gemini format, both ways.

Shape: GenerateContentRequest and GenerateContentResponse of google-genai 2.34.0 (read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Message, Tool, ToolCall
from tuneport.formats.format import BadRow
from tuneport.formats.gemini import GEMINI
from tuneport.formats.gemini_turns import messages_of
from tuneport.model import Prediction
from tuneport.provider import Generation
from tuneport.replies import Json, object_in, whole_in

Thinking = Literal["least", "usual"]

MOST_STOPS = 5
"""Stop strings that generationConfig takes (the API's reference)."""
SEED_BITS = 31
"""A seed is an int32 there, and no less than 0 here."""

_FINISH = {"": "stop", "STOP": "stop", "FINISH_REASON_UNSPECIFIED": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_CANNOT_STOP_THINKING = re.compile(r"gemini-(?:2\.5|[3-9][\d.]*)-pro")


@dataclass(frozen=True, slots=True)
class Question:
    """The parts of one request, as JSON spells them: `contents`, and everything else in `config`, named as in GenerateContentConfig."""

    contents: list[dict[str, Any]]
    config: dict[str, Any] = field(default_factory=dict)


def question(
    messages: Sequence[Message], *, generation: Generation, base: str | None, tools: Sequence[Tool] = (), thinking: Thinking = "least"
) -> Question:
    """The request for one answer. Raises UsageError for messages that the API has no form for."""
    if len(generation.stop) > MOST_STOPS:
        raise UsageError(f"there are {len(generation.stop)} stop strings; Gemini takes {MOST_STOPS} at most.")
    try:
        row = msgspec.json.decode(msgspec.json.encode(GEMINI.write(ChatExample(tuple(messages), tuple(tools)), lambda _: None)))
    except BadRow as error:
        raise UsageError(f"the conversation cannot be asked: {error}") from None
    config: dict[str, Any] = {
        "systemInstruction": row.get("systemInstruction"),
        "tools": row.get("tools") or None,
        "maxOutputTokens": generation.max_tokens,
        "temperature": generation.temperature,
        "topP": generation.top_p if generation.top_p != 1.0 else None,
        "seed": None if generation.seed is None else generation.seed % (1 << SEED_BITS),
        "stopSequences": list(generation.stop) or None,
        "thinkingConfig": least_thinking(base) if thinking == "least" else None,
    }
    return Question(row["contents"], {key: value for key, value in config.items() if value is not None})


def least_thinking(base: str | None) -> dict[str, Any] | None:
    """How a base is told to think as little as it can; None for one that does not think, or is not known.

    Google's advice for tuned tasks is to turn thinking off or to its lowest (supervised tuning, read 2026-11-21): what was learned are the
    answers, and thoughts count against the longest answer that was asked for.
    """
    name = (base or "").rpartition("/")[2].casefold()
    if name.startswith("gemini-2.5"):
        return {"thinkingBudget": 128 if _CANNOT_STOP_THINKING.match(name) else 0}
    if re.match(r"gemini-[3-9]", name):
        return {"thinkingLevel": "LOW" if _CANNOT_STOP_THINKING.match(name) else "MINIMAL"}
    return None


def prediction_of(answer: Json) -> Prediction:
    """The answer without the thoughts, how it ended, and its tokens; thoughts are billed as such, so that they count there.

    What was blocked has no answer: its `finish` is error. Raises ValueError for an answer of another shape.
    """
    candidate = _candidate(answer)
    said = _said(candidate) if candidate is not None else None
    usage = object_in(answer, "usageMetadata")
    tokens = _whole(usage, "promptTokenCount"), _whole(usage, "candidatesTokenCount") + _whole(usage, "thoughtsTokenCount")
    if candidate is None or said is None:
        return Prediction("", finish="error", tokens=tokens)
    finish = _FINISH.get(str(candidate.get("finishReason") or ""), "error")
    text = "\n".join(filter(None, (said.text, *map(_call, said.tool_calls))))
    return Prediction(text, finish="tool_calls" if said.tool_calls and finish == "stop" else finish, tokens=tokens)


def why_silent(answer: Json) -> str:
    """Why an answer holds no word, as a sentence; '' where it holds some or simply ended."""
    prediction = prediction_of(answer)
    if prediction.text:
        return ""
    thoughts = _whole(object_in(answer, "usageMetadata"), "thoughtsTokenCount")
    if prediction.finish == "length" and thoughts:
        return f"all {thoughts} tokens that were allowed went into thoughts; allow more (max_tokens)."
    blocked = object_in(answer, "promptFeedback").get("blockReason") or (_candidate(answer) or {}).get("finishReason")
    return f"Gemini gave no answer ({blocked})." if prediction.finish == "error" and blocked else ""


def delta_of(chunk: Json) -> str:
    """What a piece of a stream adds to the answer: no thoughts, no calls."""
    candidate = _candidate(chunk)
    parts = object_in(candidate or {}, "content").get("parts")
    texts = [part.get("text") for part in parts if isinstance(part, Mapping) and not part.get("thought")] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _candidate(answer: Json) -> Json | None:
    found = answer.get("candidates")
    if found in (None, []):
        return None
    if not isinstance(found, list) or not isinstance(found[0], Mapping):
        raise ValueError("an answer without a candidate")  # noqa: TRY004 - unreadable, as JSON that is none
    return found[0]


def _said(candidate: Json) -> Message | None:
    """The one turn of an answer; None for one without content."""
    content = object_in(candidate, "content")
    if not content.get("parts"):
        return Message("assistant", "") if candidate.get("finishReason") in ("STOP", "MAX_TOKENS", None) else None
    try:
        (message,) = messages_of(None, [{**content, "role": "model"}], lambda _: None)
    except BadRow as error:
        raise ValueError(str(error)) from None
    return message


def _call(call: ToolCall) -> str:
    return f"{call.name}({call.arguments})"


def _whole(holder: Json, key: str) -> int:
    return whole_in(holder, key) or 0
