"""What is taken for a label, and what for free text."""

import pytest

from tuneport.labels import label_like


@pytest.mark.parametrize(
    "text",
    ["refund", "balance_not_updated_after_cheque_or_cash_deposit", "transfer not received by recipient", " yes\n", "支付失败", "x" * 64],
)
def test_short_names_on_one_line_are_labels(text: str) -> None:
    assert label_like(text)


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "one\ntwo", "one\u2028two", "a free answer that is one of forty", "x" * 65, "很" * 65],
    ids=lambda text: repr(text)[:20],
)
def test_sentences_and_nothing_are_none(text: str) -> None:
    assert not label_like(text)
