"""The kit against the fake provider in all its flavours, and the kit itself: what it refuses and what its failures say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import Refused
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState, Snapshot
from tuneport.model import Model, Prediction
from tuneport.provider import Capability, Provider, ProviderSettings, Support
from tuneport.recipe import SFT, Recipe
from tuneport.testing import FakeCloud, FakeServer, FakeTrainer, ServerConformance, SimulatedClock, TrainerConformance, fake_provider
from tuneport.testing.translation import Names
from tuneport.testing.wire import Kind, NoAnswer, Reply

SECRET = "sk-secret-1234"


class UnpluggableWire:
    """A wire that can be pulled out, or lose the answer to the next create."""

    def __init__(self) -> None:
        self.unplugged = False
        self.losing = False

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        if self.unplugged:
            raise NoAnswer("no route to host")
        reply = effect()
        if self.losing and kind == "create":
            self.losing = False
            raise NoAnswer("no answer within 30 s")
        return reply


def chat(question: str, answer: str) -> ChatExample:
    return ChatExample((Message("user", question), Message("assistant", answer)))


def small_recipe(*answers: str) -> Recipe:
    return Recipe(
        base="fake-small", method=SFT(epochs=1), train=Dataset.from_examples([chat("Where is my card?", answer) for answer in answers])
    )


class FakeConformance(TrainerConformance):
    """The fixtures that all flavours of the fake share."""

    names: Names = "provider"

    @pytest.fixture
    def wire(self) -> UnpluggableWire:
        return UnpluggableWire()

    @pytest.fixture
    def cloud(self) -> FakeCloud:
        return FakeCloud(SimulatedClock(), page_size=2, ignores_filters=True)

    @pytest.fixture
    def provider(self, cloud: FakeCloud, wire: UnpluggableWire) -> Provider:
        return fake_provider(cloud, names=self.names, wire=wire)

    @pytest.fixture
    def trainer(self, provider: Provider, tmp_path: Path) -> Any:
        return provider.open_trainer(ProviderSettings(name="fake", home=tmp_path))

    @pytest.fixture
    def recipe(self) -> Recipe:
        return small_recipe("card_arrival", "lost_card")

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return small_recipe("card_arrival", "change_pin")

    @pytest.fixture
    def settle(self, cloud: FakeCloud) -> Callable[[str], None]:
        return cloud.settle

    @pytest.fixture
    def break_network(self, wire: UnpluggableWire) -> Callable[[], None]:
        return lambda: setattr(wire, "unplugged", True)

    @pytest.fixture
    def lose_answer(self, wire: UnpluggableWire) -> Callable[[], None]:
        return lambda: setattr(wire, "losing", True)

    @pytest.fixture
    def received(self, cloud: FakeCloud) -> Callable[[str], Mapping[str, Any]]:
        return lambda job_id: cloud.jobs[job_id].body

    @pytest.fixture
    def secrets(self) -> tuple[str, ...]:
        return (SECRET,)

    @pytest.fixture
    def request_count(self, cloud: FakeCloud) -> Callable[[], int]:
        return lambda: len(cloud.log)


class TestTheFakeThatNamesItsJobs(FakeConformance):
    names = "provider"


class TestTheFakeWhoseClientNamesTheJobs(FakeConformance):
    names = "client"


class TestTheFakeThatDropsMetadata(FakeConformance):
    names = "provider"
    marks_jobs = False

    @pytest.fixture
    def cloud(self) -> FakeCloud:
        return FakeCloud(SimulatedClock(), keeps_metadata=False)


class TestTheFakeServer(ServerConformance):
    @pytest.fixture
    def server(self, tmp_path: Path) -> Any:
        provider = fake_provider(FakeCloud(SimulatedClock()))
        assert provider.open_server is not None
        return provider.open_server(ProviderSettings(name="fake", home=tmp_path))

    @pytest.fixture
    def model(self) -> Model:
        return Model(uri="fake:fake-small", provider="fake", id="fake-small", base="fake-small", kind="base")

    @pytest.fixture
    def rows(self) -> Sequence[ChatExample]:
        return [chat("Where is my card?", "card_arrival"), chat("I lost it", "lost_card")]


class TestTheFakeServerWithATunedModel(TestTheFakeServer):
    @pytest.fixture
    def cloud(self, recipe: Recipe) -> FakeCloud:
        return FakeCloud(SimulatedClock())

    @pytest.fixture
    def server(self, cloud: FakeCloud, tmp_path: Path) -> Any:
        provider = fake_provider(cloud)
        assert provider.open_server is not None
        return provider.open_server(ProviderSettings(name="fake", home=tmp_path))

    @pytest.fixture
    def model(self, cloud: FakeCloud, recipe: Recipe) -> Model:
        trainer = FakeTrainer(cloud, names="provider", name="fake")
        job = _make(trainer, recipe)
        cloud.settle(job.id)
        return trainer.result(job.id)


# what the kit refuses, rule by rule


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(SimulatedClock())


@pytest.fixture
def recipe() -> Recipe:
    return small_recipe("card_arrival", "lost_card")


KIT = FakeConformance()


def failure_of(rule: Callable[[], None]) -> str:
    """The sentence with which a rule of the kit fails."""
    with pytest.raises(pytest.fail.Exception) as caught:
        rule()
    return str(caught.value)


class BrokenTrainer(FakeTrainer):
    def __init__(self, cloud: FakeCloud, *, names: Names = "provider") -> None:
        super().__init__(cloud, names=names, name="fake")


def test_the_kit_catches_an_adapter_that_trusts_a_filter(cloud: FakeCloud, recipe: Recipe) -> None:
    class Trusting(BrokenTrainer):
        def find(self, client_id: str, plan: Any = None, *, since: Any = None) -> Snapshot | None:
            return next(iter(self._listed(client_id)), None)

    cloud.ignores_filters = True
    trainer = Trusting(cloud)
    made = KIT.once("trusting", trainer, lambda: _make(trainer, recipe))
    said = failure_of(lambda: KIT.test_a_submit_that_never_was_is_not_found(trainer, made, small_recipe("a", "b")))
    assert "expected find() of a client id that nobody used to give None" in said


def test_the_kit_catches_a_second_put_that_makes_a_second_job(recipe: Recipe, cloud: FakeCloud) -> None:
    class Renaming(BrokenTrainer):
        def create(self, plan: Any, client_id: str, files: Any) -> Snapshot:
            return super().create(plan, f"{client_id}-{len(self._cloud.jobs)}", files)

    said = failure_of(
        lambda: KIT.test_one_client_id_never_leads_to_two_jobs(Renaming(cloud, names="client"), recipe, small_recipe("a", "b"))
    )
    assert "expected the job to be named" in said


def test_the_kit_catches_an_error_for_a_job_that_is_not_known(recipe: Recipe, cloud: FakeCloud) -> None:
    class Strict(BrokenTrainer):
        def _get(self, job_id: str) -> Snapshot | None:
            found = super()._get(job_id)
            if found is None:
                raise KeyError(job_id)
            return found

    trainer = Strict(cloud)
    made = _make(trainer, recipe)
    with pytest.raises(KeyError):
        KIT.test_a_job_the_provider_does_not_know_is_absent_and_no_error(trainer, made)
    said = failure_of(lambda: KIT.test_a_job_that_is_not_known_has_no_history_no_result_and_no_switches(trainer))
    assert "result() of a job that does not exist: expected NotFound or UsageError; got KeyError" in said


def test_the_kit_catches_a_pause_that_is_not_declared_but_sent(recipe: Recipe, cloud: FakeCloud) -> None:
    class Undeclared(BrokenTrainer):
        def support(self, capability: Capability, **which: Any) -> Support:
            return Support(False, "the vendor has no pause", "vendor") if capability is Capability.PAUSE else super().support(capability)

    said = failure_of(
        lambda: KIT.test_pausing_and_resuming(Undeclared(cloud), recipe, lambda job: None, cloud.settle, lambda: len(cloud.log))
    )
    assert "pause(), which is declared as not supported (the vendor has no pause): expected Unsupported; got no error" in said


def test_the_kit_catches_a_refusal_without_a_reason(cloud: FakeCloud) -> None:
    class Silent(BrokenTrainer):
        def support(self, capability: Capability, **which: Any) -> Support:
            return Support(False)

    said = failure_of(lambda: KIT.test_every_capability_is_answered_without_a_request(Silent(cloud), None))
    assert "expected support(train).whose to be 'vendor' or 'tuneport'; got ''" in said


def test_the_kit_catches_a_plan_that_uploads(recipe: Recipe, cloud: FakeCloud) -> None:
    class Eager(BrokenTrainer):
        def plan(self, recipe: Recipe) -> Any:
            plan = super().plan(recipe)
            for file in plan.files:
                self.upload(file)
            return plan

    said = failure_of(lambda: KIT.test_planning_sends_nothing_and_creates_nothing(Eager(cloud), recipe, lambda: len(cloud.log)))
    assert said == "expected plan() to send no request; got '1 requests'"


def test_the_kit_catches_a_plan_that_forgets_the_hyperparameters(recipe: Recipe, cloud: FakeCloud) -> None:
    class Forgetful(BrokenTrainer):
        def plan(self, recipe: Recipe) -> Any:
            return super().plan(recipe.model_copy(update={"method": SFT()}))

    said = failure_of(
        lambda: KIT.test_other_data_and_other_hyperparameters_make_another_plan(Forgetful(cloud), recipe, small_recipe("a", "b"))
    )
    assert "expected another fingerprint for one epoch more" in said


def test_the_kit_catches_an_ended_job_that_changes(recipe: Recipe, cloud: FakeCloud) -> None:
    class Fickle(BrokenTrainer):
        def cancel(self, job_id: str) -> Snapshot:
            self._cloud.jobs[job_id].word = "stopped"
            return super().fetch([job_id])[job_id]

    trainer = Fickle(cloud)
    made = _make(trainer, recipe)
    cloud.settle(made.id)
    said = failure_of(lambda: KIT.test_a_job_runs_to_its_end_and_stays_there(trainer, made))
    assert "expected a job that succeeded to stay so" in said
    assert repr(JobState.CANCELLED) in said


def test_the_kit_catches_money_in_floats(recipe: Recipe, cloud: FakeCloud) -> None:
    class Rounding(BrokenTrainer):
        def billed(self, job_id: str) -> Decimal | None:
            return 0.1 + 0.2  # type: ignore[return-value]

    trainer = Rounding(cloud)
    said = failure_of(lambda: KIT.test_a_bill_is_exact_money_or_not_known(trainer, fake_provider(cloud), _make(trainer, recipe)))
    assert said == "expected a Decimal in USD, or None; got 0.30000000000000004"


def test_the_kit_catches_a_lost_create_that_is_called_a_refusal(recipe: Recipe, cloud: FakeCloud) -> None:
    wire = UnpluggableWire()

    class Certain(FakeTrainer):
        def create(self, plan: Any, client_id: str, files: Any) -> Snapshot:
            try:
                return super().create(plan, client_id, files)
            except ConnectionError:
                raise Refused("the create failed.") from None

    trainer = Certain(cloud, names="provider", name="fake", wire=wire)
    ended = _make(trainer, recipe)
    cloud.settle(ended.id)
    said = failure_of(
        lambda: KIT.test_without_a_network_reads_are_unreachable_and_creates_ambiguous(
            trainer, recipe, ended, lambda: setattr(wire, "unplugged", True)
        )
    )
    assert "create() without a network: expected Ambiguous; got Refused" in said


def _make(trainer: FakeTrainer, recipe: Recipe) -> Any:
    from tuneport.testing.kit import make

    return make(trainer, recipe)


# what the kit refuses of a server

SERVER_KIT = TestTheFakeServer()
BASE = Model(uri="fake:fake-small", provider="fake", id="fake-small", base="fake-small", kind="base")
ROWS = [chat("Where is my card?", "card_arrival"), chat("I lost it", "lost_card")]


class BrokenServer(FakeServer):
    def __init__(self) -> None:
        super().__init__(FakeCloud(SimulatedClock()), name="fake", bases=("fake-small",))


def test_the_kit_catches_a_server_that_answers_nothing() -> None:
    class Mute(BrokenServer):
        def predict(self, target: Any, rows: Any, **how: Any) -> Iterator[Prediction]:
            return iter([Prediction(text="", finish="stop") for _ in rows])

        def chat(self, *what: Any, **how: Any) -> Iterator[str]:
            return iter(())

    said = failure_of(lambda: SERVER_KIT.test_every_row_gets_one_answer_in_order(Mute(), BASE, ROWS))
    assert "expected text in the answers to `rows`" in said
    said = failure_of(lambda: SERVER_KIT.test_a_conversation_is_answered_piece_by_piece(Mute(), BASE))
    assert said == "expected an answer to 'Say something short.'; got []"


def test_the_kit_catches_a_server_that_shows_the_reference() -> None:
    class Cribbing(BrokenServer):
        def predict(self, target: Any, rows: Any, **how: Any) -> Iterator[Prediction]:
            return iter([Prediction(text=row.messages[-1].text) for row in rows])

    said = failure_of(lambda: SERVER_KIT.test_the_reference_is_not_shown(Cribbing(), BASE, ROWS))
    assert "the same greedy answers whatever the reference says, ['card_arrival', 'lost_card']; got ['marmalade" in said


def test_the_kit_catches_a_reference_that_is_left_in_the_prompt() -> None:
    class Whispering(BrokenServer):
        def predict(self, target: Any, rows: Any, *, generation: Any, needs: Any) -> Iterator[Prediction]:
            for row in rows:
                yield Prediction(text="".join(self.chat(target, row.messages, generation=generation)))

    said = failure_of(lambda: SERVER_KIT.test_the_reference_is_not_shown(Whispering(), BASE, ROWS))
    assert "expected the same greedy answers whatever the reference says" in said


def test_the_kit_catches_a_server_that_does_not_list_its_tuned_model() -> None:
    tuned = Model(uri="fake:fake-small:tuned:a", provider="fake", id="fake-small:tuned:a", base="fake-small")
    said = failure_of(lambda: SERVER_KIT.test_the_tuned_models_are_listed_once_each(BrokenServer(), tuned))
    assert said == "expected fake-small:tuned:a, which is tuned, in models(); got []"


# the guard


def test_a_rule_of_the_kit_cannot_be_replaced_in_silence() -> None:
    with pytest.raises(TypeError, match=r"test_cancelling replaces a rule of Tuneport's conformance kit.*xfail\(reason"):

        class TestQuiet(TrainerConformance):
            def test_cancelling(self) -> None:  # type: ignore[override]
                """Looks harmless."""


def test_a_skip_is_no_reason_to_replace_a_rule() -> None:
    with pytest.raises(TypeError, match="replaces a rule"):

        class TestSkipping(ServerConformance):
            @pytest.mark.skip(reason="later")
            def test_no_rows_get_no_answers(self) -> None:  # type: ignore[override]
                """Looks harmless."""


def test_a_rule_may_be_replaced_with_the_reason_why_it_cannot_be_kept() -> None:
    class TestHonest(TrainerConformance):
        @pytest.mark.xfail(reason="the vendor's cancel takes a day")
        def test_cancelling(self) -> None:  # type: ignore[override]
            """Known not to hold."""

        def test_something_of_its_own(self) -> None:
            """A provider's own tests stand beside the kit's."""

    assert TestHonest.test_cancelling.pytestmark[0].kwargs["reason"] == "the vendor's cancel takes a day"  # type: ignore[attr-defined]


def test_a_missing_fixture_says_what_to_write(pytester_file: Callable[[str], str]) -> None:
    said = pytester_file("from tuneport.testing import TrainerConformance\n\n\nclass TestMine(TrainerConformance):\n    pass\n")
    assert "your conformance class must define the fixture `trainer`: the trainer under test" in said


@pytest.fixture
def pytester_file(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Runs pytest on a file of its own, in its own process, and gives what it printed."""
    import subprocess
    import sys

    def run(text: str) -> str:
        (tmp_path / "test_mine.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120).stdout

    return run
