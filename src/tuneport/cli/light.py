"""Commands that do not pay for options nobody gave.

typer 0.29 converts every value with pydantic, also the None of an option that is absent, and importing pydantic takes longer than all the
rest of `tuneport jobs list`. Here an absent value is left alone; values that are given are converted as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


class LightCommand(TyperCommand):
    """A command whose absent options cost nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        leave_absent_alone(self.params)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


class LightGroup(TyperGroup):
    """A group of commands whose own absent options cost nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        leave_absent_alone(self.params)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def leave_absent_alone(params: Iterable[Any]) -> None:
    """Lets each optional, single-valued parameter skip the conversion of None."""
    for param in params:
        if not (param.required or param.multiple or param.nargs != 1 or param.callback is not None):
            param.process_value = _unless_absent(param.process_value)


def _unless_absent(convert: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def process_value(ctx: Any, value: Any) -> Any:
        return None if value is None else convert(ctx, value)

    return process_value
