"""Media in rows: what lies in a bucket or on the web stays as it is, what lies here is uploaded once and named by its address."""

from __future__ import annotations

import base64
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_vertex.adapter.media import LocalMedia, uri_of
from tuneport_vertex.profile import Place

from tuneport.dataset import Dataset
from tuneport.errors import ConfigError, DatasetError
from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
)

from .vertex_bucket import planned, storing

PLACE = Place("vertex", "my-project", "us-central1", "us", bucket="bucket", prefix="tunes")
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
AT = f"gs://bucket/tunes/{planned(PNG, suffix='.png').name}"


def asked(*urls: str, media: str | None = None) -> ChatExample:
    """A question about images, or media of a type."""
    parts = tuple(ImagePart(url) if media is None else MediaPart(url, media) for url in urls)
    return ChatExample((Message("user", (TextPart("What is this?"), *parts)), Message("assistant", "A van.")))


def rewritten(*rows: Example, place: Place = PLACE) -> tuple[list[Example], LocalMedia]:
    media = LocalMedia(place)
    return list(media.uploaded_from(Dataset.from_examples(rows))), media


def wire(*rows: Example, format: str = "gemini") -> list[dict[str, Any]]:
    """The rows as they are sent."""
    media = LocalMedia(PLACE)
    content = b"".join(media.uploaded_from(Dataset.from_examples(rows)).chunks(format=format))
    return [json.loads(line) for line in content.splitlines()]


# --- what stays -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["gs://elsewhere/a.png", "https://example.com/a.png", "http://example.com/a.png", "GS://elsewhere/a.png"])
def test_media_that_the_service_can_read_stay_as_they_are(url: str) -> None:
    row = asked(url)
    rows, media = rewritten(row)
    assert rows == [row]
    assert rows[0] is row
    assert len(media) == 0


def test_audio_and_video_in_a_bucket_are_named_by_their_type() -> None:
    row = wire(asked("gs://b/a.mp4", media="video/mp4"), asked("gs://b/a.wav", media="audio/wav"))
    assert [each["contents"][0]["parts"][1] for each in row] == [
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/a.mp4"}},
        {"fileData": {"mimeType": "audio/wav", "fileUri": "gs://b/a.wav"}},
    ]


# --- what is uploaded -------------------------------------------------------------------------------------------------------------------


def test_an_image_in_a_row_is_named_by_the_address_that_it_will_have() -> None:
    rows, media = rewritten(asked(DATA))
    assert rows == [asked_at(AT, "image/png")]
    (file,) = media
    assert file.purpose == f"media:{file.sha256[:32]}"
    assert f"gs://bucket/tunes/{file.name}" == AT
    assert b"".join(file.chunks()) == PNG == b"".join(file.chunks())


def asked_at(url: str, mime_type: str) -> ChatExample:
    parts = (TextPart("What is this?"), ImagePart(url, None, mime_type))
    return ChatExample((Message("user", parts), Message("assistant", "A van.")))


def test_the_rows_say_fileData_and_hold_no_bytes() -> None:
    assert wire(asked(DATA))[0]["contents"][0]["parts"] == [
        {"text": "What is this?"},
        {"fileData": {"mimeType": "image/png", "fileUri": AT}},
    ]


