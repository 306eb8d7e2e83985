"""Conversations of text alone, which most rows are: whole blocks of them are told apart and taken to pieces at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from xxhash import xxh3_64_hexdigest

from tuneport.examples import ChatExample, Example, LabelledExample, Message, Part, PreferenceExample, PromptExample, Style, TextPart

Shape = tuple[Style, tuple[str, ...]]
"""Who speaks when, and how that is put before a model. All that the rules about roles look at."""

_CHAT = {ChatExample}
_TEXT = {str}


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Some conversations of text alone: all texts in order, how many each row has, and the shape of each row; `one_shape` when all have
    the same."""

    texts: list[str]
    counts: list[int]
    shapes: Sequence[Shape]
    one_shape: bool

    def answers(self) -> list[str]:
        """The last text of each row that ends with the assistant, '' for another."""
        if self.one_shape:
            count, (_, roles) = self.counts[0], self.shapes[0]
            return self.texts[count - 1 :: count] if roles[-1] == "assistant" else [""] * len(self.counts)
        lasts = accumulate(self.counts)
        return [self.texts[end - 1] if roles[-1] == "assistant" else "" for end, (_, roles) in zip(lasts, self.shapes, strict=True)]

    def any_blank(self) -> bool:
        """Whether a text says nothing."""
        return "" in self.texts or any(map(str.isspace, self.texts))


def plain_rows(examples: Sequence[Example]) -> PlainRows | None:
    """The rows when all are conversations of text alone, without tools, weights and wishes; else None."""
    if set(map(type, examples)) != _CHAT:
        return None
    messages: list[Message] = list(chain.from_iterable([example.messages for example in examples]))  # type: ignore[union-attr]
    if any([message.tool_calls or message.weight is not None or message.tool_call_id is not None for message in messages]):  # noqa: C419
        return None
    if any([example.tools or example.desirable is not None for example in examples]):  # type: ignore[union-attr]  # noqa: C419
        return None
    texts = [message.content for message in messages]
    counts = [len(example.messages) for example in examples]  # type: ignore[union-attr]
    if set(map(type, texts)) != _TEXT or 0 in counts:
        return None
    roles = [message.role for message in messages]
    styles = [example.style for example in examples]  # type: ignore[union-attr]
    first, rows = counts[0], len(counts)
    same = counts.count(first) == rows and styles.count(styles[0]) == rows
    if same and roles == roles[:first] * rows:
        return PlainRows(texts, counts, [(styles[0], tuple(roles[:first]))], True)  # type: ignore[arg-type]
    ends = list(accumulate(counts))
    shapes = [(style, tuple(roles[end - count : end])) for style, count, end in zip(styles, counts, ends, strict=True)]
    return PlainRows(texts, counts, shapes, False)  # type: ignore[arg-type]


def texts_of(example: Example) -> list[str]:
    """All that a row of any kind says, calls of tools included; one text at least."""
    if isinstance(example, LabelledExample):
        return [example.text or "", example.label or "", _address(example.image or "")]
    messages = example.prompt + example.chosen + example.rejected if isinstance(example, PreferenceExample) else example.messages
    texts = list(chain.from_iterable(map(_said, messages)))
    if isinstance(example, PromptExample) and example.reference is not None:
        texts.append(example.reference)
    return texts or [""]


def _said(message: Message) -> list[str]:
    content = message.content
    texts = [content] if isinstance(content, str) else [_part(part) for part in content or ()]
    texts += [f"{call.name} {call.arguments}" for call in message.tool_calls]
    return texts


def _part(part: Part) -> str:
    return part.text if isinstance(part, TextPart) else _address(part.url)


def _address(url: str) -> str:
    """Media that the row itself holds are not read as text; a digest stands for them."""
    return f"data:{xxh3_64_hexdigest(url.encode('utf-8', 'surrogatepass'))}" if url[:5].lower() == "data:" else url
