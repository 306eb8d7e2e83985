"""Differences with their intervals as inline SVG, beside the margin within which models count as equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from tuneport.html_page import of_class
from tuneport.intervals import Difference
from tuneport.parity.wording import clean, interval, number, points

_WIDTH, _ROW, _TOP, _BOTTOM = 900, 26, 28, 44
_LEFT, _RIGHT = 270, 20
"""Pixels of the drawing, of a row of it and of its margins; the names stand in the left one."""

STYLE = """
svg rect.margin { fill: var(--bar); opacity: .13 }
svg line.edge { stroke: var(--bar); stroke-dasharray: 4 4 }
svg line.zero { stroke: var(--ink) }
svg line.interval { stroke: var(--ink); stroke-width: 2 }
svg circle { fill: var(--ink) }
svg .decisive line.interval { stroke: var(--bar); stroke-width: 4 }
svg .decisive circle { fill: var(--bar) }
svg text.name { fill: var(--ink); font-size: 13px }
svg text.title, svg .decisive text { fill: var(--ink); font-weight: 600 }
svg text.title { font-size: 14px }
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line of the drawing: the difference in a metric. The one that the verdict is about is `decisive`."""

    metric: str
    difference: Difference
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class _Across:
    """Shares from `low` to `high`, from the left margin to the right one."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """Its place in pixels."""
        return _LEFT + (share - self.low) / (self.high - self.low) * (_WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> list[float]:
        """Round differences, about eight of them, zero among them."""
        rough = (self.high - self.low) / 8
        power = 10.0 ** floor(log10(rough))
        step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough * 0.999)
        return [place * step for place in range(ceil(self.low / step), floor(self.high / step) + 1)]


def picture(drawn: Sequence[Drawn], *, title: str, margin_points: float) -> str:
    """The drawing; '' where there is nothing to draw. `title`: which model against which."""
    if not drawn:
        return ""
    margin = margin_points / 100
    edges = [edge for each in drawn for edge in each.difference.interval]
    low, high = min(*edges, -margin), max(*edges, margin)
    room = 0.06 * (high - low)
    across, height = _Across(low - room, high + room), _TOP + _ROW * len(drawn) + _BOTTOM
    lines = [_line(each, across, y=_TOP + _ROW * (place + 0.5)) for place, each in enumerate(drawn)]
    label = escape(clean(f"{title}: differences in points, with their intervals and the margin"), quote=True)
    frame = _frame(across, height=height, title=title, margin_points=margin_points)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{frame}{"".join(lines)}</svg>'


def _frame(across: _Across, *, height: int, title: str, margin_points: float) -> str:
    floor_y, left, right = height - _BOTTOM, across.at(-margin_points / 100), across.at(margin_points / 100)
    parts = [f'<text class="title" x="0" y="14">{escape(clean(title))}</text>']
    parts.append(f'<rect class="margin" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{floor_y - _TOP}"/>')
    for tick in across.ticks():
        x, kind = across.at(tick), of_class("" if abs(tick) > 1e-12 else "zero")
        parts.append(f'<line{kind} x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{floor_y}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor_y + 17}" text-anchor="middle">{_tick(tick)}</text>')
    parts += [f'<line class="edge" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{floor_y}"/>' for x in (left, right)]
    below = f"points; shaded: the margin of {number(margin_points)}; worse on the left, better on the right"
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:g}" y="{height - 6}" text-anchor="middle">{below}</text>')
    return "".join(parts)


def _tick(share: float) -> str:
    """`-5`, `+2.5`, `0`."""
    return f"{round(100 * share, 6):+g}" if abs(share) > 1e-12 else "0"


def _line(each: Drawn, across: _Across, *, y: float) -> str:
    low, high = (across.at(edge) for edge in each.difference.interval)
    told = f"{points(each.difference.value)} ({interval(each.difference)})"
    parts = (
        f"<title>{escape(each.metric)}: {told} points</title>",
        f'<text class="name" x="0" y="{y + 4:.1f}">{escape(each.metric)}</text>',
        f'<text x="{_LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{told}</text>',
        f'<line class="interval" x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}"/>',
        f'<circle cx="{across.at(each.difference.value):.1f}" cy="{y:.1f}" r="5"/>',
    )
    return f"<g{of_class('decisive' if each.decisive else '')}>{''.join(parts)}</g>"
