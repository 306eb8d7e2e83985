"""Asking models the same rows and comparing what they say: metrics with a paired interval, and a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

from tuneport.errors import DatasetError, Unreachable, Unsupported, UsageError
from tuneport.evaluation import Answer, Comparison, Evaluation, LabelReport, LabelScore, Outcome, shown
from tuneport.examples import Example, LabelledExample, PreferenceExample
from tuneport.model import Deployment, Model, Prediction
from tuneport.provider import Generation, Need, Server, given_by
from tuneport.reference import as_chat, labels_prompt, reference, references, with_worse_answer

if TYPE_CHECKING:
    from tuneport.graders import Grader
    from tuneport.intervals import Difference, Pair
    from tuneport.metrics import Answers, Measure, Sort
    from tuneport.tallies import Tally

__all__ = ["Comparison", "Contender", "Evaluation", "Progress", "evaluate", "labels_prompt"]

MOST_TOKENS = 1024
GRADED_TOKENS = 256
"""Of an answer that a grader is to score, unless said otherwise: what reinforcement takes."""

Progress = Callable[[str, int, int], None]
"""Called with a contender's name, the rows it has answered, and all rows."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A model under a prompt. `system` is an instruction put in front of every row when given; `name` is how results call it."""

    name: str
    model: Model | Deployment
    server: Server
    system: str | None = None


