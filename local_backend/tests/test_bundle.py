"""The bundle, and what start.py makes of it on machines of all kinds. None of them trains."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bundle import Bundle, built, start

import tuneport


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return built(tmp_path_factory.mktemp("bundles"))


def started(folder: Path, place: Path, *, tmp_path: Path, python: str = sys.executable, **environ: str) -> subprocess.CompletedProcess[str]:
    """What start.py does in a copy of a bundle. Its environments are made below `tmp_path`."""
    seen = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**seen, "TUNEPORT_ENVIRONMENTS": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **environ}
    command = [python, "start.py", str(place), "--launch", "tuneport-one-1"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def said(place: Path) -> dict[str, Any]:
    """What it left in the job's folder."""
    found: dict[str, Any] = json.loads((place / "ended" / "tuneport-one-1.json").read_text())
    return found


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(bundle.path, tmp_path / "bundle"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def change(folder: Path, **about: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **about}))


def a_container(folder: Path, **versions: str) -> str:
    """The interpreter of a container that has nothing but the metadata of those packages."""
    import venv

    venv.EnvBuilder(symlinks=True).create(folder)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name, version in versions.items():
        about = packages / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(folder / "bin" / "python")


def test_the_same_code_gives_the_same_bundle_byte_for_byte(bundle: Bundle, tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from tuneport_local.bundle import built; print(built(Path(sys.argv[1])).sha256)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == bundle.sha256
    again = built(tmp_path)
    assert again == Bundle(tmp_path / bundle.path.name, bundle.sha256)
    assert [path.name for path in tmp_path.iterdir()] == [again.path.name]
    files = [path.relative_to(again.path) for path in again.path.rglob("*") if path.is_file()]
    assert [(again.path / file).read_bytes() for file in files] == [(bundle.path / file).read_bytes() for file in files]


def test_its_wheels_hold_all_of_our_code_and_nothing_of_this_machine(bundle: Bundle, tmp_path: Path) -> None:
    wheels = sorted((bundle.path / "wheels").iterdir())
    assert [wheel.name.partition("-")[0] for wheel in wheels] == ["tuneport", "tuneport_local"]
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            content = b"".join(archive.read(name) for name in names if ".dist-info/" in name)
        assert str(Path(tuneport.__file__).parents[2]).encode() not in content
        assert not [name for name in names if "__pycache__" in name or name.endswith(("direct_url.json", "INSTALLER"))]
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(tmp_path)
    source = Path(tuneport.__file__).parent
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(tmp_path / "tuneport") for path in (tmp_path / "tuneport").rglob("*") if path.is_file()} == files


def test_pip_takes_its_wheels(bundle: Bundle, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(tmp_path)]
    subprocess.run([*command, *map(str, (bundle.path / "wheels").iterdir())], check=True, capture_output=True)
    found = {each.metadata["Name"]: each for each in importlib.metadata.distributions(path=[str(tmp_path)])}
    assert {"tuneport", "tuneport-local"} <= found.keys()
    assert [point.value for point in found["tuneport-local"].entry_points] == ["tuneport_local:provider"]


def test_what_it_needs_is_pinned_to_what_runs_here_and_torch_is_left_to_the_container(bundle: Bundle) -> None:
    lines = (bundle.path / "requirements.txt").read_text().split()
    pins = dict(line.split("==") for line in lines)
    for name in ("transformers", "trl", "peft", "pydantic", "huggingface-hub"):
        assert pins[name] == importlib.metadata.version(name)
    assert not {"torch", "triton", "sympy", "tuneport", "tuneport-local", "pytest"} & pins.keys()
    about = json.loads((bundle.path / "bundle.json").read_text())
    assert about["torch"] == {"first": "2.6", "pin": f"torch=={importlib.metadata.version('torch').partition('+')[0]}"}


