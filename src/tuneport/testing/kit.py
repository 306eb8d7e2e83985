"""What the rules of the kit are written with: sentences instead of bare asserts, and a guard against rules cut out in silence."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import TuneportError
from tuneport.examples import ChatExample
from tuneport.job import Snapshot
from tuneport.plan import Plan
from tuneport.provider import Capability, Provider, Support, Trainer
from tuneport.recipe import Recipe

T = TypeVar("T")
E = TypeVar("E", bound=TuneportError)
Settle = Callable[[str], Any]
"""Drives the job with that id to its end."""

UNKNOWN_JOB = "tuneport-kit-no-such-job"
UNKNOWN_FILE = "tuneport-kit-no-such-file"
LONG_ENOUGH = 6
"""Shorter texts of a row may stand in a message by chance."""
LONGEST_SHOWN = 600
EARLIER = timedelta(minutes=10)


def expect(holds: bool, wanted: str, got: object) -> None:
    """Fails with a sentence that says what the kit wanted and what it got."""
    if not holds:
        pytest.fail(f"expected {wanted}; got {_shown(got)}", pytrace=False)


def expect_error(call: Callable[[], object], *kinds: type[E], when: str) -> E:
    """The error that `call` raises, which must be one of `kinds`. Anything else fails with a sentence."""
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        value = call()
        if not isinstance(value, str | bytes | dict) and hasattr(value, "__iter__"):
            value = list(value)  # a generator raises when it is read
    except kinds as error:
        expect(bool(str(error).strip()), f"{when}: a {names} with a sentence", error)
        return error
    except BaseException as error:
        if not isinstance(error, Exception):
            raise
        pytest.fail(f"{when}: expected {names}; got {type(error).__name__}: {error}", pytrace=False)
    pytest.fail(f"{when}: expected {names}; got no error but {_shown(value)}", pytrace=False)


def expect_discreet(error: BaseException, hidden: Iterable[str], *, when: str) -> None:
    """No key and nothing from a row in what people and logs see of an error."""
    seen = " ".join([str(error), *(str(value) for value in (*error.args, *vars(error).values()))])
    expect(not any(text in seen for text in hidden), f"{when}: a message without secrets and without what rows say", "some of it is in it")


def texts_of(dataset: Dataset) -> set[str]:
    """What is said in the turns of the rows, as far as it is long enough to be recognised."""
    chats = (row for row in dataset if isinstance(row, ChatExample))
    return {text for chat in chats for turn in chat.messages if len(text := turn.text.strip()) >= LONG_ENOUGH}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"


def expect_time(value: datetime | None, what: str) -> None:
    """A time, where there is one, must know its zone."""
    expect(value is None or value.tzinfo is not None, f"{what} with a time zone", value)


@dataclass(frozen=True, slots=True)
class Made:
    """A job that the kit made. `since` is safely before its creation, by the provider's clock."""

    client_id: str
    plan: Plan
    snapshot: Snapshot

    @property
    def id(self) -> str:
        return self.snapshot.provider_id

    @property
    def since(self) -> datetime | None:
        created = self.snapshot.created_at
        return created - EARLIER if created else None


def make(trainer: Trainer, recipe: Recipe, *, client_id: str | None = None) -> Made:
    """Plans, uploads and creates, as `tuneport.submit` does when nothing goes wrong."""
    plan = trainer.plan(recipe)
    chosen = client_id or uuid.uuid4().hex
    return Made(chosen, plan, trainer.create(plan, chosen, uploaded(trainer, plan)))


def uploaded(trainer: Trainer, plan: Plan) -> dict[str, str]:
    """The ids of the plan's files by purpose, each uploaded unless it is there."""
    return {file.purpose: trainer.find_file(file) or trainer.upload(file) for file in plan.files}


def ids_of(trainer: Trainer) -> set[str]:
    """The ids of all jobs there are."""
    return {one.provider_id for one in trainer.list()}


def listed_one(trainer: Trainer, job_id: str) -> Snapshot:
    """What the listing says of one job that must be in it."""
    listed = {one.provider_id: one for one in trainer.list()}
    expect(job_id in listed, f"{job_id} in list(), whatever page it is on", sorted(listed))
    return listed[job_id]


def fetch_one(trainer: Trainer, job_id: str) -> Snapshot:
    """What the provider says of one job that it must know."""
    found = trainer.fetch([job_id])
    expect(set(found) == {job_id}, f"fetch([{job_id!r}]) to answer about that job alone", sorted(found))
    return found[job_id]


