"""What people install: the wheels are built from a copy of the checkout, put into an empty environment, and used there.

The environment has nothing but the wheels, their declared dependencies from the package index, and pytest for the conformance kit.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, NoReturn

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests", "dist", "build")
UNREACHABLE = ("NewConnectionError", "Temporary failure in name resolution", "Network is unreachable", "ProxyError", "ConnectTimeoutError")


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the project in `source`, built in `folder`; the checkout itself stays as it is."""
    copy = folder / "source"
    shutil.copytree(source, copy, ignore=LEFT_BEHIND)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (entry,) = [entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}")]
        return archive.read(entry).decode()


def nothing_can_be_installed(*, required: bool) -> NoReturn:
    """Skips the test; fails it where all tests are `required` (--require-all, in CI): there a skip would pass for a tested package."""
    sentence = "the package index cannot be reached, so nothing can be installed into an empty environment"
    if required:
        pytest.fail(f"{sentence}, and --require-all wants it tested", pytrace=False)
    pytest.skip(sentence)


class Environment:
    """A virtual environment, and a folder outside the checkout to work in. With `over`, what is installed there is seen here as well.

    `required` says what becomes of a test when the package index cannot be reached.
    """

    def __init__(self, folder: Path, *, required: bool, over: Environment | None = None) -> None:
        self.required = required
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._python = folder / "venv" / "bin" / "python"
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TUNEPORT_", "COV_"))}
        self._environ |= {"TUNEPORT_HOME": str(folder / "home"), "TUNEPORT_CONFIG": str(folder / "none.toml"), "COLUMNS": "200"}
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.packages = next((folder / "venv" / "lib").glob("python3*/site-packages"))
        if over is not None:
            (self.packages / "over.pth").write_text(f"{over.packages}\n", encoding="utf-8")

    def install(self, *requirements: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self._python), "install", "--disable-pip-version-check", "--no-input"]
        done = self._run([*pip, *requirements])
        if done.returncode != 0 and any(word in done.stdout + done.stderr for word in UNREACHABLE):
            nothing_can_be_installed(required=self.required)
        assert done.returncode == 0, done.stdout + done.stderr

    def tuneport(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as its console script starts it."""
        return self.python("-c", "import sys; from tuneport.cli import main; sys.exit(main())", *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(self._python), *arguments])

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A console script that was installed here."""
        return self._run([str(self._python.with_name(name)), *arguments])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.work, env=self._environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("core")
    slim = folder / "checkout"
    slim.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy2(ROOT / name, slim / name)
    shutil.copytree(ROOT / "src", slim / "src", ignore=LEFT_BEHIND)
    return build_wheel(slim, folder)


@pytest.fixture(scope="module")
def local_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "local_backend", tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="module")
def outside_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "tests" / "outside_provider", tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="module")
def required(pytestconfig: pytest.Config) -> bool:
    """Whether a test that cannot run is a failure."""
    return bool(pytestconfig.getoption("--require-all"))


@pytest.fixture(scope="module")
def core(core_wheel: Path, tmp_path_factory: pytest.TempPathFactory, required: bool) -> Environment:
    """Core and its declared dependencies, nothing else. Nobody installs more into it; see `over`."""
    made = Environment(tmp_path_factory.mktemp("core-alone"), required=required)
    made.install(str(core_wheel))
    return made


# --- what is in a wheel ----------------------------------------------------------------------------------------------------------------


def test_the_core_wheel_holds_the_package_its_types_and_its_licence_and_nothing_else(core_wheel: Path) -> None:
    names = contents(core_wheel)
    assert "tuneport/py.typed" in names
    assert "tuneport/testing/conformance.py" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {"tuneport", "tuneport-0.1.0.dist-info"}
    assert "tuneport = tuneport.cli:main" in metadata(core_wheel, "entry_points.txt")


def test_the_core_wheel_holds_every_file_that_the_package_has_in_the_checkout(core_wheel: Path) -> None:
    package = ROOT / "src" / "tuneport"
    here = {f"tuneport/{path.relative_to(package).as_posix()}" for path in package.rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} == {name for name in contents(core_wheel) if name.startswith("tuneport/")}


def test_the_local_wheel_holds_its_package_only_and_registers_the_provider(local_wheel: Path) -> None:
    names = contents(local_wheel)
    assert "tuneport_local/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {"tuneport_local", "tuneport_local-0.1.0.dist-info"}
    assert "local = tuneport_local:provider" in metadata(local_wheel, "entry_points.txt")


# --- core alone ------------------------------------------------------------------------------------------------------------------------


def test_the_installed_command_says_its_version_and_needs_no_torch(core: Environment) -> None:
    done = core.script("tuneport", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "tuneport 0.1.0\n", "")
    assert core.python("-c", "import torch").returncode != 0


def test_the_installed_command_checks_a_file_outside_any_checkout(core: Environment) -> None:
    rows = (("where is my parcel?", "delivery_status"), ("stop the plan", "cancel_subscription"))
    turns = [[{"role": "user", "content": ask}, {"role": "assistant", "content": answer}] for ask, answer in rows]
    (core.work / "tickets.jsonl").write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), encoding="utf-8")
    done = core.script("tuneport", "--json", "data", "check", "tickets.jsonl")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["rows"]) == (True, 2)


