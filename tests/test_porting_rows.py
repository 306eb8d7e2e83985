"""What a port carries of rows that are more than text: looked at as they arrive at the destination's emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from platforms import Platforms, cards, chat, opened, ported, step, write_rows

from tuneport.dataset import Dataset

TOOL = {
    "type": "function",
    "function": {
        "name": "find_card",
        "description": "Finds a card.",
        "parameters": {"type": "object", "properties": {"colour": {"type": "string"}}},
    },
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://pictures.example/card.png", "detail": "low"}}


@pytest.fixture
def platforms(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    with opened(capsys) as found:
        yield found


def with_tools(count: int) -> list[dict[str, Any]]:
    """Calls, one of them not to be learned from, and results."""

    def call(number: int, colour: str) -> dict[str, Any]:
        function = {"name": "find_card", "arguments": json.dumps({"colour": colour})}
        return {"role": "assistant", "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]}

    return [
        {
            "messages": [
                {"role": "system", "content": "You find cards."},
                {"role": "user", "content": f"Look for card {n}"},
                {**call(n, "Red"), "weight": 0},
                {"role": "tool", "tool_call_id": f"c{n}", "content": "not there"},
                call(n + 1000, "Blue"),
                {"role": "tool", "tool_call_id": f"c{n + 1000}", "content": "found"},
                {"role": "assistant", "content": f"Card {n} is Blue", "weight": 1},
            ],
            "tools": [TOOL],
            "parallel_tool_calls": False,
        }
        for n in range(count)
    ]


def with_pictures(count: int) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"Card {n}?"}, PICTURE]},
                {"role": "assistant", "content": f"It is card {n}"},
            ]
        }
        for n in range(count)
    ]


def pairs(count: int) -> list[dict[str, Any]]:
    return [
        {
            "input": {"messages": [{"role": "system", "content": "Be sure."}, {"role": "user", "content": f"Is it {n}?"}]},
            "preferred_output": [{"role": "assistant", "content": f"Yes, {n}."}],
            "non_preferred_output": [{"role": "assistant", "content": "Who knows?"}],
        }
        for n in range(count)
    ]


def carried(platforms: Platforms, uri: str, *flags: object) -> tuple[list[dict[str, Any]], list[Any]]:
    """A port without a comparison: the rows that Azure got, and what the port said is lost."""
    run = platforms("port", uri, "--to", "azure", "--ask", 0, "--yes", "--json", *flags)
    assert run.code == 0, run.err
    job = platforms.azure.world.jobs[ported(run)["job"]["provider_id"].partition("/")[2]]
    with job.training.open() as file:
        return [json.loads(line.decode("utf-8-sig")) for line in file], step(run, "convert")["lost"]


def test_calls_results_weights_and_tools_arrive_as_they_were(platforms: Platforms, tmp_path: Path) -> None:
    rows = with_tools(20)
    got, lost = carried(platforms, platforms.tuned(write_rows(tmp_path / "tools.jsonl", rows)))
    assert got == rows
    assert lost == []


def test_pictures_arrive_with_their_detail(platforms: Platforms, tmp_path: Path) -> None:
    rows = with_pictures(20)
    got, lost = carried(platforms, platforms.tuned(write_rows(tmp_path / "pictures.jsonl", rows), "--base", "gpt-4o-2024-08-06"))
    assert got == rows
    assert lost == []


def test_pairs_arrive_as_pairs(platforms: Platforms, tmp_path: Path) -> None:
    rows = pairs(20)
    uri = platforms.tuned(write_rows(tmp_path / "pairs.jsonl", rows), "--method", "dpo")
    got, lost = carried(platforms, uri)
    assert got == rows
    assert lost == []
    (job,) = platforms.azure.world.jobs.values()
    assert job.request.method == "dpo"
    scored = [
        {"prompt": f"Is it {n}?", "chosen": f"Yes, {n}.", "rejected": "No.", "score_chosen": 9, "score_rejected": 1} for n in range(20)
    ]
    got, lost = carried(platforms, uri, "--train", write_rows(tmp_path / "scored.jsonl", scored))
    assert lost == [{"kind": "scores", "rows": 20}, {"kind": "style", "rows": 20}]
    assert [row["preferred_output"][0]["content"] for row in got] == [row["chosen"] for row in scored]


def test_what_the_destination_cannot_hold_is_said_by_kind_and_rows_and_is_not_sent(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 20))
    texts = [{"prompt": f"Card {n} is", "completion": f" number {n}"} for n in range(20)]
    got, lost = carried(platforms, uri, "--train", write_rows(tmp_path / "texts.jsonl", texts))
    assert lost == [{"kind": "style", "rows": 20}]
    assert [row["messages"][0]["content"] for row in got] == [row["prompt"] for row in texts]
    named = [chat(f"Card {n}?", f"It is {n}") for n in range(20)]
    for row in named[:7]:
        row["messages"][0]["mood"] = "angry"
    got, lost = carried(platforms, uri, "--train", write_rows(tmp_path / "moods.jsonl", named))
    assert lost == [{"kind": "message.mood", "rows": 7}]
    assert "angry" not in json.dumps(got)


def test_pictures_are_refused_at_home_with_the_reason_and_no_job_is_made(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(write_rows(tmp_path / "pictures.jsonl", with_pictures(20)), "--base", "gpt-4o-2024-08-06")
    run = platforms("port", uri, "--to", "local", "--base", "smollm2-135m-instruct", "--yes")
    assert (run.code, "image" in run.err) == (1, True)
    run = platforms("port", uri, "--to", "azure", "--base", "gpt-4.1-mini", "--yes")
    assert (run.code, "image" in run.err) == (1, True)
    assert platforms.azure.world.jobs == {}
    with platforms.client() as client:
        assert client.registry.jobs(provider="local") == []


def test_pairs_go_home_as_pairs(platforms: Platforms, tmp_path: Path) -> None:
    from tiny import save_tiny

    uri = platforms.tuned(write_rows(tmp_path / "pairs.jsonl", pairs(20)), "--method", "dpo")
    run = platforms("port", uri, "--to", "local", "--base", save_tiny(tmp_path / "tiny"), "--dry-run")
    assert run.code == 0, run.err
    assert "dpo" in run.out


def test_tools_are_refused_at_home_by_a_base_whose_template_has_no_place_for_them(platforms: Platforms, tmp_path: Path) -> None:
    from tiny import CHATML_WITH_TOOLS, save_tiny

    rows = with_tools(20)
    uri = platforms.tuned(write_rows(tmp_path / "tools.jsonl", rows))
    run = platforms("port", uri, "--to", "local", "--base", save_tiny(tmp_path / "plain"), "--dry-run")
    assert run.code == 1
    assert "tool" in run.err
    able = save_tiny(tmp_path / "able", template=CHATML_WITH_TOOLS)
    run = platforms("port", uri, "--to", "local", "--base", able, "--ask", 0, "--dry-run", "--json")
    assert run.code == 0, run.err
    assert step(run, "convert")["lost"] == []
    assert run.records[-1]["plan"]["dataset_fingerprint"] == Dataset.read(tmp_path / "tools.jsonl").fingerprint
