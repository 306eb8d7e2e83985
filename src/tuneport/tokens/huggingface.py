"""Exact counts by any Hugging Face tokenizer and its chat template, from its files alone: neither transformers nor torch is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.examples import Example, Message, PreferenceExample
from tuneport.tokens.chat_template import ChatTemplate, Refused
from tuneport.tokens.counter import Counted
from tuneport.tokens.rows import is_raw, messages_of, tools_of, unusual
from tuneport.tokens.template_shapes import TemplateShapes
from tuneport.tokens.tokenizer_files import TokenizerFiles


@dataclass(frozen=True, slots=True)
class TokenizerCounter:
    """Counts what the chat template makes of a row, as transformers' apply_chat_template does: control tokens in the row's own words
    count as control tokens. Texts without a conversation's marks are counted with what the tokenizer itself puts around a text."""

    files: TokenizerFiles
    _tokenizer: Any
    _template: TemplateShapes | None
    _tool_template: TemplateShapes | None

    @classmethod
    def of(cls, place: Any) -> TokenizerCounter:
        """The tokenizer in a folder, a file or on the hub. Raises UsageError, Unsupported and Unreachable."""
        files = TokenizerFiles.find(place)
        special, sources = files.special_tokens, files.chat_templates
        templates = {name: TemplateShapes(ChatTemplate(each, special=special, place=files.name)) for name, each in sources.items()}
        usual = templates.get("default") or next(iter(templates.values()), None)
        return cls(files, files.tokenizer(), usual, templates.get("tool_use") or usual)

    @property
    def exact(self) -> bool:
        """False without a chat template."""
        return self._template is not None

    @property
    def name(self) -> str:
        """The folder's or repository's."""
        return f"tokenizer of {self.files.name}"

    @property
    def source(self) -> str:
        """Which files."""
        return "its tokenizer.json and chat template" if self.exact else "its tokenizer.json; it has no chat template, so texts only"

    def count(self, example: Example) -> int:
        """The tokens of one row."""
        return self.count_block((example,))[0]

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each row."""
        return [counted.tokens for counted in self.measured(examples)]

    def measured(self, examples: Sequence[Example]) -> list[Counted]:
        """Likewise. Images are left out, and a conversation that the template refuses counts by its texts."""
        rendered = _Rendered(self._template, self._tool_template)
        for example in examples:
            rendered.add(example)
        lengths = self._lengths(rendered.texts, special=False)
        wrapped = iter(self._lengths(rendered.raw_texts, special=True))
        return [
            Counted(next(wrapped) if piece is None else sum(sign * lengths[place] for sign, place in piece), guess)
            for piece, guess in rendered.rows
        ]

    def _lengths(self, texts: Sequence[str], *, special: bool) -> list[int]:
        return [len(each) for each in self._tokenizer.encode_batch_fast(texts, add_special_tokens=special)] if texts else []


class _Rendered:
    """Texts to be encoded, and of which of them, added or taken away, each row is made; None stands for the next raw text."""

    def __init__(self, template: TemplateShapes | None, tool_template: TemplateShapes | None) -> None:
        self._template, self._tool_template = template, tool_template
        knows_tools = tool_template is not None and tool_template.knows_tools
        self._left_out = {"images", "media"} if knows_tools else {"images", "media", "tools"}
        self.texts: list[str] = []
        self.raw_texts: list[str] = []
        self.rows: list[tuple[list[tuple[int, int]] | None, str]] = []

    def add(self, example: Example) -> None:
        """Takes a row in."""
        guesses = [f"{name} (left out)" for name in unusual(example) if name in self._left_out]
        if is_raw(example):
            self._raw(example, guesses)
            return
        try:
            self.rows.append(([(sign, self._text(part, example)) for sign, part in _parts(example)], ", ".join(guesses)))
        except Refused as refusal:
            self._raw(example, [*guesses, f"marks ({refusal})"])

    def _raw(self, example: Example, guesses: list[str]) -> None:
        self.raw_texts.append("".join(_whole(message.text) for message in messages_of(example)))
        self.rows.append((None, ", ".join(guesses)))

    def _text(self, messages: Sequence[Message], example: Example) -> int:
        tools = tools_of(example)
        template = self._tool_template if tools else self._template
        if template is None:
            raise Refused("no chat template")
        self.texts.append(_whole(template.render(messages, tools)))
        return len(self.texts) - 1


def _parts(example: Example) -> list[tuple[int, Sequence[Message]]]:
    """The conversations whose tokens add up to the row's: of a pair the prompt is in both, and taken away once."""
    if isinstance(example, PreferenceExample):
        return [(1, example.prompt + example.chosen), (1, example.prompt + example.rejected), (-1, example.prompt)]
    return [(1, messages_of(example))]


def _whole(text: str) -> str:
    """Half a surrogate pair, which no tokenizer takes, as the sign for that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
