"""`tuneport demo`: the main job on this machine, start to end, each step with the command that does the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.session import Session, session_of
from tuneport.cli.views import duration, short_uri
from tuneport.errors import CheckFailed, ConfigError, DuplicateSubmit, UsageError
from tuneport.job import Job, JobState
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.evaluation import Evaluation
    from tuneport.quote import Quote
    from tuneport.recipe import Recipe

app = typer.Typer(rich_markup_mode=None, add_completion=False)

PROVIDER = "local"
BASE = "smollm2-135m-instruct"
EPOCHS = 2
LEARNING_RATE = 1e-3
"""Chosen on a fifth of the training rows held out (seed 7, two epochs): 0.93 exact match, against 0.78 with 5e-4."""
RANK = 16
TRAIN, TEST = "tickets-train.jsonl", "tickets-test.jsonl"
LOOK_EVERY_S = 1.0
ANSWERS = 5
METRICS = ("exact_match", "macro_f1")


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the recipe and the loss plot go.")] = Path("demo"),
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Where the two example files are; default: the checkout.")
    ] = None,
) -> None:
    """Fine-tune a small model on this machine, start to end: a few minutes on two cores."""
    session = session_of(context)
    tour = Tour(session, files=find_files(data), folder=folder)
    raise typer.Exit(tour.run())


@dataclass(frozen=True, slots=True)
class Files:
    """The example data set."""

    train: Path
    test: Path


def find_files(folder: Path | None) -> Files:
    """The two files in `folder`, else in the checkout this runs from. Raises UsageError saying how to get them."""
    places = [folder] if folder else [Path(__file__).resolve().parents[3] / "examples" / "data", Path.cwd() / "examples" / "data"]
    for place in places:
        if (place / TRAIN).is_file() and (place / TEST).is_file():
            return Files(place / TRAIN, place / TEST)
    raise UsageError(
        f"the demo's data set ({TRAIN} and {TEST}) is not in {places[0]}.",
        remedy="It is part of the source code, in examples/data: run the demo in a checkout, or name its folder with --data DIR.",
    )


class Tour:
    """The steps in order. Each says what it does and shows the command that does the same."""

    def __init__(self, session: Session, *, files: Files, folder: Path) -> None:
        self._session = session
        self._client = session.client
        self._out = session.out
        self._files = files
        self._folder = folder
        self._steps = 0

    def run(self) -> int:
        """The exit code: 0 when the training succeeded."""
        started = self._client.clock.monotonic()
        train, test = self._check_data()
        recipe = self._write_recipe(train)
        self._quote(recipe)
        job = self._follow(self._submit(recipe))
        if job.state is not JobState.SUCCEEDED:
            return 1
        found = self._evaluate(job, train, test)
        self._plot(job)
        self._finish(job, found, took_s=self._client.clock.monotonic() - started)
        return 0

    def _step(self, sentence: str, *command: str | Path) -> None:
        self._steps += 1
        shown = self._session.command(*(_shown(word) if isinstance(word, Path) else word for word in command))
        if self._out.json:
            self._out.record("step", {"step": self._steps, "sentence": sentence, "command": shown})
            return
        self._out.say()
        self._out.say(f"{self._steps}. {sentence}")
        self._out.say(f"   $ {shown}", style="dim")
        self._out.stream.flush()

    def _say(self, sentence: str) -> None:
        if not self._out.json:
            self._out.say(f"   {sentence}")
            self._out.stream.flush()

    def _check_data(self) -> tuple[Dataset, Dataset]:
        from tuneport.checks import check, check_pair
        from tuneport.dataset import Dataset

        self._step("Check the data: customers' messages, each with one of six intents.", "data", "check", self._files.train)
        train, test = Dataset.read(self._files.train), Dataset.read(self._files.test)
        for report in (check(train), check(test)):
            if not report.ok:
                first = next(finding for finding in report.findings if finding.severity == "error")
                raise CheckFailed(f"the example data are damaged: {first.message}", remedy=f"See: tuneport data check {self._files.train}")
        if shared := check_pair(train, test).findings:
            raise CheckFailed(
                f"the example data are damaged: {counted(len(shared), 'row')} of {TEST} stand in {TRAIN} too, and prove nothing.",
                remedy=f"See: tuneport data check {self._files.test} --train {self._files.train}",
            )
        self._say(f"{counted(train.count(), 'row')} to train on, {test.count()} others to test on; nothing wrong with them.")
        return train, test

    def _write_recipe(self, train: Dataset) -> Recipe:
        from tuneport.recipe import SFT, LoRA, Recipe

        path = self._folder / "recipe.toml"
        what = f"{EPOCHS} passes over the data with a LoRA adapter of rank {RANK} on {BASE}"
        self._step(f"Plan the training: {what}.", "submit", path, "--dry-run")
        recipe = Recipe(
            base={PROVIDER: BASE},
            method=SFT(epochs=EPOCHS, learning_rate=LEARNING_RATE, lora=LoRA(rank=RANK)),
            train=train,
            suffix="tickets",
        )
        try:
            recipe.save(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}.", remedy="Choose another folder with --dir.") from None
        plan = self._client.plan(recipe, provider=PROVIDER)
        self._say(f"The recipe is in {_shown(path)}; its plan has the fingerprint {plan.fingerprint[:12]}.")
        return recipe

    def _quote(self, recipe: Recipe) -> None:
        self._step("Say what it would cost here; the first time, this measures the machine.", "quote", self._folder / "recipe.toml")
        self._say(quote_sentence(self._client.quote(recipe, providers=[PROVIDER])[0]))

    def _submit(self, recipe: Recipe) -> Job:
        self._step("Submit it: a worker of its own trains, and goes on if this terminal closes.", "submit", self._folder / "recipe.toml")
        try:
            job = self._client.submit(recipe, provider=PROVIDER)
        except DuplicateSubmit as running:
            if not running.job_uri:
                raise
            return self._attach(running.job_uri)
        self._say(f"Submitted {job.uri}.")
        return job

    def _attach(self, uri: str) -> Job:
        """An earlier demo still runs: its job is this one's. A paused one (its worker was killed) is resumed."""
        job = self._client.job(uri)
        if job.state is JobState.PAUSED:
            self._say(f"An earlier run left {uri} paused; it is resumed.")
            return self._client.resume(job)
        self._say(f"This very plan is already {job.state} as {uri}; it is followed instead of submitted twice.")
        return job

    def _follow(self, job: Job) -> Job:
        from tuneport.cli.following import follow_jobs

        self._step("Follow it; Ctrl-C stops looking, not training.", "jobs", "wait", short_uri(job.uri))
        interval_s = LOOK_EVERY_S if self._out.terminal else None
        ended = follow_jobs(self._session, [job], interval_s=interval_s)[0]
        if ended.state is not JobState.SUCCEEDED:
            self._say(f"It {ended.state}" + (f": {ended.error}" if ended.error else "."))
            self._say(f"See: {self._session.command('jobs', 'events', short_uri(ended.uri))}")
        return ended

    def _evaluate(self, job: Job, train: Dataset, test: Dataset) -> Evaluation:
        from tuneport.cli.evaluations import evaluate_with_progress, print_evaluation

        options = ("--against", "base", "--against", "base+labels")
        command = ("models", "eval", short_uri(job.uri), self._files.test, *options)
        self._step("Ask the test rows to the base, to the base with the labels in its prompt, and to the tuned model.", *command)
        model = self._client.model(job)
        found = evaluate_with_progress(
            self._session,
            model,
            test,
            against=["base", "base+labels"],
            labels_from=train,
            metrics=METRICS,
        )
        if self._out.json:
            self._out.record("evaluation", found.to_dict())
        else:
            print_evaluation(found, out=self._out, answers=ANSWERS)
        return found

    def _plot(self, job: Job) -> None:
        from tuneport.cli.plots import write_png

        path = self._folder / "loss.png"
        self._step("Draw the loss.", "jobs", "plot", short_uri(job.uri), "--png", path)
        write_png(path, {job.uri: self._client.metrics(job)}, title=f"{BASE} on {TRAIN}")
        self._say(f"Wrote {_shown(path)}.")

    def _finish(self, job: Job, found: Evaluation, *, took_s: float) -> None:
        exact = found.metrics.get("exact_match")
        result = f"{exact:.0%} of the answers are exactly right" if exact is not None else "the model is there"
        name = short_uri(job.uri)
        following = [
            self._session.command("models", "chat", name, "my parcel never came"),
            self._session.command("jobs", "plot", name),
            self._session.command("submit", "YOUR.jsonl", "--base", BASE, "--provider", PROVIDER, "--wait"),
        ]
        if self._out.json:
            self._out.record("done", {"job": job.uri, "model": job.model, "seconds": round(took_s, 1), "next": following})
            return
        self._out.say()
        self._out.say(f"Done in {duration(took_s)}: {result}. Try next:", style="good")
        for command in following:
            self._out.say(f"   $ {command}")


def quote_sentence(quote: Quote) -> str:
    """What a quote comes to, in one sentence."""
    from tuneport.quoting.wording import money_span

    if not quote.lines:
        return f"No quote: {quote.why or quote.availability}"
    hours = [line.amount.likely for line in quote.lines if line.unit == "hour" and line.amount is not None]
    time = f"It takes about {duration(float(hours[0]) * 3600)} min of this machine" if hours else "How long it takes here is not known yet"
    cost = "nobody bills it" if quote.total_usd is None else f"that is {money_span(quote.total)} USD"
    return f"{time}; {cost}."


def _shown(path: Path) -> str:
    """The path from here, when that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
