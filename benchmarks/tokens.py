"""How fast tokens are counted from a file, against the tokenizer alone over the same texts in memory.

    python -m benchmarks.tokens [--rows 5000] [--rounds 12] [--tokenizer FOLDER] [--no-record]

Ours reads the file, makes rows of it, renders them where there is a chat template, and counts. The tokenizer alone gets the very texts, in
batches. Both take turns in many short rounds, in a process for each number of cores, and the median of the rounds' ratios counts.
Limit: 80 % of the tokenizer's speed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import paired_rounds, record

LIMIT = 0.8
BATCH = 256
EMBEDDED = "models/smollm2-135m-instruct"
"""Where `tuneport demo` leaves the embedded model, under Tuneport's home."""


def write_rows(path: Path, rows: int) -> None:
    """Conversations of three messages, 880 bytes each, in 3,000 words that are none."""
    drawn = random.Random(1)
    words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 9))) for _ in range(3000)]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            said = [" ".join(drawn.choices(words, k=count)) for count in (20, 50, 47)]
            messages = [{"role": role, "content": text} for role, text in zip(("system", "user", "assistant"), said, strict=True)]
            file.write(json.dumps({"messages": messages}) + "\n")


def measure(path: Path, *, part: str, rounds: int) -> dict[str, float]:
    """Seconds of both and tokens of one pass, in this process. `part` is an encoding or the folder of a tokenizer."""
    from tuneport.dataset import Dataset
    from tuneport.tokens import counter_for

    counter = counter_for(_MODELS.get(part, part), tokenizer=None if part in _MODELS else part)
    dataset = Dataset.read(path)
    alone = _encoding_alone(dataset, counter) if part in _MODELS else _tokenizer_alone(dataset, counter)

    def ours() -> int:
        return sum(sum(counter.count_block(block.examples)) for block in dataset.blocks())

    sides: dict[str, Callable[[], int]] = {"alone": alone, "ours": ours}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    tokens = ours()
    sides["alone"]()
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            sides[name]()
            taken[name].append(time.perf_counter() - began)
    share = statistics.median(alone / ours for alone, ours in zip(taken["alone"], taken["ours"], strict=True))
    return {"tokens": tokens, "share": share, **{f"{name}_s": statistics.median(seconds) for name, seconds in taken.items()}}


_MODELS = {"o200k_base": "gpt-4o", "cl100k_base": "gpt-4"}


def _encoding_alone(dataset: Any, counter: Any) -> Callable[[], int]:
    from tuneport.tokens.encodings import bindings

    texts = [message.content for example in dataset for message in example.messages]
    count = bindings(counter.name).tokenizer_for_encoding(counter.name).count
    return lambda: sum(map(count, texts))


def _tokenizer_alone(dataset: Any, counter: Any) -> Callable[[], int]:
    from tuneport.tokens.chat_template import ChatTemplate

    files = counter.files
    template = ChatTemplate(files.chat_templates["default"], special=files.special_tokens, place=files.name)
    texts, tokenizer = [template.render(example.messages) for example in dataset], files.tokenizer()

    def alone() -> int:
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return sum(len(found) for batch in batches for found in tokenizer.encode_batch_fast(batch, add_special_tokens=False))

    return alone


def _in_a_process(path: Path, *, part: str, rounds: int, cores: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.tokens", "--part", part, "--file", str(path), "--rounds", str(rounds)]
    done = subprocess.run(command, env={**os.environ, "RAYON_NUM_THREADS": str(cores)}, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measures, prints, records; 1 when the limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=paired_rounds, default=12)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measure(given.file, part=given.part, rounds=given.rounds)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, given.rows)
        figures = {
            f"{Path(part).name}, {cores} core{'s' * (cores > 1)}": _in_a_process(path, part=part, rounds=given.rounds, cores=cores)
            for part, cores in _parts(given.tokenizer)
        }
    for name, found in figures.items():
        print(f"{name:36} {_speed(found):6.2f} M tokens/s  {found['share']:6.1%} of the tokenizer alone")
    if not given.no_record:
        headline = "; ".join(f"{name}: {_speed(found):.1f} M tokens/s, {found['share']:.0%} of it alone" for name, found in figures.items())
        record("tokens", {"rows": given.rows, "rounds": given.rounds, "parts": figures}, headline=headline)
    slow = [name for name, found in figures.items() if found["share"] < LIMIT]
    for name in slow:
        print(f"{name} is under the limit of {LIMIT:.0%}", file=sys.stderr)
    return 1 if slow else 0


def _parts(tokenizer: Path | None) -> list[tuple[str, int]]:
    """What is measured with how many cores. The encodings hold Python's lock while they count, so that a second core is of no use."""
    from tuneport.settings import load_settings

    folder = tokenizer or load_settings().home / EMBEDDED
    there = (folder / "tokenizer.json").is_file()
    if not there:
        print(f"no tokenizer in {folder}: only encodings are measured", file=sys.stderr)
    return [("o200k_base", 1), ("cl100k_base", 1), *([(str(folder), 1), (str(folder), 2)] if there else [])]


def _speed(found: dict[str, float]) -> float:
    return found["tokens"] / found["ours_s"] / 1e6


if __name__ == "__main__":
    sys.exit(main())