def support_of(trainer: Trainer, capability: Capability) -> Support:
    """What the trainer declares, which must come with a reason where the answer is no."""
    support = trainer.support(capability)
    expect(isinstance(support, Support), f"support({capability}) to be a Support", support)
    if not support:
        expect(support.whose in ("vendor", "tuneport"), f"support({capability}).whose to be 'vendor' or 'tuneport'", support.whose)
        expect(bool(support.reason.strip()), f"support({capability}).reason to say why not", support.reason)
    return support


class Kit:
    """The base of every conformance class: holds what tests may share, and refuses a subclass that replaces a rule without saying why."""

    _shared: ClassVar[dict[tuple[str, int], tuple[object, object]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._shared = {}
        for name, replacement in vars(cls).items():
            if name.startswith("test_") and _is_a_rule(cls, name) and not _says_why(replacement):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a rule of Tuneport's conformance kit. A rule that your provider cannot keep is marked "
                    "with @pytest.mark.xfail(reason=...) on the replacing test, so that everyone can read why."
                )

    def once(self, name: str, owner: object, make_it: Callable[[], T]) -> T:
        """Makes something once per owner (a trainer) and class: jobs that no test changes need not be made again."""
        key = (name, id(owner))
        if key not in self._shared:
            self._shared[key] = (owner, make_it())
        value: Any = self._shared[key][1]
        return value  # type: ignore[no-any-return]


def _is_a_rule(cls: type, name: str) -> bool:
    return any(name in vars(parent) and parent.__module__.startswith("tuneport.testing.") for parent in cls.__mro__[1:])


def _says_why(test: object) -> bool:
    marks = getattr(test, "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)


def not_given(fixture: str, what: str) -> Any:
    """The default of a fixture that every author must write."""
    pytest.fail(f"your conformance class must define the fixture `{fixture}`: {what}", pytrace=False)


class TrainerKit(Kit):
    """The fixtures of `TrainerConformance`. `marks_jobs` False says that the provider drops what we write on a job."""

    marks_jobs: ClassVar[bool] = True

    @pytest.fixture
    def provider(self) -> Provider:
        """The value your entry point names."""
        return not_given("provider", "the tuneport.provider.Provider value that your entry point names.")  # type: ignore[no-any-return]

    @pytest.fixture
    def trainer(self) -> Trainer:
        """The trainer under test, over an emulator or a machine of its own."""
        return not_given("trainer", "the trainer under test, on an account or folder that holds no jobs.")  # type: ignore[no-any-return]

    @pytest.fixture
    def recipe(self) -> Recipe:
        """A small recipe that the trainer accepts."""
        return not_given("recipe", "a small recipe that the trainer accepts.")  # type: ignore[no-any-return]

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        """The same as `recipe` with other training rows."""
        return not_given("other_recipe", "the same as `recipe` with other training rows.")  # type: ignore[no-any-return]

    @pytest.fixture
    def settle(self) -> Settle:
        """Drives the job with the given id to its end."""
        return not_given("settle", "a callable that drives the job with the given id to its end.")  # type: ignore[no-any-return]

    @pytest.fixture
    def start(self) -> Settle:
        """Optional: drives the job with the given id until it runs, where pausing needs that."""
        return lambda job_id: None

    @pytest.fixture
    def break_network(self) -> Callable[[], None] | None:
        """Optional: after the call, no request of `trainer` gets an answer any more."""
        return None

    @pytest.fixture
    def lose_answer(self) -> Callable[[], None] | None:
        """Optional: after the call, the next request that creates a job takes effect, and its answer never arrives."""
        return None

    @pytest.fixture
    def received(self) -> Callable[[str], Mapping[str, Any]] | None:
        """Optional: the body of the request that made the job with the given id, as it arrived at the provider."""
        return None

    @pytest.fixture
    def request_count(self) -> Callable[[], int] | None:
        """Optional: how many requests the trainer has sent so far."""
        return None

    @pytest.fixture
    def secrets(self) -> tuple[str, ...]:
        """Optional: keys and tokens that must never be shown."""
        return ()

    @pytest.fixture
    def made(self, trainer: Trainer, recipe: Recipe) -> Made:
        """A job that tests only look at."""
        return self.once("made", trainer, lambda: make(trainer, recipe))

    @pytest.fixture
    def ended(self, trainer: Trainer, recipe: Recipe, settle: Settle) -> Made:
        """A job that has run to its end, which tests only look at."""

        def make_and_settle() -> Made:
            job = make(trainer, recipe)
            settle(job.id)
            return job

        return self.once("ended", trainer, make_and_settle)
