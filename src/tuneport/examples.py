"""Training rows in canonical form. Every format reads into these and writes from these; all are frozen.

`msgspec.Struct` rather than a dataclass: a dataset has millions of them, and typed decoding is what keeps reading at the speed
of the JSON parser. Plain messages have the same JSON here as at OpenAI, so that they are decoded in one step; parts and calls are spelled
differently on purpose (`part`, `calls`), so that nobody's wire form passes for the canonical one. No cycle can be built of frozen values,
which is why the garbage collector need not look at them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="part", forbid_unknown_fields=True, gc=False):
    """A piece of text inside a message that also holds other media."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", tag_field="part", omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """An image by URL (https:, gs:, data: or a local path). `detail` is OpenAI's low | high | auto."""

    url: str
    detail: str | None = None
    mime_type: str | None = None


class MediaPart(msgspec.Struct, frozen=True, tag="media", tag_field="part", omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Audio, video or a document by URL, with its MIME type."""

    url: str
    mime_type: str


Part = TextPart | ImagePart | MediaPart


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One call of a tool by the assistant. `arguments` is JSON text, kept as written."""

    name: str
    arguments: str
    id: str | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A function the assistant may call. `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One turn. `weight` 0 keeps an assistant turn out of the loss (OpenAI's meaning); None is the format's default, 1."""

    role: Role
    content: str | tuple[Part, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = msgspec.field(default=(), name="calls")
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None

    @property
    def text(self) -> str:
        """The text of the message, its parts joined; '' when it has none."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or () if isinstance(part, TextPart))


Style = Literal["chat", "completion", "text"]


class ChatExample(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="chat", tag_field="kind"):
    """A conversation to learn from. `style` says how it is to be put before a model:

    chat        through the model's chat template
    completion  prompt and completion: one user turn and one assistant turn, perhaps after a system turn, without a template
    text        raw text: one assistant turn, learned from its first token

    `desirable` says of an unpaired preference row (KTO) whether its last answer is a wanted one; None is everything else.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None
    style: Style = "chat"
    desirable: bool | None = None
    extra: dict[str, Any] = {}


class PreferenceExample(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="preference", tag_field="kind"):
    """One prompt with a better and a worse answer (each the messages that follow the prompt). `style` 'completion': three texts."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None
    chosen_score: float | None = None
    rejected_score: float | None = None
    style: Style = "chat"
    extra: dict[str, Any] = {}


class PromptExample(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="prompt", tag_field="kind"):
    """A prompt with an optional reference answer, for reinforcement. `extra` holds what a grader may look at."""

    messages: tuple[Message, ...]
    reference: str | None = None
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None
    style: Style = "chat"
    extra: dict[str, Any] = {}


class LabelledExample(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="labelled", tag_field="kind"):
    """A text or an image with its label (classification) or score (regression); exactly one of label and score."""

    text: str | None = None
    image: str | None = None
    label: str | None = None
    score: float | None = None
    extra: dict[str, Any] = {}


Example = ChatExample | PreferenceExample | PromptExample | LabelledExample
Kind = Literal["chat", "preference", "prompt", "labelled"]


def kind_of_example(example: Example) -> Kind:
    """chat | preference | prompt | labelled."""
    kind: Kind = example.__struct_config__.tag  # type: ignore[assignment]
    return kind


_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_bytes(example: Example) -> bytes:
    """The row as canonical JSON: sorted keys, defaults left out, UTF-8. What fingerprints are made of."""
    return _encode(example)
