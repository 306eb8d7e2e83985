"""Files of rows in every format and container that can hold them, to be damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuneport.containers.compression import COMPRESSIONS, Compression
from tuneport.containers.known import CONTAINERS
from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
)
from tuneport.formats.format import BadRow, Format
from tuneport.formats.known import FORMATS


@dataclass(frozen=True, slots=True)
class SampleFile:
    """The bytes of a file of a few rows, before any compression; `ending` is its name's."""

    format: str
    ending: str
    data: bytes
    compression: Compression | None = None


_PROMPT = (Message("system", "Be brief."), Message("user", 'Where is my "card"?\nSay, please: é'))
_CALL = (Message("assistant", tool_calls=(ToolCall("find", '{"id": 7}', "c1"),), weight=0), Message("tool", "found", tool_call_id="c1"))
_IMAGE = (Message("user", (TextPart("See:"), ImagePart("https://x.test/a.png", "low", "image/png"))),)
_TOOL = Tool("find", "Finds a card.", {"type": "object", "properties": {"id": {"type": "integer"}}}, True)
_ANSWER = (Message("assistant", "It is on its way."),)
_SHORT = (Message("user", "Where is it?"),)

_KINDS: tuple[Sequence[Example], ...] = (
    (ChatExample((*_PROMPT, *_CALL, *_ANSWER), (_TOOL,), True), ChatExample((*_IMAGE, *_ANSWER), extra={"id": 7})),
    (ChatExample((*_PROMPT, *_ANSWER)), ChatExample((*_SHORT, *_ANSWER))),
    (ChatExample((*_SHORT, *_ANSWER), style="completion"), ChatExample((*_SHORT, *_ANSWER), style="completion")),
    (ChatExample((*_SHORT, *_ANSWER), desirable=True), ChatExample((*_SHORT, *_ANSWER), desirable=False)),
    (ChatExample(_ANSWER, style="text"), ChatExample(_ANSWER, style="text")),
    (PreferenceExample(_SHORT, _ANSWER, (Message("assistant", "No."),), chosen_score=1.0, rejected_score=0.0),) * 2,
    (PreferenceExample(_SHORT, _ANSWER, (Message("assistant", "No."),), style="completion"),) * 2,
    (PromptExample(_SHORT, "yes", extra={"level": 2}), PromptExample(_SHORT, "no", extra={"level": 3})),
    (LabelledExample(text="a text", label="one"), LabelledExample(text='another, "quoted"\ntext', label="two")),
    (LabelledExample(text="a text", score=0.5), LabelledExample(text="another", score=1.0)),
)


def sample_files() -> Iterator[SampleFile]:
    """Each format with the first kind of rows it can say in each container, plain and once in each compression."""
    for format in FORMATS:
        for examples in _KINDS:
            rows = _rows(format, examples)
            if rows:
                yield from _held(format, rows * 3)


def _rows(format: Format, examples: Sequence[Example]) -> list[object]:
    """Nothing when the rows are not of the format's own kind."""
    lost: list[str] = []
    try:
        rows = [format.write(example, lost.append) for example in examples]
    except BadRow:
        return []
    return [] if lost else rows


def _held(format: Format, rows: list[object]) -> Iterator[SampleFile]:
    for container in CONTAINERS:
        if container.name == "datasets":
            continue
        try:
            data = b"".join(container.write([rows], format.bom))
        except BadRow:
            continue
        yield SampleFile(format.name, container.suffixes[0], data)
        if not container.binary:
            for compression in COMPRESSIONS:
                yield SampleFile(format.name, container.suffixes[0] + compression.suffixes[0], data, compression)
