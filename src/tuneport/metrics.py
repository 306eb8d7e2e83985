"""What is measured of answers, each metric as sums over rows, so that resampling rows needs their sums only.

A metric tallies each row; the value is a function of the tallies' sums. It declares what it needs of a server's answers and is
"not available" where that cannot be had.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuneport.errors import UsageError
from tuneport.model import Prediction
from tuneport.provider import Need
from tuneport.reference import MAX_LABELS, is_label_like
from tuneport.tallies import Marks, Numbers, Tally, total

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers beside the references, row by row. `labels` are the known labels, sorted; empty when answers are free text.

    `worse`: for rows that are pairs, what the model makes of the worse answers; the references are the better ones then.
    """

    references: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    labels: tuple[str, ...] = ()
    worse: tuple[Prediction, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What each answer says: the label where the server gives labels, else the text; nothing where it failed."""
        return tuple("" if p.finish == "error" else p.text if p.label is None else p.label for p in self.predictions)


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric.

    `needs`: any one of these of the server is enough. `tally`: answers -> k numbers a row. `value`: sums of those, (..., k) -> (...).
    `missing` says why the given answers cannot be measured, `incomparable` why those of two models cannot be compared, or ''. `of_pairs`:
    it looks at both answers of a pair.
    """

    name: str
    needs: tuple[Need, ...]
    tally: Callable[[Answers], Tally]
    value: Callable[[Array], Array]
    missing: Callable[[Answers], str]
    incomparable: Callable[[Answers, Answers], str]
    higher_is_better: bool = True
    of_pairs: bool = False

    def of(self, tally: Tally) -> float:
        """The value over all rows; may be infinite for a perplexity."""
        return float(self.value(total(tally)))


def normalised(text: str) -> str:
    """Unicode NFC, stripped, runs of white space as one space. Case is kept: an answer is right when a program could use it as it is."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def same_answer(answer: str, reference: str) -> bool:
    """What exact_match counts."""
    return normalised(answer) == normalised(reference)


_DROPPED = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def _words(text: str) -> Counter[str]:
    return Counter(_ARTICLES.sub(" ", text.lower().translate(_DROPPED)).split())


def word_f1(answer: str, reference: str) -> float:
    """F1 over words as SQuAD 1.1 defines it: lower case, without ASCII punctuation and English articles, split at white space.

    Text without spaces between words (Chinese, Thai) counts as one word.
    """
    said, wanted = _words(answer), _words(reference)
    if not said or not wanted:
        return float(said == wanted)
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total())


def label_counts(answers: Answers) -> Marks:
    """3 * labels columns: for every label whether the row is a hit, whether it was answered, whether it was right, in three blocks."""
    index = {label: number for number, label in enumerate(answers.labels)}
    said = np.array([index.get(normalised(text), -1) for text in answers.texts], dtype=np.int32)
    right = np.array([index[normalised(wanted)] for wanted in answers.references], dtype=np.int32)
    return Marks(np.stack([np.where(said == right, right, -1), said, right]), len(answers.labels))


def precision_recall_f1(sums: Array) -> tuple[Array, Array, Array]:
    """Per label, each (..., labels), from sums of `label_counts`. A label never answered has precision 0."""
    return _precision(sums), _recall(sums), _f1(sums)


def _precision(sums: Array) -> Array:
    hits, said, _ = np.split(sums, 3, axis=-1)
    return _ratio(hits, said)


def _recall(sums: Array) -> Array:
    hits, _, right = np.split(sums, 3, axis=-1)
    return _ratio(hits, right)


def _f1(sums: Array) -> Array:
    hits, said, right = np.split(sums, 3, axis=-1)
    return _ratio(2 * hits, said + right)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _macro(score: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def value(sums: Array) -> Array:
        """The mean over the labels that are right for at least one row."""
        present = np.split(sums, 3, axis=-1)[2] > 0
        return _ratio((score(sums) * present).sum(axis=-1), present.sum(axis=-1, dtype=np.float64))

    return value


def _per_row(score: Callable[[str, str], float]) -> Callable[[Answers], Numbers]:
    def tally(answers: Answers) -> Numbers:
        pairs = zip(answers.texts, answers.references, answers.predictions, strict=True)
        return Numbers(np.array([[0.0 if p.finish == "error" else float(score(said, wanted)), 1.0] for said, wanted, p in pairs]))

    return tally


def _mean(sums: Array) -> Array:
    result: Array = sums[..., 0] / sums[..., 1]
    return result


def _surprise(answers: Answers) -> Numbers:
    return Numbers(np.array([[-(p.log_probability or 0.0), float(p.log_probability_tokens)] for p in answers.predictions]))


def _perplexity(sums: Array) -> Array:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        result: Array = np.exp(sums[..., 0] / sums[..., 1])
    return result


def _preferred(likelihood: Callable[[Prediction], float]) -> Callable[[Answers], Numbers]:
    def tally(answers: Answers) -> Numbers:
        pairs = zip(answers.predictions, answers.worse, strict=True)
        return Numbers(np.array([[float(likelihood(better) > likelihood(worse)), 1.0] for better, worse in pairs]))

    return tally


def _likelihood(answer: Prediction) -> float:
    """The score that a reward model gives it, else its log-probability."""
    return answer.score if answer.score is not None else answer.log_probability or 0.0


def _likelihood_by_token(answer: Prediction) -> float:
    return answer.score if answer.score is not None else (answer.log_probability or 0.0) / answer.log_probability_tokens


def _no_pairs(answers: Answers) -> str:
    if not answers.worse:
        return "the rows are no pairs of a better and a worse answer"
    unscored = sum(each.score is None for each in (*answers.predictions, *answers.worse))
    both = replace(answers, predictions=(*answers.predictions, *answers.worse))
    return _no_log_probabilities(both) if unscored else ""


def _nothing_missing(_: Answers) -> str:
    return ""


def _no_labels(answers: Answers) -> str:
    return "" if answers.labels else "the reference answers do not look like labels (few, short, each seen again)"


def _no_log_probabilities(answers: Answers) -> str:
    without = sum(p.log_probability is None or p.log_probability_tokens < 1 for p in answers.predictions)
    return f"the server gave no log-probability for {without} of {len(answers.predictions)} rows" if without else ""


def _numbers(texts: Iterable[str]) -> list[float | None]:
    return [_number(text) for text in texts]


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if isfinite(found) else None


def _scores(answers: Answers) -> Iterable[float | None]:
    """What each answer is as a number: a score, or a text or label that is one."""
    told = zip(answers.predictions, _numbers(answers.texts), strict=True)
    return [prediction.score if prediction.score is not None else number for prediction, number in told]


def _errors(answers: Answers) -> Numbers:
    """Five columns: the error without its sign, its square, the right score, its square, 1."""
    pairs = zip(_scores(answers), _numbers(answers.references), strict=True)
    each = [(said or 0.0, wanted or 0.0) for said, wanted in pairs]
    return Numbers(np.array([[abs(said - wanted), (said - wanted) ** 2, wanted, wanted**2, 1.0] for said, wanted in each]))


def _mae(sums: Array) -> Array:
    result: Array = sums[..., 0] / sums[..., 4]
    return result


def _rmse(sums: Array) -> Array:
    result: Array = np.sqrt(sums[..., 1] / sums[..., 4])
    return result


def _r2(sums: Array) -> Array:
    """Not a number where all scores are the same."""
    spread = sums[..., 3] - sums[..., 2] ** 2 / sums[..., 4]
    return 1 - np.divide(sums[..., 1], spread, out=np.full_like(spread, np.nan), where=spread > 0)


def _no_scores(answers: Answers) -> str:
    if any(number is None for number in _numbers(answers.references)):
        return "the reference answers are no numbers"
    without = sum(score is None for score in _scores(answers))
    return f"{without} of {len(answers.predictions)} answers are no numbers" if without else ""


def _no_spread(answers: Answers) -> str:
    return _no_scores(answers) or ("all rows have the same score" if len(set(_numbers(answers.references))) < 2 else "")


def _always(_: Answers, __: Answers) -> str:
    return ""


def _other_tokens(one: Answers, other: Answers) -> str:
    cut = [[p.log_probability_tokens for p in answers.predictions] for answers in (one, other)]
    return "" if cut[0] == cut[1] else "the models cut the references into different tokens, so their perplexities cannot be compared"


_SAID: tuple[Need, ...] = ("text", "labels")
_NUMBER: tuple[Need, ...] = ("scores", "text", "labels")
_WEIGHED: tuple[Need, ...] = ("scores", "log_probabilities")
MEASURES = {
    measure.name: measure
    for measure in (
        Measure("exact_match", _SAID, _per_row(same_answer), _mean, _nothing_missing, _always),
        Measure("token_f1", ("text",), _per_row(word_f1), _mean, _nothing_missing, _always),
        Measure("macro_precision", _SAID, label_counts, _macro(_precision), _no_labels, _always),
        Measure("macro_recall", _SAID, label_counts, _macro(_recall), _no_labels, _always),
        Measure("macro_f1", _SAID, label_counts, _macro(_f1), _no_labels, _always),
        Measure("perplexity", ("log_probabilities",), _surprise, _perplexity, _no_log_probabilities, _other_tokens, higher_is_better=False),
        Measure("mae", _NUMBER, _errors, _mae, _no_scores, _always, higher_is_better=False),
        Measure("rmse", _NUMBER, _errors, _rmse, _no_scores, _always, higher_is_better=False),
        Measure("r2", _NUMBER, _errors, _r2, _no_spread, _always),
        Measure("preference_accuracy", _WEIGHED, _preferred(_likelihood), _mean, _no_pairs, _always, of_pairs=True),
        Measure("preference_accuracy_by_token", _WEIGHED, _preferred(_likelihood_by_token), _mean, _no_pairs, _always, of_pairs=True),
    )
}
"""All metrics by name, the first being the one a verdict is about unless others are asked for.

exact_match      share of rows answered with the reference (see `normalised`)
token_f1         mean over rows of `word_f1`
macro_*          mean over the labels that are right for some row; an answer that is no label is wrong for all of them
preference_accuracy  share of pairs whose better answer is likelier than the worse one, as a whole; _by_token: by the mean log-probability
                 of its tokens, in which its length has no part. Where a reward model gives scores, these are compared instead
perplexity       exp of the mean negative log-probability of the references' tokens, end of turn included, over all rows together
mae, rmse        of scores: the mean error without its sign; the root of the mean square of it
r2               of scores: the share of their variance that the answers explain; 0 for answering the mean always, below it for worse
"""
OF_SCORES = ("mae", "rmse", "r2")
"""Those that are taken by themselves where rows have scores, and only there."""


OF_PAIRS = ("preference_accuracy", "preference_accuracy_by_token")
"""Those that are taken before others where rows are pairs of answers, and only there."""

Sort = Literal["answers", "scores", "pairs"]


def measures_of(wanted: Iterable[str] | None, *, rows: Sort = "answers") -> tuple[Measure, ...]:
    """The metrics of these names, each once; for None those for such rows. Raises UsageError for an unknown one, or none."""
    others = [name for name in MEASURES if name not in (*OF_SCORES, *OF_PAIRS)]
    usual = {"answers": others, "scores": OF_SCORES, "pairs": [*OF_PAIRS, *others]}[rows]
    chosen = tuple(dict.fromkeys(usual if wanted is None else wanted))
    unknown = [name for name in chosen if name not in MEASURES]
    if unknown or not chosen:
        what = f"unknown metric {unknown[0]!r}" if unknown else "no metric is asked for"
        raise UsageError(f"{what}; available: {', '.join(MEASURES)}.")
    return tuple(MEASURES[name] for name in chosen)


def label_set(right: Sequence[str], *, given: Iterable[str], wanted: Iterable[str] | None) -> tuple[str, ...]:
    """The labels of these references and those `given`, sorted; empty when the references are no labels and nobody said that they are."""
    told = {normalised(label) for label in given}
    found = told | {normalised(answer) for answer in right}
    asked_for = any(name.startswith("macro_") for name in wanted or ())
    return tuple(sorted(found)) if (told or asked_for or is_label_like(right)) and len(found) <= MAX_LABELS else ()


def unavailable(measure: Measure, gives: frozenset[Need], answers: Answers) -> str:
    """Why `measure` cannot be had from this server and these answers, or ''."""
    if not gives.intersection(measure.needs):
        return f"the server gives {', '.join(sorted(gives)) or 'nothing'}, not {' or '.join(measure.needs)}"
    return measure.missing(answers)
