"""A model from its input to its output: parts that stay frozen, learn at rates of their own, or thaw one after the other.

Depth 0 is whatever lies before the blocks (embeddings, also where the output layer shares them), then come the blocks, and above them what
lies behind (the last normalisation, a head). Blocks are the list of modules that holds most of the weights, by whatever name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.errors import RecipeError

_THAWED_BY = 0.5
"""The share of the training after which everything has thawed."""


@dataclass(frozen=True, slots=True)
class Layered:
    """The depth of every parameter by its name, the number of blocks, and what becomes of them over `steps` optimizer steps."""

    depths: Mapping[str, int]
    blocks: int
    frozen: int
    decay: float
    gradual: bool
    steps: int

    def rate(self, depth: int) -> float:
        """In times the learning rate of the top."""
        return self.decay ** (self.blocks + 1 - depth)

    def trained(self, depth: int, *, step: int) -> bool:
        """Whether parts of that depth learn in optimizer step `step`, counted from 0. What lies above the blocks always does."""
        if depth <= self.frozen and self.frozen:
            return False
        return not self.gradual or depth > self.blocks or step >= self._thaws_at(depth)

    def thaw(self, model: Any, *, step: int) -> None:
        """Sets what learns in that step. It depends on the step alone, so that a resumed training goes on as it was."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(self.trained(self.depths[name], step=step))

    def split(self, groups: list[dict[str, Any]], model: Any) -> list[dict[str, Any]]:
        """An optimizer's groups, each apart by depth with its rate, the top first."""
        depths = {id(parameter): self.depths[name] for name, parameter in model.named_parameters()}
        found = []
        for depth in range(self.blocks + 1, -1, -1):
            for group in groups:
                if chosen := [parameter for parameter in group["params"] if depths[id(parameter)] == depth]:
                    found.append({**group, "params": chosen, "lr": group["lr"] * self.rate(depth)})
        return found

    def _thaws_at(self, depth: int) -> int:
        """The top block at once, the others evenly behind it, the lowest at the half."""
        lowest = self.frozen + 1 if self.frozen else 0
        return round(self.steps * _THAWED_BY * (self.blocks - depth) / max(1, self.blocks - lowest))


def layered(model: Any, *, freeze: int, decay: float, gradual: bool, steps: int, base: str) -> Layered:
    """Raises RecipeError for a model without that many blocks."""
    depths, blocks = _depths(model)
    if freeze > blocks:
        raise RecipeError(f"weights.freeze is {freeze}, and {base} has {blocks} blocks.", remedy=f"Take {blocks} at most.")
    if blocks == 0 and (gradual or decay != 1):
        raise RecipeError(
            f"{base} has no blocks that could thaw or learn at rates of their own.", remedy="Leave gradual and layer_decay out."
        )
    return Layered(depths, blocks, freeze, decay, gradual, steps)


def _depths(model: Any) -> tuple[dict[str, int], int]:
    from torch.nn import ModuleList

    lists = {name: module for name, module in model.named_modules() if isinstance(module, ModuleList)}
    if not lists:
        return {name: 1 for name, _ in model.named_parameters()}, 0
    path = max(lists, key=lambda name: sum(parameter.numel() for parameter in lists[name].parameters()))
    found, behind = {}, False
    for name, _ in model.named_parameters():
        if name.startswith(f"{path}."):
            found[name], behind = int(name.removeprefix(f"{path}.").partition(".")[0]) + 1, True
        else:
            found[name] = len(lists[path]) + 1 if behind else 0
    return found, len(lists[path])
