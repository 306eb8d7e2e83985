"""The tracking tools that a recipe can ask for (`options.local.track`), and what is installed of them. Imports none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from tuneport.errors import Unsupported

if TYPE_CHECKING:
    from tuneport_local.tracking.reporter import About, Reporter

Name = Literal["mlflow", "wandb", "trackio"]


@dataclass(frozen=True, slots=True)
class Tool:
    """`module` is what is imported, `install` the command that brings it, `called` its name in sentences."""

    module: str
    install: str
    called: str


TOOLS: Mapping[str, Tool] = {
    "mlflow": Tool("mlflow", "pip install mlflow", "MLflow"),
    "wandb": Tool("wandb", "pip install wandb", "Weights & Biases"),
    "trackio": Tool("trackio", "pip install trackio", "trackio"),
}


def refuse_absent(names: Iterable[str]) -> None:
    """Raises Unsupported for the first tool that is not installed."""
    for name in names:
        tool = TOOLS[name]
        if find_spec(tool.module) is None:
            raise Unsupported(f"options.local.track names {name}, and {tool.called} is not installed.", remedy=tool.install)


def reporter_of(name: str, about: About) -> Reporter:
    """Who tells that tool. Importing the tool may take seconds."""
    if name == "mlflow":
        from tuneport_local.tracking.mlflow_run import MLflowRun

        return MLflowRun(about)
    if name == "wandb":
        from tuneport_local.tracking.wandb_run import WandbRun

        return WandbRun(about)
    from tuneport_local.tracking.trackio_run import TrackioRun

    return TrackioRun(about)