def test_inline_data_of_gemini_rows_is_uploaded_too(tmp_path: Path) -> None:
    row = {
        "contents": [
            {"role": "user", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": base64.b64encode(b"sound").decode()}}]},
            {"role": "model", "parts": [{"text": "Rain."}]},
        ]
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    media = LocalMedia(PLACE)
    (line,) = b"".join(media.uploaded_from(Dataset.read(tmp_path / "rows.jsonl")).chunks(format="gemini")).splitlines()
    (file,) = media
    assert json.loads(line)["contents"][0]["parts"] == [
        {"fileData": {"mimeType": "audio/wav", "fileUri": f"gs://bucket/tunes/{file.name}"}}
    ]
    assert file.name.endswith(".wav")
    assert b"".join(file.chunks()) == b"sound"


@pytest.mark.parametrize("named", ["cat.png", "./cat.png", "folder/../cat.png"])
def test_a_path_is_taken_from_the_folder_of_the_rows(named: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "cat.png").write_bytes(PNG)
    Dataset.from_examples([asked(named)]).write(tmp_path / "rows.jsonl")
    media = LocalMedia(PLACE)
    assert list(media.uploaded_from(Dataset.read(tmp_path / "rows.jsonl"))) == [asked_at(AT, "image/png")]
    assert b"".join(media[0].chunks()) == PNG


@pytest.mark.parametrize("address", [str, lambda path: path.as_uri()], ids=["absolute", "file:"])
def test_a_whole_path_is_taken_as_it_is(address: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "my cat.png").write_bytes(PNG)
    rows, _ = rewritten(asked(address(tmp_path / "my cat.png")))
    assert rows == [asked_at(AT, "image/png")]


def test_the_same_image_is_one_file_however_often_and_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    rows, media = rewritten(asked(DATA, DATA), asked(DATA), asked(str(tmp_path / "cat.png")))
    assert len(media) == 1
    assert {part.url for row in rows for part in row.messages[0].content if isinstance(part, ImagePart)} == {AT}  # type: ignore[union-attr]


def test_every_kind_of_row_is_looked_through() -> None:
    turn = Message("user", (ImagePart(DATA),))
    answer = Message("assistant", (ImagePart(DATA),))
    rows, media = rewritten(
        PreferenceExample((turn,), (answer,), (Message("assistant", "no"),)),
        PromptExample((turn,), "a van"),
        LabelledExample(image=DATA, label="van"),
    )
    assert "base64" not in repr(rows)
    assert repr(rows).count(AT) == 4
    assert len(media) == 1


def test_two_passes_over_the_rows_give_the_same_bytes() -> None:
    media = LocalMedia(PLACE)
    dataset = media.uploaded_from(Dataset.from_examples([asked(DATA), asked("gs://b/a.png")]))
    first = b"".join(dataset.chunks(format="gemini"))
    assert b"".join(dataset.chunks(format="gemini")) == first
    other = LocalMedia(PLACE)
    again = other.uploaded_from(Dataset.from_examples([asked(DATA), asked("gs://b/a.png")]))
    assert b"".join(again.chunks(format="gemini")) == first
    assert [file.name for file in other] == [file.name for file in media]


def test_what_is_uploaded_is_what_the_rows_name() -> None:
    _, media = rewritten(asked(DATA))
    with storing() as (storage, bucket, _):
        assert [storage.upload(file) for file in media] == [AT]
        assert [each.data for each in bucket.objects.values()] == [PNG]
        assert [each.content_type for each in bucket.objects.values()] == ["image/png"]


def test_bytes_put_aside_stay_as_long_as_a_file_needs_them_and_no_longer() -> None:
    _, media = rewritten(asked(DATA))
    folder = media._folder
    assert folder is not None
    file = media[0]
    del media
    gc.collect()
    assert b"".join(file.chunks()) == PNG
    del file
    gc.collect()
    assert not folder.exists()


# --- what is refused --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("data:image/png,abc", "is not base64"),
        ("data:image/png;base64,%%%", "is not base64"),
        ("data:;base64,YQ==", "has no type"),
        ("s3://bucket/a.png", "begins with s3:"),
        ("ftp://host/a.png", "begins with ftp:"),
        ("nowhere/a.png", "cannot be read: No such file"),
        ("a\0b.png", "cannot be read"),
    ],
)
def test_media_that_cannot_be_sent_are_refused_with_their_line(url: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence) as caught:
        rewritten(asked("gs://b/a.png"), asked(url))
    assert caught.value.line == 2
    assert "%%%" not in str(caught.value)


