"""The kit can fail: trainers with one bug each, planted over the fake, are each caught by a rule that says what is wrong."""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import Ambiguous, FileGone, NotFound, RecipeError, Refused, TuneportError, Unreachable
from tuneport.examples import ChatExample, Message
from tuneport.job import Event, Metric, Snapshot
from tuneport.model import Model
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import YES, Capability, FileState, Provider, Support
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.recipe import SFT, Recipe
from tuneport.span import Span
from tuneport.testing import FakeCloud, FakeTrainer, SimulatedClock, TrainerConformance, fake_provider
from tuneport.testing.kit import Made, make, texts_of
from tuneport.testing.translation import Names, snapshot
from tuneport.testing.wire import Kind, NoAnswer, Reply

SECRET = "sk-secret-1234"


class BreakableWire:
    """A wire that can be pulled out, or lose the answer to the next create."""

    def __init__(self) -> None:
        self.unplugged = self.losing = False

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        if self.unplugged:
            raise NoAnswer("no route to host")
        reply = effect()
        if self.losing and kind == "create":
            self.losing = False
            raise NoAnswer("no answer within 30 s")
        return reply


def recipe_of(*answers: str) -> Recipe:
    rows = [ChatExample((Message("user", "Where is my card?"), Message("assistant", answer))) for answer in answers]
    return Recipe(base="fake-small", method=SFT(epochs=1), train=Dataset.from_examples(rows))


@dataclass
class Bench:
    """What the rules ask for, by the names of their arguments, around one trainer."""

    kind: type[FakeTrainer]
    names: Names
    tmp_path: Path

    def __post_init__(self) -> None:
        self.cloud = FakeCloud(SimulatedClock(), page_size=2, ignores_filters=True)
        self.wire = BreakableWire()
        self.trainer = self.kind(self.cloud, names=self.names, name="fake", wire=self.wire)
        self.recipe, self.other_recipe = recipe_of("card_arrival", "lost_card"), recipe_of("card_arrival", "change_pin")
        self.secrets = (SECRET,)
        self.hidden = {SECRET, *texts_of(self.recipe.train)}
        self.settle = self.cloud.settle

    @property
    def provider(self) -> Provider:
        return fake_provider(self.cloud, names=self.names)

    def start(self, job_id: str) -> None:
        """The fake's jobs can be paused from the beginning."""

    def break_network(self) -> None:
        self.wire.unplugged = True

    def lose_answer(self) -> None:
        self.wire.losing = True

    def received(self, job_id: str) -> Mapping[str, Any]:
        return self.cloud.jobs[job_id].body

    def request_count(self) -> int:
        return len(self.cloud.log)

    @cached_property
    def made(self) -> Made:
        return make(self.trainer, self.recipe)

    @cached_property
    def ended(self) -> Made:
        job = make(self.trainer, self.recipe)
        self.cloud.settle(job.id)
        return job

    @cached_property
    def later(self) -> tuple[Made, ...]:
        assert self.ended
        return make(self.trainer, self.recipe), make(self.trainer, self.recipe)


RULES = [name for name in dir(TrainerConformance) if name.startswith("test_")]


def failures(kind: type[FakeTrainer], folder: Path, *, names: Names = "provider", rules: Sequence[str] = RULES) -> dict[str, str]:
    """The rules that this trainer breaks, each on an account of its own, with the sentence of each."""
    found = {}
    for name in rules:
        rule, bench = getattr(TrainerConformance(), name), Bench(kind, names, folder / name)
        try:
            rule(**{wanted: getattr(bench, wanted) for wanted in inspect.signature(rule).parameters})
        except pytest.fail.Exception as failure:
            found[name] = str(failure)
        except pytest.skip.Exception:
            continue
    return found


@pytest.mark.parametrize("names", ["provider", "client"])
def test_the_honest_fake_breaks_no_rule(tmp_path: Path, names: Names) -> None:
    assert failures(FakeTrainer, tmp_path, names=names) == {}


# --- creating --------------------------------------------------------------------------------------------------------------------------


