"""Skips the tests of distributions that are not installed, and names them; `--require-all` makes that a failure (CI).

Properties are tried on the same generated examples at each run, so that a run says something about the change it tests;
`make test-slow` tries them on new ones."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_AT_LEISURE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # how fast a shared machine is says nothing of the code
settings.register_profile("same", derandomize=True, **_AT_LEISURE)
settings.register_profile("new", **_AT_LEISURE)
settings.load_profile("same")

ROOT = Path(__file__).parent
DISTRIBUTIONS = {
    "local_backend": "tuneport_local",
    "providers/azure": "tuneport_azure",
    "providers/azureml": "tuneport_azureml",
    "providers/openai": "tuneport_openai",
    "providers/vertex": "tuneport_vertex",
}
"""Folder of a distribution -> the package it installs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-all", action="store_true", help="fail when a distribution of this checkout is not installed")


def _missing() -> dict[str, str]:
    return {folder: package for folder, package in DISTRIBUTIONS.items() if find_spec(package) is None}


def pytest_configure(config: pytest.Config) -> None:
    missing = _missing()
    if missing and config.getoption("--require-all"):
        raise pytest.UsageError(f"not installed: {', '.join(missing.values())}; run: make install")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if any(collection_path.is_relative_to(ROOT / folder) for folder in _missing()) else None


def pytest_report_header() -> list[str]:
    return [f"not installed, tests skipped: {package} ({folder})" for folder, package in _missing().items()]
