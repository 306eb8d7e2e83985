"""The break-even picture: what open offers cost by requests a month, as inline SVG with both axes logarithmic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import combinations, pairwise
from math import ceil, floor, log10

from tuneport.quote import Quote
from tuneport.quoting.break_even import Course, break_even
from tuneport.quoting.cheapest import Stretch, cheapest, compared, rounded
from tuneport.quoting.offers import Names, in_order, is_open
from tuneport.quoting.wording import short_number

MOST_DRAWN = 8
_WIDTH, _HEIGHT = 960, 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 250, 34, 52
"""Pixels of the drawing and of its margins; the labels of the lines stand in the right one."""

_LABEL_STEP, _LABEL_LETTERS = 17, 34
_STEPS = 60
_USUAL = (1_000, 1_000_000)
_AROUND = (100, 1_000)
"""Requests a month that are shown where nothing says which matter; else so many times fewer and more than were asked about at most."""
_DEEPEST = 7
"""Decades of cost that are shown at most: what lies below is as good as nothing beside what lies above."""

STYLE = """
:root { --c0: #1f5fa8; --c1: #c2410c; --c2: #15803d; --c3: #9333ea; --c4: #be185d; --c5: #0e7490; --c6: #854d0e; --c7: #4b5563 }
@media (prefers-color-scheme: dark) {
  :root { --c0: #6aa8ec; --c1: #fb923c; --c2: #4ade80; --c3: #c79bff; --c4: #f687b8; --c5: #38d0e6; --c6: #e3b341; --c7: #c3cad5 }
}
svg polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round }
svg path.leader { fill: none; stroke-width: 1; opacity: .55 }
svg circle { fill: var(--paper); stroke: var(--dim); stroke-width: 1.3 }
svg circle.change { fill: var(--ink); stroke: var(--paper); stroke-width: 2 }
svg text.change, svg text.yours { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--paper); stroke-width: 4px;
  stroke-linejoin: round }
svg line.yours { stroke: var(--ink); stroke-dasharray: 3 4 }
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from `low` to `high`, between two places of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value; of 0 as of the lowest."""
        share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Every power of ten; over few of them also twice and five times each."""
        first, last = floor(log10(self.low) + 1e-9), ceil(log10(self.high) - 1e-9)
        heads = (1, 2, 5) if log10(self.high / self.low) < 2.5 else (1,)
        found = [float(f"{head}e{power}") for power in range(first, last + 1) for head in heads]
        return [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which offers are drawn, which are not though more is paid than elsewhere, which cost nothing, and which cannot be compared."""

    shown: tuple[tuple[Quote, Course], ...]
    dearer: tuple[Quote, ...]
    free: tuple[Quote, ...]
    unknown: tuple[Quote, ...]
    changes: tuple[Stretch, ...]


def drawn(quotes: Sequence[Quote]) -> Drawn:
    """The offers that cost least somewhere, then the cheapest of the others."""
    comparable = compared(in_order(quotes))
    known = [(quote, course) for quote, course in comparable if course.fixed or course.each]
    changes = cheapest([quote for quote, _ in known])
    best = [stretch.quote for stretch in changes][:MOST_DRAWN]
    shown = [*best, *(quote for quote, _ in known if quote not in best)][:MOST_DRAWN]
    return Drawn(
        tuple(each for each in known if each[0] in shown),
        tuple(quote for quote, _ in known if quote not in shown),
        tuple(quote for quote, course in comparable if not (course.fixed or course.each)),
        tuple(quote for quote in quotes if is_open(quote) and quote not in [each for each, _ in comparable]),
        tuple(each for each in changes if each.quote in shown),
    )


def picture(found: Drawn, *, names: Names) -> str:
    """The drawing; '' where there are no two offers to compare."""
    if len(found.shown) < 2:
        return ""
    usage = found.shown[0][0].usage
    yours = usage.requests if usage else 0
    across = _across(found, yours=yours)
    up = _up([course for _, course in found.shown], across)
    parts = [_frame(across, up), _yours(across, yours), *_lines(found, across, up), *_labels(found, across, up, names=names)]
    parts += [*_crossings(found, across, up), *_changes(found, across, up), _titles(found)]
    label = "Cost by requests a month of " + ", ".join(names.offer(quote) for quote, _ in found.shown)
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
    return f"{drawing}{''.join(parts)}</svg>"


def _across(found: Drawn, *, yours: int) -> _Axis:
    """Whole decades around where the cheapest offer changes and the requests that are asked about; three at least."""
    fewer, more = (yours / _AROUND[0], yours * _AROUND[1]) if yours else (_USUAL[0] / 10, _USUAL[1] * 10)
    points = [each.first for each in found.changes if fewer <= each.first <= more] + [yours] * (yours > 0)
    low, high = (min(points) / 3, max(points) * 3) if points else _USUAL
    last = ceil(log10(high))
    first = max(0, min(floor(log10(max(low, 1))), last - 3))
    return _Axis(10.0**first, 10.0 ** max(last, first + 3), _LEFT, _WIDTH - _RIGHT)


def _up(courses: Iterable[Course], across: _Axis) -> _Axis:
    """From just under the lowest cost to just above the highest, to one, two or five times a power of ten."""
    ends = [float(course.at(int(place))) for course in courses for place in (across.low, across.high)]
    high = max(ends)
    low = max(min(end for end in ends if end > 0), high / 10**_DEEPEST)
    return _Axis(_nice(low, above=False), _nice(high * 1.05, above=True), _HEIGHT - _BOTTOM, _TOP)


def _nice(value: float, *, above: bool) -> float:
    """The nearest of 1, 2 or 5 times a power of ten, above the value or not."""
    power = floor(log10(value))
    steps = [float(f"{head}e{power + more}") for more in (0, 1) for head in (1, 2, 5)]
    return min(step for step in steps if step >= value) if above else max(step for step in steps if step <= value * 1.0001)


def _frame(across: _Axis, up: _Axis) -> str:
    """Grid and numbers."""
    parts = []
    for value in up.ticks():
        y = up.at(value)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_tick(value)}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    """1,000; 10M; 0.05."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:,.0f}M"
    return f"{value:,.0f}" if value >= 1 else f"{value:.1g}"


def _titles(found: Drawn) -> str:
    quote = found.shown[0][0]
    months = quote.usage.months if quote.usage else 0
    over = f"{quote.currency} over {months} month{'' if months == 1 else 's'}"
    below = f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:g}" y="{_HEIGHT - 10}" text-anchor="middle">requests a month</text>'
    return f'{below}<text x="8" y="14">{escape(over)}</text>'


