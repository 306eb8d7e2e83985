"""One thread that owns the networks: takes orders, lets each model's rows go a step in turn, and tells what they say.

Nothing else touches a network or its adapters, so a row is never answered with another's. An order that fails takes its own flight with it
and nothing more.
"""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

from tuneport.provider import Generation
from tuneport_local.bases.generation import seeds_of
from tuneport_local.serving.complaint import complain
from tuneport_local.serving.flight import Flight, Passenger
from tuneport_local.serving.request import Refusal
from tuneport_local.serving.words import Words

_WAITING_AT_MOST = 256
ROWS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Said:
    """Some more text. `tokens`: how many have been written by now."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is whole. `finish` is stop or length, `tokens` what was written, the token that ended it not counted."""

    finish: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ends here."""

    refusal: Refusal


Happening = Said | Done | Failed


@dataclass(slots=True, eq=False)
class Order:
    """One answer that is wanted. `generation.max_tokens` is what the model can see after the prompt, or less. `hear` is called from the
    engine's thread; a listener that raises has gone. `given_up` may be set by anybody, and ends it without a word."""

    model: str
    prompt: tuple[int, ...]
    generation: Generation
    hear: Callable[[Happening], object]
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Voice:
    """What the engine needs of one model. `network` gives it, with its adapter on, for as long as a block lasts; `ends` are the tokens that
    end an answer, `silent` those that are not words."""

    network: Callable[[], AbstractContextManager[Any]]
    tokenizer: Any
    ends: frozenset[int]
    silent: frozenset[int]


@dataclass(slots=True, eq=False)
class _Row:
    order: Order
    passenger: Passenger
    words: Words
    tokens: int = 0


@dataclass(slots=True, eq=False)
class _Turn:
    """A flight of one model with its rows, and the row whose prompt is being read."""

    model: str
    flight: Flight = field(default_factory=Flight)
    rows: dict[int, _Row] = field(default_factory=dict)
    boarding: deque[_Row] = field(default_factory=deque)