class Retrying(FakeTrainer):
    """An SDK with its retries left on."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        for _ in range(2):
            try:
                return super().create(plan, client_id, files)
            except Ambiguous:
                continue
        return super().create(plan, client_id, files)


class Doubling(FakeTrainer):
    """Sends every create twice, to be sure."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        super().create(plan, client_id, files)
        return super().create(plan, client_id, files)


class Overwriting(FakeTrainer):
    """PUTs over whatever has that name."""

    def _there_already(self, client_id: str, plan: Plan) -> Snapshot | None:
        return None


class TakingAnyForItsOwn(FakeTrainer):
    """Gives the job that has the name, whatever it was made from."""

    def _there_already(self, client_id: str, plan: Plan) -> Snapshot | None:
        return self._get(client_id)


class RefusingWhatIsGone(FakeTrainer):
    """A file that is gone is like any other refusal."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except FileGone as error:
            raise Refused(error.message) from None


class UnsureOfWhatIsGone(FakeTrainer):
    """A file that is gone may mean anything."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except FileGone as error:
            raise Ambiguous(error.message) from None


class SendingOtherThings(FakeTrainer):
    """What is sent is not what was planned."""

    change: Mapping[str, Any] = {}

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        body = {**plan.requests[0].body, **self.change}
        made = super().create(replace(plan, requests=(replace(plan.requests[0], body=body),)), client_id, files)
        self._cloud.jobs[made.provider_id].body["metadata"]["plan"] = plan.fingerprint
        return replace(made, plan_fingerprint=plan.fingerprint)


class SendingNoSeed(SendingOtherThings):
    change: Mapping[str, Any] = {"seed": None}


class SendingNoHyperparameters(SendingOtherThings):
    change: Mapping[str, Any] = {"hyperparameters": {}}


class SendingNoSuffix(SendingOtherThings):
    change: Mapping[str, Any] = {"suffix": None}


class SendingAnotherBase(SendingOtherThings):
    change: Mapping[str, Any] = {"base": "fake-large"}


# --- planning --------------------------------------------------------------------------------------------------------------------------


class ForgettingTheSeed(FakeTrainer):
    def plan(self, recipe: Recipe) -> Plan:
        return replace(super().plan(recipe.model_copy(update={"seed": 0})), recipe_fingerprint=recipe.fingerprint)


class KnowingEpochsOnly(FakeTrainer):
    def plan(self, recipe: Recipe) -> Plan:
        if recipe.method.kind != "sft":
            return super().plan(recipe)
        plain = recipe.model_copy(update={"method": SFT(epochs=recipe.method.epochs)})
        return replace(super().plan(plain), recipe_fingerprint=recipe.fingerprint)


class LosingTheValidationFile(FakeTrainer):
    def plan(self, recipe: Recipe) -> Plan:
        plan = super().plan(recipe)
        return replace(plan, files=tuple(file for file in plan.files if file.purpose == "train"))


class QuotingSomethingElse(FakeTrainer):
    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        return replace(super().estimate(recipe), base="fake-large")


class QuotingNothing(FakeTrainer):
    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        return replace(super().estimate(recipe), lines=(QuoteLine("training", Span.exactly(0), "row", Decimal(0)),))


class QuotingBelowNothing(FakeTrainer):
    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        quote = super().estimate(recipe)
        return replace(quote, lines=tuple(replace(line, price=Decimal(-7)) for line in quote.lines))


class QuotingWithoutASource(FakeTrainer):
    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        quote = super().estimate(recipe)
        return replace(quote, lines=tuple(replace(line, source=None) for line in quote.lines))


class TakingAnyRows(FakeTrainer):
    """Declares that it cannot take tools and images, and takes them."""

    def support(self, capability: Capability, **which: Any) -> Support:
        return super().support(capability, **which)

    def plan(self, recipe: Recipe) -> Plan:
        honest, self.support = self.support, lambda capability, **_: YES  # type: ignore[method-assign]
        try:
            return super().plan(recipe)
        finally:
            self.support = honest  # type: ignore[method-assign]


class LeavingToolsOut(FakeTrainer):
    """Declares that it can take tools, and leaves them out on the way."""

    def support(self, capability: Capability, **which: Any) -> Support:
        return YES if capability is Capability.TOOLS else super().support(capability, **which)

    def plan(self, recipe: Recipe) -> Plan:
        plan = super().plan(recipe)
        silent = [re.sub(rb"kit_look_up", b"", chunk) for chunk in plan.files[0].chunks()]
        file = PlannedFile.from_chunks(lambda: iter(silent), purpose="train", rows=plan.files[0].rows)
        return replace(plan, files=(file, *plan.files[1:]))


