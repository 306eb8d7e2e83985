"""A parity report as plain lines for the terminal, and as JSON-ready values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuneport.columns import aligned
from tuneport.parity.compared import Agreement, Asked, Contest, Differing, Measured, Who
from tuneport.parity.report import Report, Side
from tuneport.parity.verdict import Judgement
from tuneport.parity.wording import cost, difference, latency, number, one_line, tokens, value
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.intervals import Difference

SCHEMA_VERSION = 1

_ANSWER_CHARS, _CAUTION_CHARS = 40, 600


def text(report: Report, *, answers: int = 5) -> str:
    """The verdict first. `answers` rows that differ are shown: the rows' contents, so 0 where those must not be seen."""
    verdict = report.verdict
    parts = [
        [verdict.headline],
        [*verdict.sentences, *([verdict.prompting.sentence] if verdict.prompting else [])],
        [f"Note: {one_line(caution, most=_CAUTION_CHARS)}" for caution in verdict.cautions],
        metric_lines(report),
        list(_asked_lines(report)),
        list(_answer_lines(report, most=answers)),
        list(_about_lines(report)),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def metric_lines(report: Report) -> list[str]:
    """A table of the metrics: each model beside the old one on the same rows, and the difference with its interval."""
    rows = [row for contest in (report.compared.ported, report.compared.prompted) if contest for row in _metric_rows(report, contest)]
    level = f"{report.compared.level:.0%} interval"
    return aligned([["", "metric", "old", "this", f"difference ({level})", "rows"], *rows], right=(2, 3, 5)) if rows else []


def _metric_rows(report: Report, contest: Contest) -> Iterator[list[str]]:
    name = one_line(report.about.names[contest.who], most=30)
    for each in contest.measured:
        yield [name, each.metric, value(each.old, each), value(each.first, each), difference(each), f"{contest.rows:,}"]


def _asked_lines(report: Report) -> list[str]:
    head = ["", "latency", "tokens a request", "cost of 1,000 requests"]
    rows = [
        [
            one_line(report.about.names[who], most=30),
            latency(report.latency(who)),
            tokens(report.compared.asked.get(who)),
            one_line(cost_text(side), most=120),
        ]
        for who, side in report.about.sides.items()
    ]
    return aligned([head, *rows])


def cost_text(side: Side) -> str:
    """`0.42 USD`, with the day of the price and what is to be known of it; `not given`."""
    if side.cost is None:
        return "not given"
    money = cost(side.cost.per_1000, side.cost.currency)
    shown = f"{money} USD" if side.cost.per_1000 is not None and side.cost.currency == "USD" else money
    more = ", ".join(filter(None, (f"as of {side.cost.as_of}" if side.cost.as_of else "", side.cost.note)))
    return f"{shown} ({more})" if more else shown


def _answer_lines(report: Report, *, most: int) -> Iterator[str]:
    differing = report.compared.differing
    if not differing or not most:
        return
    yield f"{counted(len(differing), 'row')} answered differently{f', the first {most}' if len(differing) > most else ''}:"
    shown = [["row", "", "right", "old", "new"], *map(_answer_row, differing[:most])]
    yield from aligned(shown, right=(0,))


def _answer_row(found: Differing) -> list[str]:
    row = found.row
    said = [answer.text if answer else "" for answer in (row.old, row.new)]
    return [str(row.number), found.kind, *(one_line(each, most=_ANSWER_CHARS) for each in (row.reference or "", *said))]


def _about_lines(report: Report) -> Iterator[str]:
    about = report.about
    for who, side in about.sides.items():
        yield f"{who}: {one_line(side_text(side), most=300)}"
    yield f"rows: {one_line(data_text(report), most=300)}"


def side_text(side: Side) -> str:
    """`openai:ft:gpt… (base gpt-4.1-mini), archived answers of 2026-12-01`."""
    base = f" (base {side.base})" if side.base else ""
    day = f" of {side.answered_on}" if side.answered_on else ""
    source = "archived answers" if side.source == "archive" else "answers"
    return f"{side.uri}{base}, {source}{day}" if side.source == "archive" or day else f"{side.uri}{base}"


def data_text(report: Report) -> str:
    """The held-out rows, their fingerprint and seed, the margin, the level and the day."""
    about, compared, verdict = report.about, report.compared, report.verdict
    seed = f", seed {about.seed}" if about.seed is not None else ""
    said = f"{compared.rows:,} of {about.data} ({about.data_fingerprint[:16]}{seed})"
    return f"{said}, margin {number(verdict.margin_points)} points, level {verdict.level:.0%}, {about.made_on}"


# --- JSON ------------------------------------------------------------------------------------------------------------------------------


def to_dict(report: Report, *, contents: bool = False) -> dict[str, Any]:
    """JSON-ready. With `contents` the rows that differ are there with what they ask and what was said; else their numbers only."""
    verdict, compared, about = report.verdict, report.compared, report.about
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": {
            **_judgement(verdict.judgement),
            "headline": verdict.headline,
            "sentences": list(verdict.sentences),
            "cautions": list(verdict.cautions),
            "metric": verdict.metric,
            "difference": _difference(verdict.difference),
            "rows": verdict.rows,
            "enough_rows": verdict.enough_rows,
            "chance_of_finding": verdict.chance_of_finding,
            "margin_points": verdict.margin_points,
            "level": verdict.level,
            "power": verdict.power,
        },
        "prompting": {
            **_judgement(verdict.prompting.judgement),
            "enough": verdict.prompting.enough,
            "sentence": verdict.prompting.sentence,
            "difference": _difference(verdict.prompting.difference),
        }
        if verdict.prompting
        else None,
        "models": {who: _side(report, who, side) for who, side in about.sides.items()},
        "data": {
            "name": about.data,
            "fingerprint": about.data_fingerprint,
            "seed": about.seed,
            "rows": compared.rows,
            "without_reference": compared.without_reference,
            "repeated": compared.repeated,
        },
        "made_on": about.made_on.isoformat(),
        "resamples": compared.resamples,
        "resampling_seed": compared.seed,
        "comparisons": [_contest(contest) for contest in (compared.ported, compared.prompted) if contest],
        "agreement": _agreement(compared.agreement) if compared.agreement else None,
        "differing": [_differing(each, contents=contents) for each in compared.differing],
    }


