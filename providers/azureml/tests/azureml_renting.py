"""A launcher on the emulated workspace: its configuration, a bundle, and orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuneport_azureml.emulator.commands import CommandJob
from tuneport_azureml.renting.launcher import AzureMLLauncher
from tuneport_local.engines.launcher import Order

from tuneport.settings import Settings

from .azureml_stage import Identity, Stage

A100 = "Standard_NC24ads_A100_v4"
SHA = "5" * 64


def configuration(stage: Stage, *, environ: Mapping[str, str] | None = None, **profiles: Mapping[str, Any]) -> Settings:
    """As a client would read it, by the variables that the emulator prints."""
    return Settings(home=stage.home, environ={**stage.emulator.exports, **(environ or {})}, providers=profiles)


def launching(
    stage: Stage,
    *,
    environ: Mapping[str, str] | None = None,
    credential: Callable[[], Any] | None = None,
    session: Any = None,
    **profiles: Any,
) -> AzureMLLauncher:
    return AzureMLLauncher(configuration(stage, environ=environ, **profiles), clock=stage.clock, credential=credential, session=session)


def signed_in(stage: Stage, life_s: float = 900.0) -> Callable[[], Any]:
    """An identity whose tokens end."""
    return lambda: Identity(stage, life_s)


def bundle(folder: Path) -> Path:
    """A small one, with a folder in it."""
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    (folder / "start.py").write_text("print('started')\n", encoding="utf-8")
    (folder / "wheels" / "tuneport-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    return folder


def order(launcher: AzureMLLauncher, folder: Path, *, name: str = "job-1-1", job_id: str = "job-1", **options: Any) -> Order:
    asked = {"instance_type": A100, **options} if "compute" not in options else options
    return Order(job_id, name, launcher.read(asked), bundle(folder), SHA, {"tuneport_recipe": "0123"})


def command(stage: Stage, name: str = "job-1-1") -> CommandJob:
    """The job by the platform's own record."""
    return stage.emulator.world.commands[name]