class Engine:
    """`start` it, give it orders with `take` from any thread, `stop` it."""

    def __init__(self, voices: Mapping[str, Voice], *, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self._voices = voices
        self._rows_at_once = rows_at_once
        self._waiting: deque[Order] = deque()
        self._turns: list[_Turn] = []
        self._number = 0
        self._wake = threading.Condition()
        self._stopping: Refusal | None = None
        self._thread = threading.Thread(target=self._run, name="tuneport-engine")

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive() and self._stopping is None

    @property
    def load(self) -> dict[str, int]:
        """How many answers are being written, and how many wait to be."""
        return {"answering": sum(len(turn.rows) + len(turn.boarding) for turn in list(self._turns)), "waiting": len(self._waiting)}

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def take(self, order: Order) -> None:
        """Raises Refusal when too many wait already, or nothing is answered any more."""
        with self._wake:
            if self._stopping is not None or not self._thread.is_alive():
                raise self._stopping or Refusal("The server answers no more.", status=503, code="stopped")
            if len(self._waiting) >= _WAITING_AT_MOST:
                raise Refusal("Too many requests wait already. Try again later.", status=429, code="rate_limit_exceeded")
            self._waiting.append(order)
            self._wake.notify()

    def stop(self, refusal: Refusal) -> None:
        """Ends every answer with `refusal`, at the next step."""
        with self._wake:
            self._stopping = self._stopping or refusal
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Waits for the thread to end, once it has been told to stop."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    # --- in the thread ---------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._await_work():
                self._admit()
                for turn in list(self._turns):
                    self._go_on(turn)
                self._turns = [turn for turn in self._turns if turn.rows or turn.boarding]
        finally:
            self._end_all()

    def _await_work(self) -> bool:
        """Sleeps while there is nothing to do. False when it is over."""
        with self._wake:
            while not self._waiting and not self._turns and self._stopping is None:
                self._wake.wait()
            return self._stopping is None

    def _admit(self) -> None:
        """Orders that wait find a seat, in the order in which they came."""
        with self._wake:
            free = self._rows_at_once - sum(len(turn.rows) + len(turn.boarding) for turn in self._turns)
            taken = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        for order in taken:
            if not order.given_up:
                self._turn_for(order.model).boarding.append(self._row(order))

    def _turn_for(self, model: str) -> _Turn:
        found = next((turn for turn in self._turns if turn.model == model and turn.flight.joinable), None)
        if found is None:
            found = _Turn(model)
            self._turns.append(found)
        return found

    def _row(self, order: Order) -> _Row:
        voice = self._voices[order.model]
        self._number += 1
        passenger = Passenger.of(self._number, order.prompt, generation=order.generation, seed=seeds_of(order.generation, 1)[0])
        return _Row(order, passenger, Words(voice.tokenizer, stop=order.generation.stop, silent=voice.silent))

    def _go_on(self, turn: _Turn) -> None:
        """A piece of a prompt, and a step of all rows aboard. What goes wrong ends the rows of this flight."""
        try:
            with self._voices[turn.model].network() as network:
                self._drop_given_up(turn)
                if turn.boarding and (turn.flight.joinable or not turn.rows):
                    self._board(turn, network)
                if turn.rows:
                    self._step(turn, network)
        except Exception as error:  # torch raises its own: no memory left, a kernel that gave up
            self._give_up(turn, error)

    def _drop_given_up(self, turn: _Turn) -> None:
        turn.boarding = deque(row for row in turn.boarding if not row.order.given_up)
        gone = frozenset(number for number, row in turn.rows.items() if row.order.given_up)
        self._leave(turn, gone)

    def _board(self, turn: _Turn, network: Any) -> None:
        row = turn.boarding[0]
        token = turn.flight.board(network, row.passenger)
        if token is None:
            return
        turn.boarding.popleft()
        turn.rows[row.passenger.number] = row
        if not turn.flight.joinable:
            self._separate(turn)
        self._leave(turn, self._heard(turn, [(row.passenger.number, token)]))

    def _separate(self, turn: _Turn) -> None:
        """Every further row gets a flight of its own."""
        for row in turn.boarding:
            self._turns.append(_Turn(turn.model, boarding=deque([row])))
        turn.boarding.clear()

    def _step(self, turn: _Turn, network: Any) -> None:
        self._leave(turn, self._heard(turn, turn.flight.step(network)))

    def _heard(self, turn: _Turn, said: list[tuple[int, int]]) -> frozenset[int]:
        """Tells what the tokens say; the rows that have ended with them."""
        ends = self._voices[turn.model].ends
        return frozenset(number for number, token in said if _tell(turn.rows[number], token, ends=ends))

    def _leave(self, turn: _Turn, numbers: frozenset[int]) -> None:
        if numbers:
            turn.flight.leave(numbers)
            for number in numbers:
                del turn.rows[number]

    def _give_up(self, turn: _Turn, error: Exception) -> None:
        complain(f"an answer of {turn.model} failed", error)
        full = "memory" in type(error).__name__.lower()
        refusal = Refusal(
            "The machine has not enough memory for this request now." if full else f"The model failed ({type(error).__name__}).",
            status=503 if full else 500,
            code="out_of_memory" if full else "model_failed",
        )
        for row in (*turn.rows.values(), *turn.boarding):
            _hear(row.order, Failed(refusal))
        turn.rows.clear()
        turn.boarding.clear()
        turn.flight = Flight()
        _free_memory()

    def _end_all(self) -> None:
        with self._wake:
            refusal = self._stopping or Refusal("The server failed.", status=500, code="server_failed")
            self._stopping = refusal
            orders = [*self._waiting, *(row.order for turn in self._turns for row in (*turn.rows.values(), *turn.boarding))]
            self._waiting.clear()
            self._turns = []
        for order in orders:
            _hear(order, Failed(refusal))


def _tell(row: _Row, token: int, *, ends: frozenset[int]) -> bool:
    """Tells the listener what the token adds. True when the answer has ended with it."""
    finish = ""
    if token in ends:
        finish = "stop"
    else:
        row.tokens += 1
        _say(row, row.words.add(token))
        finish = "stop" if row.words.stopped else "length" if row.tokens >= row.order.generation.max_tokens else ""
    if finish:
        _say(row, row.words.rest())
        _hear(row.order, Done("stop" if row.words.stopped else finish, row.tokens))
    return bool(finish) or row.order.given_up


def _say(row: _Row, text: str) -> None:
    if text:
        _hear(row.order, Said(text, row.tokens))


def _hear(order: Order, happening: Happening) -> None:
    if not order.given_up:
        try:
            order.hear(happening)
        except RuntimeError:  # the loop it would be heard in is closed
            order.given_up = True


def _free_memory() -> None:
    import torch

    gc.collect()
    with suppress(RuntimeError):
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