class TakingAnyBase(FakeTrainer):
    """Trains on from a tuned model, which it says it cannot."""

    def plan(self, recipe: Recipe) -> Plan:
        base = recipe.base_for("fake")
        return super().plan(recipe.model_copy(update={"base": "fake-small"}) if ":tuned:" in base else recipe)


# --- listing ---------------------------------------------------------------------------------------------------------------------------


class OldestFirst(FakeTrainer):
    def list(self, since: Any = None) -> Iterator[Snapshot]:
        return iter([one for one in reversed(list(self._listed())) if since is None or (one.created_at and one.created_at >= since)])


class IgnoringSince(FakeTrainer):
    def list(self, since: Any = None) -> Iterator[Snapshot]:
        return self._listed()


class StoppingAtSince(FakeTrainer):
    """Takes 'since' for 'until'."""

    def list(self, since: Any = None) -> Iterator[Snapshot]:
        return (one for one in self._listed() if since is None or (one.created_at and one.created_at <= since))


class AfterSinceOnly(FakeTrainer):
    """'At or after' without the 'at'."""

    def list(self, since: Any = None) -> Iterator[Snapshot]:
        return (one for one in self._listed() if since is None or (one.created_at and one.created_at > since))


class FirstPageOnly(FakeTrainer):
    def _rows(self, client_id: str | None = None) -> Iterator[Reply]:
        yield from self._send("GET /jobs", lambda: self._cloud.list_jobs(client_id=client_id))["data"]


class ListingWithoutMarks(FakeTrainer):
    def list(self, since: Any = None) -> Iterator[Snapshot]:
        marks = {"client_id": None, "plan_fingerprint": None, "recipe_fingerprint": None, "dataset_fingerprint": None}
        return (replace(one, **marks) for one in super().list(since))  # type: ignore[arg-type]


class MixingJobsUp(FakeTrainer):
    """Answers in the order of the listing, under the ids in the order of the question."""

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        found = super().fetch(ids)
        return dict(zip(found, reversed(list(found.values())), strict=True))


class ForgettingWhen(FakeTrainer):
    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        return {job_id: replace(one, created_at=None, finished_at=None) for job_id, one in super().fetch(ids).items()}


# --- results ---------------------------------------------------------------------------------------------------------------------------


class WrongBase(FakeTrainer):
    def result(self, job_id: str) -> Model:
        return replace(super().result(job_id), base="gpt-17")


class WrongLineage(FakeTrainer):
    def result(self, job_id: str) -> Model:
        return replace(super().result(job_id), job_uri=f"nowhere:{job_id}")


class NoRecipeInTheLineage(FakeTrainer):
    def result(self, job_id: str) -> Model:
        return replace(super().result(job_id), recipe_fingerprint=None)


class WrongUri(FakeTrainer):
    def result(self, job_id: str) -> Model:
        model = super().result(job_id)
        return replace(model, uri=f"other:{model.id}")


class AnotherModel(FakeTrainer):
    def result(self, job_id: str) -> Model:
        return replace(super().result(job_id), id="some-model", uri="fake:some-model")


class FreeOfCharge(FakeTrainer):
    """Takes a bill that has not come for one of nothing."""

    def billed(self, job_id: str) -> Decimal | None:
        return Decimal(0)


# --- failures --------------------------------------------------------------------------------------------------------------------------


class KeyErrorFromCancel(FakeTrainer):
    def cancel(self, job_id: str) -> Snapshot:
        return snapshot(self._cloud._record(self._cloud.jobs[job_id]))


class KeyErrorFromDelete(FakeTrainer):
    def delete(self, job_id: str) -> None:
        del self._cloud.jobs[job_id]


class NothingToSayOfNobody(FakeTrainer):
    """An unknown job has no events, which is not the same as not being known."""

    def events(self, job_id: str, after: str | None = None) -> Any:
        try:
            return super().events(job_id, after)
        except NotFound:
            return []


