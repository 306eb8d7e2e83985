"""What a distribution of this checkout must bring, and where it must be named.

A failure here is the checklist of CONTRIBUTING.md speaking: each sentence says which line to add, and in which file.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def distributions(root: Path) -> list[Path]:
    """The folders of everything beside core that is installed on its own."""
    return [path for path in [root / "local_backend", *sorted(root.glob("providers/*"))] if path.is_dir()]


def package_of(folder: Path) -> str:
    """The package that a distribution's folder installs: local_backend -> tuneport_local, providers/x -> tuneport_x."""
    return "tuneport_" + folder.name.removesuffix("_backend")


def forgotten(root: Path) -> list[str]:
    """One sentence for each thing that a distribution needs and does not have."""
    shared = _Shared(root)
    return [sentence for folder in distributions(root) for sentence in (*_inside(folder, root), *shared.lines_for(folder))]


def _inside(folder: Path, root: Path) -> Iterator[str]:
    place, package = folder.relative_to(root).as_posix(), package_of(folder)
    for name, why in (
        ("pyproject.toml", "it says what is installed"),
        ("README.md", "it says what the provider can do and what it needs"),
        ("LICENSE", "a copy of the one in the root, so that the wheel carries it"),
        (f"src/{package}/__init__.py", "import names are flat: tuneport_<name>"),
        (f"src/{package}/py.typed", "an empty file that tells type checkers to look inside"),
        ("tests", "the conformance kit runs there"),
    ):
        if not (folder / name).exists():
            yield f"{place}/{name} is missing: add it ({why})."
    if (folder / "pyproject.toml").exists():
        yield from _metadata(folder, place, package)


def _metadata(folder: Path, place: str, package: str) -> Iterator[str]:
    project = _toml(folder / "pyproject.toml").get("project", {})
    wanted = package.replace("_", "-")
    if project.get("name") != wanted:
        yield f'{place}/pyproject.toml: the distribution is called {project.get("name")!r}; write  name = "{wanted}"  under [project].'
    points = project.get("entry-points", {}).get("tuneport.providers", {})
    if not any(str(target).partition(":")[0].partition(".")[0] == package for target in points.values()):
        name = package.removeprefix("tuneport_")
        yield (
            f"{place}/pyproject.toml: nothing is registered under tuneport.providers; add  "
            f'[project.entry-points."tuneport.providers"]  with  {name} = "{package}:provider".'
        )


