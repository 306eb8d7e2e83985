"""Training rows in canonical form. Every format reads into these and writes from these; all are frozen.

`msgspec.Struct` rather than a dataclass: a dataset has millions of them, and typed decoding is what keeps reading at the speed
of the JSON parser.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """A piece of text inside a message that also holds other media."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """An image by URL (https:, gs:, data: or a local path). `detail` is OpenAI's low | high | auto."""

    url: str
    detail: str | None = None
    mime_type: str | None = None


class MediaPart(msgspec.Struct, frozen=True, tag="media", omit_defaults=True):
    """Audio, video or a document by URL, with its MIME type."""

    url: str
    mime_type: str


Part = TextPart | ImagePart | MediaPart


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a tool by the assistant. `arguments` is JSON text, kept as written."""

    name: str
    arguments: str
    id: str | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the assistant may call. `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. `weight` 0 keeps an assistant turn out of the loss (OpenAI's meaning); None is the format's default, 1."""

    role: Role
    content: str | tuple[Part, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None

    @property
    def text(self) -> str:
        """The text of the message, its parts joined; '' when it has none."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or () if isinstance(part, TextPart))


class ChatExample(msgspec.Struct, frozen=True, omit_defaults=True, tag="chat", tag_field="kind"):
    """A conversation to learn from. A prompt/completion row is one user turn and one assistant turn with `style` 'completion'."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None
    style: Literal["chat", "completion"] = "chat"
    extra: dict[str, Any] = {}


class PreferenceExample(msgspec.Struct, frozen=True, omit_defaults=True, tag="preference", tag_field="kind"):
    """One prompt with a better and a worse answer (each the messages that follow the prompt)."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None
    chosen_score: float | None = None
    rejected_score: float | None = None
    extra: dict[str, Any] = {}


class PromptExample(msgspec.Struct, frozen=True, omit_defaults=True, tag="prompt", tag_field="kind"):
    """A prompt with an optional reference answer, for reinforcement. `extra` holds what a grader may look at."""

    messages: tuple[Message, ...]
    reference: str | None = None
    tools: tuple[Tool, ...] = ()
    extra: dict[str, Any] = {}


class LabelledExample(msgspec.Struct, frozen=True, omit_defaults=True, tag="labelled", tag_field="kind"):
    """A text or an image with its label (classification) or score (regression); exactly one of label and score."""

    text: str | None = None
    image: str | None = None
    label: str | None = None
    score: float | None = None
    extra: dict[str, Any] = {}


Example = ChatExample | PreferenceExample | PromptExample | LabelledExample

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Example).decode


def canonical_bytes(example: Example) -> bytes:
    """The row as canonical JSON: sorted keys, defaults left out, UTF-8. What fingerprints are made of."""
    return _encode(example)


def from_canonical(row: bytes) -> Example:
    """The inverse of `canonical_bytes`. Raises msgspec.ValidationError for anything else."""
    example: Example = _decode(row)
    return example
