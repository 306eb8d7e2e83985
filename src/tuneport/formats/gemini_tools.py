"""Gemini's tools, from and to canonical ones.

A declaration's parameters are an OpenAPI schema (`parameters`, types in capitals) or a JSON schema (`parametersJsonSchema`); both names are
of google.cloud.aiplatform_v1.FunctionDeclaration (2.7.0, read 2026-11-21). What the first can say is written there, the rest in the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.examples import Tool
from tuneport.formats.format import BadRow, Lose

_SCHEMA_KEYS = frozenset(
    {"type", "format", "title", "description", "nullable", "default", "items", "minItems", "maxItems", "enum", "properties", "required"}
    | {"minimum", "maximum", "minLength", "maxLength", "pattern", "minProperties", "maxProperties", "anyOf", "propertyOrdering", "example"}
)
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_SPELLED = {"function_declarations": "functionDeclarations", "parameters_json_schema": "parametersJsonSchema"}


def from_tools(tools: Sequence[Tool], lose: Lose) -> list[dict[str, Any]]:
    """All functions as the declarations of one tool, as Gemini wants them; [] for none."""
    return [{"functionDeclarations": [_declaration(tool, lose) for tool in tools]}] if tools else []


def _declaration(tool: Tool, lose: Lose) -> dict[str, Any]:
    if tool.strict is not None:
        lose("tool.strict")
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        declared["description"] = tool.description
    if tool.parameters is not None:
        if _is_openapi(tool.parameters):
            declared["parameters"] = _with_types(tool.parameters, str.upper)
        else:
            declared["parametersJsonSchema"] = tool.parameters
    return declared


def _is_openapi(schema: Any) -> bool:
    if not isinstance(schema, dict) or schema.keys() - _SCHEMA_KEYS or schema.get("type") not in _TYPES:
        return False
    inner = [*_values(schema.get("properties")), *([schema["items"]] if "items" in schema else []), *(schema.get("anyOf") or [])]
    return all(map(_is_openapi, inner)) and all(isinstance(each, str) for each in schema.get("enum") or [])


def _values(properties: Any) -> list[Any]:
    return list(properties.values()) if isinstance(properties, dict) else []


def _with_types(schema: Any, spell: Any) -> Any:
    """The schema with its types spelled by `spell`, all the way down."""
    if not isinstance(schema, dict):
        return schema
    written = dict(schema)
    if isinstance(schema.get("type"), str):
        written["type"] = spell(schema["type"])
    if isinstance(schema.get("properties"), dict):
        written["properties"] = {name: _with_types(inner, spell) for name, inner in schema["properties"].items()}
    if "items" in schema:
        written["items"] = _with_types(schema["items"], spell)
    if isinstance(schema.get("anyOf"), list):
        written["anyOf"] = [_with_types(inner, spell) for inner in schema["anyOf"]]
    return written


def tools_of(tools: Any, lose: Lose) -> tuple[Tool, ...]:
    """The functions of all tools; a tool of another sort (a search, code execution) is told as lost. Raises BadRow."""
    if not isinstance(tools, list):
        raise BadRow("tools: expected a list.")
    found: list[Tool] = []
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise BadRow(f"tools[{place}]: expected an object.")
        for key, value in tool.items():
            if _SPELLED.get(key, key) == "functionDeclarations" and isinstance(value, list):
                found += [_tool(each, f"tools[{place}].functionDeclarations[{at}]", lose) for at, each in enumerate(value)]
            elif value is not None:
                lose(f"tool.{key}")
    return tuple(found)


def _tool(declared: Any, place: str, lose: Lose) -> Tool:
    if not isinstance(declared, dict) or not isinstance(declared.get("name"), str):
        raise BadRow(f"{place}: needs a name.")
    spelled = {_SPELLED.get(key, key): value for key, value in declared.items()}
    parameters = spelled.get("parameters")
    schema = spelled.get("parametersJsonSchema") if parameters is None else _with_types(parameters, str.lower)
    if not isinstance(schema, dict | None) or not isinstance(spelled.get("description"), str | None):
        raise BadRow(f"{place}: parameters are an object and description is a string.")
    for key in spelled.keys() - {"name", "description", "parameters", "parametersJsonSchema"}:
        lose(f"tool.{key}")
    return Tool(spelled["name"], spelled.get("description"), schema)
