"""`tuneport recipe`: the schema of recipes; check and show one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuneport.cli.session import session_of
from tuneport.plurals import counted

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False, help="The schema of recipes; check and show one.")

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A .toml, .yaml or .json file.")]


@app.command()
def schema(context: typer.Context) -> None:
    """Print the JSON schema of recipe files."""
    from tuneport.recipe import Recipe

    session_of(context).out.raw_json(Recipe.model_json_schema(), indent=2)


@app.command()
def check(context: typer.Context, recipe: RecipeFile) -> None:
    """Read a recipe and all its data; say what is wrong."""
    from tuneport.recipe import Recipe

    session = session_of(context)
    read = Recipe.load(recipe)
    datasets = {"train": read.train} | ({"validation": read.validation} if read.validation is not None else {})
    rows = {purpose: dataset.count() for purpose, dataset in datasets.items()}
    if session.json:
        session.out.document({"ok": True, "rows": rows, "fingerprint": read.fingerprint})
    else:
        counts = ", ".join(f"{purpose} {counted(count, 'row')}" for purpose, count in rows.items())
        session.out.say(f"{recipe}: ok ({counts}).", style="good")


@app.command()
def show(context: typer.Context, recipe: RecipeFile) -> None:
    """Print a recipe with every default filled in."""
    import tomli_w

    from tuneport.recipe import Recipe

    session = session_of(context)
    values = Recipe.load(recipe).to_dict()
    if session.json:
        session.out.document({"recipe": values})
    else:
        session.out.raw(tomli_w.dumps(values).rstrip())
