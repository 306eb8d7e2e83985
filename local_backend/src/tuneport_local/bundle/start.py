"""Begins on the machine that trains: `python start.py <place there> --launch <name>`, in a copy of the bundle. Standard library only.

It makes an environment that sees what the container brings, so that a torch with CUDA which lies there is used, puts our wheels into it and
what is missing beside them, and becomes the trainer. Why it cannot is left in the job's folder, where that is mounted, and printed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
_SHOWN = 300
_FIRST_PIP = (22, 3)
"""The first that installs for another interpreter than its own."""
_NOT_THE_CAUSE = ("See above for output", "note:", "[notice]")


class Unfit(Exception):
    """Why nothing can be trained on this machine, and what helps."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def main() -> int:
    """Becomes the trainer; returns 1 where it cannot."""
    parser = argparse.ArgumentParser(prog="python start.py")
    parser.add_argument("place")
    parser.add_argument("--launch", default="job")
    given = parser.parse_args()
    try:
        python = prepared(json.loads((HERE / "bundle.json").read_text(encoding="utf-8")))
    except Unfit as unfit:
        leave(unfit, place=given.place, launch=given.launch)
        return 1
    sys.stdout.flush()
    os.environ.update({"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "TOKENIZERS_PARALLELISM": "false"})
    os.environ.pop("PYTHONPATH", None)
    return os.execv(python, [python, "-P", "-m", "tuneport_local.remote", given.place, "--launch", given.launch])


def leave(unfit: Unfit, *, place: str, launch: str) -> None:
    """For whoever follows the job: in its folder where that is mounted here, and as the last line of the log."""
    report = {"rank": 0, "kind": "machine", "message": unfit.message, "remedy": unfit.remedy}
    if Path(place).is_dir():
        (Path(place) / "ended").mkdir(exist_ok=True)
        (Path(place) / "ended" / f"{launch}.json").write_text(json.dumps(report), encoding="utf-8")
    print(f"tuneport: {unfit.message} {unfit.remedy}", flush=True)


def prepared(about: dict) -> str:  # type: ignore[type-arg]
    """The interpreter of an environment that has all that the trainer needs. One that was made before, in this container, is used again."""
    refuse_old_python(about["first_python"])
    name = f"tuneport-{sys.version_info.major}.{sys.version_info.minor}-{version()}-{os.getuid()}"
    there = Path(os.environ.get("TUNEPORT_ENVIRONMENTS") or tempfile.gettempdir()) / name
    if not (there / "ready").is_file():
        make(there, about)
    return str(there / "bin" / "python")


def version() -> str:
    """Of all that goes into the environment."""
    files = [HERE / "requirements.txt", *sorted((HERE / "wheels").iterdir())]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def refuse_old_python(first: str) -> None:
    """Raises Unfit for an interpreter that our code does not run on."""
    has = f"{sys.version_info.major}.{sys.version_info.minor}"
    if numbers(has) < numbers(first):
        raise Unfit(f"the container's Python is {has}, and {first} or newer is needed.", "Choose a container with a newer one.")


def make(there: Path, about: dict) -> None:  # type: ignore[type-arg]
    """Makes the environment; it is there whole or not at all, also where two make it at once."""
    there.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{there.name}-", dir=there.parent))
    try:
        fill(part, about)
        (part / "ready").write_bytes(b"")
        part.rename(there)
    except OSError:
        if not (there / "ready").is_file():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def fill(there: Path, about: dict) -> None:  # type: ignore[type-arg]
    """Raises Unfit for what cannot be installed."""
    venv.EnvBuilder(symlinks=True).create(there)
    packages = there / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    seen = [folder for folder in (*site.getsitepackages(), site.getusersitepackages()) if Path(folder).is_dir()]
    (packages / "container.pth").write_text("".join(f"{folder}\n" for folder in seen), encoding="utf-8")
    for wheel in about["wheels"]:
        with zipfile.ZipFile(HERE / "wheels" / wheel) as archive:
            archive.extractall(packages)
    wanted = missing(about["torch"], brought(seen))
    if wanted:
        install(wanted, python=there / "bin" / "python")


def brought(folders: list) -> dict:  # type: ignore[type-arg]
    """The versions of what the container has, by plain names. Of two the first folder's counts, as it does when it is imported."""
    found: dict = {}  # type: ignore[type-arg]
    for each in importlib.metadata.distributions(path=folders):
        if each.metadata["Name"]:
            found.setdefault(plain(each.metadata["Name"]), each.version.partition("+")[0])
    return found


def missing(torch: dict, there: dict) -> list:  # type: ignore[type-arg]
    """The lines of requirements.txt that the container does not fulfil, and torch where it has none that is new enough."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").split()
    wanted = [line for line in lines if there.get(line.partition("==")[0]) != line.partition("==")[2]]
    fits = "torch" in there and numbers(there["torch"]) >= numbers(torch["first"])
    if "torch" in there and not fits:
        print(
            f"the container's torch is {there['torch']}, and {torch['first']} or newer is needed: {torch['pin']} is installed", flush=True
        )
    return wanted if fits else [torch["pin"], *wanted]


def install(wanted: list, *, python: Path) -> None:  # type: ignore[type-arg]
    """Has pip put them into the environment. Raises Unfit with what pip says."""
    print(f"installing {len(wanted)} packages: {' '.join(wanted)}", flush=True)
    done = subprocess.run(
        [*pip(python), "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", *wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        raise Unfit(
            f"what the training needs could not be installed there: {why(done.stdout)}.",
            "Choose a container that has it, or one from which the package index is reached.",
        )


def pip(python: Path) -> list:  # type: ignore[type-arg]
    """The container's, for the environment; else the one that comes with Python."""
    if importlib.util.find_spec("pip") is not None and numbers(importlib.metadata.version("pip")) >= _FIRST_PIP:
        return [sys.executable, "-m", "pip", "--python", str(python)]
    done = subprocess.run([str(python), "-m", "ensurepip"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unfit("packages are missing in the container, and it has no pip to install them.", "Choose another container.")
    return [str(python), "-m", "pip"]


def why(said: str) -> str:
    """The last of pip's errors, in one line."""
    lines = [
        line.partition("rror: ")[2] or line.partition("ERROR: ")[2] for line in said.splitlines() if "rror: " in line or "ERROR: " in line
    ]
    told = (
        [line.strip() for line in lines if not any(mark in line for mark in _NOT_THE_CAUSE)]
        or said.strip().splitlines()[-1:]
        or ["pip failed"]
    )
    return told[-1][:_SHOWN].rstrip(".")


def plain(name: str) -> str:
    """A distribution's name, as pins write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def numbers(version: str) -> tuple:  # type: ignore[type-arg]
    """Its first parts, for comparing."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])


if __name__ == "__main__":
    sys.exit(main())
