"""The live lines of a terminal: one job a line, redrawn in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuneport.cli.output import Output, printable
from tuneport.cli.progress import Standing, details
from tuneport.cli.views import duration, short_uri

MOST_LINES = 12
_STATE_COLOURS = {"succeeded": "green", "failed": "red", "expired": "red", "running": "cyan"}


@contextmanager
def live_watcher(out: Output) -> Iterator[LiveWatcher]:
    """A watcher whose lines stay on the screen when it ends."""
    with Live(console=out.console(), refresh_per_second=4, transient=False) as live:
        yield LiveWatcher(live, width=out.width)


class LiveWatcher:
    """Redraws the lines at every look."""

    def __init__(self, live: Live, *, width: int) -> None:
        self._live = live
        self._width = width

    def show(self, standings: Sequence[Standing]) -> None:
        self._live.update(drawn(standings, width=self._width))


def drawn(standings: Sequence[Standing], *, width: int) -> Table:
    """The jobs as a grid that fits `width` columns; many jobs as the most recent few and a count."""
    grid = Table.grid(padding=(0, 1), expand=False)
    live_first = sorted(standings, key=lambda one: one.job.state.terminal)
    for one in live_first[:MOST_LINES]:
        grid.add_row(_line(one, named=len(standings) > 1, width=width))
    if len(standings) > MOST_LINES:
        grid.add_row(Text(_counts(standings), style="dim"))
    return grid


def _counts(standings: Sequence[Standing]) -> str:
    counts = Counter(one.job.state.value for one in standings)
    return f"{len(standings)} jobs: " + ", ".join(f"{count} {state}" for state, count in counts.most_common())


def _line(one: Standing, *, named: bool, width: int) -> Table:
    row = Table.grid(padding=(0, 1))
    cells: list[Text | ProgressBar] = [Text(short_uri(one.job.uri), style="bold")] if named else []
    state = one.job.state.value
    cells.append(Text(state.ljust(9), style=_STATE_COLOURS.get(state, "yellow")))
    if one.total and not one.job.state.terminal:
        cells.append(ProgressBar(total=1.0, completed=one.share, width=12 if width < 100 else 30))
    cells.append(Text(printable(_words(one, width=width)), overflow="ellipsis", no_wrap=True))
    for _ in cells:
        row.add_column(no_wrap=True)
    row.add_row(*cells)
    return row


def _words(one: Standing, *, width: int) -> str:
    if width >= 100 or one.step is None:
        return "  ".join(details(one))
    short = [f"{one.step}/{one.total}" if one.total else f"step {one.step}"]
    short += [f"loss {one.loss:.3f}"] if one.loss is not None else []
    short += [f"{one.tokens_per_second:,.0f} tok/s"] if one.tokens_per_second is not None else []
    short += [f"ETA {duration(one.eta_s)}"] if one.eta_s is not None else []
    return "  ".join(short)
