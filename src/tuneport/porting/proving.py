"""Proving the copy: the same held-out rows to the old model, the new one and the untuned base, each asked once; then verdict and report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.asking_costs import Running, running
from tuneport.errors import TuneportError
from tuneport.files import write_text
from tuneport.metrics import same_answer
from tuneport.parity.report import About, Report, RequestCost, Side, prove
from tuneport.parity.rows import Said, answered
from tuneport.parity.text import text, to_dict
from tuneport.porting.asking import Questions, ask
from tuneport.porting.comparison import Comparison, bases_to_prompt
from tuneport.porting.deploying import reason
from tuneport.porting.mapping import Mapped
from tuneport.porting.old_answers import OldAnswers, old_answers
from tuneport.porting.source import Source
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.model import Deployment, Model

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Copy:
    """The new model. `answers` is False where nobody can ask it from here; `target` is what answers for it, deployed if need be."""

    model: Model
    answers: bool
    target: Callable[[], Model | Deployment]


@dataclass(frozen=True, slots=True)
class Proof:
    """`report` is None where nothing was compared, for the `sentence` given. `path` is the page of it."""

    report: Report | None
    sentence: str
    path: Path | None = None

    @property
    def outcome(self) -> str:
        """The verdict in a word; 'not compared' where there is none."""
        return "not compared" if self.report is None else self.report.verdict.outcome


@dataclass(frozen=True, slots=True)
class _Prompted:
    """What the untuned base of that URI said; `problem` is why it said nothing."""

    said: Sequence[Said | None]
    problem: str = ""
    uri: str = ""


def proved(source: Source, mapped: Mapped, compared: Comparison | None, copy: Copy, *, work: Work) -> Proof:
    """Asks what has not been asked, compares, and writes the page. Answers that were paid for are kept whatever happens.

    Raises what the new model's server raises; of the old model only that it cannot be reached, where it may answer later.
    """
    if compared is None or not copy.answers:
        why = _why_not(mapped, work) if copy.answers else f"{work.wishes.to} has no way to ask its models here, so nothing is compared"
        work.journal.finish("prove", {"outcome": "not compared", "why": why})
        work.say("prove", why, facts={"outcome": "not compared"})
        return Proof(None, why)
    new = _asked("new", copy.model.uri, copy.target, compared, work)
    old = old_answers(source, compared, work=work)
    base = _prompted(source, mapped, compared, work)
    if old.problem:
        work.say("prove", f"the old model: {old.problem}")
    if base.problem:
        work.say("prove", f"the untuned base under a prompt: {base.problem}")
    if not any(old.said):
        work.say("prove", *_alone(new, base.said, compared))
    rows = answered(compared.blank(), old=old.said, new=new, prompted=base.said if any(base.said) else None)
    about = _about(source, mapped, compared, copy, old, prompted=base.uri, work=work)
    metrics = None if work.wishes.metric is None else [work.wishes.metric]
    earlier = _earlier(compared, work)
    if earlier:
        about = replace(about, cautions=(*about.cautions, _again(earlier)))
    report = prove(rows, about, margin_points=work.wishes.margin, metrics=metrics)
    this = {"by": _measure(compared, work), "outcome": report.verdict.outcome}
    return _written(report, work, comparisons=[*earlier, this])


def _why_not(mapped: Mapped, work: Work) -> str:
    if work.wishes.ask == 0:
        return "no rows are compared, as asked for"
    return mapped.sentence if mapped.held_out is None else "no rows are compared: all of them are answered by calls of tools"


def _measure(compared: Comparison, work: Work) -> list[str]:
    """The rows, the metric and the margin of a verdict."""
    return [compared.chosen.fingerprint, work.wishes.metric or "", f"{work.wishes.margin:g}"]


def _earlier(compared: Comparison, work: Work) -> list[Mapping[str, Any]]:
    """The verdicts of this port by other rows, another metric or another margin."""
    known = work.journal.facts("prove").get("comparisons", ())
    return [each for each in known if each["by"] != _measure(compared, work)]


def _again(earlier: Sequence[Mapping[str, Any]]) -> str:
    found = ", ".join(str(each["outcome"]) for each in earlier)
    return (
        f"Compared before on other rows, or by another metric or margin: {found}. Whoever goes on until a verdict pleases has no verdict."
    )


def _written(report: Report, work: Work, *, comparisons: Sequence[Mapping[str, Any]]) -> Proof:
    from tuneport.parity.page import page

    path = write_text(work.folder / REPORT, page(report))
    facts = {"outcome": report.verdict.outcome, "headline": report.verdict.headline, "report": str(path)}
    work.journal.finish("prove", {**facts, "comparisons": comparisons})
    work.say("prove", *text(report).splitlines(), f"report: {path}", facts={**to_dict(report), "report": str(path)})
    return Proof(report, report.verdict.headline, path)


def _asked(
    who: str, uri: str, target: Callable[[], Model | Deployment], compared: Comparison, work: Work, *, prompted: bool = False
) -> list[Said]:
    questions = Questions(who, uri, compared.prompted if prompted else compared.rows, compared.generation)
    return ask(questions, work.asker("the base under a prompt" if prompted else f"the {who} model", target))


def _prompted(source: Source, mapped: Mapped, compared: Comparison, work: Work) -> _Prompted:
    """The untuned base at the destination; where it cannot be asked there, and has the same weights as the old one, that one."""
    nothing: list[Said | None] = [None] * len(compared.rows)
    if work.wishes.shots == 0:
        return _Prompted(nothing)
    if not compared.prompted:
        return _Prompted(nothing, "not asked: no training row is a conversation of text that a prompt could show")
    problem = ""
    for provider, base in bases_to_prompt(source, mapped, work=work):
        try:
            answers = _asked("prompted", f"{provider}:{base}", partial(_base, provider, base, work), compared, work, prompted=True)
            return _Prompted(answers, uri=f"{provider}:{base}")
        except TuneportError as error:
            problem = problem or f"not asked: {reason(error)}"
    return _Prompted(nothing, problem)


def _base(provider: str, base: str, work: Work) -> Model:
    return work.client.server(provider).model(base)


def _alone(new: Sequence[Said], base: Sequence[Said | None], compared: Comparison) -> Iterator[str]:
    """How often each gives the reference, where there is no old model to compare with."""
    for name, answers in (("the new model", new), ("the untuned base under a prompt", base)):
        judged = [(row.reference, said) for row, said in zip(compared.blank(), answers, strict=True) if row.reference and said]
        if judged:
            right = sum(not said.failed and same_answer(said.text, wanted) for wanted, said in judged)
            yield f"{name} by itself: exact_match {right / len(judged):.1%} of {len(judged):,} rows"


# --- what the report is about --------------------------------------------------------------------------------------------------------


def _about(source: Source, mapped: Mapped, compared: Comparison, copy: Copy, old: OldAnswers, *, prompted: str, work: Work) -> About:
    to, client = work.wishes.to, work.client
    base = mapped.recipe.base_for(to)
    job = str(work.journal.facts("submit").get("job", ""))
    uri = source.model or source.uri
    before = Side(
        uri.partition(":")[2],
        uri,
        source.provider,
        source.base,
        old.source,
        old.on,
        _lineage(("job", source.uri), ("recipe", source.recipe_fingerprint), ("training data", source.dataset_fingerprint)),
        _cost(running(compared.chosen, provider=source.provider, base=source.base, client=client)),
    )
    now = Side(
        copy.model.id,
        copy.model.uri,
        to,
        base,
        lineage=_lineage(
            ("ported from", source.uri),
            ("job", job),
            ("recipe", mapped.recipe.fingerprint),
            ("training data", mapped.recipe.train.fingerprint),
            ("port", work.journal.id),
        ),
        cost=_cost(running(compared.chosen, provider=to, base=base, client=client)),
    )
    untuned = None
    if prompted:
        at, _, name = prompted.partition(":")
        cost = running(compared.prompted_rows(), provider=at, base=name, client=client)
        untuned = Side(f"{name} with {compared.shots} examples", prompted, at, name, cost=_cost(cost))
    data = mapped.held_out
    silent = f"Of the old model: {old.problem}." if old.problem else ""
    known = tuple(filter(None, (*compared.cautions, silent, old.note)))
    marks = data.fingerprint if data else "", client.clock.now().date()
    return About(before, now, compared.chosen.name, *marks, untuned, seed=compared.seed, cautions=known)


def _lineage(*facts: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts if value)


def _cost(found: Running) -> RequestCost:
    return RequestCost(None if found.thousand is None else found.thousand.likely, note=found.note)
