"""Media that lie beside the file of their rows are found wherever the question is asked from."""

from __future__ import annotations

from pathlib import Path

from tuneport.dataset import Dataset
from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    TextPart,
    canonical_bytes,
)
from tuneport.media_paths import placed


def chat(*urls: str) -> ChatExample:
    return ChatExample((Message("user", (*map(ImagePart, urls), TextPart("What?"))), Message("assistant", "a cat")))


def read(folder: Path, *rows: Example) -> list[Example]:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in rows))
    return list(placed(Dataset.read(path, format="canonical")))


def test_a_path_beside_the_file_becomes_whole_and_every_other_address_stays(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    here = tmp_path / "seen" / "cat.png"
    here.write_bytes(b"cat")
    others = ("https://example.org/cat.png", "gs://b/cat.png", "data:image/png;base64,AAAA", "gone.png", str(here))

    assert read(tmp_path, chat("seen/cat.png", *others)) == [chat(str(here), *others)]
    assert read(tmp_path, LabelledExample(image="seen/cat.png", label="cat")) == [LabelledExample(image=str(here), label="cat")]


def test_all_sides_of_a_pair_and_other_media_are_placed_and_rows_of_text_are_left_alone(tmp_path: Path) -> None:
    here = tmp_path / "cat.wav"
    here.write_bytes(b"cat")
    heard, placed_there = (Message("user", (MediaPart(url, "audio/wav"),)) for url in ("cat.wav", str(here)))
    better, worse = Message("assistant", "a cat"), Message("assistant", "a dog")

    assert read(tmp_path, PreferenceExample((heard,), (better,), (worse,))) == [PreferenceExample((placed_there,), (better,), (worse,))]
    words = ChatExample((Message("user", "What?"), better))
    assert read(tmp_path, words) == [words]


def test_rows_that_come_from_no_file_are_left_to_the_working_folder() -> None:
    rows = [chat("cat.png")]
    assert placed(rows) is rows
    assert list(placed(Dataset.from_examples(rows))) == rows
