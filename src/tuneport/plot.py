"""Loss curves: as a PNG (matplotlib) and in the terminal (braille characters, no colours, no library)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import ConfigError, Unsupported, UsageError
from tuneport.files import write_bytes
from tuneport.job import Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = list[tuple[int, float]]
"""(step, value), in order of step, finite."""

_INK = ("#1f5fa8", "#c2571a", "#2b7d4f", "#8a3f8f", "#a8862a", "#3a3a3a")
_FEW_POINTS = 12
"""A curve of fewer points is drawn as it is, without a smoothed one over it."""


def loss_png(path: str | Path, series: Mapping[str, Sequence[Metric]], *, title: str) -> Path:
    """Draws train loss, its smoothed course and the validation points of each job in `series` (name -> metrics) into a PNG, atomically.

    Raises UsageError when no job has a loss yet, Unsupported without matplotlib, ConfigError when `path` cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path.name!r} does not end in .png, and that is what is drawn.", remedy=f"Name it {path.stem or 'loss'}.png")
    curves = {name: (_points(metrics, "loss"), _points(metrics, "eval_loss")) for name, metrics in series.items()}
    curves = {name: (train, validation) for name, (train, validation) in curves.items() if train or validation}
    if not curves:
        raise UsageError("there is no loss to draw yet.", remedy="Wait for the first steps: tuneport jobs metrics JOB")
    picture = BytesIO()
    _figure(curves, title=title).savefig(picture, format="png", dpi=144)
    try:
        return write_bytes(path, picture.getvalue())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.", remedy="Name another file.") from None


def _points(metrics: Iterable[Metric], name: str) -> Points:
    found = {metric.step: metric.values[name] for metric in metrics if name in metric.values and isfinite(metric.values[name])}
    return sorted(found.items())


def smoothed(values: Sequence[float], *, span: int) -> list[float]:
    """Each value averaged with its neighbours on both sides, weights falling off over about `span`: no lag behind a falling curve."""
    keep = 1 - 2 / (span + 1)
    ahead, behind = _faded(values, keep), _faded(values[::-1], keep)[::-1]
    return [(one + two - value) / (here + there - 1) for (one, here), (two, there), value in zip(ahead, behind, values, strict=True)]


def _faded(values: Sequence[float], keep: float) -> list[tuple[float, float]]:
    """At each value the sum of it and those before, each faded by `keep` per place, with the sum of the weights."""
    total, weight, sums = 0.0, 0.0, []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        sums.append((total, weight))
    return sums