def test_start_takes_nothing_but_the_standard_library(bundle: Bundle) -> None:
    source = (bundle.path / "start.py").read_text()
    assert source == Path(start.__file__).read_text()
    imported = {line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def test_a_container_that_has_everything_is_used_as_it_is(bundle: Bundle, place: Path, tmp_path: Path) -> None:
    done = started(bundle.path, place, tmp_path=tmp_path)
    assert "installing" not in done.stdout
    assert "holds no recipe.json" in (place / "ended" / "tuneport-one-1.json").read_text()  # said by the trainer that it became
    (environment,) = tmp_path.glob("tuneport-*")
    (site,) = environment.glob("lib/python*/site-packages")
    assert (site / "tuneport_local" / "remote").is_dir()
    assert {path.name for path in site.glob("*") if path.is_dir() and not path.name.endswith(".dist-info")} == {
        "tuneport",
        "tuneport_local",
    }
    stamp = (environment / "ready").stat().st_mtime_ns
    started(bundle.path, place, tmp_path=tmp_path)
    assert (environment / "ready").stat().st_mtime_ns == stamp


def test_two_machines_on_one_disk_make_it_at_once(bundle: Bundle, place: Path, tmp_path: Path) -> None:
    command = [sys.executable, "start.py", str(place), "--launch"]
    environment = {"PATH": os.environ["PATH"], "TUNEPORT_ENVIRONMENTS": str(tmp_path), "PIP_NO_INDEX": "1"}
    both = [subprocess.Popen([*command, f"launch-{number}"], cwd=bundle.path, env=environment) for number in (1, 2)]
    assert [each.wait() for each in both] == [1, 1]
    for number in (1, 2):
        assert "holds no recipe.json" in (place / "ended" / f"launch-{number}.json").read_text()
    assert len(list(tmp_path.glob(".tuneport-*"))) == 0
    assert len(list(tmp_path.glob("tuneport-*"))) == 1


def test_an_old_python_is_named(copy: Path, place: Path, tmp_path: Path) -> None:
    change(copy, first_python="3.99")
    done = started(copy, place, tmp_path=tmp_path)
    has = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert said(place)["message"] == f"the container's Python is {has}, and 3.99 or newer is needed."
    assert done.stdout.splitlines()[-1].startswith(f"tuneport: the container's Python is {has}")


def test_a_package_that_cannot_be_had_is_named_with_pips_reason(copy: Path, place: Path, tmp_path: Path) -> None:
    with (copy / "requirements.txt").open("a") as file:
        file.write("tuneport-no-such-package==1.0\n")
    done = started(copy, place, tmp_path=tmp_path)
    assert done.returncode == 1
    assert said(place)["kind"] == "machine"
    assert "could not be installed there: No matching distribution found for tuneport-no-such-package==1.0." in said(place)["message"]
    assert not list(tmp_path.glob("tuneport-*/ready"))


def test_a_wheel_that_does_not_install_there_is_named(copy: Path, place: Path, tmp_path: Path) -> None:
    with (copy / "requirements.txt").open("a") as file:
        file.write("acme-broken==1.0\n")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "acme_broken-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    done = started(copy, place, tmp_path=tmp_path, PIP_FIND_LINKS=str(wheels))
    assert done.returncode == 1
    assert "acme_broken-1.0-py3-none-any.whl" in said(place)["message"]


def test_a_torch_that_is_too_old_is_replaced_or_named(copy: Path, place: Path, tmp_path: Path) -> None:
    pins = dict(line.split("==") for line in (copy / "requirements.txt").read_text().split())
    python = a_container(tmp_path / "container", **{**pins, "torch": "2.1.0"})
    done = started(copy, place, tmp_path=tmp_path, python=python)
    torch = json.loads((copy / "bundle.json").read_text())["torch"]["pin"]
    assert f"the container's torch is 2.1.0, and 2.6 or newer is needed: {torch} is installed" in done.stdout
    assert f"installing 1 packages: {torch}" in done.stdout
    assert f"could not be installed there: No matching distribution found for {torch}." in said(place)["message"]


def test_a_place_that_is_not_mounted_gets_the_sentence_through_the_log(copy: Path, tmp_path: Path) -> None:
    change(copy, first_python="3.99")
    done = started(copy, tmp_path / "nowhere", tmp_path=tmp_path)
    assert done.stdout.startswith("tuneport: the container's Python is")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("ERROR: Could not find a version\nERROR: No matching distribution found for x==1\n", "No matching distribution found for x==1"),
        ("  error: subprocess-exited-with-error\n  note: This is an issue with the package\n", "subprocess-exited-with-error"),
        ("Killed\n", "Killed"),
        ("", "pip failed"),
    ],
)
def test_pips_reason_is_its_last_error(printed: str, why: str) -> None:
    assert start.why(printed) == why
