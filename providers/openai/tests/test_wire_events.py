"""Events of a job and the step metrics that are in them, in the results file, and in neither."""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from tuneport_openai.wire.events import event_of
from tuneport_openai.wire.metrics import metrics_of_csv, metrics_of_events

from tuneport.job import Event, Metric

AT = 1_795_000_000


def event(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "ftevent-1",
        "created_at": AT,
        "level": "info",
        "message": "Job started",
        "object": "fine_tuning.job.event",
        "data": None,
        "type": "message",
    }
    return {**plain, **changes}


def measured(step: int, *, at: int = AT, **values: Any) -> dict[str, Any]:
    return event(id=f"ftevent-m{step}", created_at=at, type="metrics", data={"step": step, "total_steps": 90, **values})


def test_an_event_is_read_as_it_is() -> None:
    assert event_of(event()) == Event("ftevent-1", datetime.fromtimestamp(AT, UTC), "info", "Job started", {"type": "message"})


def test_a_warning_goes_by_the_usual_word() -> None:
    assert [event_of(event(level=level)).level for level in ("warn", "error", None, "odd")] == ["warning", "error", "info", "odd"]


def test_the_data_of_an_event_are_kept_whatever_they_are() -> None:
    assert event_of(event(data={"step": 3})).data == {"step": 3, "type": "message"}
    assert event_of(event(data=[1, 2], type=None)).data == {"data": [1, 2]}
    assert event_of(event(data={}, type=None)).data == {}


def test_a_moderation_event_says_what_was_blocked() -> None:
    blocked = event(type="moderation_checks", level="error", message="Usage policies", data={"blocked_categories": ["hate", "violence"]})
    assert event_of(blocked).message == "Usage policies (blocked: hate, violence)"
    named = event(type="moderation_checks", message="blocked for hate", data={"blocked_categories": ["hate"]})
    assert event_of(named).message == "blocked for hate"
    passed = event(type="moderation_checks", message="passed", data={"blocked_categories": []})
    assert (event_of(passed).message, event_of(passed).data["type"]) == ("passed", "moderation_checks")


def test_an_event_of_which_next_to_nothing_is_said_can_still_be_told_from_others() -> None:
    one, other = event_of({"message": "a"}), event_of({"message": "b"})
    assert one.id != other.id
    assert one == event_of({"message": "a"})
    assert one.at.tzinfo is not None


def test_no_key_stands_in_an_event() -> None:
    assert "sk-abcdefghijk" not in event_of(event(message="wandb refused sk-abcdefghijk")).message


def test_metrics_are_in_order_of_step_whatever_the_order_of_events() -> None:
    events = [event(), measured(2, at=AT + 2, train_loss=0.4), measured(1, train_loss=0.9, valid_loss=1.1, train_mean_token_accuracy=0.7)]
    before = copy.deepcopy(events)
    assert metrics_of_events(events) == [
        Metric(1, {"loss": 0.9, "eval_loss": 1.1, "token_accuracy": 0.7}, datetime.fromtimestamp(AT, UTC)),
        Metric(2, {"loss": 0.4}, datetime.fromtimestamp(AT + 2, UTC)),
    ]
    assert events == before


def test_a_step_that_is_told_twice_has_what_was_said_last() -> None:
    found = metrics_of_events([measured(1, at=AT + 9, train_loss=0.5), measured(1, train_loss=0.9, full_valid_loss=0.6)])
    assert [metric.values for metric in found] == [{"loss": 0.5, "full_eval_loss": 0.6}]


def test_what_is_no_measurement_is_left_out() -> None:
    assert metrics_of_events([measured(1, train_loss=None, valid_loss=math.nan, note="x", ok=True)]) == []
    assert metrics_of_events([measured(1, reward_mean=0.25)])[0].values == {"reward_mean": 0.25}
    assert metrics_of_events([event(data={"train_loss": 1.0}), event(data="Step 1"), event(data=None)]) == []


HEADER = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,full_valid_loss\n"


def test_a_results_file_is_read_by_its_header() -> None:
    found = metrics_of_csv(HEADER + "1,1.5,0.5,,,\n2,1.25,0.75,1.5,0.5,1.0\n")
    assert found == [
        Metric(1, {"loss": 1.5, "token_accuracy": 0.5}),
        Metric(2, {"loss": 1.25, "token_accuracy": 0.75, "eval_loss": 1.5, "eval_token_accuracy": 0.5, "full_eval_loss": 1.0}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "train_loss,step\n1.5,1\n",
        "\ufeffStep , TRAIN_LOSS\r\n1,1.5\r\n",
        "step,train_loss,new_column\n1.0,1.5,\n",
        "step,training_loss\n1,1.5\n,9.9\nx,9.9\n",
        "step,train_loss,valid_loss\n1,1.5\n",
        "step,train_loss,valid_loss\n\n1,1.5,nan\n",
    ],
)
def test_columns_may_stand_anywhere_be_named_otherwise_and_be_absent(text: str) -> None:
    assert metrics_of_csv(text) == [Metric(1, {"loss": 1.5})]


@pytest.mark.parametrize("text", ["", "\n", "step,train_loss\n", "train_loss\n1.5\n", "<html>502</html>"])
def test_a_text_without_steps_has_no_metrics(text: str) -> None:
    assert metrics_of_csv(text) == []


def test_both_sources_use_the_same_names() -> None:
    names = ["train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss"]
    values = [0.5, 0.6, 0.7, 0.8, 0.9]
    by_event = metrics_of_events([measured(3, **dict(zip(names, values, strict=True)))])
    by_file = metrics_of_csv(",".join(["step", *names]) + "\n" + ",".join(map(str, [3, *values])) + "\n")
    assert by_event[0].values == by_file[0].values
    assert len(by_file[0].values) == 5
