"""The command `tuneport`: its commands by name, each imported only when it is called.

Importing this imports typer and nothing heavier: `tuneport --help` must cost little more than `import typer`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from tuneport import __version__
from tuneport.cli.light import LightGroup
from tuneport.cli.pipes import PipeBroke, cut_off, named_apart
from tuneport.cli.session import OpenClient, Session, open_client
from tuneport.errors import Detached, UsageError


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command or group of commands: the module whose `app` it is, and its line in the help."""

    module: str
    summary: str


COMMANDS = {
    "demo": Lazy("demo", "Fine-tune a small model on this machine, start to end."),
    "providers": Lazy("providers", "What is installed, what it can do, and why it cannot."),
    "data": Lazy("data", "Check, convert, split and measure datasets."),
    "recipe": Lazy("recipes", "The schema of recipes; check and show one."),
    "quote": Lazy("quotes", "What a recipe would cost at every provider, side by side."),
    "prices": Lazy("prices", "The price book: what training and answers cost, since when, says who."),
    "submit": Lazy("submit", "Submit a recipe to a provider, once."),
    "jobs": Lazy("jobs", "List, follow, plot, cancel, pause and resume jobs."),
    "models": Lazy("models", "List, ask, evaluate and deploy models; the bases that can be tuned."),
    "archive": Lazy("archive", "Keep all there is of tuned models in a folder that outlives the provider."),
    "port": Lazy("porting", "Carry a tune to another provider and prove that the copy is as good."),
    "sweep": Lazy("sweeps", "Train a recipe with other settings, and find the best."),
    "watch": Lazy("watch", "Which tuned models stop answering when, and what to do."),
}


class LazyGroup(LightGroup):
    """Knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return typer.main.get_command(import_module(f"tuneport.cli.{COMMANDS[cmd_name].module}").app)
        if not ctx.resilient_parsing and not cmd_name.startswith("-"):
            from tuneport.nearest import did_you_mean

            ctx.fail(f"no such command {cmd_name!r}; {did_you_mean(cmd_name, COMMANDS)}")
        return None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            with named_apart():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Detached("interrupted.") from None
        except (EOFError, SystemExit) as error:  # a plug-in's: typer would say "not confirmed" of one, nothing of the other
            raise RuntimeError(f"{type(error).__name__} {error}".rstrip()) from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asked, rest = global_options(args)
        if isinstance(ctx.obj, Session):
            ctx.obj.json, ctx.obj.home = asked.json, asked.home
        with named_apart():
            parsed: list[str] = super().parse_args(ctx, rest)
        return parsed


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What --json and --home say."""

    json: bool = False
    home: Path | None = None


def global_options(args: Sequence[str]) -> tuple[GlobalOptions, list[str]]:
    """--json and --home, wherever they stand, and the other arguments. People type them after the command; what follows `--` stays."""
    asked = GlobalOptions()
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--json":
            asked = replace(asked, json=True)
        elif word.startswith("--home="):
            asked = replace(asked, home=_home(word.removeprefix("--home=")))
        elif word == "--home":
            asked = replace(asked, home=_home(next(words, "")))
        else:
            rest.append(word)
    return asked, rest


def _home(text: str) -> Path:
    """Nothing is no folder: a script's unset variable must not put the state into the folder it happens to run in."""
    if not text.strip():
        raise UsageError("--home is given without a folder.", remedy="Name one: --home DIR, or leave it out.")
    return Path(text)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuneport {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--json and --home are understood anywhere on the line.",
)


@app.callback()
def root(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where all state lives; default: TUNEPORT_HOME, else the user's data folder.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """One client for every place a language model can be fine-tuned."""
    # --json and --home stand here for the help only: `global_options` has taken them out before


def main(argv: Sequence[str] | None = None, *, opening: OpenClient = open_client) -> int:
    """Runs one command and returns its exit code. `opening` makes the client that the commands call."""
    args = sys.argv[1:] if argv is None else list(argv)
    session = Session(opening)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a letter that the terminal does not know is no reason to fail
    try:
        code = typer.main.get_command(app).main(args, prog_name="tuneport", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except (PipeBroke, BrokenPipeError) as error:
        return 0 if cut_off(sys.stdout) else _reported(error.__cause__ or error, session, args)
    except Exception as error:
        return _reported(error, session, args)
    finally:
        session.close()
        if argv is None:
            gc.freeze()  # the process ends now; looking once more for garbage in all that was imported takes it 25 ms
    return code if isinstance(code, int) else 0


def _reported(error: BaseException, session: Session, args: Sequence[str]) -> int:
    from tuneport.cli.failures import report

    return report(error, json=session.json or "--json" in args)
