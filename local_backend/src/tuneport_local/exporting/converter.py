"""Which converter to GGUF is used, and running it: one that the user names, one on the path, or that of our own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneport.errors import ConfigError, Unsupported
from tuneport.exporting import Export
from tuneport_local.exporting import workshop
from tuneport_local.exporting.workshop import DIRECT, Workshop

SCRIPT = "convert_hf_to_gguf.py"
VARIABLE = "TUNEPORT_LLAMA_CPP"
_UNKNOWN_TOKENIZER = "pre-tokenizer was not recognized"
_UNKNOWN_MODEL = "is not supported"


@dataclass(frozen=True, slots=True)
class Converter:
    """`name` is what is told of it. `quantiser` is llama.cpp's, None where its library does it; `shop` our environment, where it is."""

    script: Path
    python: Path
    name: str
    quantiser: Path | None
    shop: Workshop | None

    def convert(self, model: Path, to: Path, *, kind: str, title: str, environ: Mapping[str, str]) -> None:
        """Raises Unsupported for a model or tokenizer that it does not know, ConfigError for whatever else it fails at."""
        command = [
            str(self.python),
            "-s",
            "-E",
            str(self.script),
            str(model),
            "--outfile",
            str(to),
            "--outtype",
            kind,
            "--model-name",
            title,
        ]
        _run(command, what=self.name, environ=environ)

    def quantise(self, source: Path, to: Path, *, kind: str, environ: Mapping[str, str]) -> None:
        """Rounds a file of f16 weights. Raises ConfigError."""
        if self.quantiser is not None:
            return _run([str(self.quantiser), str(source), str(to), kind.upper()], what=str(self.quantiser), environ=environ)
        assert self.shop is not None, "looked at by `find`"
        script = Path(__file__).with_name("rounded_by_llama.py")
        return _run([str(self.shop.python), "-I", str(script), str(source), str(to), kind], what="llama.cpp's quantiser", environ=environ)


def find(wish: Export, *, home: Path, environ: Mapping[str, str]) -> Converter | None:
    """The converter for this export, or None where one would have to be installed. Raises ConfigError for a name that leads to none."""
    shop = workshop.found(home)
    named = wish.converter or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        script = _script_in(named, said_by="--converter" if wish.converter else VARIABLE)
    elif (on_path := shutil.which(SCRIPT, path=environ.get("PATH"))) is not None:
        script = Path(on_path)
    elif shop is not None:
        script = shop.script
    else:
        return None
    ours = shop is not None and script == shop.script
    name = f"llama.cpp's converter out of {workshop.PACKAGE} {workshop.VERSION}" if ours else f"the converter {script}"
    python = shop.python if shop is not None else Path(sys.executable)
    return _able(Converter(script, python, name, _quantiser(script, environ), shop), wish)


def _able(converter: Converter, wish: Export) -> Converter | None:
    """The converter, where it can round as is wished; None where our environment could and is not there."""
    if wish.quantise in DIRECT or converter.quantiser is not None or (converter.shop is not None and converter.shop.builds):
        return converter
    if converter.shop is None:
        return None
    raise Unsupported(
        f"{wish.quantise} takes llama.cpp's quantiser, and neither llama-quantize nor its library is here: it could not be built.",
        remedy=f"Use --quantize q8_0, or install a C++ compiler and delete {converter.shop.folder} to have it built.",
    )


def _script_in(named: Path, *, said_by: str) -> Path:
    path = named.expanduser().absolute()
    script = path / SCRIPT if path.is_dir() else path
    if not script.is_file():
        raise ConfigError(
            f"{said_by} names {named}, and there is no {SCRIPT}.", remedy="Name that file, or the checkout of llama.cpp with it."
        )
    return script


def _quantiser(script: Path, environ: Mapping[str, str]) -> Path | None:
    beside = [script.parent / "build" / "bin" / "llama-quantize", script.parent / "llama-quantize"]
    on_path = shutil.which("llama-quantize", path=environ.get("PATH"))
    return next((path for path in [*beside, *([Path(on_path)] if on_path else [])] if path.is_file()), None)


def _run(command: Sequence[str], *, what: str, environ: Mapping[str, str]) -> None:
    seen = {**os.environ, **environ, "HF_HUB_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=seen, check=False)
    if not done.returncode:
        return
    said = (done.stdout + done.stderr).decode("utf-8", errors="replace")
    if _UNKNOWN_TOKENIZER in said:
        raise Unsupported(
            f"{what} does not know this tokenizer: it splits words in a way that llama.cpp has no name for.",
            remedy="Export with --as merged, or name a newer converter with --converter PATH.",
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if unknown := [line for line in lines if _UNKNOWN_MODEL in line]:
        raise Unsupported(f"{what} does not know this kind of model: {unknown[-1][:200]}", remedy="Export it with --as merged.")
    raise ConfigError(
        f"{what} failed: {lines[-1][:300] if lines else f'it ended with {done.returncode}'}", remedy=_missing(lines, command[0])
    )


def _missing(lines: Sequence[str], python: str) -> str:
    """What to install, where a module was missing."""
    missing = next((line.rpartition("'")[0].rpartition("'")[2] for line in reversed(lines) if "No module named" in line), "")
    return f"Install what it needs: {python} -m pip install {missing}" if missing else "Name another one with --converter PATH."
