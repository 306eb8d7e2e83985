"""Rules about tools and their calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.examples import Example, LabelledExample, Message, Tool
from tuneport.formats.format import BadRow
from tuneport.formats.json_values import arguments_of
from tuneport.limits import Target
from tuneport.rules.rule import Rule, sides


def tools_taken(example: Example, target: Target) -> str | None:
    if target.limits.tools is not False or isinstance(example, LabelledExample):
        return None
    used = bool(example.tools) or any(message.tool_calls or message.role == "tool" for side in sides(example) for message in side)
    return f"the row has tools, which {target.model or target.provider} does not take." if used else None


def calls_paired(example: Example, target: Target) -> str | None:
    return next((sentence for side in sides(example) if (sentence := _unpaired(side))), None)


def _unpaired(messages: tuple[Message, ...]) -> str | None:
    waiting: set[str | None] = set()
    for place, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return f"messages[{place}] is a tool's answer whose tool_call_id is missing or was not called just before."
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            return f"messages[{place}] comes while {len(waiting)} tool calls before it are not answered."
        waiting = {call.id for call in message.tool_calls}
        if len(waiting) < len(message.tool_calls) or None in waiting:
            return f"the tool_calls of messages[{place}] need an id each, all different."
    return None


def calls_by_assistant(example: Example, target: Target) -> str | None:
    for side in sides(example):
        for place, message in enumerate(side):
            if message.tool_calls and message.role != "assistant":
                return f"messages[{place}] is from {message.role!r} and calls a tool; only the assistant does."
    return None


def arguments_are_json(example: Example, target: Target) -> str | None:
    for side in sides(example):
        for place, message in enumerate(side):
            for call in message.tool_calls:
                try:
                    arguments_of(call.arguments)
                except BadRow as error:
                    return f"messages[{place}]: {error}"
    return None


def calls_declared(example: Example, target: Target) -> str | None:
    if isinstance(example, LabelledExample):
        return None
    declared = {tool.name for tool in example.tools}
    called = {call.name for side in sides(example) for message in side for call in message.tool_calls}
    if called and not declared:
        return "tools are called, and the row declares none."
    missing = len(called - declared)
    return f"{missing} of the {len(called)} tools that are called are not declared in the row's tools." if missing else None


def tools_well_formed(example: Example, target: Target) -> str | None:
    if isinstance(example, LabelledExample) or not example.tools:
        return None
    if len({tool.name for tool in example.tools}) < len(example.tools):
        return "two of its tools have the same name."
    return next((sentence for place, tool in enumerate(example.tools) if (sentence := _malformed(tool, f"tools[{place}]"))), None)


def _malformed(tool: Tool, place: str) -> str | None:
    if not tool.name or len(tool.name) > 64 or not all(char.isascii() and (char.isalnum() or char in "_-.") for char in tool.name):
        return f"the name of {place} is not 1 to 64 letters, digits, underscores and hyphens."
    schema = tool.parameters or {}
    if schema.get("type", "object") != "object":
        return f"the parameters of {place} are not a schema of an object."
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not all(isinstance(each, Mapping | bool) for each in properties.values()):
        return f"the properties of {place} are not a table of schemas."
    if not _names(required):
        return f"what {place} requires is not a list of names."
    return f"{place} requires a property that it does not declare." if properties and set(required) - set(properties) else None


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


RULES = (
    Rule(
        "tools-taken", "error", "Tools occur only where the provider takes them.", "Remove them and their calls.", tools_taken, sees="tools"
    ),
    Rule(
        "tool-calls-paired",
        "error",
        "Each tool call has an id and is answered by one tool message.",
        "Correct the ids.",
        calls_paired,
        sees="tools",
    ),
    Rule("tool-calls-by-assistant", "error", "Only assistant messages call tools.", "Correct the role.", calls_by_assistant, sees="tools"),
    Rule(
        "tool-arguments-json",
        "error",
        "The arguments of tool calls are JSON objects in a string, each key once.",
        "Correct them.",
        arguments_are_json,
        sees="tools",
    ),
    Rule(
        "tool-declared",
        "warning",
        "Every tool that is called is declared in the row's tools.",
        "Declare it in tools.",
        calls_declared,
        sees="tools",
    ),
    Rule(
        "tool-well-formed",
        "error",
        "Tools have names of their own and schemas of objects.",
        "Correct them.",
        tools_well_formed,
        sees="tools",
    ),
)
