"""Folders of images: one folder for each label, or a list beside them; read as rows that hold their images."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import LabelledExample

PNG = b"\x89PNG\r\n\x1a\n"


def put(folder: Path, **files: int) -> Path:
    """A folder for each label with so many images, all of them different."""
    for label, count in files.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            (folder / label / f"{number:03}.png").write_bytes(PNG + f"{label} {number}".encode())
    return folder


def rows_of(folder: Path) -> list[LabelledExample]:
    return [row for row in Dataset.read(folder) if isinstance(row, LabelledExample)]


def seen(row: LabelledExample) -> bytes:
    return base64.b64decode((row.image or "").partition("base64,")[2])


def test_each_image_is_a_row_with_the_name_of_its_folder_as_its_label(tmp_path: Path) -> None:
    folder = put(tmp_path / "cards", red=40, blue=2)
    (folder / "README.md").write_text("about the cards")
    (folder / "red" / ".hidden").write_text("")

    rows = rows_of(folder)
    assert [row.label for row in rows] == ["blue"] * 2 + ["red"] * 40
    assert seen(rows[0]) == PNG + b"blue 0"
    assert (rows[0].image or "").startswith("data:image/png;base64,")
    assert [line for line, _ in Dataset.read(folder).numbered()] == list(range(1, 43))
    assert (Dataset.read(folder).container, Dataset.read(folder).format) == ("images", "canonical")


def test_the_same_images_elsewhere_have_the_same_fingerprint_and_others_another(tmp_path: Path) -> None:
    here, there = put(tmp_path / "here", red=3, blue=3), put(tmp_path / "there", red=3, blue=3)
    same = Dataset.read(here).fingerprint == Dataset.read(there).fingerprint
    (there / "red" / "000.png").write_bytes(PNG + b"another")

    assert same
    assert Dataset.read(here).fingerprint != Dataset.read(there).fingerprint


def test_a_folder_of_images_can_be_split_and_named_in_a_recipe(tmp_path: Path) -> None:
    data = Dataset.read(put(tmp_path / "cards", red=10, blue=10))
    train, test = data.split(test=0.2, seed=1)

    again = Dataset.from_reference(train.reference())
    assert (train.count(), test.count()) == (16, 4)
    assert again.fingerprint == train.fingerprint


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,score,size\none.png,0.5,9\ntwo.png,1.25,9\n"),
        ("metadata.jsonl", '{"file_name": "one.png", "score": 0.5}\n\n{"file_name": "two.png", "score": "1.25"}\n'),
    ],
)
def test_scores_stand_in_metadata_beside_the_images(tmp_path: Path, name: str, text: str) -> None:
    for each in ("one", "two"):
        (tmp_path / f"{each}.png").write_bytes(PNG + each.encode())
    (tmp_path / name).write_text(text)

    assert [(row.score, seen(row)) for row in rows_of(tmp_path)] == [(0.5, PNG + b"one"), (1.25, PNG + b"two")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file_name,label\n../one.png,red\n", "row 1 of its metadata.csv names a file that is no image in the folder"),
        ("file_name,label\none.png,\n", "has no file_name, or not exactly one of label and score"),
        ("file_name,label,score\none.png,red,1\n", "not exactly one of label and score"),
        ("file_name,score\none.png,much\n", "the score in row 1 of its metadata.csv is no number"),
        ("file_name,label\n", "its metadata.csv names no images"),
    ],
)
def test_metadata_that_do_not_tell_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "metadata.csv").write_text(text)

    with pytest.raises(DatasetError, match=words):
        Dataset.read(tmp_path)


def test_a_folder_of_several_parts_asks_for_one_of_them(tmp_path: Path) -> None:
    put(tmp_path / "digits" / "train", one=1, two=1)
    put(tmp_path / "digits" / "test", one=1)

    with pytest.raises(DatasetError, match=r"holds several folders of images: test, train\. Name one of them, such as digits/test"):
        Dataset.read(tmp_path / "digits")


def test_what_is_no_image_and_an_empty_one_are_refused_by_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "cards", red=2)
    (folder / "red" / "notes.txt").write_text("which?")
    with pytest.raises(DatasetError, match=r"its red/notes\.txt is no image"):
        Dataset.read(folder)

    (folder / "red" / "notes.txt").unlink()
    (folder / "red" / "001.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"001\.png: the file is empty"):
        Dataset.read(folder)


def test_an_image_that_changes_between_two_passes_is_noticed(tmp_path: Path) -> None:
    data = Dataset.read(folder := put(tmp_path / "cards", red=2, blue=2))
    list(data)
    (folder / "red" / "001.png").write_bytes(PNG + b"another one")

    with pytest.raises(DatasetError, match="changed since it was first read"):
        list(data)


def test_a_folder_without_images_is_still_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is a folder, not a file"):
        Dataset.read(tmp_path)