def _figure(curves: Mapping[str, tuple[Points, Points]], *, title: str) -> Figure:
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise Unsupported("drawing a PNG needs matplotlib, which is not installed.", remedy="pip install 'tuneport[plot]'") from None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, (train, validation)) in enumerate(curves.items()):
        _draw_job(axes, f"{name}: " if len(curves) > 1 else "", train, validation, colour=_INK[number % len(_INK)])
    axes.set_title(title, loc="left", fontsize=12, pad=10)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(*_limits([value for pair in curves.values() for points in pair for _, value in points]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    return figure


def _draw_job(axes: Any, prefix: str, train: Points, validation: Points, *, colour: str) -> None:
    steps, losses = [step for step, _ in train], [loss for _, loss in train]
    if len(train) >= _FEW_POINTS:
        axes.plot(steps, losses, color=colour, alpha=0.28, linewidth=1, label=None if prefix else "train, each step")
        axes.plot(steps, smoothed(losses, span=max(5, len(train) // 20)), color=colour, linewidth=2, label=f"{prefix}train, smoothed")
    elif train:
        axes.plot(steps, losses, color=colour, linewidth=2, marker=".", label=f"{prefix}train")
    if validation:
        where, what = zip(*validation, strict=True)
        style = {"color": colour if prefix else _INK[1], "linestyle": (0, (2, 2)), "linewidth": 1.2, "marker": "o", "markersize": 6}
        axes.plot(where, what, markeredgecolor="white", zorder=3, label=f"{prefix}validation", **style)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The y axis, from zero. A single spike must not flatten the rest: it is cut off above 1.5 times the 98th percentile."""
    ordered = sorted(values)
    usual = ordered[min(len(ordered) - 1, int(0.98 * len(ordered)))]
    top = min(ordered[-1], 1.5 * usual) if usual > 0 else ordered[-1]
    return min(0.0, ordered[0]), (1.06 * top if top > 0 else 1.0)


def loss_text(metrics: Sequence[Metric], *, width: int = 72, height: int = 14) -> str:
    """The loss curve in `width` x `height` characters, axes included: train as a braille line, validation as `o`. One or two lines below
    the axis say the numbers. Plain Unicode without colours, so it may go to a file.

    Raises UsageError when there is no loss yet or no room.
    """
    train, validation = _points(metrics, "loss"), _points(metrics, "eval_loss")
    if not train and not validation:
        raise UsageError("there is no loss to draw yet.", remedy="Wait for the first steps: tuneport jobs metrics JOB")
    if width < 24 or height < 6:
        raise UsageError(f"{width} x {height} characters are too few for a curve; it needs 24 x 6.")
    both = train + validation
    steps, (bottom, top) = [step for step, _ in both], _limits([value for _, value in both])
    canvas = _Canvas(width - 9, height - 2, x=(min(steps), max(steps)), y=(bottom, top))
    canvas.line(train)
    canvas.marks(validation, "o")
    said = [_summary(name, points) for name, points in (("train loss", train), ("o validation", validation)) if points]
    return "\n".join([*canvas.framed(), *said])


def _summary(name: str, points: Points) -> str:
    (first_step, first), (last_step, last) = points[0], points[-1]
    best_step, best = min(points, key=lambda point: point[1])
    return f"{name} {first:.3f} at step {first_step}, {last:.3f} at step {last_step}; lowest {best:.3f} at step {best_step}"


class _Canvas:
    """Characters of 2 x 4 braille dots each, with axes. x and y are the ranges of values it spans."""

    _DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))

    def __init__(self, columns: int, rows: int, *, x: tuple[int, int], y: tuple[float, float]) -> None:
        self.columns, self.rows, self.x, self.y = columns, rows, x, y
        self.cells = [[0] * columns for _ in range(rows)]
        self.letters: dict[tuple[int, int], str] = {}

    def line(self, points: Points) -> None:
        """Joins the points; several in one column of dots are first averaged."""
        columns: dict[int, list[float]] = {}
        for step, value in points:
            columns.setdefault(self._across(step), []).append(value)
        dots = [(across, self._down(sum(values) / len(values))) for across, values in columns.items()]
        for (across, down), (to_across, to_down) in zip(dots, dots[1:] or dots, strict=False):
            for part in range(steps := max(to_across - across, abs(to_down - down), 1)):
                self._dot(across + round((to_across - across) * part / steps), down + round((to_down - down) * part / steps))
        for dot in dots[-1:]:
            self._dot(*dot)

    def marks(self, points: Points, letter: str) -> None:
        """Puts `letter` at each point."""
        for step, value in points:
            self.letters[self._down(value) // 4, self._across(step) // 2] = letter

    def framed(self) -> list[str]:
        """The lines: seven characters of scale, the axis, the canvas; below, the first and last step."""
        shown = {0: self.y[1], self.rows // 2: self._value(self.rows // 2), self.rows - 1: self.y[0]}
        lines = [f"{_number(shown[row]) if row in shown else '':>7} ┤{self._row(row)}".rstrip() for row in range(self.rows)]
        first, last = str(self.x[0]), str(self.x[1])
        return [*lines, f"{'step':>7} └{'─' * self.columns}", f"{'':9}{first}{last:>{self.columns - len(first)}}"]

    def _row(self, row: int) -> str:
        dotted = (chr(0x2800 + dots) if dots else " " for dots in self.cells[row])
        return "".join(self.letters.get((row, column), dots) for column, dots in enumerate(dotted))

    def _value(self, row: int) -> float:
        return self.y[1] - (self.y[1] - self.y[0]) * row / max(1, self.rows - 1)

    def _across(self, step: float) -> int:
        return round((step - self.x[0]) / ((self.x[1] - self.x[0]) or 1) * (2 * self.columns - 1))

    def _down(self, value: float) -> int:
        share = (self.y[1] - value) / (self.y[1] - self.y[0])
        return round(min(1.0, max(0.0, share)) * (4 * self.rows - 1))

    def _dot(self, across: int, down: int) -> None:
        self.cells[down // 4][across // 2] |= self._DOTS[across % 2][down % 4]


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.2g}"
