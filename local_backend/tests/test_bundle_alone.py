"""A machine whose container has PyTorch and nothing else: everything that the training needs is installed from the bundle and the index."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import uuid
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tuneport_local.adapter import LocalTrainer

from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe

from .renting import launches, vendor
from .tiny import save_tiny, write_chats
from .workers import folder_of, kill_workers, open_trainer, seen, until

__all__ = ["vendor"]
pytestmark = [pytest.mark.train, pytest.mark.slow]
WITHIN_S = 1800.0


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[LocalTrainer]:
    yield open_trainer(tmp_path / "home")
    kill_workers(tmp_path / "home")


def with_torch(folder: Path) -> str:
    """The interpreter of an environment that has pip, and of all packages here only torch and what it needs."""
    venv.EnvBuilder(symlinks=True, with_pip=True).create(folder)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in _needed("torch", set()):
        for file in importlib.metadata.files(name) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate())
    return str(folder / "bin" / "python")


def _needed(name: str, found: set[str]) -> set[str]:
    """The distribution and those it needs that are installed here."""
    found.add(name)
    for line in importlib.metadata.requires(name) or ():
        need = Requirement(line)
        if need.name not in found and (need.marker is None or need.marker.evaluate({"extra": ""})) and _here(need.name):
            _needed(need.name, found)
    return found


def _here(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_a_container_with_torch_alone_trains_with_what_is_installed_there(trainer: LocalTrainer, vendor: Path, tmp_path: Path) -> None:
    base, rows = save_tiny(tmp_path / "base"), write_chats(tmp_path / "chats.jsonl")
    machine = {"vendor": str(vendor), "container": with_torch(tmp_path / "container")}
    options = {"precision": "fp32", "engine": "acme", "acme": machine}
    plan = trainer.plan(Recipe(base=str(base), train=rows, method=SFT(epochs=2), options={"local": options}))
    job = trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id
    until(lambda: seen(trainer, job).state.terminal, within_s=WITHIN_S)
    (name,) = launches(vendor)
    assert seen(trainer, job).state is JobState.SUCCEEDED, (vendor / f"{name}.log").read_text()[-2000:]
    log = (vendor / f"{name}.log").read_text()
    assert "transformers==" in log.partition("installing ")[2].splitlines()[0]
    assert " torch==" not in log.partition("installing ")[2].splitlines()[0]
    run = json.loads((folder_of(tmp_path / "home", job).path / "run.json").read_text())
    assert run["versions"]["transformers"] == importlib.metadata.version("transformers")
    (site,) = (vendor / "tmp").glob("tuneport-*/lib/python*/site-packages")
    assert (site / "transformers" / "__init__.py").is_file()
    assert not (site / "torch").exists()
