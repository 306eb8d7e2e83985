"""Chat templates, rendered as transformers renders them but without it: in a sandbox in which nothing outside can be reached or changed.

The local backend has its own tokenizer beside its training code; this one only has to give the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuneport.errors import Unsupported, UsageError
from tuneport.examples import Message, Tool
from tuneport.template_messages import as_dict, tool_as_dict


class Refused(Exception):
    """The template has no place for a conversation, or fails on it. The text holds no contents."""


class ChatTemplate:
    """A compiled chat template. `special` are the tokens it may name: bos_token, eos_token …"""

    def __init__(self, source: str, *, special: Mapping[str, str], place: str) -> None:
        """Raises UsageError, naming `place`, for a template that does not compile, Unsupported without jinja2."""
        try:
            from jinja2 import TemplateError
        except ImportError:
            raise Unsupported(
                "chat templates need the package jinja2, which is not installed.", remedy="pip install 'tuneport[tokens]'"
            ) from None
        try:
            environment = _environment()
            self.tree = environment.parse(source)
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise UsageError(f"the chat template of {place} does not compile: {error.message or type(error).__name__}.") from None
        self._special = dict(special)
        self._knows_developer = "developer" in source
        self.knows_tools = "tools" in source or "tool_calls" in source

    def render(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The conversation as text. Raises Refused."""
        from jinja2 import TemplateError

        said = [as_dict(message, knows_developer=self._knows_developer) for message in messages]
        offered = [tool_as_dict(tool) for tool in tools] or None
        try:
            return str(self._template.render(messages=said, tools=offered, documents=None, add_generation_prompt=False, **self._special))
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, RecursionError, OverflowError):
            raise Refused("refused by the chat template") from None


def _environment() -> Any:
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} marks for a trainer where the answers lie; the text is what stands inside."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False) -> str:
    """Without the escapes for HTML that jinja2's own has."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
