"""An environment of its own for llama.cpp's converter and library, made once in the home, from PyPI, when the user agrees.

The package `gguf` reads and writes such files and converts none. The source distribution of llama-cpp-python carries llama.cpp, and with it
the converter that llama.cpp's own people keep; that one version is fetched, compared with its digest, and built where a compiler is. torch
and transformers are not installed a second time: the environment sees those that this process runs on, behind its own packages.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneport.errors import ConfigError, TuneportError, Unreachable
from tuneport.files import whole_folder, write_text

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
"""Of llama_cpp_python-0.3.36.tar.gz at PyPI, read on 2026-11-21."""
_BESIDE = (
    *("scikit-build-core==0.11.6", "pathspec==1.1.1", "packaging==26.3", "cmake==4.4.4", "ninja==1.13.2"),
    *("diskcache==5.6.3", "sentencepiece==0.2.3", "protobuf==6.33.2"),
)
"""What builds it, without which pip does not even fetch it, and what the library and the converter import."""
_TAKEN = ("convert_hf_to_gguf.py", "LICENSE", "conversion/", "gguf-py/")
_READY = "ready.json"
_SEEN = ("torch", "transformers", "numpy", "safetensors", "yaml", "jinja2")
DIRECT = ("f32", "f16", "bf16", "q8_0")
"""What the converter writes itself. The others are made of an f16 file by llama.cpp's quantiser."""
NONE_TO_BE_HAD = "no converter to GGUF can be had"


@dataclass(frozen=True, slots=True)
class Workshop:
    """A finished environment. `builds`: llama.cpp's library was built in it, so that it answers and quantises too."""

    folder: Path
    builds: bool

    @property
    def python(self) -> Path:
        """Its interpreter. Every use goes through here, so that it sees the packages of this process as they are now."""
        write_text(self._site / "tuneport.pth", "".join(f"{path}\n" for path in _our_packages()))
        return self.folder / "bin" / "python"

    @property
    def script(self) -> Path:
        """llama.cpp's converter."""
        return self.folder / "llama.cpp" / "convert_hf_to_gguf.py"

    @property
    def _site(self) -> Path:
        return self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def place(home: Path) -> Path:
    """Where it is, or would be: one for each version of Python, since it uses this one's packages."""
    return home / "gguf" / f"{PACKAGE}-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"


def found(home: Path) -> Workshop | None:
    """The environment, where it is whole."""
    folder = place(home)
    try:
        ready = json.loads((folder / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Workshop(folder, bool(ready.get("builds"))) if (folder / "bin" / "python").exists() else None


def wanted(home: Path, quantise: str) -> str:
    """What installing it for files with weights of that kind means, in a sentence."""
    lacking = f"{quantise} takes llama.cpp's quantiser" if quantise not in DIRECT else "GGUF takes llama.cpp's converter"
    built = "and build it, which takes 5 to 20 minutes" if _compiler() else "(there is no C++ compiler here to build its library)"
    return (
        f"{lacking}; none is here, and the package gguf carries none. Tuneport would fetch {PACKAGE} {VERSION} from PyPI (MIT, 77 MB and "
        f"30 MB of cmake, sha256 {SHA256[:12]}…), which holds it, {built}, in an environment of its own: {place(home)}."
    )


def installed(home: Path, *, environ: Mapping[str, str], hear: Callable[[str], object]) -> Workshop:
    """The environment, made now if need be; two processes may ask at once. Raises Unreachable where it cannot be fetched, ConfigError."""
    from filelock import FileLock

    folder = place(home)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if (there := found(home)) is not None:
                return there
            with whole_folder(folder) as part:
                _make(part, environ={**os.environ, **environ}, hear=hear)
    except TuneportError:
        raise
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}.", remedy="Free some space or rights there.") from None
    made = found(home)
    assert made is not None
    return made


def _make(folder: Path, *, environ: Mapping[str, str], hear: Callable[[str], object]) -> None:
    hear(f"making an environment for {PACKAGE} {VERSION}")
    _run([sys.executable, "-m", "venv", str(folder)], folder, environ=environ, what="an environment could not be made")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    hear(f"fetching {PACKAGE} {VERSION} and cmake (107 MB) from PyPI")
    _run([*pip, "install", "--no-deps", "--only-binary", ":all:", *_BESIDE], folder, environ=environ, what=NONE_TO_BE_HAD)
    source = _fetched(pip, folder, environ=environ)
    _unpack(source, folder / "llama.cpp")
    builds = _compiler() and _built(pip, source, folder, environ=environ, hear=hear)
    source.unlink()
    ready = {"package": PACKAGE, "version": VERSION, "sha256": SHA256, "builds": builds}
    (folder / _READY).write_text(json.dumps(ready, indent=1) + "\n", encoding="utf-8")


def _fetched(pip: Sequence[str], folder: Path, *, environ: Mapping[str, str]) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    options = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(wanted)]
    _run([*pip, "download", *options], folder, environ=environ, what=NONE_TO_BE_HAD)
    source = folder / f"{PACKAGE.replace('-', '_')}-{VERSION}.tar.gz"
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ConfigError(
            f"{NONE_TO_BE_HAD}: {source.name} as fetched has the sha256 {digest}, not {SHA256}.", remedy="Name one: --converter PATH"
        )
    return source


def _unpack(source: Path, to: Path) -> None:
    """Only the converter and what it imports."""
    with tarfile.open(source) as archive:
        for member in archive:
            _, _, name = member.name.partition("/vendor/llama.cpp/")
            if member.isfile() and name.startswith(_TAKEN):
                member.name = name
                archive.extract(member, to, filter="data")


def _built(pip: Sequence[str], source: Path, folder: Path, *, environ: Mapping[str, str], hear: Callable[[str], object]) -> bool:
    hear("building llama.cpp's library; this happens once and takes 5 to 20 minutes")
    flags = f"{environ.get('CMAKE_ARGS', '')} -DLLAVA_BUILD=OFF".strip()
    try:
        _run(
            [*pip, "install", "--no-deps", "--no-build-isolation", "--no-index", str(source)],
            folder,
            environ={**environ, "CMAKE_ARGS": flags},
            what="the library could not be built",
        )
    except Unreachable as error:
        hear(f"{error.message} The converter works without it; answers are then checked by transformers.")
        return False
    return True


def _compiler() -> bool:
    return any(map(shutil.which, ("c++", "g++", "clang++")))


def _run(command: Sequence[str], folder: Path, *, environ: Mapping[str, str], what: str) -> None:
    """Raises Unreachable with `what` and the last line that the command said."""
    alone = {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    log = folder / "install.log"
    with log.open("ab") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=alone, check=False)
    if done.returncode:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if line.upper().startswith("ERROR")), lines[-1] if lines else "")
        raise Unreachable(
            f"{what}: {said[:200] or f'it ended with {done.returncode}'}.",
            remedy="Name a converter of your own with --converter PATH: convert_hf_to_gguf.py in a checkout of llama.cpp.",
        )


def _our_packages() -> list[str]:
    """The folders that this process's torch and its like were imported from."""
    specs = [importlib.util.find_spec(name) for name in _SEEN]
    return list(dict.fromkeys(str(Path(spec.origin).parents[1]) for spec in specs if spec is not None and spec.origin))


def not_agreed(home: Path, quantise: str) -> ConfigError:
    """What is said where nothing may be installed."""
    return ConfigError(
        f"{wanted(home, quantise)} Nothing was installed or written.",
        remedy="Agree with --yes, or name a converter of your own: --converter PATH",
    )
