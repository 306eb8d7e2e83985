"""Exact counts for OpenAI's models: their encodings come with the package bpe-openai, so that nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

from tuneport.errors import Unsupported
from tuneport.examples import ChatExample, Example, ImagePart, Message, TextPart, Tool
from tuneport.tokens.counter import Counted
from tuneport.tokens.facts import Encoding, Images, Marks, ToolMarks, facts
from tuneport.tokens.images import image_tokens
from tuneport.tokens.rows import is_raw, messages_of, tools_of, unusual

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class EncodingCounter:
    """Counts by one encoding. Text is exact; what stands around messages is as the cookbook has it; tools and images are estimated."""

    encoding: Encoding
    images: Images | None
    _count: Count
    _marks: Marks
    _tools: ToolMarks

    @classmethod
    def of(cls, encoding: Encoding, *, images: Images | None) -> EncodingCounter:
        """Raises Unsupported where bpe-openai is not installed."""
        return cls(encoding, images, _counting(encoding.encoding), facts().rows, facts().tools)

    @property
    def exact(self) -> bool:
        """False where the marks around messages are only assumed."""
        return self.encoding.marks == "documented"

    @property
    def name(self) -> str:
        """The encoding's."""
        return self.encoding.encoding

    @property
    def source(self) -> str:
        """Of the encoding and of the marks."""
        marks = "" if self.exact else ", taken to hold for this model too"
        return f"{self.encoding.said}; marks around messages: {self._marks.source}{marks}; {self._marks.as_of}"

    def count(self, example: Example) -> int:
        """The tokens of one row."""
        return self.count_block((example,))[0]

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each row."""
        count, of_message = self._count, self._marks.per_message + 1
        tokens = []
        for example in examples:
            if example.__class__ is not ChatExample or example.style != "chat" or example.tools:
                tokens.append(self._whole(example))
                continue
            total = self._marks.per_reply
            for message in example.messages:
                content = message.content
                if content.__class__ is not str or message.tool_calls or message.name is not None:
                    total += self._message(message)
                else:
                    total += of_message + count(content)
            tokens.append(total)
        return tokens

    def measured(self, examples: Sequence[Example]) -> list[Counted]:
        """Likewise, saying what is estimated."""
        counts = self.count_block(examples)
        return [Counted(tokens, self._guessed(unusual(example))) for tokens, example in zip(counts, examples, strict=True)]

    def _guessed(self, found: Sequence[str]) -> str:
        left_out = {"media"} if self.images is not None else {"media", "images"}
        return ", ".join(f"{name} (left out)" if name in left_out else name for name in found)

    def _whole(self, example: Example) -> int:
        messages = messages_of(example)
        if is_raw(example):
            return sum(self._content(message) for message in messages)
        return self._marks.per_reply + sum(map(self._message, messages)) + self._tool_list(tools_of(example))

    def _message(self, message: Message) -> int:
        """Roles are one token each in both encodings."""
        total = self._marks.per_message + 1 + self._content(message)
        if message.name is not None:
            total += self._marks.per_name + self._count(message.name)
        return total + sum(self._count(call.name) + self._count(call.arguments) + self._marks.per_message for call in message.tool_calls)

    def _content(self, message: Message) -> int:
        content = message.content
        if content is None or isinstance(content, str):
            return self._count(content or "")
        total = 0
        for part in content:
            if isinstance(part, TextPart):
                total += self._count(part.text)
            elif isinstance(part, ImagePart):
                total += image_tokens(part, self.images)
        return total

    def _tool_list(self, tools: Sequence[Tool]) -> int:
        return sum(map(self._tool, tools)) + self._tools.per_list if tools else 0

    def _tool(self, tool: Tool) -> int:
        line = f"{tool.name}:{(tool.description or '').removesuffix('.')}"
        return self._tools.per_tool[self.name] + self._count(line) + self._properties(tool.parameters or {})

    def _properties(self, schema: Mapping[str, Any]) -> int:
        """Of the schema and of those inside it."""
        total, todo = 0, [schema]
        while todo:
            properties = todo.pop().get("properties")
            if isinstance(properties, Mapping) and properties:
                inside = {name: each if isinstance(each, Mapping) else {} for name, each in properties.items()}
                total += self._tools.per_properties + sum(self._property(name, each) for name, each in inside.items())
                todo += inside.values()
                todo += [each["items"] for each in inside.values() if isinstance(each.get("items"), Mapping)]
        return total

    def _property(self, name: str, schema: Mapping[str, Any]) -> int:
        said = str(schema.get("description") or "").removesuffix(".")
        total = self._tools.per_property + self._count(f"{name}:{schema.get('type', '')}:{said}")
        values = schema.get("enum")
        if isinstance(values, list):
            total += self._tools.per_enum + sum(self._tools.per_value + self._count(str(value)) for value in values)
        return total


def _counting(encoding: str) -> Count:
    counted: Count = bindings(encoding).tokenizer_for_encoding(encoding).count

    def count(text: str) -> int:
        try:
            return counted(text)
        except UnicodeEncodeError:  # half a surrogate pair, which tiktoken replaces likewise
            return counted(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    return count


@cache
def bindings(encoding: str) -> Any:
    """The compiled part of bpe-openai, loaded without the package around it: that first builds both vocabularies as Python dicts, which
    takes half a second and 66 MB, and nothing of it is needed to count."""
    package = find_spec("bpe_openai")
    found = package and PathFinder.find_spec("bpe_openai._bindings", package.submodule_search_locations)
    if found is None or found.loader is None:
        raise Unsupported(
            f"counting by {encoding} needs the package bpe-openai, which is not installed.", remedy="pip install 'tuneport[tokens]'"
        )
    compiled = module_from_spec(found)
    found.loader.exec_module(compiled)
    return compiled
