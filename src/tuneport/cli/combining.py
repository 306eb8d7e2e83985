"""`tuneport models combine`: several adapters of one base made into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuneport.cli.session import Session, session_of
from tuneport.cli.views import model_document


def combine(
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL[:WEIGHT]...", help="Adapters of one base; a weight is 1 where none is given.")
    ],
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder for the adapter.")],
    how: Annotated[
        str, typer.Option("--method", metavar="WAY", help="cat (exact), svd, linear, ties, dare_linear, dare_ties or magnitude_prune.")
    ] = "cat",
    density: Annotated[float, typer.Option("--density", metavar="SHARE", help="How much of each ties, dare and prune keep.")] = 0.5,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of what dare leaves out.")] = 0,
) -> None:
    """Make several adapters of one base into one, by weights. The result is named by its folder."""
    session = session_of(context)
    parts = [weighted(text, session) for text in models]
    made = session.client.combine(parts, to=to, how=how, density=density, seed=seed)
    if session.json:
        session.out.document(model_document(made))
        return
    session.out.say(f"{made.uri}")
    session.out.say(f"Ask it: tuneport models chat {made.uri}")


def weighted(text: str, session: Session) -> tuple[str, float]:
    """A model's name and its weight: what stands behind the last colon, where that is a number and no id at a provider."""
    name, colon, last = text.rpartition(":")
    try:
        share = float(last)
    except ValueError:
        return text, 1.0
    return (name, share) if colon and name not in {info.name for info in session.client.providers()} else (text, 1.0)
