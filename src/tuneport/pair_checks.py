"""Checks of two files together: rows to test or validate on beside those to train on."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from tuneport.check_report import CheckReport, Found, Hear
from tuneport.dataset import Dataset
from tuneport.examples import Example
from tuneport.exchange import answer, question
from tuneport.limits import Target
from tuneport.near_duplicates import near_duplicates
from tuneport.repeats import Keys, Numbering, shared
from tuneport.row_texts import RowTexts
from tuneport.rules.labels import Answers
from tuneport.sources import Deaf


def check_pair(
    train: Dataset,
    test: Dataset,
    *,
    target: Target | None = None,
    rules: Collection[str] | None = None,
    near: bool = False,
    hear: Hear | None = None,
) -> CheckReport:
    """The rows of `test` that ask what a row of `train` asks (white space, letter case and punctuation aside), labels that only `test` has,
    and whether the provider takes that many rows beside those to train on. `rows` are those of `test`; rows that cannot be read are passed
    over, since the check of each file tells them."""
    target, found = target or Target(), Found(rules, hear=hear)
    pair = _Pair(classify=target.method == "classify")
    trained = pair.add(train)
    tested = pair.add(test) - trained
    shared_places = set[int]()
    for place, first in shared(pair.keys, before=trained):
        shared_places.add(place)
        found.add("test-apart", pair.line(place), f"the row asks the same as line {pair.line(first)} of {train.name}.")
    for place, first in enumerate(near_duplicates(_asked(train, test))) if near else ():
        if first < trained <= place and place not in shared_places:
            found.add("test-not-near", pair.line(place), f"the row asks nearly the same as line {pair.line(first)} of {train.name}.")
    for line, sentence in pair.uncovered():
        found.add("labels-covered", line, sentence)
    for sentence in _too_much(train, test, target=target, rows=(trained, tested)):
        found.add("test-rows", None, sentence)
    return found.report(rows=tested, target=target)


def _asked(*datasets: Dataset) -> Iterator[str]:
    return (question(example) for dataset in datasets for block in dataset.blocks(notices=Deaf()) for example in block.examples)


def _too_much(train: Dataset, test: Dataset, *, target: Target, rows: tuple[int, int]) -> Iterator[str]:
    limits, (trained, tested) = target.limits, rows
    if limits.max_test_rows is not None and tested > limits.max_test_rows:
        yield f"there are {tested} rows to test on; at most {limits.max_test_rows} are taken."
    if limits.max_test_share is not None and tested > limits.max_test_share * trained:
        yield f"there are {tested} rows to test on beside {trained} to train on; at most {limits.max_test_share:.0%} are taken."
    share = limits.max_test_bytes_share
    if share is not None and train.path is not None and test.path is not None:
        large, small = train.path.stat().st_size, test.path.stat().st_size
        if small > share * large:
            yield f"the file to test on has {small} bytes beside {large} to train on; at most {share:.0%} are taken."


class _Pair:
    """Both files, the one after the other."""

    def __init__(self, *, classify: bool) -> None:
        self.keys = Keys()
        self._numberings: list[tuple[int, Numbering]] = []
        self._trained = Answers(are_labels=classify)
        self._unseen: Counter[str] = Counter()
        self._unseen_line = array("Q")

    def add(self, dataset: Dataset) -> int:
        """Reads one of the two; returns how many rows there are now."""
        first, numbering = not self._numberings, Numbering()
        self._numberings.append((len(self.keys), numbering))
        labels = Counter[str]() if first else self._trained.labels()
        for block in dataset.blocks(notices=Deaf()):
            texts = RowTexts.of([question(example) for example in block.examples], [1] * len(block.examples))
            self.keys.add(texts.bare().digests())
            numbering.add(block.lines)
            self._label(block.lines, block.examples, labels=labels, first=first)
        return len(self.keys)

    def _label(self, lines: Sequence[int], examples: Sequence[Example], *, labels: Counter[str], first: bool) -> None:
        answers = [answer(example) or "" for example in examples]
        if first:
            self._trained.add(answers)
        for line, said in zip(lines, answers, strict=True) if labels else ():
            if said not in labels:
                if said not in self._unseen:
                    self._unseen_line.append(line)
                self._unseen[said] += 1

    def line(self, place: int) -> int:
        """The line, in its own file, of the row at `place`."""
        start, numbering = next(pair for pair in reversed(self._numberings) if pair[0] <= place)
        return numbering.line(place - start)

    def uncovered(self) -> Iterator[tuple[int, str]]:
        """Each label that only the second file has, by its first line."""
        for line, count in zip(self._unseen_line, self._unseen.values(), strict=True):
            yield line, f"the label of the row does not stand in the training rows; {count} test rows have it."
