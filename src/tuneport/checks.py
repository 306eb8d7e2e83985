"""Checks: the rules over a Dataset for what a provider takes, all findings in one pass, without the rows' contents.

Memory: 16 bytes a row for repeats, and what labels are told by. Rows of text alone, which most are, cost no Python function each: the rules
about roles are asked once for each order of roles, those about texts look at some hundred rows together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from tuneport.check_report import KEPT_PER_RULE, CheckReport, Found, Hear
from tuneport.dataset import Dataset
from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Example, Kind, kind_of_example
from tuneport.exchange import answer
from tuneport.formats.format import BadRow
from tuneport.formats.recast import recast
from tuneport.limits import Limits, Target
from tuneport.nearest import did_you_mean
from tuneport.pair_checks import check_pair
from tuneport.plain_rows import PlainRows, Shape, plain_rows, texts_of
from tuneport.rules import labels, whole
from tuneport.rules.images import images_in
from tuneport.rules.known import RULES
from tuneport.rules.labels import Answers
from tuneport.rules.rule import Rule, Sees, holds
from tuneport.rules.whole import Amount
from tuneport.sources import Deaf
from tuneport.text_checks import TextChecks
from tuneport.token_checks import TokenChecks

if TYPE_CHECKING:
    from tuneport.tokens import Counter

__all__ = ["KEPT_PER_RULE", "METHODS", "RULES", "CheckReport", "Limits", "Rule", "Target", "check", "check_pair"]

METHODS: dict[str, tuple[Kind, ...]] = {
    "sft": ("chat",),
    "dpo": ("preference",),
    "orpo": ("preference",),
    "kto": ("chat", "preference"),
    "grpo": ("prompt",),
    "reward": ("preference",),
    "classify": ("labelled",),
    "regress": ("labelled",),
}
"""The kinds of row that each method learns from; rows of another kind are turned into the first, where that has a meaning."""

_MOST_SHAPES = 10_000


def check(
    dataset: Dataset,
    *,
    target: Target | None = None,
    method: str = "sft",
    limits: Limits | None = None,
    counter: Counter | None = None,
    rules: Collection[str] | None = None,
    near: bool = False,
    paired: bool = False,
    hear: Hear | None = None,
) -> CheckReport:
    """Everything the rules have to say about `dataset`, unreadable rows included; the first of them does not end it.

    `target` (see `limits.target`) says what for, or `method` and `limits` do. `counter` counts the tokens of rows; without it no limit
    of tokens is looked at. `rules` are the ids of those to look at, all by default. `near` also looks for rows that are nearly the same,
    in a second pass and 264 bytes a row. `paired` says that there are rows to train on and to test on, and these are one of the two.
    `hear` gets every finding as it comes up, also those that the report only counts.

    Raises DatasetError when the file as a whole cannot be read, UsageError for an unknown method.
    """
    target = target or Target(method=method, limits=limits or Limits())
    if target.method not in METHODS:
        raise UsageError(f"unknown method {target.method!r}; {did_you_mean(target.method, METHODS)}")
    found = Found(rules, hear=hear)
    rows = _Rows(target, found, counter=counter)
    rows.amount.paired = paired
    for block in dataset.blocks(notices=found):
        rows.add(block.lines, block.examples)
    rows.finish(_amount(dataset, target, found, rows.amount), near=_said(dataset) if near and found.wanted("row-not-near") else None)
    return found.report(rows=rows.amount.rows, target=target, format=dataset.format, confidence=dataset.confidence)


def _said(dataset: Dataset) -> Iterator[str]:
    return ("\n".join(texts_of(example)) for block in dataset.blocks(notices=Deaf()) for example in block.examples)


def _amount(dataset: Dataset, target: Target, found: Found, amount: Amount) -> Amount:
    """With what the file itself tells."""
    amount.unreadable = found.unreadable
    if dataset.path is not None:
        amount.size_bytes = dataset.path.stat().st_size
        if target.limits.bom:
            with dataset.path.open("rb") as file:
                amount.bom = file.read(3) == b"\xef\xbb\xbf"
    return amount


class _Rows:
    """The rows as they pass. Plain ones take the quick way, all others one after the other."""

    def __init__(self, target: Target, found: Found, *, counter: Counter | None) -> None:
        self.amount = Amount()
        self._target = target
        self._found = found
        self._kinds = METHODS[target.method]
        rules = [rule for rule in RULES if rule.row is not None and found.wanted(rule.id)]
        self._rules = rules
        self._about_roles = [rule for rule in rules if rule.sees == "roles"]
        self._about_words = [rule for rule in rules if rule.sees == "words"]
        self._about: dict[frozenset[Sees], list[Rule]] = {}
        self._verdicts: dict[Shape, list[tuple[str, str]]] = {}
        self._answers = Answers(are_labels=target.method == "classify")
        self._texts = TextChecks(target, found)
        self._tokens = TokenChecks(target, found, counter=counter)

    def add(self, lines: Sequence[int], examples: Sequence[Example]) -> None:
        """Some more rows."""
        plain = plain_rows(examples) if "chat" in self._kinds and self._target.method != "kto" else None
        self.amount.rows += len(examples)
        if plain is None:
            for line, example in zip(lines, examples, strict=True):
                self._one(line, example)
            return
        if plain.one_shape:
            verdict = self._verdict(plain.shapes[0], examples[0])
            for rule, sentence in verdict:
                for line in lines:
                    self._found.add(rule, line, sentence)
        else:
            self._shapes(lines, examples, plain)
        if self._about_words and plain.any_blank():
            for line, example in zip(lines, examples, strict=True):
                self._ask(self._about_words, line, example)
        self._tokens.add(lines, examples)
        self._answers.add(plain.answers())
        self._texts.add_plain(lines, plain)

    def _shapes(self, lines: Sequence[int], examples: Sequence[Example], plain: PlainRows) -> None:
        for line, shape, example in zip(lines, plain.shapes, examples, strict=True):
            for rule, sentence in self._verdict(shape, example):
                self._found.add(rule, line, sentence)

    def _verdict(self, shape: Shape, example: Example) -> list[tuple[str, str]]:
        """What the rules about roles say of all rows of the shape."""
        verdict = self._verdicts.get(shape)
        if verdict is None:
            if len(self._verdicts) >= _MOST_SHAPES:
                self._verdicts.clear()
            said = [(rule.id, rule.row(example, self._target)) for rule in self._about_roles if rule.row is not None]
            verdict = self._verdicts[shape] = [(id, sentence) for id, sentence in said if sentence is not None]
        return verdict

    def _one(self, line: int, example: Example) -> None:
        """A row of any kind."""
        try:
            fitting = self._fitting(example)
        except BadRow as error:
            self._found.add("row-fits-method", line, f"{str(error).removesuffix('.')}; method {self._target.method} cannot learn from it.")
            self._texts.add(line, example)
            return
        if isinstance(fitting, ChatExample):
            shape = fitting.style, tuple([message.role for message in fitting.messages])
            for rule, sentence in self._verdict(shape, fitting):
                self._found.add(rule, line, sentence)
        self._ask(self._rules_about(fitting), line, fitting)
        self._tokens.add((line,), (fitting,))
        if isinstance(fitting, ChatExample):
            self.amount.wanted += fitting.desirable is True
            self.amount.unwanted += fitting.desirable is False
        elif self._target.method == "kto":  # a preference row is a wanted and an unwanted answer
            self.amount.wanted, self.amount.unwanted = self.amount.wanted + 1, self.amount.unwanted + 1
        self.amount.image_rows += any(True for _ in images_in(fitting))
        self._answers.add([answer(fitting) or ""])
        self._texts.add(line, fitting)

    def _fitting(self, example: Example) -> Example:
        """The row as the method learns from it. Raises BadRow where it cannot."""
        wanted = self._target.method == "kto" or not isinstance(example, ChatExample) or example.desirable is None
        return example if kind_of_example(example) in self._kinds and wanted else recast(example, self._kinds[0], lambda _: None)

    def _rules_about(self, example: Example) -> list[Rule]:
        """The rules that look at something which the row has; of a conversation, without those about roles."""
        there = holds(example) - ({"roles"} if isinstance(example, ChatExample) else frozenset())
        if self._target.method == "kto":
            there |= {"kind"}
        if there not in self._about:
            self._about[there] = [rule for rule in self._rules if rule.sees in there]
        return self._about[there]

    def _ask(self, rules: Sequence[Rule], line: int, example: Example) -> None:
        for rule in rules:
            if rule.row is not None and (sentence := rule.row(example, self._target)):
                self._found.add(rule.id, line, sentence)

    def finish(self, amount: Amount, *, near: Iterator[str] | None) -> None:
        """What can be said only after the last row."""
        self._tokens.finish()
        self._texts.finish(near)
        for rule, look in whole.LOOKS.items():
            for sentence in look(amount, self._target):
                self._found.add(rule, None, sentence)
        for rule, look_at_answers in labels.LOOKS.items():
            for sentence in look_at_answers(self._answers, self._target):
                self._found.add(rule, None, sentence)
