"""`tuneport quote`: what a recipe or a dataset would cost at every provider, side by side, to train and to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli import recipe_input as given
from tuneport.cli.data_files import STANDARD, Overwrite, open_dataset, refuse_targets
from tuneport.cli.light import LightCommand
from tuneport.cli.output import note
from tuneport.cli.price_files import Prices, today
from tuneport.cli.session import Session, session_of
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class Weights(StrEnum):
    """Which weights are trained."""

    LORA = "lora"
    FULL = "full"


Provider = Annotated[list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider; may be repeated.")]
Providers = Annotated[
    str | None, typer.Option("--providers", metavar="NAMES", help="Only these providers: azure,together. Default: all that are known.")
]
Base = Annotated[str | None, typer.Option("--base", metavar="MODEL", help="The model to tune. Default: each provider's usual ones.")]
Method = Annotated[str | None, typer.Option("--method", metavar="NAME", help="How to train: sft, dpo, grpo …")]
WeightsOption = Annotated[Weights | None, typer.Option("--weights", help="Train an adapter, or all weights. Default: as the recipe says.")]
TrainingHours = Annotated[
    str | None, typer.Option("--training-hours", metavar="H", help="How long reinforcement runs, where it is billed by the hour.")
]
Requests = Annotated[
    int | None, typer.Option("--requests-per-month", metavar="N", min=0, help="What the tuned model is asked, for the cost of its answers.")
]
InputTokens = Annotated[
    int | None, typer.Option("--input-tokens", metavar="N", min=0, help="Tokens of a request's prompt. Default: as in the data.")
]
OutputTokens = Annotated[
    int | None, typer.Option("--output-tokens", metavar="N", min=0, help="Tokens of a request's answer. Default: as in the data.")
]
Months = Annotated[int | None, typer.Option("--months", metavar="M", min=1, help="How long the tuned model is kept. Default: 12.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write every line as CSV; - is standard output.")]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page as well; one that is there is replaced.")]
EveryLine = Annotated[bool, typer.Option("--lines", help="Show every line of every offer, however many there are.")]


@app.command(cls=LightCommand)
def quote(
    context: typer.Context,
    source: given.RecipeOrData = None,
    *,
    provider: Provider = None,
    providers: Providers = None,
    train: given.Train = None,
    validation: given.Validation = None,
    format: given.FromFormat = None,
    columns: given.Columns = None,
    base: Base = None,
    method: Method = None,
    weights: WeightsOption = None,
    epochs: given.Epochs = None,
    learning_rate: given.LearningRate = None,
    batch_size: given.BatchSize = None,
    rank: given.Rank = None,
    training_hours: TrainingHours = None,
    requests_per_month: Requests = None,
    input_tokens: InputTokens = None,
    output_tokens: OutputTokens = None,
    months: Months = None,
    prices: Prices = None,
    csv: Csv = None,
    html: Page = None,
    overwrite: Overwrite = False,
    lines: EveryLine = False,
) -> None:
    """What a recipe or a dataset would cost at every provider. Sends nothing; each price says where it is from and how old it is.

    Exit code 1 when no provider can say.
    """
    session = session_of(context)
    _refuse_files(csv, html, json=session.json, overwrite=overwrite, sources=(source, train, validation, *(prices or ())))
    quotes = session.client.quote(
        _source(context, source, train),
        base=base,
        method=method,
        weights=None if weights is None else weights.value,
        epochs=epochs,
        validation=None if validation is None else open_dataset(validation, format=format, columns=columns),
        providers=_names(provider, providers),
        usage=_usage(requests_per_month, input_tokens, output_tokens, months),
        training_hours=_hours(training_hours),
        prices=prices or (),
    )
    _show(session, quotes, csv=csv, html=html, every_line=lines, name=(source or train or Path("-")).name)
    raise typer.Exit(0 if any(one.lines for one in quotes) else 1)


def _source(context: typer.Context, source: Path | None, train: Path | None) -> Recipe | Dataset:
    """The recipe with the flags over it, or the dataset; what only a recipe can say makes one of a dataset. The method is not among the
    flags: it can be quoted before it can be trained from here."""
    flags = replace(given.flags_in(context), method=None)
    if source is not None and source.suffix.lower() in given.RECIPE_ENDINGS:
        return given.read_recipe(source, flags)
    if source is not None and train is not None:
        raise UsageError(f"both {source} and --train {train} are given; one of them is to be trained on.")
    data = source or train
    if data is None:
        raise UsageError("nothing to quote is given.", remedy="Name a recipe file or a dataset file.")
    if flags.learning_rate is not None or flags.batch_size is not None or flags.rank is not None:
        if flags.base is None:
            raise UsageError("--learning-rate, --batch-size and --rank make a recipe of a dataset, and a recipe needs --base MODEL.")
        return given.read_recipe(None, replace(flags, train=data))
    return open_dataset(data, format=flags.format, columns=flags.columns)


def _names(provider: Sequence[str] | None, providers: str | None) -> list[str] | None:
    """None for every provider."""
    listed = None if providers is None else [name.strip() for name in providers.split(",")]
    if listed is not None and "" in listed:
        raise UsageError(f"--providers {providers!r} is no list of names; write for example --providers azure,together, or all.")
    names = [*(provider or ()), *(listed or ())]
    return None if "all" in names else list(dict.fromkeys(names)) or None


def _usage(requests: int | None, input_tokens: int | None, output_tokens: int | None, months: int | None) -> Usage | None:
    from tuneport.quote import Usage

    if (requests, input_tokens, output_tokens, months) == (None, None, None, None):
        return None
    usage = Usage(requests=requests or 0, input_tokens=input_tokens, output_tokens=output_tokens)
    return usage if months is None else replace(usage, months=months)


def _hours(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        hours = Decimal(text)
    except InvalidOperation:
        hours = Decimal(-1)
    if not hours.is_finite() or hours < 0:
        raise UsageError(f"--training-hours {text!r} is not a number of hours; write for example --training-hours 2.5")
    return hours


def _refuse_files(csv: Path | None, html: Path | None, *, json: bool, overwrite: bool, sources: Sequence[Path | None]) -> None:
    """Before anything is counted. A page may be replaced, as nothing is read from one. Raises UsageError."""
    if csv == STANDARD and json:
        raise UsageError("--json and --csv - both want standard output.", remedy="Name a file: --csv FILE")
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"{html.name!r} does not end in .html, and a page is what is written.", remedy=f"Name it {html.stem or 'quote'}.html"
        )
    read = [path for path in sources if path is not None]
    refuse_targets([csv] if csv else [], sources=read, overwrite=overwrite)


def _show(session: Session, quotes: Sequence[Quote], *, csv: Path | None, html: Path | None, every_line: bool, name: str) -> None:
    """Files first, so that a document can say where they are."""
    from tuneport.cli.quote_documents import quotes_csv, quotes_document
    from tuneport.quoting.offers import in_order

    ordered = in_order(quotes)
    if html is not None:
        from tuneport.quoting.page import page

        _write(html, page(ordered, title=f"What it costs to tune on {name}", on=today(session)))
    if csv is not None and csv != STANDARD:
        _write(csv, quotes_csv(ordered))
    written = [str(path) for path in (csv, html) if path is not None and path != STANDARD]
    if session.json:
        session.out.document({**quotes_document(ordered), **({"written": written} if written else {})})
    elif csv == STANDARD:
        session.out.stream.write(quotes_csv(ordered))
    elif quotes:
        from tuneport.cli.quote_tables import print_quotes

        print_quotes(ordered, out=session.out, every_line=every_line)
    else:
        session.out.say("No provider is installed. See: tuneport providers")
    _say_written(session, written, apart=csv == STANDARD)


def _say_written(session: Session, written: Sequence[str], *, apart: bool) -> None:
    """Beside standard output where that holds the CSV itself."""
    if session.json:
        return
    if apart:
        for path in written:
            note(f"Wrote {path}")
    elif written:
        session.out.say("\n" + "\n".join(f"Wrote {path}" for path in written))


def _write(path: Path, text: str) -> None:
    from tuneport.files import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
