"""Commands that do not pay for options nobody gave.

typer 0.29 converts every value with pydantic, also the None of an option that is absent, and importing pydantic takes longer than all the
rest of `tuneport jobs list`. Here an absent value is left alone; values that are given are converted as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup


class LightCommand(TyperCommand):
    """A command whose absent options cost nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        leave_absent_alone(self.get_params(ctx))
        rest: list[str] = super().parse_args(ctx, args)
        return rest


class LightGroup(TyperGroup):
    """A group of commands whose own absent options cost nothing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        leave_absent_alone(self.get_params(ctx))
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def leave_absent_alone(params: Iterable[Any]) -> None:
    """Lets each optional, single-valued parameter skip the conversion of None."""
    for param in params:
        if not (param.required or param.multiple or param.nargs != 1):
            param.process_value = partial(_unless_absent, param, param.process_value)


def _unless_absent(param: Any, convert: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    if value is not None:
        return convert(ctx, value)
    return None if param.callback is None else param.callback(ctx, param, None)