@pytest.mark.parametrize("name", ["id_rsa", "passwd", "key.pem", "notes.docx"])
def test_a_row_cannot_send_away_what_is_no_media(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("secret")
    with pytest.raises(DatasetError, match="nothing else is uploaded from this machine"):
        rewritten(asked(str(tmp_path / name), media="image/png"))


def test_media_that_lie_here_need_a_bucket() -> None:
    with pytest.raises(ConfigError, match="no bucket is named"):
        rewritten(asked(DATA), place=Place("vertex", "my-project", "us-central1", "us"))


# --- rows that lie in a bucket ----------------------------------------------------------------------------------------------------------

GEMINI = {"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "a"}]}]}
CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A bucket whose address the environment names, as google-cloud-storage has it."""
    with storing() as (_, bucket, asked):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TUNEPORT_CONFIG", str(tmp_path / "none.toml"))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.url)
        monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "opaque-token-0123456789")
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        yield bucket, asked


def test_rows_in_a_bucket_are_read_through_the_provider(there: Any) -> None:
    bucket, asked = there
    bucket.put("data/rows.jsonl", lines(GEMINI, GEMINI))
    dataset = Dataset.read("gs://bucket/data/rows.jsonl")
    assert dataset.count() == 2
    assert dataset.format == "gemini"
    assert dataset.reference() == {"path": "gs://bucket/data/rows.jsonl"}
    assert [each.query.get("alt") for each in asked] == [None, "media"]
    assert asked[1].query["generation"] == "1"


def test_an_address_that_went_through_a_path_reads_the_same_rows(there: Any) -> None:
    bucket, _ = there
    bucket.put("rows.jsonl", lines(CHAT))
    assert Dataset.read(Path("gs://bucket/rows.jsonl")).count() == 1


def test_an_object_that_is_not_there_is_a_missing_file(there: Any) -> None:
    with pytest.raises(DatasetError, match=r"gs://bucket/nowhere\.jsonl: no such file"):
        Dataset.read("gs://bucket/nowhere.jsonl")


def test_rows_in_the_services_own_format_are_used_where_they_lie(there: Any) -> None:
    bucket, _ = there
    bucket.put("rows.jsonl", lines(GEMINI))
    dataset = Dataset.read("gs://bucket/rows.jsonl")
    assert uri_of(dataset, format="gemini") == "gs://bucket/rows.jsonl"
    assert uri_of(dataset, format="chat") is None
    assert uri_of(dataset, format=None) is None
    bucket.put("chat.jsonl", lines(CHAT))
    assert uri_of(Dataset.read("gs://bucket/chat.jsonl"), format="chat") == "gs://bucket/chat.jsonl"


def test_a_part_of_a_file_or_one_that_is_packed_otherwise_is_written_anew(there: Any) -> None:
    import gzip

    bucket, _ = there
    bucket.put("rows.jsonl", lines(GEMINI, GEMINI))
    bucket.put("rows.json", lines(GEMINI))
    bucket.put("array.jsonl", json.dumps([GEMINI]).encode())
    bucket.put("rows.jsonl.gz", gzip.compress(lines(GEMINI)))
    assert uri_of(Dataset.read("gs://bucket/rows.jsonl").take(1), format="gemini") is None
    assert uri_of(Dataset.read("gs://bucket/rows.jsonl").split(test=1)[0], format="gemini") is None
    for name in ("rows.json", "array.jsonl", "rows.jsonl.gz"):
        assert uri_of(Dataset.read(f"gs://bucket/{name}"), format="gemini") is None


def test_rows_in_a_bucket_with_media_in_them_are_written_anew(there: Any) -> None:
    bucket, _ = there
    inline = {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "YQ=="}}]}, GEMINI["contents"][1]]}
    named = {
        "contents": [{"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}]}, GEMINI["contents"][1]]
    }
    bucket.put("inline.jsonl", lines(inline))
    bucket.put("named.jsonl", lines(named))
    assert uri_of(Dataset.read("gs://bucket/inline.jsonl"), format="gemini") is None
    assert uri_of(Dataset.read("gs://bucket/named.jsonl"), format="gemini") == "gs://bucket/named.jsonl"


def test_rows_here_are_never_used_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines(GEMINI))
    assert uri_of(Dataset.read(tmp_path / "rows.jsonl"), format="gemini") is None
