"""Rows that an earlier job rendered are taken as they were, and never when anything that decides them is another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.jobs.home import Jobs
from tuneport_local.rows import rendered_before
from tuneport_local.rows.prepared import CONVERSATIONS, PreparedRows, prepare
from tuneport_local.rows.rendered_before import FOLDER, Shelf
from tuneport_local.training.train import train

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError

from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, tiny_tokenizer, write_chats

SETTINGS = {"max_length": 40, "too_long": "truncate", "format": "chat"}


class Room:
    """A home, a base, data, and how often they were rendered."""

    def __init__(self, folder: Path) -> None:
        self.local = folder / "local"
        self.base = folder / "base"
        self.base.mkdir()
        (self.base / "tokenizer.json").write_text("{}")
        (self.base / "chat_template.jinja").write_text("{{ messages }}")
        self.data = write_chats(folder / "data.jsonl", 30)
        self.rendered = 0

    def rows(self, **changes: Any) -> tuple[PreparedRows[Any], bool]:
        return Shelf(self.local).rows(self.data, base=self.base, settings={**SETTINGS, **changes}, render=self.render)

    def render(self) -> PreparedRows[Any]:
        self.rendered += 1
        numbered = Dataset.read(self.data, format="chat").numbered()
        return prepare(numbered, tiny_tokenizer(), kind=CONVERSATIONS, max_length=40, too_long="truncate", name="train data")

    def kept(self) -> list[Path]:
        return sorted((self.local / FOLDER).glob("*/*.safetensors"))


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(rendered_before, "LEAST_BYTES", 0)
    return Room(tmp_path)


def test_rows_come_back_as_they_were_rendered(room: Room) -> None:
    first, before = room.rows()
    again, after = room.rows()

    assert (before, after) == (False, True)
    assert again == first
    assert first.truncated
    assert room.rendered == 1


def _other_data(room: Room) -> None:
    room.data.write_bytes(room.data.read_bytes().replace(b"Red", b"red", 1))


def _other_tokenizer(room: Room) -> None:
    (room.base / "tokenizer.json").write_text("{ }")


def _other_template(room: Room) -> None:
    (room.base / "chat_template.jinja").write_text("{{ message }}")


def _another_template_beside_it(room: Room) -> None:
    (room.base / "additional_chat_templates").mkdir()
    (room.base / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")


@pytest.mark.parametrize("change", [_other_data, _other_tokenizer, _other_template, _another_template_beside_it])
def test_what_decides_the_tokens_decides_whether_they_are_taken(room: Room, change: Callable[[Room], None]) -> None:
    room.rows()
    change(room)
    assert room.rows()[1] is False


@pytest.mark.parametrize("changes", [{"max_length": 41}, {"too_long": "drop"}, {"format": "text"}])
def test_another_limit_is_rendered_anew(room: Room, changes: dict[str, Any]) -> None:
    room.rows()
    assert room.rows(**changes)[1] is False


def test_other_versions_and_other_code_of_ours_are_rendered_anew(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.rows()
    monkeypatch.setattr(rendered_before.importlib.metadata, "version", lambda name: f"{name} of tomorrow")
    assert room.rows()[1] is False
    monkeypatch.setattr(rendered_before, "_code", lambda: "other code")
    assert room.rows()[1] is False


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:-1] + b"\x7f", lambda data: b"", lambda data: b"{}" * 99])
def test_a_damaged_file_counts_as_none_and_is_written_anew(room: Room, damage: Callable[[bytes], bytes]) -> None:
    first, _ = room.rows()
    (path,) = room.kept()
    path.write_bytes(damage(path.read_bytes()))

    assert room.rows() == (first, False)
    assert room.rows() == (first, True)


def test_data_that_cannot_be_rendered_are_refused_each_time(room: Room) -> None:
    def refuse() -> PreparedRows[Any]:
        raise DatasetError("train data: line 3 says nothing.")

    for _ in range(2):
        with pytest.raises(DatasetError, match="line 3 says nothing"):
            Shelf(room.local).rows(room.data, base=room.base, settings=SETTINGS, render=refuse)
    assert room.kept() == []


def test_small_files_are_not_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_before, "LEAST_BYTES", room.data.stat().st_size + 1)
    room.rows()
    assert room.kept() == []


def test_a_place_that_cannot_be_written_costs_nothing_but_the_time(room: Room) -> None:
    room.local.write_text("no folder")
    assert room.rows()[0] == room.rows()[0]
    assert room.rendered == 2


def test_what_was_not_used_for_longest_makes_room(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for length in (1, 2, 3):
        room.rows(max_length=length)
    for age, path in zip((30, 10, 20), room.kept(), strict=True):
        os.utime(path, (1e9 - age, 1e9 - age))
    oldest, newest = room.kept()[0], room.kept()[1]
    monkeypatch.setattr(rendered_before, "MOST_BYTES", round(3.5 * newest.stat().st_size))
    Shelf(room.local)._make_room(kept=_another(room))

    assert oldest not in room.kept()
    assert newest in room.kept()


def _another(room: Room) -> Path:
    path = room.kept()[1].with_name("new.safetensors")
    path.write_bytes(room.kept()[1].read_bytes())
    return path


def test_what_would_take_a_large_part_of_the_room_is_not_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_before, "MOST_BYTES", 1000)
    room.rows()
    assert room.kept() == []


def test_a_deleted_job_takes_the_rendered_rows_of_its_data_along(room: Room) -> None:
    jobs = Jobs(room.local.parent)
    job, _ = jobs.make("job", {"hyperparameters": {"device": "cpu"}}, {"train": room.data})
    room.rows()
    other = write_chats(room.data.with_name("other.jsonl"), 31)
    Shelf(room.local).rows(other, base=room.base, settings=SETTINGS, render=room.render)

    jobs.forget_rows(job)
    assert [path.parent.name for path in room.kept()] == [rendered_before.sha256_of([other])]


@pytest.mark.train
def test_a_second_job_of_the_same_data_trains_the_same_from_rendered_rows(room: Room, tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "tiny")
    one, other = MemoryJob(tmp_path / "one"), MemoryJob(tmp_path / "other")
    for job in (one, other):
        train(job, spec=spec_of(base, room.data, epochs=1), home=tmp_path)

    assert not one.said("rendered by an earlier job")
    assert other.said("rendered by an earlier job")
    assert same_weights(one, other)
    assert json.loads((one.path / "run.json").read_text())["data"] == json.loads((other.path / "run.json").read_text())["data"]
