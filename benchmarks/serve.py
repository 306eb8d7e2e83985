"""`tuneport models serve` under eight clients for two minutes, and its tokens a second beside plain `generate` of transformers.

    python -m benchmarks.serve [--seconds 120] [--clients 8] [--base NAME] [--no-record]

The server is a process of its own, as the command starts it, with the base and an adapter on it that changes nothing (LoRA as it begins).
Every client is the official one; it asks one question after another, of either model, whole or streamed, greedy or drawn. Then eight ask
the base alone, then one does. When the server has ended, `generate` answers such prompts in this process, one after another and eight at a
time, 64 tokens each; both wait for their threads in the same way (OMP_WAIT_POLICY). Limit: no client sees an error, no answer comes without
its end, and the server stops as it should.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.record import record

BASE = "smollm2-135m-instruct"
KEY = "key-of-the-benchmark"
TOKENS = 64
NAMES = ("base", "tuned")
LIMIT_ERRORS = 0
_PROGRAM = "import sys; from tuneport.cli import main; sys.exit(main())"


@dataclass(slots=True)
class Tally:
    """What the clients saw. `waits_s` is the time to the first word of streams, `took_s` that of whole requests."""

    requests: int = 0
    tokens: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    waits_s: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Figures for the record."""
        return {
            "requests": self.requests,
            "tokens": self.tokens,
            "errors": self.errors,
            "unfinished": self.unfinished,
            "first_word_s": _spread(self.waits_s),
            "request_s": _spread(self.took_s),
        }


def _spread(times: list[float]) -> dict[str, float] | None:
    if len(times) < 2:
        return None
    return {
        "median": round(statistics.median(times), 3),
        "p95": round(statistics.quantiles(times, n=20)[-1], 3),
        "max": round(max(times), 3),
    }


def question(number: int) -> list[Any]:
    """The conversation of one request."""
    return [{"role": "user", "content": f"Tell me a short story about the number {number} and a lost bank card."}]


# --- the server ------------------------------------------------------------------------------------------------------------------------