def _judgement(found: Judgement) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "within_margin": found.within_margin,
        "beyond_margin": found.beyond_margin,
        "no_worse": found.no_worse,
    }


def _difference(found: Difference | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.value, "interval": list(found.interval), "level": found.level, "p": found.p}


def _agreement(found: Agreement) -> dict[str, Any]:
    return {"same": found.same, "rows": found.rows, "share": found.share, "interval": list(found.interval), "level": found.level}


def _side(report: Report, who: Who, side: Side) -> dict[str, Any]:
    asked: Asked | None = report.compared.asked.get(who)
    timed = report.latency(who)
    return {
        "name": side.name,
        "uri": side.uri,
        "provider": side.provider,
        "base": side.base,
        "source": side.source,
        "answered_on": side.answered_on.isoformat() if side.answered_on else None,
        "lineage": [list(fact) for fact in side.lineage],
        "missing": asked.missing if asked else None,
        "failed": asked.failed if asked else None,
        "cut_off": asked.cut_off if asked else None,
        "empty": asked.empty if asked else None,
        "latency": asdict(timed) if timed else None,
        "tokens": list(asked.tokens) if asked and asked.tokens else None,
        "cost_per_1000": _cost(side),
    }


def _cost(side: Side) -> Mapping[str, Any] | None:
    found = side.cost
    if found is None:
        return None
    amount = None if found.per_1000 is None else f"{found.per_1000:f}"
    return {"amount": amount, "currency": found.currency, "as_of": found.as_of, "source": found.source, "note": found.note}


def _contest(contest: Contest) -> dict[str, Any]:
    return {"model": contest.who, "against": "old", "rows": contest.rows, "primary": contest.primary, "metrics": _metrics(contest.measured)}


def _metrics(measured: tuple[Measured, ...]) -> dict[str, Any]:
    return {
        each.metric: {
            "value": each.first,
            "old": each.old,
            "difference": _difference(each.difference),
            "won": each.won,
            "lost": each.lost,
            "unavailable": each.reason or None,
        }
        for each in measured
    }


def _differing(found: Differing, *, contents: bool) -> dict[str, Any]:
    row = found.row
    told = {"row": row.number, "kind": found.kind}
    if not contents:
        return told
    said = {"old": row.old.text if row.old else None, "new": row.new.text if row.new else None}
    return {**told, "question": row.question, "reference": row.reference, **said, "prompted": row.prompted.text if row.prompted else None}
