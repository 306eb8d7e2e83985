"""A parity report as one HTML page that needs nothing else, to read, print and sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tuneport.html_page import document, drawn_row, row, table
from tuneport.parity import drawing
from tuneport.parity.compared import Contest, Differing
from tuneport.parity.report import Report, Side
from tuneport.parity.rows import Said
from tuneport.parity.text import cost_text, side_text
from tuneport.parity.verdict import Judgement
from tuneport.parity.wording import agreement, clean, difference, latency, number, tokens, value
from tuneport.plurals import counted

FIRST, MOST = 20, 200
"""Rows with different answers that are open, and that are there at all."""

_ANSWER_CHARS = 2000

_STYLE = (
    """
:root { --good: #15803d; --warn: #9a6700 }
@media (prefers-color-scheme: dark) { :root { --good: #4ade80; --warn: #e3b341 } }
@media print {
  :root { color-scheme: light; --ink: #000000; --dim: #444444; --line: #bbbbbb; --paper: #ffffff; --bar: #1f5fa8; --bad: #b3261e;
    --good: #15803d; --warn: #9a6700 }
  html { font-size: 12px }
  body { margin: 0; font-size: 1rem; max-width: none }
  tr, svg, .verdict, .sign { break-inside: avoid }
  h2 { break-after: avoid }
}
body { max-width: 62rem }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--dim); border-radius: .3rem; padding: .9rem 1.2rem }
.verdict.good { border-left-color: var(--good) } .verdict.warned { border-left-color: var(--warn) }
.verdict.bad { border-left-color: var(--bad); color: inherit }
.verdict strong { display: block; font-size: 1.25rem; overflow-wrap: anywhere } .verdict p { color: var(--ink); margin: .5rem 0 0 }
ul { padding-left: 1.2rem; margin: .6rem 0 } li { margin: .2rem 0; overflow-wrap: anywhere }
.wide { overflow-x: auto } .wide svg { min-width: 40rem } .wide + .wide { margin-top: .8rem }
.facts th { white-space: nowrap; width: 11rem } .facts td { overflow-wrap: anywhere }
summary { cursor: pointer; margin: .8rem 0 }
table.answers { table-layout: fixed; min-width: 46rem; font-size: .875rem }
.answers td { white-space: pre-wrap; overflow-wrap: anywhere; padding-right: .9rem }
.metrics { margin-top: 1rem } .metrics :is(th, td):nth-child(5) { padding-left: 1rem }
.answers th { overflow-wrap: anywhere }
.answers :is(th, td):first-child { width: 3.5rem } .answers :is(th, td):nth-child(2) { width: 4rem; white-space: nowrap }
td.lost, .mark { color: var(--bad); font-weight: 600 } td.won { color: var(--good); font-weight: 600 }
td small, th small { display: block; color: var(--dim); font-weight: 400; overflow-wrap: anywhere }
.sign td { height: 2.6rem; border-bottom: 1px solid var(--ink) }
"""
    + drawing.STYLE
)


def page(report: Report, *, first: int = FIRST, most: int = MOST) -> str:
    """The whole page. Of the rows it holds those that were answered differently, `first` in view and up to `most` folded; 0 for none."""
    names = report.about.names
    parts = [
        _verdict(report),
        _cautions(report),
        _metrics(report),
        _agreement(report),
        _answers(report, first=min(first, most), most=most),
        _asking(report),
        _compared(report),
        _lineage(report),
        _sign(),
    ]
    said = "Intervals of shares: Tango's score interval; of other metrics: bootstrap over rows, not narrower than so few rows allow."
    return document(clean(f"Parity: {names['old']} and {names['new']}"), parts, said=said, style=_STYLE)


def _verdict(report: Report) -> str:
    verdict = report.verdict
    said = [*verdict.sentences, *([verdict.prompting.sentence] if verdict.prompting else [])]
    told = "".join(f"<p>{_text(sentence)}</p>" for sentence in said)
    return f'<div class="verdict {_kind(verdict.judgement)}"><strong>{_text(verdict.headline)}</strong>{told}</div>'


def _kind(judgement: Judgement) -> str:
    if judgement.outcome in ("equal", "better"):
        return "good"
    return "bad" if judgement.outcome == "worse" and not judgement.within_margin else "warned"


def _cautions(report: Report) -> str:
    items = "".join(f"<li>{_text(caution)}</li>" for caution in report.verdict.cautions)
    return f"<h2>Before you believe it</h2>\n<ul>{items}</ul>" if items else ""


# --- metrics ---------------------------------------------------------------------------------------------------------------------------


def _metrics(report: Report) -> str:
    contests = [contest for contest in (report.compared.ported, report.compared.prompted) if contest]
    if not contests:
        return ""
    rows = [line for contest in contests for line in _metric_rows(report, contest)]
    drawn = "\n".join(_picture(report, contest) for contest in contests)
    headers = ("Model", "Metric", "Old", "This", f"Difference ({report.compared.level:.0%} interval)", "Better on", "Worse on", "Rows")
    shown = table(headers, rows, numbers=(2, 3, 5, 6, 7), kind="metrics")
    return f'<h2>Metrics on the same rows</h2>\n{drawn}\n<div class="wide">{shown}</div>'


def _picture(report: Report, contest: Contest) -> str:
    """Each model on a scale of its own: an untuned base may be far off."""
    drawn = [
        drawing.Drawn(each.metric, each.difference, each.metric == contest.primary)
        for each in contest.measured
        if each.difference is not None and each.points
    ]
    title = f"{report.about.names[contest.who]} against {report.about.names['old']}"
    return f'<div class="wide">{drawing.picture(drawn, title=title, margin_points=report.verdict.margin_points)}</div>' if drawn else ""


def _metric_rows(report: Report, contest: Contest) -> list[str]:
    name = clean(report.about.names[contest.who])
    return [
        row(
            (name, "name"),
            (each.metric, ""),
            (value(each.old, each), "number"),
            (value(each.first, each), "number"),
            (difference(each), ""),
            ("" if each.won is None else f"{each.won:,}", "number"),
            ("" if each.lost is None else f"{each.lost:,}", "number"),
            (f"{contest.rows:,}", "number"),
        )
        for each in contest.measured
    ]


def _agreement(report: Report) -> str:
    found = report.compared.agreement
    if found is None:
        return ""
    names = report.about.names
    said = f"{names['old']} and {names['new']} gave {agreement(found)}, white space aside."
    return f"<h2>Agreement</h2>\n<p>{_text(said)}</p>"


# --- answers ---------------------------------------------------------------------------------------------------------------------------


def _answers(report: Report, *, first: int, most: int) -> str:
    differing = report.compared.differing
    if not differing or most <= 0:
        return ""
    parts = [f"<h2>{_text(_differing_title(differing))}</h2>", _answer_table(report, differing[:first])]
    folded = differing[first:most]
    if folded:
        parts.append(f"<details><summary>{counted(len(folded), 'more row')}</summary>{_answer_table(report, folded)}</details>")
    left_out = len(differing) - most
    if left_out > 0:
        parts.append(f"<p>{counted(left_out, 'further row')} not shown.</p>")
    return "\n".join(parts)


def _differing_title(differing: Sequence[Differing]) -> str:
    lost, won = (sum(each.kind == kind for each in differing) for kind in ("lost", "won"))
    return f"{counted(len(differing), 'row')} answered differently: {lost:,} lost, {won:,} won, {len(differing) - lost - won:,} other"


def _answer_table(report: Report, differing: Sequence[Differing]) -> str:
    if not differing:
        return ""
    who = report.about.names
    prompted = any(each.row.prompted for each in differing)
    headers = ("Row", "", "Question", "Right", who["old"], who["new"], *((who["prompted"],) if prompted else ()))
    rows = [_answer_row(each, prompted=prompted) for each in differing]
    return f'<div class="wide">{table(map(clean, headers), rows, numbers=(0,), kind="answers")}</div>'


def _answer_row(found: Differing, *, prompted: bool) -> str:
    asked = found.row
    right = '<span class="mark">none</span>' if not asked.reference else _isolated(asked.reference)
    said = [asked.old, asked.new, *([asked.prompted] if prompted else [])]
    return drawn_row(
        (f"{asked.number:,}", "number"),
        (found.kind, "" if found.kind == "other" else found.kind),
        (_isolated(asked.question), ""),
        (right, ""),
        *((_answer(each), "") for each in said),
    )


def _answer(said: Said | None) -> str:
    if said is None:
        return ""
    if said.failed:
        return '<span class="mark">no answer</span>'
    cut = "<small>cut off at the length that was allowed</small>" if said.prediction.finish == "length" else ""
    return (_isolated(said.text) or '<span class="mark">empty</span>') + cut


def _isolated(text: str) -> str:
    """What others wrote, so that its direction does not turn what stands beside it."""
    shown = clean(text)
    more = f"… ({counted(len(shown) - _ANSWER_CHARS, 'more character')})" if len(shown) > _ANSWER_CHARS else ""
    return f'<bdi dir="auto">{escape(shown[:_ANSWER_CHARS] + more)}</bdi>' if shown else ""


# --- facts -----------------------------------------------------------------------------------------------------------------------------


def _asking(report: Report) -> str:
    sides = report.about.sides.items()
    rows = [
        drawn_row(
            (_text(report.about.names[who]), "name"),
            (_text(latency(report.latency(who))), ""),
            (_text(tokens(report.compared.asked.get(who))), ""),
            (_cost(side), ""),
            head=True,
        )
        for who, side in sides
    ]
    shown = table(("Model", "Latency of one answer", "Tokens of one request", "Cost of 1,000 requests"), rows, numbers=())
    return f'<h2>Speed and cost</h2>\n<div class="wide">{shown}</div>'


def _cost(side: Side) -> str:
    source = f"<small>{_text(side.cost.source)}</small>" if side.cost and side.cost.source else ""
    return _text(cost_text(side)) + source


def _compared(report: Report) -> str:
    about, compared, verdict = report.about, report.compared, report.verdict
    pairs = [
        *((_ROLES[who], side_text(side)) for who, side in about.sides.items()),
        ("Providers", ", ".join(dict.fromkeys(side.provider for side in about.sides.values()))),
        ("Held-out rows", f"{compared.rows:,} of {about.data}"),
        ("Their fingerprint", about.data_fingerprint),
        ("Chosen with seed", "" if about.seed is None else str(about.seed)),
        ("Compared on", str(about.made_on)),
        ("Margin", f"{number(verdict.margin_points)} points"),
        ("Level and power", f"{verdict.level:.0%} intervals; rows needed are told at a power of {verdict.power:g}"),
        ("Resampling", f"{compared.resamples:,} resamples, seed {compared.seed}"),
    ]
    return f"<h2>What was compared</h2>\n{_facts(pairs)}"


_ROLES = {"old": "Old model", "new": "New model", "prompted": "Prompted base"}


def _lineage(report: Report) -> str:
    parts = [
        f"<h3>{_text(report.about.names[who])}</h3>\n{_facts(side.lineage)}" for who, side in report.about.sides.items() if side.lineage
    ]
    return "<h2>Lineage</h2>\n" + "\n".join(parts) if parts else ""


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    rows = [row((clean(name), ""), (clean(text), ""), head=True) for name, text in pairs if text]
    return f'<table class="facts">{"".join(rows)}</table>'


def _sign() -> str:
    decision = "Decision:  ☐ switch to the new model   ☐ keep the old one   ☐ ask more rows"
    rows = [row(("", ""), ("", ""), ("", ""), ("", "")) for _ in range(2)]
    return f'<div class="sign"><h2>Sign-off</h2>\n<p>{decision}</p>{table(("Name", "Role", "Date", "Signature"), rows, numbers=())}</div>'


def _text(said: str) -> str:
    return escape(clean(said))
