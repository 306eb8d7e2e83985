"""Batched answers, as `predict` and evaluation have them, beside transformers: its `generate` and its server, in turns on the same prompts.

    python -m benchmarks.predict [--data FOLDER] [--prompts 48] [--tokens 48] [--rounds 4] [--batches 8 48] [--no-record]

Greedy answers to questions of gsm8k by the built-in model in bf16. `generate` gets the prompts in padded batches of each size, in their
order. `transformers serve` gets them from as many clients at once as the largest batch has rows, once answering in turn and once with its
continuous batching; it needs fastapi (pip install 'transformers[serving]'), and is passed over without. Counted are the tokens that were
written up to the end of each answer, by the clock and by the processor's time, the server's with it. Limit: not slower than the fastest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.predict_room.served import Served, served, why_absent
from benchmarks.record import paired_rounds, record
from benchmarks.train import base_folder
from benchmarks.train_room.material import FOLDER, SOURCES

BASE = "smollm2-135m-instruct"
LIMIT = 1.0
OURS = "tuneport"

Answers = list[list[int]]


@dataclass(frozen=True, slots=True)
class Side:
    """Who answers: `work` returns how many tokens were written, `elsewhere` what another process has used of the processor so far."""

    work: Callable[[], int]
    elsewhere: Callable[[], float] = float


def prompts_of(questions: list[str], tokenizer: Any) -> list[list[int]]:
    """As the model is asked."""
    asked = ([{"role": "user", "content": question}] for question in questions)
    return [list(tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True)["input_ids"]) for turn in asked]


def ours(model: Any, tokenizer: Any, prompts: Answers, *, tokens: int) -> int:
    """How many tokens were written."""
    from tuneport_local.bases.generation import generate

    from tuneport.provider import Generation

    found = generate(model, tokenizer, prompts, generation=Generation(max_tokens=tokens, temperature=0.0))
    return sum(answer.tokens[1] for answer in found if answer.tokens)


def theirs(model: Any, tokenizer: Any, prompts: Answers, *, tokens: int, batch: int) -> int:
    """The same by transformers, so many prompts at a time, padded on the left."""
    import torch

    written = 0
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        longest = max(map(len, some))
        ids = torch.tensor([[tokenizer.pad_token_id] * (longest - len(prompt)) + prompt for prompt in some])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in some])
        with torch.inference_mode():
            answers = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )[:, longest:]
        ended = (answers == tokenizer.eos_token_id).int().cumsum(1)
        written += int((ended == 0).sum())
    return written


def by_server(server: Served, tokenizer: Any, questions: list[str], *, tokens: int) -> int:
    """The same by a server, counted from the words of its answers."""
    answers = server.answers(questions, tokens=tokens)
    return sum(len(tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers)


def measured(sides: dict[str, Side], *, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every side once a round, every other round backwards; a round before them warms up."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in list(sides.items())[:: 1 if number % 2 else -1]:
            began, cpu = time.perf_counter(), time.process_time() + side.elsewhere()
            written = side.work()
            took, spent = time.perf_counter() - began, time.process_time() + side.elsewhere() - cpu
            if number:
                found[name].append({"tokens": written, "per_s": written / took, "per_processor_s": written / spent})
                print(f"{name:28} {written / took:7.1f} tokens/s {written / spent:7.1f} a processor second", flush=True)
    return found


def compared(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians, and how many times as fast ours is as the fastest of the others, round by round."""
    medians = {name: {rate: statistics.median(run[rate] for run in runs) for rate in runs[0]} for name, runs in found.items()}
    rival = max((name for name in found if name != OURS), key=lambda name: medians[name]["per_s"])
    ratios = {
        rate: statistics.median(one[rate] / other[rate] for one, other in zip(found[OURS], found[rival], strict=True))
        for rate in ("per_s", "per_processor_s")
    }
    return {"medians": medians, "fastest": rival, "ratios": ratios, "rounds": found}


def run(prompts: int, *, tokens: int, rounds: int, batches: list[int], data: Path, home: Path, base: str) -> dict[str, Any]:
    """The figures."""
    from tuneport_local.bases import weights
    from tuneport_local.machine import hardware

    loaded = weights.load(base, home=home, dtype=hardware.choose().precision)
    questions = [asked for asked, _ in SOURCES["gsm8k"].rows(data, count=prompts, file="test")]
    asked = prompts_of(questions, loaded.tokenizer)
    given = (loaded.model, loaded.tokenizer, asked)
    sides = {OURS: Side(partial(ours, *given, tokens=tokens))}
    for batch in batches:
        sides[f"transformers, batches of {batch}"] = Side(partial(theirs, *given, tokens=tokens, batch=batch))
    with ExitStack() as servers:
        for words, batching in () if why_absent() else (("in turn", False), ("continuous batching", True)):
            folder = str(base_folder(base, home))
            server = servers.enter_context(served(folder, clients=max(batches), batching=batching))
            sides[f"transformers serve, {words}"] = Side(
                partial(by_server, server, loaded.tokenizer, questions, tokens=tokens), server.processor_s
            )
        found = compared(measured(sides, rounds=rounds))
    return {"base": base, "prompts": prompts, "max_tokens": tokens, "not_measured": why_absent(), **found}


def main() -> int:
    """Measures, prints, records; 1 when ours is slower, 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder with gsm8k/")
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=paired_rounds, default=4)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 48])
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if reason := SOURCES["gsm8k"].why_absent(given.data):
        print(f"predict: skipped, {reason}", file=sys.stderr)
        return 2
    from tuneport_local.machine.threads import share_cores

    share_cores()
    asked = {"tokens": given.tokens, "rounds": given.rounds, "batches": given.batches, "data": given.data, "base": given.base}
    with tempfile.TemporaryDirectory() as temporary:
        figures = run(given.prompts, home=(given.home or Path(temporary)).resolve(), **asked)
    ratios, medians = figures["ratios"], figures["medians"]
    headline = (
        f"{medians[OURS]['per_s']:.0f} tokens/s, {ratios['per_s']:.2f} x {figures['fastest']} ({ratios['per_processor_s']:.2f} x by the "
        "processor's time)"
    )
    print(headline)
    if not given.no_record:
        record("predict", figures, headline=headline)
    return 0 if ratios["per_s"] >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
