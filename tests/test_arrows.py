"""Who may import whom, what an import may cost, and how modules are named and how long they get.

The rooms and arrows are drawn in docs/architecture.md; each failure says where the offending line belongs instead.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "tuneport"
PROVIDERS = sorted(
    path
    for pattern in ("local_backend/src/tuneport_*", "providers/*/src/tuneport_*")
    for path in ROOT.glob(pattern)
    if path.name.isidentifier()
)

VALUES = ("errors", "clock", "uri", "examples", "finding", "job", "model", "span", "quote", "files", "plan", "intent")
"""Frozen values: they import one another and nothing else of Tuneport."""

CLOSED_TO_PROVIDERS = ("client", "cli", "connections", "submit", "upload", "poll", "registry")
"""What an adapter has no business with: it translates, and core decides when."""

BETWEEN_DISTRIBUTIONS = {
    "tuneport_azure": ("tuneport_openai",),
    "tuneport_vertex": ("tuneport_local.engines.launcher",),
    "tuneport_azureml": ("tuneport_local.engines.launcher",),
}
"""The only imports from one provider's distribution into another's; both ends must declare the dependency."""

HEAVY = frozenset({"torch", "transformers", "peft", "trl", "accelerate", "datasets", "openai", "azure", "google", "vertexai", "ray"})
"""Libraries that must not be paid for by whoever only imports a provider."""


def modules(package: Path) -> dict[str, Path]:
    """Dotted name -> file, for every module of a package."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """The dotted names a module imports when it runs; what stands under TYPE_CHECKING is not among them."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import in full (from tuneport… import …)"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            todo += ast.iter_child_nodes(node)
    return found


def _is_or_in(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def _room(module: str) -> str:
    """The room of a core module: tuneport.cli.jobs -> cli."""
    return module.split(".")[1] if "." in module else ""


def test_an_import_inside_a_function_counts_and_one_for_types_only_does_not(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport os.path\nif TYPE_CHECKING:\n    import torch\n"
        "def load():\n    from tuneport.registry import JobRegistry\n    return JobRegistry\n",
        encoding="utf-8",
    )
    assert imports(path) == {"typing.TYPE_CHECKING", "os.path", "tuneport.registry.JobRegistry"}


def test_core_never_imports_a_provider_package() -> None:
    wrong = [f"{module} imports {name}" for module, path in modules(CORE).items() for name in imports(path) if name.startswith("tuneport_")]
    assert not wrong, f"{wrong}: core reaches providers by entry point only; ask tuneport.plugins or the Client instead."


def test_frozen_values_import_nothing_above_them() -> None:
    allowed = tuple(f"tuneport.{name}" for name in VALUES)
    wrong = [
        f"tuneport.{value} imports {name}"
        for value in VALUES
        for name in imports(CORE / f"{value}.py")
        if _is_or_in(name, "tuneport") and not any(_is_or_in(name, module) for module in allowed)
    ]
    assert not wrong, f"{wrong}: a value knows other values only; move the function that needs more to the room that uses it."


@pytest.mark.parametrize(
    ("rooms", "may_not_import"),
    [
        (("formats",), ("registry", "submit", "poll", "provider", "plugins", "client", "cli")),
        (("provider", "plugins", "settings"), ("registry", "submit", "poll", "client", "cli")),
        (("registry", "registry_schema"), ("submit", "upload", "poll", "provider", "plugins", "formats", "client", "cli")),
        (("submit", "upload", "poll", "retry"), ("formats", "recipe", "dataset", "plugins", "connections", "client", "cli")),
        (("client",), ("cli",)),
    ],
)
def test_arrows_between_the_rooms_point_one_way(rooms: tuple[str, ...], may_not_import: tuple[str, ...]) -> None:
    forbidden = [f"tuneport.{room}" for room in may_not_import]
    wrong = [
        f"{module} imports {name}"
        for module, path in modules(CORE).items()
        if _room(module) in rooms
        for name in imports(path)
        if any(_is_or_in(name, one) for one in forbidden)
    ]
    assert not wrong, f"{wrong}: arrows go cli -> client -> submit, poll, quote, evaluate -> protocols, registry, formats -> values."


def test_nobody_but_the_command_line_imports_the_command_line_and_product_code_no_test_kit() -> None:
    wrong = [
        f"{module} imports {name}"
        for room in ("cli", "testing")
        for module, path in modules(CORE).items()
        if _room(module) != room
        for name in imports(path)
        if _is_or_in(name, f"tuneport.{room}")
    ]
    assert not wrong, f"{wrong}: what both need belongs below them."


@pytest.mark.parametrize("folder", PROVIDERS, ids=lambda folder: folder.name)
def test_a_provider_imports_core_and_itself(folder: Path) -> None:
    package = folder.name
    closed = tuple(f"tuneport.{room}" for room in CLOSED_TO_PROVIDERS)
    others = BETWEEN_DISTRIBUTIONS.get(package, ())
    wrong = [
        f"{module} imports {name}"
        for module, path in modules(folder).items()
        for name in imports(path)
        if any(_is_or_in(name, room) for room in closed)
        or (name.startswith("tuneport_") and not any(_is_or_in(name, known) for known in (package, *others)))
    ]
    assert not wrong, f"{wrong}: an adapter translates, nothing more. Allowed beside core: {', '.join((package, *others))}."


def test_core_never_asks_which_provider_it_talks_to() -> None:
    names = {"openai", "azure", "azureml", "vertex", *(folder.name.removeprefix("tuneport_") for folder in PROVIDERS)}
    wrong = [
        f"{module}:{node.lineno}"
        for module, path in modules(CORE).items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(side, ast.Constant) and side.value in names for side in [node.left, *node.comparators])
    ]
    assert not wrong, f"{wrong} compare with a provider's name: what a provider can do is data; ask trainer.support(Capability…)."


