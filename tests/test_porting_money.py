"""What a port spends: nothing before its consent, and never more than it may."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harbour import Harbour, School, held_out, in_memory, rows

from tuneport.dataset import Dataset
from tuneport.errors import JobFailed, UsageError
from tuneport.testing.remote_job import Course


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return Harbour(tmp_path / "harbour")


def test_nothing_is_sent_before_the_consent_to_what_it_costs(harbour: Harbour) -> None:
    with pytest.raises(UsageError, match=r"training at new costs 0\.48 USD, and asking for 36 answers 0\.36 USD"):
        harbour.port(agree=())
    assert (harbour.creates, harbour.new.asked, harbour.old.asked, harbour.new.files) == (0, [], [], {})


def test_the_most_that_it_may_cost_holds_training_and_asking_together(harbour: Harbour) -> None:
    with pytest.raises(UsageError, match=r"up to 0\.84 USD, above the 0\.83 USD"):
        harbour.port(max_cost_usd=Decimal("0.83"))
    assert harbour.creates == 0
    assert harbour.port(max_cost_usd=Decimal("0.84")).job.provider == "new"


def test_what_a_failed_job_was_billed_counts_with_the_new_one(harbour: Harbour) -> None:
    """Training is quoted at 0.48 USD and asking at 0.36; each job is billed at 2.50."""
    harbour.new = School(harbour.clock, course=lambda number: Course(ends="error") if number == 1 else Course())
    with pytest.raises(JobFailed):
        harbour.port(max_cost_usd=Decimal(1))
    for most in ("1", "3.33"):
        with pytest.raises(UsageError, match=rf"nothing was sent\. Of {most} USD, 2\.50 were spent before"):
            harbour.port(again=True, max_cost_usd=Decimal(most))
    assert harbour.creates == 1
    assert harbour.port(again=True, max_cost_usd=Decimal("3.34")).job.provider == "new"


def test_a_cost_that_is_not_known_is_under_no_bound(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path / "harbour", priced=False)
    with pytest.raises(UsageError, match="not known"):
        harbour.port(max_cost_usd=Decimal(100))
    assert harbour.creates == 0
    assert harbour.port(max_cost_usd=Decimal(100), ask=0).job.provider == "new"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"margin": 100}, "below 100 points"),
        ({"margin": float("nan")}, "below 100 points"),
        ({"metric": "accuracy"}, "unknown metric 'accuracy'"),
        ({"metric": "perplexity"}, "cannot be had from answers"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused_before_anything_is_paid(harbour: Harbour, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        harbour.port(**wish)
    assert (harbour.creates, harbour.old.asked) == (0, [])


def test_another_prompt_for_the_base_is_asked_after_a_consent_of_its_own(harbour: Harbour) -> None:
    test = held_out(harbour, 30)
    harbour.port(test=test, shots=0)
    asked = len(harbour.new.asked)
    with pytest.raises(UsageError, match="asking for 90 answers"):
        harbour.port(test=test, shots=4, agree=())
    assert len(harbour.new.asked) == asked
    harbour.port(test=test, shots=4, agree=("ask",))
    assert sum(text.startswith("fake-small ") for text in harbour.new.asked) == 30
    harbour.port(test=test, shots=0, agree=())
    harbour.port(test=test, shots=4, agree=())


def test_a_file_of_other_rows_under_the_same_name_is_not_agreed_to_by_what_was_said_before(harbour: Harbour) -> None:
    harbour.port(ask=0)
    harbour.port(test=held_out(harbour, 30), agree=("ask",))
    asked = len(harbour.old.asked)
    changed = Dataset.read(harbour.file("held-out.jsonl", rows(30, start=8000)))
    with pytest.raises(UsageError, match=r"asking for 90 answers to held-out\.jsonl"):
        harbour.port(test=changed, agree=())
    assert len(harbour.old.asked) == asked


def test_the_most_that_it_may_cost_holds_all_rows_that_were_ever_asked(harbour: Harbour) -> None:
    harbour.port(max_cost_usd=Decimal("0.84"))
    with pytest.raises(UsageError, match=r"costs 0\.90 USD, and up to 0\.84 USD were spent before: not under the 1\.73 USD"):
        harbour.port(test=held_out(harbour, 30), max_cost_usd=Decimal("1.73"))
    harbour.port(test=held_out(harbour, 30), max_cost_usd=Decimal("1.74"))
    other = Dataset.read(harbour.file("other.jsonl", rows(1, start=9000)))
    with pytest.raises(UsageError, match=r"up to 1\.74 USD were spent before"):
        harbour.port(test=other, max_cost_usd=Decimal("1.74"))


def test_what_was_spent_before_and_is_not_known_is_under_no_bound_either(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path / "harbour", priced=False)
    harbour.port()
    harbour.priced = True
    with pytest.raises(UsageError, match="an unknown sum was spent before"):
        harbour.port(test=held_out(harbour), max_cost_usd=Decimal(100))


def test_a_dry_run_carries_nothing_though_all_of_it_was_agreed_to(harbour: Harbour) -> None:
    with pytest.raises(UsageError, match="a dry run carries nothing"):
        harbour.port(dry_run=True)
    assert (harbour.creates, harbour.new.files) == (0, {})
    assert "together: 0.84 USD" in harbour.heard("quote")