class LostUploadsAreRefused(FakeTrainer):
    def upload(self, file: PlannedFile) -> str:
        try:
            return super().upload(file)
        except Ambiguous:
            raise Refused("the upload failed.") from None


class UnreachableFilesAreGone(FakeTrainer):
    def file_state(self, file_id: str) -> FileState:
        try:
            return super().file_state(file_id)
        except TuneportError:
            return FileState("gone")


class UnreachableFilesAreNotThere(FakeTrainer):
    def find_file(self, file: PlannedFile) -> str | None:
        try:
            return super().find_file(file)
        except TuneportError:
            return None


class FindingAnyFile(FakeTrainer):
    """Compares nothing."""

    def find_file(self, file: PlannedFile) -> str | None:
        return next(iter(self._cloud.files), None) if super().find_file(file) is None else super().find_file(file)


class UnreachableListsAreEmpty(FakeTrainer):
    def list(self, since: Any = None) -> Iterator[Snapshot]:
        try:
            return iter(list(super().list(since)))
        except Unreachable:
            return iter(())


class ShowingItsKey(FakeTrainer):
    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        try:
            return super().fetch(ids)
        except Unreachable:
            raise Unreachable(f"GET /jobs with Authorization: Bearer {SECRET} failed.") from None


class ShowingItsKeyBesideTheMessage(FakeTrainer):
    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        try:
            return super().fetch(ids)
        except Unreachable as error:
            error.remedy = f"Try: curl -H 'Authorization: Bearer {SECRET}'"
            raise


class ShowingRows(FakeTrainer):
    def plan(self, recipe: Recipe) -> Plan:
        if recipe.options:
            raise RecipeError(f"unknown option; the first row was {next(iter(recipe.train))!r}")
        return super().plan(recipe)


class ShowingRowsInRefusals(FakeTrainer):
    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except FileGone as error:
            content = b"".join(plan.files[0].chunks()).decode()
            raise FileGone(error.message, reason=f"no file with {content}") from None


class Remembering(FakeTrainer):
    """Answers from memory what must be asked."""

    memory: dict[str, Any]

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        self.memory = getattr(self, "memory", {})
        for job_id in ids:
            if job_id not in self.memory and (one := self._get(job_id)) is not None:
                self.memory[job_id] = one
        return {job_id: self.memory[job_id] for job_id in ids if job_id in self.memory}

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        made = super().create(plan, client_id, files)
        self.memory = {**getattr(self, "memory", {}), made.provider_id: made}
        return made


class SureOfItsFiles(FakeTrainer):
    """An uploaded file is always ready, without looking."""

    def file_state(self, file_id: str) -> FileState:
        return FileState("ready") if file_id.startswith("file-") else FileState("gone")


class MakingUpMetrics(FakeTrainer):
    """A smooth loss for every job, without asking for one."""

    def metrics(self, job_id: str) -> list[Metric]:
        if job_id not in self._cloud.jobs:
            raise NotFound(f"no job {job_id}.")
        return [Metric(step=step, values={"loss": 1 / step}) for step in range(1, 4)]


class CancellingInWordsOnly(FakeTrainer):
    """Says that the job is being cancelled, and sends nothing."""

    def cancel(self, job_id: str) -> Snapshot:
        job = self._cloud.jobs.get(job_id)
        if job is None:
            raise NotFound(f"no job {job_id}.")
        return snapshot({**self._cloud._record(job), "status": "stopping"})


class RepeatingEvents(FakeTrainer):
    """Ignores the mark after which events are asked for."""

    def events(self, job_id: str, after: str | None = None) -> list[Event]:
        return list(super().events(job_id))


