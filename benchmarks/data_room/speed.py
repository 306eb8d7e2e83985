"""Converting and checking against the JSON parser, two workers against one, and counting tokens against the tokenizer alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import orjson

from benchmarks.data_room.rounds import in_turns, rates, ratio
from benchmarks.data_room.verdict import Outcome, Setting, Verdict
from tuneport.dataset import Dataset

LIMIT_CONVERT = 0.6
LIMIT_WORKERS = 1.7
LIMIT_CHECK = 0.25
LIMIT_TOKENS = 0.8
MODEL = "openai:gpt-4.1-mini"
"""With a model, all of OpenAI's limits are looked at, that of tokens included."""


def parse_and_write(source: Path, target: Path) -> None:
    """The yardstick: every line through orjson and back, into a file that is synced to the disk, as ours is."""
    with source.open("rb") as lines, target.open("wb") as file:
        for line in lines:
            file.write(orjson.dumps(orjson.loads(line)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def parse(source: Path) -> None:
    """The yardstick of what only reads."""
    with source.open("rb") as lines:
        for line in lines:
            orjson.loads(line)


def converting(source: Path, target: Path, *, workers: int = 1) -> Callable[[], object]:
    """Reading, canonical form, report of losses, writing: all of `Dataset.write`. The format is recognised each time."""
    return lambda: Dataset.read(source).write(target, format="gemini", workers=workers)


def convert(setting: Setting) -> Outcome:
    """OpenAI chat to Gemini in one process, against orjson's loads and dumps."""
    source, ours, theirs = setting.chat, setting.folder / "ours.jsonl", setting.folder / "theirs.jsonl"
    sides = {"orjson": lambda: parse_and_write(source, theirs), "tuneport": converting(source, ours)}
    times = in_turns(sides, rounds=setting.rounds, before=lambda: forget(ours, theirs))
    found = ratio(times, ours="tuneport", theirs="orjson")
    figures = {
        "file_mb": round(source.stat().st_size / 1e6, 1),
        "both_synced": True,
        **rates(times, setting.rows),
        "ratio": round(found, 3),
    }
    return Outcome(figures, (Verdict("chat to Gemini against orjson loads and dumps", found, LIMIT_CONVERT),))


def workers(setting: Setting) -> Outcome:
    """The same conversion in two processes and in one."""
    target = setting.folder / "ours.jsonl"
    sides = {"one": converting(setting.chat, target), "two": converting(setting.chat, target, workers=2)}
    times = in_turns(sides, rounds=setting.rounds, before=lambda: forget(target))
    found, cores = ratio(times, ours="two", theirs="one"), usable_cores()
    figures = {"cores": cores, **rates(times, setting.rows), "ratio": round(found, 3)}
    name = "two workers against one"
    if cores < 2:
        return Outcome(figures, (Verdict(name, None, LIMIT_WORKERS, reason="one core only"),))
    return Outcome(figures, (Verdict(name, found, LIMIT_WORKERS),))


def check(setting: Setting) -> Outcome:
    """Every rule for OpenAI but that of tokens, against orjson's loads; with near duplicates it is measured too, without a limit."""
    from tuneport.checks import check as checked
    from tuneport.limits import target

    source, openai = setting.chat, target(MODEL)
    sides: dict[str, Callable[[], object]] = {
        "orjson": lambda: parse(source),
        "tuneport": lambda: checked(Dataset.read(source), target=openai),
        "tuneport, near duplicates too": lambda: checked(Dataset.read(source), target=openai, near=True),
    }
    times = in_turns(sides, rounds=setting.rounds)
    found, near = (ratio(times, ours=name, theirs="orjson") for name in list(sides)[1:])
    figures = {**rates(times, setting.rows), "ratio": round(found, 3), "ratio_near": round(near, 3)}
    return Outcome(figures, (Verdict("check for OpenAI against orjson loads", found, LIMIT_CHECK),))


def tokens(setting: Setting) -> Outcome:
    """The same check with exact token counts, against the tokenizer alone over the texts of the same rows, which are in memory."""
    from tuneport.checks import check as checked
    from tuneport.limits import target
    from tuneport.tokens import counter_for
    from tuneport.tokens.encodings import bindings

    counter, openai = counter_for(MODEL), target(MODEL)
    source = setting.folder / "tokens.jsonl"
    with setting.chat.open("rb") as lines, source.open("wb") as file:
        file.writelines(islice(lines, setting.token_rows))
    texts = [message["content"] for line in source.read_bytes().splitlines() for message in orjson.loads(line)["messages"]]
    alone = bindings(counter.name).tokenizer_for_encoding(counter.name).count

    def tokenize() -> None:
        for text in texts:
            alone(text)

    sides: dict[str, Callable[[], object]] = {
        "tokenizer": tokenize,
        "tuneport": lambda: checked(Dataset.read(source), target=openai, counter=counter),
    }
    times = in_turns(sides, rounds=setting.rounds)
    found = ratio(times, ours="tuneport", theirs="tokenizer")
    rows = min(setting.token_rows, setting.rows)
    figures = {"encoding": counter.name, "exact": counter.exact, **rates(times, rows), "ratio": round(found, 3)}
    return Outcome(figures, (Verdict("check with token counts against the tokenizer", found, LIMIT_TOKENS),))


def forget(*paths: Path) -> None:
    """Both sides write a file that is not there yet: dropping an old one takes time that belongs to neither."""
    for path in paths:
        path.unlink(missing_ok=True)


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