def _yours(across: _Axis, requests: int) -> str:
    """A line where the requests that were asked about are."""
    if not requests:
        return ""
    x, said = across.at(requests), f"{requests:,} a month"
    line = f'<line class="yours" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}"/>'
    return f'{line}<text class="yours" x="{x:.1f}" y="{_TOP - 14}" text-anchor="middle">{said}</text>'


def _lines(found: Drawn, across: _Axis, up: _Axis) -> Iterable[str]:
    """What lies under the axis of cost is left out."""
    for colour, (_, course) in enumerate(found.shown):
        fixed, each = float(course.fixed), float(course.each)
        if fixed + each * across.high <= up.low:
            continue
        first = across.low if fixed + each * across.low >= up.low else (up.low - fixed) / each
        places = [first * (across.high / first) ** (step / _STEPS) for step in range(_STEPS + 1)]
        points = " ".join(f"{across.at(place):.1f},{up.at(fixed + each * place):.1f}" for place in places)
        yield f'<polyline style="stroke: var(--c{colour})" points="{points}"/>'


def _labels(found: Drawn, across: _Axis, up: _Axis, *, names: Names) -> Iterable[str]:
    """The offers' names beside the ends of their lines, moved apart where those are close."""
    ends = [up.at(float(course.at(int(across.high)))) for _, course in found.shown]
    places = _apart(ends, least=_TOP + 4, most=_HEIGHT - _BOTTOM)
    edge = _WIDTH - _RIGHT
    for colour, ((quote, _), end, place) in enumerate(zip(found.shown, ends, places, strict=True)):
        paint = f"var(--c{colour})"
        yield f'<path class="leader" style="stroke: {paint}" d="M{edge + 1} {end:.1f} L{edge + 12} {place:.1f} H{edge + 17}"/>'
        text = escape(_cut(names.offer(quote)))
        yield f'<text x="{edge + 21}" y="{place + 4:.1f}" style="fill: {paint}">{text}<title>{escape(names.offer(quote))}</title></text>'


def _apart(wanted: Sequence[float], *, least: float, most: float) -> list[float]:
    """Places near the wanted ones, in their order, a label's height apart, inside the bounds."""
    order = sorted(range(len(wanted)), key=lambda each: wanted[each])
    places = [0.0] * len(wanted)
    above = least - _LABEL_STEP
    for each in order:
        places[each] = above = max(wanted[each], above + _LABEL_STEP)
    below = most + _LABEL_STEP
    for each in reversed(order):
        places[each] = below = min(places[each], below - _LABEL_STEP)
    return places


def _cut(text: str) -> str:
    half = _LABEL_LETTERS // 2
    return text if len(text) <= _LABEL_LETTERS else f"{text[: half - 1]}…{text[-half:]}"


def _crossings(found: Drawn, across: _Axis, up: _Axis) -> Iterable[str]:
    """A small ring wherever one line crosses another."""
    dotted = {(id(one.quote), id(other.quote)) for one, other in pairwise(found.changes)}
    for (one, course), (other, _) in combinations(found.shown, 2):
        crossing = break_even(one, other)
        if crossing is None or crossing.requests is None or (id(crossing.below), id(crossing.above)) in dotted:
            continue
        if across.low < crossing.requests < across.high and course.at(crossing.requests) > up.low:
            x, y = across.at(crossing.requests), up.at(float(course.at(crossing.requests)))
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{crossing.requests:,} requests a month</title></circle>'


def _changes(found: Drawn, across: _Axis, up: _Axis) -> Iterable[str]:
    """A dot with its number wherever the cheapest offer changes. Below the cheapest line nothing else is drawn."""
    courses = {id(quote): course for quote, course in found.shown}
    end, last = -1000.0, 0.0
    for each in found.changes:
        cost = float(courses[id(each.quote)].at(each.first))
        if not (across.low < each.first < across.high and cost > up.low):
            continue
        x, y, said = across.at(each.first), up.at(cost), short_number(Decimal(rounded(each.first)))
        lower = max(y + 17, last + 15) if x < end else y + 17
        end, last = x + 14 + 8 * len(said), lower
        yield f'<circle class="change" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>'
        yield f'<text class="change" x="{x + 8:.1f}" y="{lower:.1f}">{said}</text>'