def adapter(base: str, folder: Path, *, home: Path) -> Path:
    """A LoRA adapter as it begins, which leaves the base as it is and costs what an adapter costs."""
    from peft import LoraConfig, get_peft_model
    from tuneport_local.bases import weights
    from tuneport_local.quiet import quiet

    loaded = weights.load(base, home=home, dtype="bf16")
    with quiet():
        tuned: Any = get_peft_model(loaded.model, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
        tuned.save_pretrained(folder, save_embedding_layers=False)
    (folder / "run.json").write_text(json.dumps({"base": {"id": base}}), encoding="utf-8")
    return folder


@contextmanager
def server(models: list[str], *, home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address and its process. Told to stop at the end, as a user would."""
    names = [word for name in NAMES[: len(models)] for word in ("--as", name)]
    command = [sys.executable, "-c", _PROGRAM, "--json", "--home", str(home), "models", "serve", *models, *names, "--port", "0"]
    environ = {**os.environ, "TUNEPORT_SERVE_KEY": KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.terminate()
            process.wait(60)


# --- the clients -----------------------------------------------------------------------------------------------------------------------


async def crowd(url: str, *, clients: int, seconds: float, models: tuple[str, ...] = NAMES) -> Tally:
    """All clients at once, each asking until the time is up."""
    import openai

    tally = Tally()
    ends = time.monotonic() + seconds
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=300) as client:
        await asyncio.gather(*(_asking(client, range(place, 10**9, clients), tally, ends=ends, models=models) for place in range(clients)))
    return tally


async def _asking(client: Any, numbers: Iterable[int], tally: Tally, *, ends: float, models: tuple[str, ...]) -> None:
    """One client, until the time is up."""
    for number in numbers:
        if time.monotonic() >= ends:
            return
        began = time.monotonic()
        asked = {
            "model": models[number % len(models)],
            "messages": question(number),
            "max_tokens": TOKENS,
            "temperature": 0.7 if number % 3 == 0 else 0,
        }
        try:
            await (_streamed(client, asked, tally) if number % 2 else _whole(client, asked, tally))
        except Exception as error:  # whatever it is, it is what a user would have seen
            name = type(error).__name__
            tally.errors[name] = tally.errors.get(name, 0) + 1
        tally.requests += 1
        tally.took_s.append(time.monotonic() - began)


async def _whole(client: Any, asked: dict[str, Any], tally: Tally) -> None:
    answer = await client.chat.completions.create(**asked)
    tally.tokens += answer.usage.completion_tokens
    tally.unfinished += answer.choices[0].finish_reason not in ("stop", "length")


async def _streamed(client: Any, asked: dict[str, Any], tally: Tally) -> None:
    began, finish, tokens = time.monotonic(), None, 0
    async for chunk in await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        if chunk.choices and chunk.choices[0].delta.content and finish is None and tokens == 0:
            tally.waits_s.append(time.monotonic() - began)
            tokens = -1
        if chunk.choices and chunk.choices[0].finish_reason:
            finish = chunk.choices[0].finish_reason
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
    tally.tokens += max(tokens, 0)
    tally.unfinished += finish not in ("stop", "length") or tokens < 0


# --- plain generate --------------------------------------------------------------------------------------------------------------------


def plain(base: str, *, home: Path, rows: int, prompts: int) -> float:
    """Tokens a second of `generate`, `rows` prompts at a time."""
    import torch
    from tuneport_local.bases import weights
    from tuneport_local.machine import hardware

    machine = hardware.choose()
    loaded = weights.load(base, home=home, dtype=machine.precision, device=machine.device)
    tokenizer = loaded.tokenizer
    tokenizer.padding_side = "left"
    written, began = 0, 0.0
    for start in range(-rows, prompts, rows):  # the first batch warms up and is not counted
        texts = [
            tokenizer.apply_chat_template(question(abs(number)), tokenize=False, add_generation_prompt=True)
            for number in range(start, start + rows)
        ]
        given = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(machine.device)
        if start == 0:
            began = time.perf_counter()
        with torch.inference_mode():
            answers = loaded.model.generate(
                **given, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        written += (answers.shape[1] - given.input_ids.shape[1]) * rows if start >= 0 else 0
    return written / (time.perf_counter() - began)


def measure(base: str, *, seconds: float, clients: int, home: Path, scratch: Path) -> dict[str, Any]:
    """The server under the crowd, then `generate` alone."""
    from tuneport_local.machine.threads import share_cores

    share_cores()
    models = [f"local:{base}", f"local:{adapter(base, scratch / 'adapter', home=home)}"]
    found: dict[str, Any] = {"base": base, "clients": clients, "seconds": seconds, "max_tokens": TOKENS}
    with server(models, home=home) as (url, process):
        asyncio.run(crowd(url, clients=clients, seconds=2.0))
        for name, names, long in (("both", NAMES, seconds), ("one_model", NAMES[:1], seconds / 4), ("one_client", NAMES[:1], seconds / 4)):
            began = time.monotonic()
            tally = asyncio.run(crowd(url, clients=1 if name == "one_client" else clients, seconds=long, models=names))
            found[name] = {**tally.to_dict(), "tokens_per_s": round(tally.tokens / (time.monotonic() - began), 1)}
    found["exit_code"] = process.returncode
    found["generate_tokens_per_s"] = {
        str(rows): round(plain(base, home=home, rows=rows, prompts=prompts), 1) for rows, prompts in ((1, 3), (clients, 2 * clients))
    }
    return found


def broken(found: dict[str, Any]) -> list[str]:
    """What the limit says against these figures."""
    parts = [found[name] for name in ("both", "one_model", "one_client")]
    errors = sum(sum(part["errors"].values()) for part in parts)
    unfinished = sum(part["unfinished"] for part in parts)
    said = [f"{errors} errors"] if errors > LIMIT_ERRORS else []
    said += [f"{unfinished} answers without an end"] if unfinished else []
    return said + ([f"the server ended with {found['exit_code']}"] if found["exit_code"] else [])


def main() -> int:
    """Measures, prints, records; 1 when a client saw an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary) / "home").resolve()
        found = measure(given.base, seconds=given.seconds, clients=given.clients, home=home, scratch=Path(temporary))
    both, speeds = found["both"], found["generate_tokens_per_s"]
    headline = (
        f"{given.clients} clients, {given.seconds:.0f} s: {both['requests']} requests, {sum(both['errors'].values())} errors, "
        f"{both['tokens_per_s']} tokens/s (one model {found['one_model']['tokens_per_s']}, "
        f"one client {found['one_client']['tokens_per_s']}); "
        f"generate {speeds['1']} one by one, {speeds[str(given.clients)]} in batches of {given.clients}"
    )
    print(json.dumps(found, indent=2))
    print(headline)
    if not given.no_record:
        record("serve", found, headline=headline)
    if wrong := broken(found):
        print("; ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
