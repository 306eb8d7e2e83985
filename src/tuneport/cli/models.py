"""`tuneport models`: list, show, chat, predict and eval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.output import note
from tuneport.cli.predictions import predict
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import model_document, short_uri, when
from tuneport.errors import TuneportError, worst_exit_code

if TYPE_CHECKING:
    from tuneport.model import Model

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="List, ask and evaluate models.")

OneModel = Annotated[str, typer.Argument(metavar="MODEL", help="A model's URI, or the job that made it; a unique beginning is enough.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", metavar="N", min=1, help="The longest answer, in tokens.")]


app.command()(predict)


@app.command("list")
def list_models(
    context: typer.Context,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only this provider or profile.")] = None,
) -> None:
    """The tuned models that can be asked."""
    session = session_of(context)
    names = [provider] if provider else [info.name for info in session.client.providers() if info.serves and info.problem is None]
    models, codes = _listed(session, names)
    if session.json:
        session.out.document({"models": [model_document(model) for model in models]})
    elif models:
        _print_models(session, models)
    elif not codes:
        session.out.say("No tuned models yet. Make one: tuneport demo")
    raise typer.Exit(worst_exit_code(codes))


def _listed(session: Session, names: list[str]) -> tuple[list[Model], list[int]]:
    """The models of every provider that answers; one that does not is said and gives its exit code."""
    models: list[Model] = []
    codes: list[int] = []
    for name in names:
        try:
            models += session.client.models(provider=name)
        except TuneportError as error:
            if len(names) == 1:
                raise
            codes.append(error.exit_code)
            note(f"{name} did not answer: {error}")
    return models, codes


def _print_models(session: Session, models: list[Model]) -> None:
    now = session.client.clock.now()
    show = short_uri if session.out.terminal else str
    rows = [(show(model.uri), model.base or "", when(model.created_at, now), show(model.job_uri or "")) for model in models]
    session.out.table(("Model", "Base", "Created", "Job"), rows)


@app.command()
def show(context: typer.Context, model: OneModel) -> None:
    """One model with its lineage."""
    session = session_of(context)
    found = session.client.model(model)
    if session.json:
        session.out.document(model_document(found))
        return
    session.out.fields(
        [
            ("model", found.uri),
            ("kind", found.kind),
            ("base", found.base or ""),
            ("job", found.job_uri or ""),
            ("created", when(found.created_at, session.client.clock.now())),
            ("path", found.path or ""),
            ("checkpoints", ", ".join(found.checkpoints)),
            ("recipe", (found.recipe_fingerprint or "")[:16]),
            ("dataset", (found.dataset_fingerprint or "")[:16]),
            *((name, str(value)) for name, value in found.details.items()),
        ]
    )


@app.command()
def chat(
    context: typer.Context,
    model: OneModel,
    *,
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="Ask this once; without it: standard input, or a conversation.")
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
    question = prompt_from(prompt, json=session.json)
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
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N rows.")] = None,
    answers: Annotated[int, typer.Option("--answers", metavar="N", min=0, help="Also show so many answers that differ.")] = 0,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", min=1, help="Cut answers here; default: room for the longest reference.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the resampling behind the intervals.")] = 0,
) -> None:
    """Measure a model on held-out rows, and against others on the same rows."""
    from tuneport.cli.data import open_dataset
    from tuneport.cli.evaluations import evaluate_with_progress, print_evaluation
    from tuneport.provider import Generation

    session = session_of(context)
    rows = open_dataset(file)
    labels = open_dataset(labels_from) if labels_from else None
    target = session.client.model(model)
    found = evaluate_with_progress(
        session,
        target,
        rows if limit is None else rows.take(limit),
        against=against or [],
        labels_from=labels,
        metrics=metric,
        generation=None if max_tokens is None else Generation(max_tokens=max_tokens),
        seed=seed,
    )
    if session.json:
        session.out.document(found.to_dict())
    else:
        print_evaluation(found, out=session.out, answers=answers)
