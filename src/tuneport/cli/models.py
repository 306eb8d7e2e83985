"""`tuneport models`: list, show, chat, predict and eval. The bases that can be tuned have a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.asking import Yes
from tuneport.cli.bases import bases, nearest
from tuneport.cli.combining import combine
from tuneport.cli.data_files import Columns, FromFormat, open_dataset
from tuneport.cli.deployments import deploy, deployments, undeploy
from tuneport.cli.ending import say_ending_soon
from tuneport.cli.everywhere import listed
from tuneport.cli.exporting import export
from tuneport.cli.predictions import predict
from tuneport.cli.serving import serve
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import ago, in_words, iso, model_document, short_uri, when
from tuneport.errors import UsageError, worst_exit_code
from tuneport.nearest import did_you_mean

if TYPE_CHECKING:
    from tuneport.graders import Grader
    from tuneport.job import Job
    from tuneport.model import Model
    from tuneport.provider import Generation

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="List, ask, evaluate and deploy models; the bases that can be tuned.",
)

OneModel = Annotated[str, typer.Argument(metavar="MODEL", help="A model's URI, or the job that made it; a unique beginning is enough.")]
WORDS = ("base", "base+labels")
"""What --against takes beside jobs and models."""

MaxTokens = Annotated[int, typer.Option("--max-tokens", metavar="N", min=1, help="The longest answer, in tokens.")]


app.command()(predict)
app.command()(bases)
app.command()(nearest)
app.command()(combine)
app.command()(deploy)
app.command()(deployments)
app.command()(undeploy)
app.command()(serve)
app.command()(export)


@app.command("list")
def list_models(
    context: typer.Context,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only this provider or profile.")] = None,
) -> None:
    """The tuned models that can be asked."""
    session = session_of(context)
    found, codes = listed(session, provider, lambda name: session.client.models(provider=name))
    jobs = session.client.jobs(provider=provider)
    models = [_with_job(model, jobs) for model in found]
    if session.json:
        session.out.document({"models": [model_document(model) for model in models]})
    elif models:
        _print_models(session, models)
        say_ending_soon(session, jobs)
    elif not codes:
        session.out.say("No tuned models yet. Make one: tuneport demo")
    raise typer.Exit(worst_exit_code(codes))


def _with_job(model: Model, jobs: Sequence[Job]) -> Model:
    """With the job of the registry that made it, where the provider does not say."""
    made_by = next((job for job in jobs if job.model == model.uri), None)
    if made_by is None or model.job_uri is not None:
        return model
    recipe, data = made_by.recipe_fingerprint, made_by.dataset_fingerprint
    return replace(
        model,
        job_uri=made_by.uri,
        recipe_fingerprint=model.recipe_fingerprint or recipe,
        dataset_fingerprint=model.dataset_fingerprint or data,
    )


def _print_models(session: Session, models: list[Model]) -> None:
    now = session.client.clock.now()
    if session.out.terminal:
        rows = [(short_uri(m.uri), m.base or "", ago(m.created_at, now), short_uri(m.job_uri or "")) for m in models]
    else:
        rows = [(m.uri, m.base or "", iso(m.created_at), m.job_uri or "") for m in models]
    session.out.table(("Model", "Base", "Created", "Job"), rows)


@app.command()
def show(context: typer.Context, model: OneModel) -> None:
    """One model with its lineage."""
    session = session_of(context)
    found = _with_job(session.client.model(model), session.client.jobs())
    if session.json:
        session.out.document(model_document(found))
        return
    kept = found.details.get("checkpoints")
    steps = [each for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []
    session.out.fields(
        [
            ("model", found.uri),
            ("kind", found.kind),
            ("base", found.base or ""),
            ("job", found.job_uri or ""),
            ("created", when(found.created_at, session.client.clock.now())),
            ("path", found.path or ""),
            ("checkpoints", "" if steps else ", ".join(found.checkpoints)),
            ("recipe", (found.recipe_fingerprint or "")[:16]),
            ("dataset", (found.dataset_fingerprint or "")[:16]),
            *((name, in_words(value)) for name, value in found.details.items() if not (steps and name == "checkpoints")),
        ]
    )
    if steps:
        session.out.say()
        rows = [[str(each.get("model", "")), in_words(each.get("step")), in_words(each.get("metrics"))] for each in steps]
        session.out.table(("Checkpoint", "Step", "Measured"), rows, right=(1,))


@app.command()
def chat(
    context: typer.Context,
    model: OneModel,
    *,
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]...", help="Ask this once; without it: standard input, or a conversation.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", metavar="TEXT", help="An instruction in front of the conversation.")] = None,
    max_tokens: MaxTokens = 512,
    temperature: Annotated[float, typer.Option("--temperature", metavar="T", min=0, help="0 always takes the likeliest word.")] = 0.0,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Makes answers at a temperature repeatable.")] = None,
) -> None:
    """Talk to a model, or ask it once."""
    from tuneport.cli.chat import ask_once, converse, prompt_from
    from tuneport.provider import Generation

    session = session_of(context)
    generation = Generation(max_tokens=max_tokens, temperature=temperature, seed=seed)
    question = prompt_from(" ".join(prompt) if prompt else None, json=session.json)
    target = session.client.model(model)
    if question is None:
        converse(session, target, system=system, generation=generation)
    else:
        ask_once(session, target, question, system=system, generation=generation)


@app.command("eval")
def evaluate(
    context: typer.Context,
    model: OneModel,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Held-out rows, each with its right answer.")],
    *,
    against: Annotated[
        list[str] | None, typer.Option("--against", metavar="WHAT", help="base, base+labels, or a model; may be repeated.")
    ] = None,
    labels_from: Annotated[
        Path | None, typer.Option("--labels-from", metavar="FILE", help="Where base+labels takes the labels from; else the training data.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", metavar="NAME", help="Only this metric; may be repeated.")] = None,
    grader: Annotated[
        Path | None,
        typer.Option("--grader", metavar="FILE", help="Score every answer: a recipe with a grader, its table, or a .py file."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N rows.")] = None,
    answers: Annotated[int, typer.Option("--answers", metavar="N", min=0, help="Also show so many answers that differ.")] = 0,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", min=1, help="Cut answers here; default: room for the longest reference.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the resampling behind the intervals.")] = 0,
    yes: Yes = False,
    format: FromFormat = None,
    columns: Columns = None,
) -> None:
    """Measure a model on held-out rows, and against others on the same rows."""
    from tuneport.cli.asking import confirm_asking
    from tuneport.cli.evaluations import evaluate_with_progress, print_evaluation
    from tuneport.grading.reading import read_grader

    session = session_of(context)
    rows = open_dataset(file, format=format, columns=columns)
    labels = open_dataset(labels_from, format=format, columns=columns) if labels_from else None
    rows = rows if limit is None else rows.take(limit)
    target, others = session.client.model(model), [_opponent(session, word) for word in against or ()]
    scored_by = read_grader(grader) if grader is not None else None
    generation = _generation(scored_by, max_tokens)
    if not yes:
        confirm_asking(session, target, rows, against=others, labels_from=labels, generation=generation)
    found = evaluate_with_progress(
        session,
        target,
        rows,
        against=others,
        labels_from=labels,
        metrics=metric,
        grader=scored_by,
        generation=generation,
        seed=seed,
    )
    if session.json:
        session.out.document(found.to_dict())
    else:
        print_evaluation(found, out=session.out, answers=answers)


def _generation(grader: Grader | None, max_tokens: int | None) -> Generation | None:
    """None is room for the longest reference, which says nothing of answers that a grader scores."""
    from tuneport.evaluate import GRADED_TOKENS
    from tuneport.provider import Generation

    if max_tokens is None and grader is None:
        return None
    return Generation(max_tokens=max_tokens or GRADED_TOKENS)


def _opponent(session: Session, word: str) -> str | Model:
    """What --against names. Raises UsageError for a word that is neither base, base+labels nor a job or model."""
    if word in WORDS or ":" in word:
        return word
    try:
        return session.client.model(word)
    except UsageError as error:
        what = f"--against {word!r} is neither {' nor '.join(WORDS)}, and no job or model of that name is known"
        raise UsageError(f"{what}; {did_you_mean(word, WORDS)}", remedy=error.remedy) from None
