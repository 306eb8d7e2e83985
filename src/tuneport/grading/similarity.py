"""How alike two texts are, by the metrics that graders name, each from 0 to 1.

fuzzy_match   2 * L / (characters of both), L being the length of their longest common subsequence: rapidfuzz's `fuzz.ratio`
bleu          one sentence against one reference: words as mteval-v13a cuts them, precisions of 1 to 4 words, those without a hit halved in
              turn, times the brevity penalty: sacrebleu's `sentence_bleu`
gleu          the smaller of precision and recall over all runs of 1 to 4 words split at white space (Wu et al. 2016): nltk's
rouge_1 … _5  F1 over runs of so many words; rouge_l: F1 over the longest common subsequence of words. Words are runs of a-z and 0-9 in
              lower case, without stemming: rouge-score's
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

UNAVAILABLE: Mapping[str, str] = {
    "cosine": "it compares embeddings, and there is no embedding model here",
    "meteor": "it looks for synonyms in WordNet, which is not here",
}
"""Metrics that are not worked out on this machine, and why."""

_WORD = re.compile(r"[a-z0-9]+")
_ENTITIES = (("<skipped>", ""), ("-\n", ""), ("\n", " "), ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_MARKS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def similarity(answer: str, reference: str, *, metric: str) -> float:
    """Raises KeyError for a metric that is not worked out here (`UNAVAILABLE`)."""
    return METRICS[metric](answer, reference)


def fuzzy_match(answer: str, reference: str) -> float:
    """1 for two empty texts."""
    both = len(answer) + len(reference)
    return 2 * common_length(answer, reference) / both if both else 1.0


def common_length(one: Sequence[object], other: Sequence[object]) -> int:
    """The length of the longest common subsequence. Each row of the table is one whole number, a bit for each place (Hyyrö 2004)."""
    places: dict[object, int] = {}
    for place, each in enumerate(one):
        places[each] = places.get(each, 0) | 1 << place
    whole = (1 << len(one)) - 1
    row = whole
    for each in other:
        hits = row & places.get(each, 0)
        row = (row + hits | row - hits) & whole
    return len(one) - row.bit_count()


def bleu(answer: str, reference: str) -> float:
    """0 where no word is shared."""
    said, wanted = _cut(answer), _cut(reference)
    logs, halved = 0.0, 1.0
    orders = [order for order in range(1, 5) if len(said) >= order]
    for order in orders:
        runs = _runs(said, order)
        hits = (runs & _runs(wanted, order)).total()
        if order == 1 and not hits:
            return 0.0
        halved *= 1 if hits else 2
        logs += math.log(hits / runs.total() if hits else 1 / (halved * runs.total()))
    if not orders:
        return 0.0
    brevity = min(1.0, math.exp(1 - len(wanted) / len(said)))
    return brevity * math.exp(logs / len(orders))


def _cut(text: str) -> list[str]:
    """The words as mteval-v13a counts them: marks apart from letters, full stops and commas only beside no digit."""
    for old, new in _ENTITIES:
        text = text.replace(old, new)
    text = f" {text} "
    for mark, apart in _MARKS:
        text = mark.sub(apart, text)
    return text.split()


def gleu(answer: str, reference: str) -> float:
    """0 where either has no words."""
    said, wanted = answer.split(), reference.split()
    runs = [sum((_runs(words, order) for order in range(1, 5)), Counter()) for words in (said, wanted)]
    longest = max(runs[0].total(), runs[1].total())
    return (runs[0] & runs[1]).total() / longest if longest else 0.0


def _rouge(order: int) -> Callable[[str, str], float]:
    def score(answer: str, reference: str) -> float:
        said, wanted = (_runs(_WORD.findall(text.lower()), order) for text in (answer, reference))
        return _f1((said & wanted).total(), said.total(), wanted.total())

    return score


def rouge_l(answer: str, reference: str) -> float:
    """0 where either has no words."""
    said, wanted = (_WORD.findall(text.lower()) for text in (answer, reference))
    return _f1(common_length(said, wanted), len(said), len(wanted))


def _f1(shared: int, said: int, wanted: int) -> float:
    return 2 * shared / (said + wanted) if shared else 0.0


def _runs(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))


METRICS: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{order}": _rouge(order) for order in range(1, 6)},
    "rouge_l": rouge_l,
}