def evaluate(
    contender: Contender,
    rows: Iterable[Example],
    *,
    against: Sequence[Contender] = (),
    metrics: Sequence[str] | None = None,
    grader: Grader | None = None,
    labels: Iterable[str] = (),
    generation: Generation | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Lets every contender answer every row and measures them; `against` is compared with `contender`, never with one another.

    metrics     names from `tuneport.metrics.MEASURES`; for None those that are for such rows (answers, scores, pairs); the verdict is about
                the first that all can be measured by
    grader      scores every answer: metric `reward`, which the verdict is about then; other metrics only where `metrics` names them.
                Rows need no reference then, and answers have room for 256 tokens
    labels      labels known beside those in the rows' references (the training data's); an answer outside both counts as `other`
    generation  None: greedy, with room for the longest reference (one token per byte, and eight); what a model says beyond that is
                not read
    seed        of the resampling only; generation has its own

    Raises DatasetError for no rows or a row without reference, UsageError for an unknown metric or a name given twice, Unsupported when a
    server gives nothing that the metrics need, Unreachable when it does not give one answer per row, and what servers raise.
    """
    from tuneport.metrics import label_set, measures_of

    contenders = (contender, *against)
    _check_settings(contenders, resamples=resamples, level=level)
    asked = tuple(rows)
    measures = measures_of(metrics, rows=_sort_of(asked)) if grader is None else _graded(grader, asked, metrics)
    if not asked:
        raise DatasetError("there are no rows to evaluate on.", remedy="Give at least one row with a reference answer.")
    _check_texts(contenders, asked)
    right = references(asked) if grader is None or metrics else tuple(reference(row) or "" for row in asked)
    known = label_set(right, given=labels, wanted=metrics)
    generation = generation or (room_for(right) if grader is None else Generation(max_tokens=GRADED_TOKENS))
    taken = [_take(one, asked, right, known, measures=measures, generation=generation, on_progress=on_progress) for one in contenders]
    first = taken[0]
    differences = _differences(first, taken[1:], measures, level=level, resamples=resamples, seed=seed)
    return Evaluation(
        rows=len(asked),
        name=contender.name,
        metrics=first.values,
        unavailable=first.unavailable,
        comparisons=tuple(_compare(first, other, found, measures) for other, found in zip(taken[1:], differences, strict=True)),
        answers=_side_by_side(right, taken),
        labels=first.report,
        failed=first.failed,
        seed=seed,
        resamples=resamples,
        max_tokens=generation.max_tokens,
    )


def _graded(grader: Grader, rows: tuple[Example, ...], metrics: Sequence[str] | None) -> tuple[Measure, ...]:
    from tuneport.grading.measures import graded_measures
    from tuneport.metrics import measures_of

    return (*graded_measures(grader, rows), *(measures_of(metrics) if metrics else ()))


def room_for(right: Sequence[str]) -> Generation:
    """Greedy answers long enough to be right: no token is shorter than a byte."""
    longest = max((len(answer.encode()) for answer in right), default=0)
    return Generation(max_tokens=min(longest + 8, MOST_TOKENS))


@dataclass(frozen=True, slots=True)
class _Taken:
    """One contender, measured. `tallies` by metric; metrics that count the same share one."""

    name: str
    answers: Answers
    tallies: dict[str, Tally]
    values: dict[str, float | None]
    unavailable: dict[str, str]

    @property
    def failed(self) -> int:
        return sum(prediction.finish == "error" for prediction in self.answers.predictions)

    @property
    def report(self) -> LabelReport | None:
        return _label_report(self.answers) if self.answers.labels else None


def _check_settings(contenders: Sequence[Contender], *, resamples: int, level: float) -> None:
    from tuneport.intervals import refuse_settings

    twice = [name for name, count in Counter(contender.name for contender in contenders).items() if count > 1]
    if twice:
        raise UsageError(f"two contenders are called {twice[0]!r}.", remedy="Give each its own name.")
    refuse_settings(level=level, resamples=resamples)


def _is_text(row: Example) -> bool:
    return not isinstance(row, LabelledExample) and row.style == "text"


def _check_texts(contenders: Sequence[Contender], rows: tuple[Example, ...]) -> None:
    """Plain text is measured whole: it asks nothing, so that nothing can be put in front of it and nobody answers it."""
    texts = sum(map(_is_text, rows))
    if texts and any(contender.system for contender in contenders):
        raise UsageError("plain text is measured as it stands, and a contender has an instruction.", remedy="Leave the instruction out.")
    if 0 < texts < len(rows):
        raise DatasetError(
            f"{texts} of {len(rows)} rows are plain text, which is measured by perplexity alone, and the others have answers.",
            remedy="Evaluate on the two kinds apart.",
        )


def _take(
    contender: Contender,
    rows: tuple[Example, ...],
    right: tuple[str, ...],
    labels: tuple[str, ...],
    *,
    measures: tuple[Measure, ...],
    generation: Generation,
    on_progress: Progress | None,
) -> _Taken:
    from tuneport.metrics import Answers, unavailable

    gives = _usable(contender, rows)
    needs = frozenset(need for measure in measures for need in measure.needs if need in gives)
    if not needs:
        have, names = ", ".join(sorted(gives)) or "nothing", ", ".join(measure.name for measure in measures)
        raise Unsupported(f"{contender.name}: the server gives {have}, and none of {names} can be measured by that on these rows.")
    asked = rows if "text" not in gives and _sort_of(rows) != "pairs" else tuple(as_chat(row, system=contender.system) for row in rows)
    answers = Answers(right, _ask(contender, asked, needs=needs, generation=generation, on_progress=on_progress), labels)
    if any(measure.of_pairs for measure in measures) and (weighed := needs - {"text"}):
        answers = replace(answers, worse=_worse(contender, rows, needs=weighed, generation=generation, on_progress=on_progress))
    missing = {measure.name: reason for measure in measures if (reason := unavailable(measure, gives, answers))}
    if _is_text(rows[0]):
        missing |= {m.name: "rows of plain text have no answers" for m in measures if "log_probabilities" not in m.needs}
    tallies = _tallies([measure for measure in measures if measure.name not in missing], answers)
    values = {measure.name: measure.of(tallies[measure.name]) if measure.name in tallies else None for measure in measures}
    missing |= {name: "too large for a number" for name, value in values.items() if value is not None and not isfinite(value)}
    return _Taken(contender.name, answers, tallies, {name: None if name in missing else value for name, value in values.items()}, missing)


def _worse(
    contender: Contender, rows: tuple[Example, ...], *, needs: frozenset[Need], generation: Generation, on_progress: Progress | None
) -> tuple[Prediction, ...]:
    """What the model makes of the worse answers of pairs; nothing where the rows are others."""
    pairs = [row for row in rows if isinstance(row, PreferenceExample)] if _sort_of(rows) == "pairs" else []
    if not pairs:
        return ()
    asked = tuple(as_chat(with_worse_answer(row), system=contender.system) for row in pairs)
    return _ask(contender, asked, needs=needs, generation=generation, on_progress=on_progress)


def _tallies(measures: Sequence[Measure], answers: Answers) -> dict[str, Tally]:
    taken = {count: count(answers) for count in {measure.tally for measure in measures}}
    return {measure.name: taken[measure.tally] for measure in measures}


def _usable(contender: Contender, rows: tuple[Example, ...]) -> frozenset[Need]:
    """What the model gives for such rows: a label where rows are labelled and nothing is put in front of them, else text. One that gives no
    text has no choice. Plain text has log-probabilities alone."""
    gives = given_by(contender.server, contender.model)
    if _is_text(rows[0]):
        return gives & {"log_probabilities"}
    if "text" not in gives:
        return gives
    classified = "labels" in gives and not contender.system and all(isinstance(row, LabelledExample) for row in rows)
    return gives - {"text" if classified else "labels"}


def _sort_of(rows: Sequence[Example]) -> Sort:
    """What the rows are, as far as other metrics are for them."""
    if rows and all(map(_is_scored, rows)):
        return "scores"
    return "pairs" if rows and all(isinstance(row, PreferenceExample) for row in rows) else "answers"


def _is_scored(row: Example) -> bool:
    return isinstance(row, LabelledExample) and row.score is not None


def _ask(
    contender: Contender, rows: tuple[Example, ...], *, needs: frozenset[Need], generation: Generation, on_progress: Progress | None
) -> tuple[Prediction, ...]:
    answered: list[Prediction] = []
    for prediction in contender.server.predict(contender.model, rows, generation=generation, needs=needs):
        answered.append(prediction)
        if on_progress:
            on_progress(contender.name, len(answered), len(rows))
        if len(answered) > len(rows):
            break
    if len(answered) != len(rows):
        how_many = f"only {len(answered)}" if len(answered) < len(rows) else "too many"
        raise Unreachable(f"{contender.name}: the server gave {how_many} answers to {len(rows)} rows, so none can be matched to its row.")
    return tuple(answered)


def _side_by_side(right: tuple[str, ...], taken: Sequence[_Taken]) -> tuple[Answer, ...]:
    said = {one.name: one.answers.texts for one in taken}
    return tuple(Answer(row, answer, {name: texts[row] for name, texts in said.items()}) for row, answer in enumerate(right))


def _differences(
    first: _Taken, others: Sequence[_Taken], measures: tuple[Measure, ...], *, level: float, resamples: int, seed: int
) -> list[dict[str, Difference | str]]:
    """For each of the others: by metric the difference, or the reason why there is none."""
    from tuneport.intervals import paired_differences

    pairs: dict[tuple[int, str], Pair] = {}
    reasons: list[dict[str, Difference | str]] = []
    for number, other in enumerate(others):
        compared = [measure for measure in measures if measure.name not in first.unavailable and measure.name not in other.unavailable]
        reasons.append({m.name: reason for m in compared if (reason := m.incomparable(first.answers, other.answers))})
        pairs |= {(number, m.name): _pair(first, other, m) for m in compared if m.name not in reasons[-1]}
    found = paired_differences(list(pairs.values()), level=level, resamples=resamples, seed=seed)
    for (number, name), difference in zip(pairs, found, strict=True):
        reasons[number][name] = difference if all(map(isfinite, difference.interval)) else "too large for a number"
    return reasons


def _pair(first: _Taken, second: _Taken, measure: Measure) -> Pair:
    from tuneport.intervals import Pair

    return Pair(first.tallies[measure.name], second.tallies[measure.name], measure.value)


def _compare(first: _Taken, second: _Taken, differences: dict[str, Difference | str], measures: tuple[Measure, ...]) -> Comparison:
    found = {m.name: known for m in measures if not isinstance(known := differences.get(m.name, ""), str)}
    missing = second.unavailable | {name: reason for name, reason in differences.items() if isinstance(reason, str)}
    primary = next((measure for measure in measures if measure.name in found), None)
    outcome, verdict = _judge(second.name, primary, found, rows=len(first.answers.references))
    return Comparison(
        name=second.name,
        metrics=second.values,
        difference=found,
        outcome=outcome,
        verdict=verdict,
        primary=primary.name if primary else None,
        unavailable=missing,
        labels=second.report,
        failed=second.failed,
    )


def _judge(name: str, primary: Measure | None, found: dict[str, Difference], *, rows: int) -> tuple[Outcome, str]:
    if primary is None:
        return "not comparable", f"not comparable with {name}: no metric is available for both"
    difference = found[primary.name]
    outcome = _outcome(difference, higher_is_better=primary.higher_is_better)
    return outcome, _verdict(outcome, name, primary.name, difference, rows=rows)


def _outcome(difference: Difference, *, higher_is_better: bool) -> Outcome:
    if difference.could_be_zero:
        return "within the noise"
    return "better" if (difference.value > 0) == higher_is_better else "worse"


def _verdict(outcome: Outcome, name: str, metric: str, difference: Difference, *, rows: int) -> str:
    value, low, high = (shown(number, sign="+") for number in (difference.value, *difference.interval))
    found = f"{metric} {value}, {difference.level:.0%} interval {low} to {high}"
    if outcome == "within the noise":
        return f"within the noise of {name}: the difference could be zero ({found}, {rows} rows)"
    return f"{outcome} than {name}: {found} ({rows} rows)"


def _label_report(answers: Answers) -> LabelReport:
    from tuneport.metrics import label_counts, normalised, precision_recall_f1
    from tuneport.tallies import total

    sums = total(label_counts(answers))
    precision, recall, f1 = (part.tolist() for part in precision_recall_f1(sums))
    _, said, right = sums.reshape(3, -1).astype(int).tolist()
    scores = (LabelScore(*row) for row in zip(answers.labels, precision, recall, f1, right, said, strict=True))
    known = set(answers.labels)
    return LabelReport(tuple(scores), sum(normalised(text) not in known for text in answers.texts))
