"""Scoring answers with a grader on this machine. The SDK's way in: `tp.grade(grader, "the answer is 42", {"reference": "42"})`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tuneport.errors import GraderFailed
from tuneport.graders import Grader, MultiGrader, NumericAnswer, PythonGrader, RegexCheck, SingleGrader, StringCheck, TextSimilarity
from tuneport.grading import scoring
from tuneport.grading.fitness import refuse_unfit
from tuneport.grading.formula import value_of
from tuneport.grading.portable import FUNCTIONS, scoring_source, settings_of
from tuneport.grading.process import GraderLimits, GraderProcess, Task
from tuneport.grading.similarity import similarity

_Scored = Callable[[dict[str, Any], Mapping[str, Any], str], float]


@dataclass(frozen=True, slots=True)
class Score:
    """What an answer is worth. `parts` are the scores of the graders in a formula; `printed` is what Python graders said on the way."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    printed: str = ""


class Grading:
    """A grader at work; a context manager, since Python graders have processes. `look` is called while they are waited for, and may raise.

    Raises Unsupported for graders that need a model, RecipeError for a formula that cannot be worked out.
    """

    def __init__(self, grader: Grader, *, limits: GraderLimits | None = None, look: Callable[[], None] = lambda: None) -> None:
        refuse_unfit(grader)
        self.grader = grader
        self._limits = limits or GraderLimits()
        self._look = look
        self._processes: list[GraderProcess] = []
        several = grader.graders if isinstance(grader, MultiGrader) else {grader.name: grader}
        self._each: dict[str, _Scored] = {name: self._scored(each, name) for name, each in several.items()}

    def __enter__(self) -> Grading:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Runs the sources of Python graders. Raises GraderFailed for one that does not run."""
        for process in self._processes:
            process.start()

    def close(self) -> None:
        """Ends the processes. The grading may be used again."""
        for process in self._processes:
            process.close()

    def score(self, answer: str, item: Mapping[str, Any], *, where: str = "") -> Score:
        """`item` is what the row has beside its prompt; `where` names the row in sentences. Raises GraderFailed."""
        sample = scoring.sample_of(answer)
        try:
            parts = {name: scored(sample, item, f"{where}|{answer}") for name, scored in self._each.items()}
            value = self._together(parts)
        except GraderFailed as error:
            if not where:
                raise
            raise GraderFailed(f"{error.message.removesuffix('.')} ({where}).", remedy=error.remedy) from None
        printed = "".join(process.printed for process in self._processes)
        return Score(value, parts if isinstance(self.grader, MultiGrader) else {}, printed)

    def _together(self, parts: Mapping[str, float]) -> float:
        if not isinstance(self.grader, MultiGrader):
            return next(iter(parts.values()))
        try:
            return value_of(self.grader.formula, parts)
        except (ArithmeticError, ValueError):
            shown = ", ".join(f"{name} = {value:g}" for name, value in parts.items())
            raise GraderFailed(f"the formula {self.grader.formula!r} gives no number for {shown}.") from None

    def _scored(self, grader: SingleGrader, name: str) -> _Scored:
        match grader:
            case StringCheck():
                return lambda sample, item, _: _string_check(grader, sample, item)
            case TextSimilarity():
                return lambda sample, item, _: similarity(
                    scoring.filled(grader.input, sample, item), scoring.filled(grader.reference, sample, item), metric=grader.metric
                )
            case NumericAnswer(pattern=None):
                settings = settings_of(grader)
                return lambda sample, item, _: _numeric(name, sample, item, settings)
            case RegexCheck() | NumericAnswer():  # an expression may run without end, so it does so elsewhere
                return self._apart(Task(name, scoring_source(), FUNCTIONS[grader.kind], settings_of(grader)))
            case PythonGrader():
                return self._apart(Task(name, grader.source))
        raise AssertionError(grader.kind)  # refuse_unfit knows the others

    def _apart(self, task: Task) -> _Scored:
        process = GraderProcess(task, limits=self._limits, look=self._look)
        self._processes.append(process)
        return lambda sample, item, seed: process.score(sample, item, seed=seed)


def _numeric(name: str, sample: dict[str, Any], item: Mapping[str, Any], settings: Mapping[str, Any]) -> float:
    try:
        return float(scoring.numeric_score(sample, item, **settings))
    except ValueError:
        raise GraderFailed(f"the grader {name!r} finds no number in the reference.") from None


def _string_check(grader: StringCheck, sample: dict[str, Any], item: Mapping[str, Any]) -> float:
    said, wanted = scoring.filled(grader.input, sample, item), scoring.filled(grader.reference, sample, item)
    match grader.operation:
        case "eq":
            return float(said == wanted)
        case "ne":
            return float(said != wanted)
        case "like":
            return float(wanted in said)
        case "ilike":
            return float(wanted.casefold() in said.casefold())


def grade(grader: Grader, answer: str, item: Mapping[str, Any] | None = None, *, limits: GraderLimits | None = None) -> Score:
    """What the grader gives for one answer. `item` is what a row has beside its prompt: {"reference": …} and any other keys.

    Raises GraderFailed with a sentence for whatever else than a number comes out, Unsupported for a grader that needs a model, CheckFailed
    when `item` lacks what the grader names.
    """
    from tuneport.grading.fitness import refuse_missing

    found = dict(item or {})
    refuse_missing(grader, found, where="item")
    with Grading(grader, limits=limits) as grading:
        return grading.score(answer, found)
