"""Rules about all answers together: whether they differ, and where they are labels, how many rows each has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tuneport.labels import label_like
from tuneport.limits import Target
from tuneport.rules.rule import Rule

MAX_LABELS = 4096
"""With more distinct answers than this, answers are not labels, however many rows there are."""

IMBALANCE = 10
FEW_OF_A_LABEL = 3


class Answers:
    """The answers of all rows: counted where they are labels, else only compared with the first. Keeps MAX_LABELS short texts at most."""

    def __init__(self, *, are_labels: bool = False) -> None:
        self.rows = 0
        self.differ = False
        self._are_labels = are_labels
        self._first: str | None = None
        self._counts: Counter[str] | None = Counter()

    def add(self, answers: Sequence[str]) -> None:
        """Those of some more rows; '' where there is none."""
        if not answers:
            return
        self._first = answers[0] if self._first is None else self._first
        self.differ = self.differ or answers.count(self._first) < len(answers)
        self.rows += len(answers)
        if self._counts is None:
            return
        new = set(answers) - self._counts.keys()
        if len(self._counts) + len(new) > MAX_LABELS or not (self._are_labels or all(map(label_like, new))):
            self._counts = None
        else:
            self._counts.update(answers)

    def labels(self) -> Counter[str]:
        """How many rows each label has; empty where the answers are not labels."""
        counts = self._counts
        few = counts is not None and len(counts) > 1 and (self._are_labels or len(counts) <= self.rows // 2)
        return counts if few and counts is not None else Counter()


Found = Iterator[str]


def answers_differ(answers: Answers, target: Target) -> Found:
    if answers.rows > 1 and not answers.differ:
        yield f"all {answers.rows} rows have the same answer."


def labels_balanced(answers: Answers, target: Target) -> Found:
    counts = answers.labels()
    if counts and max(counts.values()) >= IMBALANCE * min(counts.values()):
        most, fewest = max(counts.values()), min(counts.values())
        yield f"of {len(counts)} different answers the commonest stands in {most} rows, the rarest in {fewest}."


def labels_have_rows(answers: Answers, target: Target) -> Found:
    rare = sum(count < FEW_OF_A_LABEL for count in answers.labels().values())
    if rare:
        yield f"{rare} of {len(answers.labels())} labels have fewer than {FEW_OF_A_LABEL} rows."


RULES = (
    Rule("answers-differ", "warning", "Rows have different answers.", "Check that the right column was taken."),
    Rule(
        "labels-balanced",
        "warning",
        f"Where answers are labels, none is {IMBALANCE} times as frequent as another.",
        "Add rows of the rare ones, or judge by macro F1.",
    ),
    Rule("label-has-rows", "warning", f"Each label has at least {FEW_OF_A_LABEL} rows.", "Add rows, or join labels."),
    Rule("labels-covered", "error", "Every label of the test rows stands in the training rows.", "Add rows with it to train on."),
)
LOOKS = {"answers-differ": answers_differ, "labels-balanced": labels_balanced, "label-has-rows": labels_have_rows}
"""What looks at the answers of a file, by rule."""