class GivingHalfAFileBack(FakeTrainer):
    def file_content(self, file_id: str) -> list[bytes]:
        content = b"".join(super().file_content(file_id))
        return [content[: len(content) // 2]]


class DeletingInWordsOnly(FakeTrainer):
    def delete_file(self, file_id: str) -> None:
        self.file_state(file_id)


class DeletingTwice(FakeTrainer):
    def delete_file(self, file_id: str) -> None:
        if self.file_state(file_id).state != "gone":
            super().delete_file(file_id)


PLANTED: dict[str, list[tuple[type[FakeTrainer], str]]] = {
    "test_an_uploaded_file_is_found_again": [
        (FindingAnyFile, "find_file() of a file that was never uploaded to give None"),
    ],
    "test_a_bill_is_exact_money_or_not_known": [
        (FreeOfCharge, "None where the bill is not known, never zero"),
    ],
    "test_a_create_whose_answer_is_lost_is_ambiguous_and_makes_one_job": [
        (Retrying, "answer was lost: expected Ambiguous; got no error"),
    ],
    "test_one_create_makes_one_job": [
        (Doubling, "one create to make one job"),
    ],
    "test_a_create_with_a_file_that_is_gone_says_so_and_makes_nothing": [
        (RefusingWhatIsGone, "expected FileGone; got Refused"),
        (UnsureOfWhatIsGone, "expected FileGone; got Ambiguous"),
    ],
    "test_the_job_is_the_one_that_was_planned": [
        (SendingNoSeed, "receive seed = 4321"),
        (SendingNoHyperparameters, "receive hyperparameters = "),
        (SendingNoSuffix, "receive suffix = 'kit-suffix'"),
        (SendingAnotherBase, "the base 'fake-small'; got 'fake-large'"),
    ],
    "test_no_setting_disappears": [
        (ForgettingTheSeed, "another plan for another seed"),
        (KnowingEpochsOnly, "another plan for another batch_size"),
    ],
    "test_validation_data": [
        (LosingTheValidationFile, "a file for the validation data as well"),
    ],
    "test_an_estimate_is_of_this_recipe_in_exact_money": [
        (QuotingSomethingElse, "a quote for fake-small at fake"),
        (QuotingNothing, "an amount of training"),
        (QuotingBelowNothing, "no price of training below 0"),
        (QuotingWithoutASource, "the source of the price of training"),
    ],
    "test_rows_that_offer_tools": [
        (LeavingToolsOut, "the tool kit_look_up in the train file"),
        (TakingAnyRows, "plan() of rows with tools, which is declared as not supported"),
    ],
    "test_rows_that_call_tools": [
        (TakingAnyRows, "plan() of rows with tools, which is declared as not supported"),
    ],
    "test_rows_with_images": [
        (TakingAnyRows, "plan() of rows with images, which is declared as not supported"),
    ],
    "test_going_on_from_a_tuned_model": [
        (TakingAnyBase, "a tuned model as its base, which is declared as not supported"),
    ],
    "test_every_job_is_listed_once_newest_first": [
        (OldestFirst, "list() newest first"),
        (FirstPageOnly, "once in list(), whatever page it is on"),
    ],
    "test_jobs_are_listed_since_a_time": [
        (IgnoringSince, "without the job from"),
        (StoppingAtSince, "without the job from"),
        (AfterSinceOnly, "to hold the job of that very time"),
    ],
    "test_what_we_wrote_on_the_job_comes_back": [
        (ListingWithoutMarks, "from list(); got None"),
    ],
    "test_a_listed_job_is_as_far_as_a_fetched_one": [
        (ListingWithoutMarks, "the client_id in list() to be that of fetch()"),
    ],
    "test_many_jobs_are_fetched_at_once": [
        (MixingJobsUp, "to be about the job it was asked for"),
    ],
    "test_a_created_job_is_the_same_by_every_way_of_asking": [
        (ForgettingWhen, "the time of its creation"),
    ],
    "test_the_result_is_a_model_with_its_lineage": [
        (WrongBase, "the base of the plan, 'fake-small'; got 'gpt-17'"),
        (WrongLineage, "expected job_uri fake:ftjob-0001"),
        (NoRecipeInTheLineage, "expected recipe and dataset fingerprints"),
        (WrongUri, "expected the URI fake:"),
        (AnotherModel, "expected the model that fetch() names"),
    ],
    "test_a_job_that_is_not_known_has_no_history_no_result_and_no_switches": [
        (KeyErrorFromCancel, "cancel() of a job that does not exist"),
        (KeyErrorFromDelete, "got KeyError"),
    ],
    "test_without_a_network_reads_are_unreachable_and_creates_ambiguous": [
        (LostUploadsAreRefused, "upload() without a network: expected"),
        (UnreachableListsAreEmpty, "list() without a network: expected"),
    ],
    "test_a_lost_connection_shows_neither_secrets_nor_what_rows_say": [
        (ShowingItsKeyBesideTheMessage, "a message without secrets"),
    ],
    "test_a_refusal_shows_neither_secrets_nor_what_rows_say": [
        (ShowingRows, "plan() with an unknown option: a message without secrets"),
        (ShowingRowsInRefusals, "create() with a file that is gone: a message"),
    ],
    "test_what_the_provider_must_be_asked_is_asked": [
        (Remembering, "expected a request for fetch(); got 'none'"),
        (SureOfItsFiles, "expected a request for file_state(); got 'none'"),
        (MakingUpMetrics, "expected a request for metrics(); got 'none'"),
        (CancellingInWordsOnly, "expected a request for cancel(); got 'none'"),
    ],
    "test_an_uploaded_file_comes_back_as_it_was_sent": [
        (GivingHalfAFileBack, "bytes that were sent"),
    ],
    "test_a_deleted_file_is_gone": [
        (DeletingInWordsOnly, "file_state() 'gone' after delete_file()"),
        (DeletingTwice, "delete_file() of a file that is gone: expected NotFound"),
    ],
    "test_events_come_in_order_and_after_a_mark": [
        (RepeatingEvents, "events after"),
    ],
}
"""Rule -> the bugs that it must catch, and what it says of each."""
EACH = [(rule, kind, said) for rule, bugs in PLANTED.items() for kind, said in bugs]


@pytest.mark.parametrize(("rule", "kind", "said"), EACH, ids=[f"{kind.__name__}-{rule}" for rule, kind, _ in EACH])
def test_a_planted_bug_is_caught(rule: str, kind: type[FakeTrainer], said: str, tmp_path: Path) -> None:
    assert said in failures(kind, tmp_path, rules=[rule]).get(rule, "nothing")


ANOTHER_PLAN = "create() of another plan under the name of a job that is there: expected Refused or Ambiguous or UsageError; got no error"


@pytest.mark.parametrize("kind", [Overwriting, TakingAnyForItsOwn])
def test_a_second_create_of_another_plan_is_caught_where_the_client_names_the_job(kind: type[FakeTrainer], tmp_path: Path) -> None:
    rule = "test_one_client_id_never_leads_to_two_jobs"
    assert ANOTHER_PLAN in failures(kind, tmp_path, names="client", rules=[rule]).get(rule, "nothing")


def test_a_job_that_a_second_create_changed_is_caught_though_the_create_was_refused(tmp_path: Path) -> None:
    class RefusingTooLate(FakeTrainer):
        def _there_already(self, client_id: str, plan: Plan) -> Snapshot | None:
            return None

        def _put(self, client_id: str, body: Reply) -> Snapshot:
            was_there = client_id in self._cloud.jobs
            made = super()._put(client_id, body)
            if was_there:
                raise Refused("the name was taken.")
            return made

    found = failures(RefusingTooLate, tmp_path, names="client")
    assert "the job that is there to keep its plan" in found["test_one_client_id_never_leads_to_two_jobs"]


def test_without_marks_a_job_must_say_what_it_was_made_of(tmp_path: Path) -> None:
    class Silent(FakeTrainer):
        def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
            return {job_id: replace(one, files={}) for job_id, one in super().fetch(ids).items()}

    class Unmarked(TrainerConformance):
        marks_jobs = False

    bench = Bench(Silent, "provider", tmp_path)
    bench.cloud.keeps_metadata = False
    with pytest.raises(pytest.fail.Exception, match="the ids of the files"):
        Unmarked().test_the_job_is_the_one_that_was_planned(bench.trainer, bench.recipe, None)


def test_the_bench_has_what_every_rule_asks_for(tmp_path: Path) -> None:
    """So that no rule is passed over here for want of a fixture."""
    bench = Bench(FakeTrainer, "provider", tmp_path)
    for name in RULES:
        for wanted in inspect.signature(getattr(TrainerConformance(), name)).parameters:
            assert hasattr(bench, wanted), f"{name} asks for {wanted}"
    assert uuid.UUID(hex=bench.made.client_id)