# --- what an import may cost -----------------------------------------------------------------------------------------------------------


def test_core_imports_no_heavy_library() -> None:
    wrong = [f"{m} imports {name}" for m, path in modules(CORE).items() for name in imports(path) if name.partition(".")[0] in HEAVY]
    assert not wrong, f"{wrong}: it belongs in the adapter of a provider."


def outside_the_adapter(package: Path) -> list[str]:
    """Where a provider's package imports an SDK other than under `adapter`, or in an emulator that goes by the SDK's own types."""
    return [
        f"{module} imports {name}"
        for module, path in modules(package).items()
        for name in imports(path)
        if name.partition(".")[0] in HEAVY and not module.startswith((f"{package.name}.adapter", f"{package.name}.emulator"))
    ]


def test_a_cloud_provider_imports_its_sdk_under_adapter_only() -> None:
    wrong = [line for folder in PROVIDERS if folder.name != "tuneport_local" for line in outside_the_adapter(folder)]
    assert not wrong, f"{wrong}: import the SDK in adapter.py (or a package of that name), inside the function that uses it."


def test_an_sdk_imported_beside_the_adapter_is_found(tmp_path: Path) -> None:
    package = tmp_path / "tuneport_acme"
    (package / "adapter").mkdir(parents=True)
    (package / "adapter" / "jobs.py").write_text("import openai\n", encoding="utf-8")
    (package / "wire.py").write_text("def to_body():\n    from openai import types\n    return types\n", encoding="utf-8")
    assert outside_the_adapter(package) == ["tuneport_acme.wire imports openai.types"]


@pytest.mark.parametrize("package", ["tuneport", *(folder.name for folder in PROVIDERS)])
def test_importing_a_package_loads_no_heavy_library(package: str) -> None:
    program = (
        f"import json, sys; before = {{*sys.modules}}; import {package}; getattr({package}, 'provider', None); "
        "print(json.dumps(sorted({*sys.modules} - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & HEAVY, f"`import {package}` loads {sorted(loaded & HEAVY)}: import them inside the functions that use them."


# --- names and sizes -------------------------------------------------------------------------------------------------------------------

EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "handler", "processor"})
LINES_AT_MOST = 400


def _all_modules() -> Iterator[tuple[str, Path]]:
    for package in [CORE, *PROVIDERS]:
        yield from modules(package).items()


def test_modules_are_named_after_what_they_are_about() -> None:
    wrong = [module for module, _ in _all_modules() if EMPTY_NAMES & set(re.split(r"[._]", module))]
    assert not wrong, f"{wrong}: name the module after its idea (registry, upload, sniff), not after being of use."


def test_a_module_holds_one_idea_and_stays_under_400_lines() -> None:
    sizes = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in _all_modules()}
    wrong = {module: lines for module, lines in sizes.items() if lines > LINES_AT_MOST}
    assert not wrong, f"{wrong}: split by idea, not by size; 100 to 300 lines is usual."