def test_a_provider_that_is_not_installed_is_named_with_what_to_install(core: Environment) -> None:
    done = core.tuneport("providers", "check", "local")
    assert done.returncode == 2
    assert "pip install tuneport-local" in done.stderr
    assert "Traceback" not in done.stderr


# --- with plug-ins ---------------------------------------------------------------------------------------------------------------------


def provider_entry(environment: Environment, name: str) -> dict[str, Any]:
    """What `tuneport providers` says about one provider."""
    done = environment.tuneport("--json", "providers")
    assert done.returncode == 0, done.stderr
    (entry,) = [entry for entry in json.loads(done.stdout)["providers"] if entry["name"] == name]
    return dict(entry)


def test_a_broken_plug_in_is_one_line_of_explanation(core: Environment, tmp_path: Path) -> None:
    broken = Environment(tmp_path, over=core, required=core.required)
    info = broken.packages / "tuneport_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tuneport-broken\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[tuneport.providers]\nbroken = tuneport_broken:provider\n", encoding="utf-8")
    (broken.packages / "tuneport_broken.py").write_text("raise RuntimeError('libkiln.so not found')\n", encoding="utf-8")

    assert "libkiln.so not found" in provider_entry(broken, "broken")["problem"]
    used = broken.tuneport("providers", "check", "broken")
    assert used.returncode == 2
    assert "tuneport-broken 1.0" in used.stderr
    assert "Traceback" not in used.stderr


def test_a_provider_from_outside_installs_from_its_own_wheel_and_passes_the_conformance_kit(
    core: Environment, outside_wheel: Path, tmp_path: Path
) -> None:
    outside = Environment(tmp_path, over=core, required=core.required)
    outside.install(f"{outside_wheel}[test]")
    shutil.copytree(ROOT / "tests" / "outside_provider" / "tests", outside.work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = outside.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    entry = provider_entry(outside, "kiln")
    assert (entry["distribution"], entry["version"], entry["problem"]) == ("tuneport-kiln", "0.1.0", None)


def test_the_local_backend_is_listed_without_its_libraries_and_says_which_are_missing(
    core: Environment, local_wheel: Path, tmp_path: Path
) -> None:
    local = Environment(tmp_path, over=core, required=core.required)
    local.install("--no-deps", str(local_wheel), "psutil")
    assert provider_entry(local, "local")["problem"] is None
    checked = local.tuneport("providers", "check", "local")
    assert checked.returncode == 1
    assert "torch" in checked.stdout + checked.stderr


@pytest.mark.slow
def test_the_local_backend_installs_with_all_it_declares_and_finds_this_machine_ready(
    core_wheel: Path, local_wheel: Path, tmp_path: Path, required: bool
) -> None:
    made = Environment(tmp_path, required=required)
    made.install(str(core_wheel), str(local_wheel))
    checked = made.tuneport("providers", "check", "local")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    loaded = made.python("-c", "import tuneport_local.training.train, transformers, peft, trl")
    assert loaded.returncode == 0, loaded.stderr


# --- setting up the checkout -----------------------------------------------------------------------------------------------------------


def needed_by(*requirements: str) -> dict[str, str]:
    """Name -> installed version of all that these need, and all that those need, on this machine."""
    found: dict[str, str] = {}
    todo = [Requirement(requirement) for requirement in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = version(name)
        for line in requires(name) or ():
            further = Requirement(line)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                todo.append(further)
    return found


def test_every_version_that_development_installs_is_pinned() -> None:
    pytest.importorskip("tuneport_local")
    pinned = {}
    for line in (ROOT / "constraints-dev.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, number = line.partition("==")
            pinned[canonicalize_name(name)] = number
    needed = {name: found.partition("+")[0] for name, found in needed_by("tuneport[dev]", "tuneport-local").items()}
    ours = {name for name in needed if name.startswith("tuneport")}
    cuda = {name for name in needed if name.startswith(("nvidia-", "cuda-")) or name in ("triton", "setuptools")}
    assert {name: pinned.get(name) for name in needed.keys() - ours - cuda} == {name: needed[name] for name in needed.keys() - ours - cuda}


@pytest.mark.parametrize("left", ["nothing", "a Python without pip"])
def test_an_environment_that_was_left_half_made_is_made_anew(tmp_path: Path, left: str) -> None:
    shutil.copy2(ROOT / "Makefile", tmp_path / "Makefile")
    if left == "a Python without pip":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}  # `make test` is a make too
    make = ["make", "venv", f"PYTHON={sys.executable}"]
    for expected in ("-m venv --clear", ""):
        done = subprocess.run(make, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert bool(done.stdout) == bool(expected), "what is whole is left alone"
    pip = [tmp_path / ".venv" / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True, check=False).returncode == 0


# --- without a package index -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_without_a_package_index_an_installation_is_skipped_and_where_all_is_required_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: bool, outcome: type[BaseException]
) -> None:
    nobody_listens = "http://127.0.0.1:9"
    for name in ("PIP_INDEX_URL", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, nobody_listens)
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(outcome, match="the package index cannot be reached"):
        Environment(tmp_path, required=required).install("--no-cache-dir", "tenacity")
