"""The engine: rows that come and go are answered as each alone would be, and nobody waits for one who has left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases.generation import end_tokens, generate
from tuneport_local.serving.engine import Done, Engine, Failed, Happening, Order, Said, Voice
from tuneport_local.serving.request import Refusal
from tuneport_local.serving.words import silent_tokens

from tuneport.provider import Generation

from .speaking import save_endless
from .tiny import tiny_model, tiny_tokenizer
from .workers import until

pytestmark = pytest.mark.train

SECONDS = 60.0


class Listener:
    """Hears one order to its end."""

    def __init__(self) -> None:
        self.text = ""
        self.pieces = 0
        self.end: Happening | None = None
        self.over = threading.Event()

    def __call__(self, happening: Happening) -> None:
        if isinstance(happening, Said):
            self.text += happening.text
            self.pieces += 1
        else:
            self.end = happening
            self.over.set()

    def result(self) -> tuple[str, Happening | None]:
        assert self.over.wait(SECONDS)
        return self.text, self.end


def voice(network: Any, tokenizer: Any, *, fails: Callable[[], None] = lambda: None) -> Voice:
    @contextmanager
    def give() -> Iterator[Any]:
        fails()
        yield network

    return Voice(give, tokenizer, end_tokens(network, tokenizer), silent_tokens(tokenizer))


@contextmanager
def running(voices: dict[str, Voice], *, rows_at_once: int = 32) -> Iterator[Engine]:
    engine = Engine(voices, rows_at_once=rows_at_once)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(Refusal("over", status=503))
        engine.join(SECONDS)


def order(tokens: list[int], listener: Listener, *, model: str = "m", **generation: Any) -> Order:
    return Order(model, tuple(tokens), Generation(**{"max_tokens": 12, **generation}), listener)


def prompts(tokenizer: Any) -> list[list[int]]:
    texts = ["Where is my card?", "I lost it. " * 20, "Yes", "Red Blue one two three " * 4, "0", "hello world " * 90]
    return [list(tokenizer(text, add_special_tokens=False).input_ids) for text in texts]


def windowed() -> Any:
    """A model some of whose layers see the last tokens only."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    sizes = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048}
    kinds = ["sliding_attention", "full_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**sizes, **heads, sliding_window=16, layer_types=kinds, eos_token_id=2)).eval()


def larger() -> Any:
    """The tiny llama, for longer prompts."""
    network = tiny_model()
    network.config.max_position_embeddings = 2048
    return network


@pytest.mark.parametrize("make", [larger, windowed])
@pytest.mark.parametrize("warm", [{}, {"temperature": 1.2, "top_p": 0.8}])
@pytest.mark.parametrize("rows_at_once", [1, 3, 32])
def test_rows_that_come_at_any_time_are_answered_as_each_is_alone(make: Callable[[], Any], warm: dict[str, Any], rows_at_once: int) -> None:
    network, tokenizer = make(), tiny_tokenizer()
    asked = prompts(tokenizer)
    settings = [{**warm, "seed": number, "max_tokens": 5 + 4 * number} for number in range(len(asked))]
    alone = [
        next(generate(network, tokenizer, [prompt], generation=Generation(**each))) for prompt, each in zip(asked, settings, strict=True)
    ]
    listeners = [Listener() for _ in asked]
    with running({"m": voice(network, tokenizer)}, rows_at_once=rows_at_once) as engine:
        for number, (prompt, each, listener) in enumerate(zip(asked, settings, listeners, strict=True)):
            engine.take(order(prompt, listener, **each))
            if number % 2:
                until(lambda listener=listener: listener.pieces or listener.over.is_set())  # some come while others are being answered
        found = [listener.result() for listener in listeners]
    assert [text for text, _ in found] == [answer.text for answer in alone]
    assert [end for _, end in found] == [Done(answer.finish, answer.tokens[1]) for answer in alone]


def test_a_row_that_was_given_up_makes_room(tmp_path: Path) -> None:
    from tuneport_local.bases.loading import load_model, load_tokenizer

    folder = save_endless(tmp_path, layers=2)
    network, tokenizer = load_model(folder, dtype="fp32", device="cpu"), load_tokenizer(folder)
    left, stays = Listener(), Listener()
    steps: list[None] = []
    with running({"m": voice(network, tokenizer, fails=lambda: steps.append(None))}, rows_at_once=1) as engine:
        leaving = order([5, 6, 7], left, max_tokens=4000)
        engine.take(leaving)
        until(lambda: left.pieces)
        engine.take(order([5, 6, 7], stays, max_tokens=3))
        leaving.given_up = True
        assert stays.result()[1] == Done("length", 3)
        assert len(steps) < 1000
    assert left.end is None


def test_a_model_that_fails_ends_its_own_rows_and_no_others() -> None:
    network, tokenizer = tiny_model(), tiny_tokenizer()

    def fail() -> None:
        raise RuntimeError("no such kernel")

    broken, well, after = Listener(), Listener(), Listener()
    with running({"broken": voice(network, tokenizer, fails=fail), "well": voice(network, tokenizer)}) as engine:
        engine.take(order([5, 6], broken, model="broken"))
        engine.take(order([5, 6], well, model="well"))
        _, end = broken.result()
        assert isinstance(end, Failed)
        assert (end.refusal.status, end.refusal.code) == (500, "model_failed")
        assert isinstance(well.result()[1], Done)
        engine.take(order([5, 6], after, model="well"))
        assert isinstance(after.result()[1], Done)
        assert engine.alive


def test_a_listener_that_is_gone_stops_nobody() -> None:
    network, tokenizer = tiny_model(), tiny_tokenizer()

    def gone(_: Happening) -> None:
        raise RuntimeError("Event loop is closed")

    well = Listener()
    with running({"m": voice(network, tokenizer)}) as engine:
        engine.take(Order("m", (5, 6), Generation(max_tokens=50), gone))
        engine.take(order([5, 6], well))
        assert isinstance(well.result()[1], Done)
        until(lambda: engine.load == {"answering": 0, "waiting": 0})


def test_stopped_it_ends_what_runs_and_what_waits_and_takes_no_more(tmp_path: Path) -> None:
    from tuneport_local.bases.loading import load_model, load_tokenizer

    folder = save_endless(tmp_path, layers=2)
    network, tokenizer = load_model(folder, dtype="fp32", device="cpu"), load_tokenizer(folder)
    listeners = [Listener() for _ in range(3)]
    with running({"m": voice(network, tokenizer)}, rows_at_once=1) as engine:
        for listener in listeners:
            engine.take(order([5, 6], listener, max_tokens=4000))
        until(lambda: listeners[0].pieces)
        engine.stop(Refusal("stopped", status=503))
        ends = [listener.result()[1] for listener in listeners]
        assert all(isinstance(end, Failed) and end.refusal.status == 503 for end in ends)
        with pytest.raises(Refusal, match="stopped"):
            engine.take(order([5, 6], Listener()))


def test_more_than_can_wait_are_told_to_come_again() -> None:
    blocked = threading.Event()

    @contextmanager
    def waits() -> Iterator[Any]:
        blocked.wait(SECONDS)
        yield None

    engine = Engine({"m": Voice(waits, tiny_tokenizer(), frozenset(), frozenset())}, rows_at_once=1)
    engine.start()

    def crowd() -> None:
        for _ in range(1000):
            engine.take(order([5], Listener()))

    with pytest.raises(Refusal) as caught:
        crowd()
    assert caught.value.status == 429
    engine.stop(Refusal("over", status=503))
    blocked.set()
    engine.join(SECONDS)