class _Shared:
    """The files outside a provider's folder that name it."""

    def __init__(self, root: Path) -> None:
        self.pyproject = _toml(root / "pyproject.toml")
        self.requirements = (root / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
        self.conftest = _constant(root / "conftest.py", "DISTRIBUTIONS")
        self.root = root

    def lines_for(self, folder: Path) -> Iterator[str]:
        place, package = folder.relative_to(self.root).as_posix(), package_of(folder)
        distribution, extra = package.replace("_", "-"), package.removeprefix("tuneport_")
        if f"-e {place}" not in self.requirements:
            yield f"requirements-dev.txt: add the line  -e {place}"
        if distribution not in self._at("project", "optional-dependencies").get(extra, []):
            yield f'pyproject.toml, [project.optional-dependencies]: add the line  {extra} = ["{distribution}"]'
        if self.conftest.get(place) != package:
            yield f'conftest.py, DISTRIBUTIONS: add  "{place}": "{package}"'
        yield from self._tool_settings(place, package, distribution)

    def _tool_settings(self, place: str, package: str, distribution: str) -> Iterator[str]:
        workspace = self._at("tool", "uv", "workspace").get("members", [])
        if not _covers(workspace, place):
            yield f'pyproject.toml, [tool.uv.workspace] members: add  "{place}"'
        if self._at("tool", "uv", "sources").get(distribution) != {"workspace": True}:
            yield f"pyproject.toml, [tool.uv.sources]: add the line  {distribution} = {{ workspace = true }}"
        if not _covers(self._at("tool", "pytest", "ini_options").get("testpaths", []), f"{place}/tests"):
            yield f'pyproject.toml, [tool.pytest.ini_options] testpaths: add  "{place}/tests"'
        mypy = self._at("tool", "mypy")
        if f"{place}/src" not in mypy.get("mypy_path", []) or package not in mypy.get("packages", []):
            yield f'pyproject.toml, [tool.mypy]: add  "{place}/src"  to mypy_path and  "{package}"  to packages'

    def _at(self, *keys: str) -> dict[str, Any]:
        table: Any = self.pyproject
        for key in keys:
            table = table.get(key, {})
        return dict(table)


def _covers(patterns: list[str], place: str) -> bool:
    return any(fnmatch(place, pattern) for pattern in patterns)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _constant(path: Path, name: str) -> dict[str, str]:
    """The dict that a module assigns to `name`, read without running the module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return dict(ast.literal_eval(node.value))
    return {}


def test_every_distribution_is_complete_and_named_where_it_must_be() -> None:
    assert not (found := forgotten(ROOT)), "\n".join(["", *found])


def small_checkout(root: Path) -> Path:
    """A checkout with one complete provider, `acme`."""
    files = {
        "requirements-dev.txt": "-e .[dev]\n-e providers/acme\n",
        "conftest.py": 'DISTRIBUTIONS = {"providers/acme": "tuneport_acme"}\n',
        "pyproject.toml": """
            [project.optional-dependencies]
            acme = ["tuneport-acme"]
            [tool.uv.workspace]
            members = ["providers/*"]
            [tool.uv.sources]
            tuneport-acme = { workspace = true }
            [tool.mypy]
            mypy_path = ["providers/acme/src"]
            packages = ["tuneport_acme"]
            [tool.pytest.ini_options]
            testpaths = ["tests", "providers/*/tests"]
            """,
        "providers/acme/pyproject.toml": """
            [project]
            name = "tuneport-acme"
            [project.entry-points."tuneport.providers"]
            acme = "tuneport_acme:provider"
            """,
        "providers/acme/README.md": "",
        "providers/acme/LICENSE": "",
        "providers/acme/src/tuneport_acme/__init__.py": "",
        "providers/acme/src/tuneport_acme/py.typed": "",
        "providers/acme/tests/test_acme.py": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def _without(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        before = (root / name).read_text(encoding="utf-8")
        assert text in before
        (root / name).write_text(before.replace(text, ""), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("forget", "sentence"),
    [
        (lambda root: (root / "providers/acme/README.md").unlink(), "providers/acme/README.md is missing"),
        (lambda root: (root / "providers/acme/LICENSE").unlink(), "providers/acme/LICENSE is missing"),
        (lambda root: (root / "providers/acme/src/tuneport_acme/py.typed").unlink(), "tuneport_acme/py.typed is missing"),
        (_without("providers/acme/pyproject.toml", 'acme = "tuneport_acme:provider"'), 'acme = "tuneport_acme:provider"'),
        (_without("providers/acme/pyproject.toml", 'name = "tuneport-acme"'), 'write  name = "tuneport-acme"'),
        (_without("requirements-dev.txt", "-e providers/acme\n"), "requirements-dev.txt: add the line  -e providers/acme"),
        (_without("pyproject.toml", 'acme = ["tuneport-acme"]'), '[project.optional-dependencies]: add the line  acme = ["tuneport-acme"]'),
        (_without("conftest.py", '"providers/acme": "tuneport_acme"'), 'DISTRIBUTIONS: add  "providers/acme": "tuneport_acme"'),
        (_without("pyproject.toml", '"providers/*"'), '[tool.uv.workspace] members: add  "providers/acme"'),
        (_without("pyproject.toml", "tuneport-acme = { workspace = true }"), "[tool.uv.sources]: add the line  tuneport-acme"),
        (_without("pyproject.toml", ', "providers/*/tests"'), 'testpaths: add  "providers/acme/tests"'),
        (_without("pyproject.toml", '"providers/acme/src"'), '[tool.mypy]: add  "providers/acme/src"'),
    ],
)
def test_a_forgotten_line_is_named_with_the_file_it_belongs_in(tmp_path: Path, forget: Callable[[Path], None], sentence: str) -> None:
    root = small_checkout(tmp_path)
    assert forgotten(root) == []
    forget(root)
    found = forgotten(root)
    assert len(found) == 1
    assert sentence in found[0]
