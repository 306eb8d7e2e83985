"""Cloud Storage's emulator, driven by google-cloud-storage: uploads, digests, preconditions, ranges and what breaks."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import exceptions as media
from tuneport_vertex.emulator import BUCKET, START, Habits, VertexEmulator

from tuneport.testing.emulator import SteppedClock
from tuneport.testing.emulator.faults import PartKept, Reset, ServerError, SlowBody

from .vertex_emulated import close_clients, gcs

CHUNK = 256 * 1024
PUT = "PUT /upload/storage/v1/b/{bucket}/o"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[VertexEmulator]:
    with VertexEmulator(clock=clock) as running:
        yield running
    close_clients()


@pytest.fixture
def bucket(emulator: VertexEmulator) -> Any:
    return gcs(emulator).bucket(BUCKET)


def crc(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def many_bytes(size: int) -> bytes:
    block = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(1024))
    return (block * (size // len(block) + 1))[:size]


def session(emulator: VertexEmulator, name: str, **query: str) -> tuple[str, dict[str, str]]:
    """A resumable upload begun by hand: its address, and the headers that sign a request."""
    headers = {"authorization": f"Bearer {emulator.token()}"}
    asked = {"uploadType": "resumable", **query}
    begun = requests.post(f"{emulator.url}/upload/storage/v1/b/{BUCKET}/o", params=asked, json={"name": name}, headers=headers, timeout=10)
    assert begun.status_code == 200
    return begun.headers["location"], headers


def send(where: tuple[str, dict[str, str]], data: bytes, span: str, **headers: str) -> requests.Response:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.put(where[0], data=data, headers={**where[1], "content-range": span, **said}, timeout=10)


# --- uploads ----------------------------------------------------------------------------------------------------------------------------


def test_a_small_object_goes_up_in_one_request_with_its_digests_checked(emulator: VertexEmulator, bucket: Any) -> None:
    blob = bucket.blob("a/b c.jsonl")
    blob.metadata = {"sha256": "abc"}
    blob.upload_from_string(b"hello\n", content_type="application/jsonl", if_generation_match=0, checksum="crc32c")
    again = bucket.get_blob("a/b c.jsonl")
    assert (again.size, again.crc32c, again.metadata) == (6, crc(b"hello\n"), {"sha256": "abc"})
    assert again.md5_hash == base64.b64encode(hashlib.md5(b"hello\n").digest()).decode()
    assert again.content_type == "application/jsonl"
    assert emulator.log.count("POST /upload/storage/v1/b/{bucket}/o") == 1


def test_a_large_object_goes_up_in_chunks_and_comes_down_the_same(emulator: VertexEmulator, bucket: Any) -> None:
    data = many_bytes(3 * CHUNK + 1000)
    blob = bucket.blob("big", chunk_size=CHUNK)
    blob.upload_from_file(io.BytesIO(data), size=len(data), checksum="crc32c")
    assert (blob.size, blob.crc32c) == (len(data), crc(data))
    assert emulator.log.count(PUT) == 0
    unsized = bucket.blob("unsized", chunk_size=CHUNK)
    unsized.upload_from_file(io.BytesIO(data), checksum="crc32c")
    assert emulator.log.count(PUT) == 4
    assert bucket.blob("unsized").download_as_bytes(checksum="crc32c") == data


def test_an_empty_object_and_one_that_fills_its_chunks_can_be_resumed_to_their_end(bucket: Any) -> None:
    for size in (0, CHUNK, 2 * CHUNK):
        blob = bucket.blob(f"size-{size}", chunk_size=CHUNK)
        blob.upload_from_file(io.BytesIO(b"x" * size), checksum="crc32c")
        assert blob.size == size


def test_a_wrong_digest_is_refused_and_nothing_is_kept(emulator: VertexEmulator, bucket: Any) -> None:
    with pytest.raises(exceptions.BadRequest, match="doesn't match calculated"):
        bucket.blob("bad").upload_from_file(io.BytesIO(b"hello"), crc32c_checksum_value=crc(b"other"), checksum=None)
    where = session(emulator, "bad")
    answer = send(where, b"hello", "bytes 0-4/5", x_goog_hash=f"crc32c={crc(b'other')}")
    assert answer.status_code == 400
    assert not bucket.blob("bad").exists()


def test_a_precondition_keeps_what_is_there(bucket: Any) -> None:
    bucket.blob("once").upload_from_string(b"first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once").upload_from_string(b"second", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once", chunk_size=CHUNK).upload_from_file(io.BytesIO(b"third"), if_generation_match=0)
    assert bucket.blob("once").download_as_bytes() == b"first"


def test_an_upload_says_how_far_it_is_and_goes_on_from_there(emulator: VertexEmulator, bucket: Any) -> None:
    where, data = session(emulator, "part"), many_bytes(3 * CHUNK)
    assert "range" not in send(where, b"", "bytes */*").headers
    first = send(where, data[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(data)}")
    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    assert send(where, b"", "bytes */*").headers["range"] == f"bytes=0-{CHUNK - 1}"
    done = send(where, data[CHUNK:], f"bytes {CHUNK}-{len(data) - 1}/{len(data)}", x_goog_hash=f"crc32c={crc(data)}")
    assert done.status_code == 200
    assert send(where, b"", "bytes */*").json()["generation"] == done.json()["generation"]
    assert bucket.blob("part").download_as_bytes() == data


def test_bytes_that_are_sent_again_are_taken_once(emulator: VertexEmulator, bucket: Any) -> None:
    where, data = session(emulator, "again"), many_bytes(2 * CHUNK)
    send(where, data[:CHUNK], f"bytes 0-{CHUNK - 1}/*")
    assert send(where, data, f"bytes 0-{len(data) - 1}/{len(data)}").status_code == 200
    assert bucket.blob("again").download_as_bytes() == data


def test_chunks_that_do_not_fit_are_refused(emulator: VertexEmulator) -> None:
    where = session(emulator, "odd")
    assert send(where, b"x" * CHUNK, f"bytes {CHUNK}-{2 * CHUNK - 1}/*").status_code == 400
    assert send(where, b"x" * 1000, "bytes 0-999/*").status_code == 400
    assert send(where, b"x" * 1000, "bytes 0-998/999").status_code == 400


@pytest.mark.parametrize("admits", [True, False])
def test_a_chunk_of_which_only_part_is_kept_can_be_resumed(clock: SteppedClock, admits: bool) -> None:
    with VertexEmulator(clock=clock, habits=Habits(admits_short_uploads=admits)) as emulator:
        where, data = session(emulator, "short"), many_bytes(4 * CHUNK)
        emulator.faults.once(PartKept(0.6), on=PUT)
        first = send(where, data, f"bytes 0-{len(data) - 1}/{len(data)}")
        assert first.status_code == (308 if admits else 503)
        kept = int(send(where, b"", "bytes */*").headers["range"].rpartition("-")[2]) + 1
        assert kept == 2 * CHUNK
        assert send(where, data[kept:], f"bytes {kept}-{len(data) - 1}/{len(data)}").status_code == 200
        assert gcs(emulator).bucket(BUCKET).blob("short").download_as_bytes() == data
    close_clients()


def test_googles_client_gets_over_broken_connections_and_servers(emulator: VertexEmulator, bucket: Any) -> None:
    data = many_bytes(3 * CHUNK)
    emulator.faults.once(Reset(after_bytes=CHUNK // 2), on=PUT)
    emulator.faults.once(ServerError(503), on=PUT, after=1)
    blob = bucket.blob("tough", chunk_size=CHUNK)
    blob.upload_from_file(io.BytesIO(data), checksum="crc32c")
    assert bucket.blob("tough").download_as_bytes() == data


def test_many_go_up_side_by_side(emulator: VertexEmulator) -> None:
    names = [f"many/{n}" for n in range(40)]

    def sent(name: str) -> None:
        session(emulator, name)
        where = session(emulator, name)
        assert send(where, name.encode() * 100, f"bytes 0-{len(name) * 100 - 1}/{len(name) * 100}").status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sent, names))
    assert {name: stored.blob.read() for name, stored in emulator.objects().items()} == {name: name.encode() * 100 for name in names}


def test_a_session_that_is_not_there_any_more_is_not_found(emulator: VertexEmulator, clock: SteppedClock) -> None:
    where = session(emulator, "late")
    clock.advance(8 * 24 * 3600)
    assert send(where, b"x", "bytes 0-0/1").status_code == 404


# --- what is there ----------------------------------------------------------------------------------------------------------------------


def test_parts_of_an_object_are_read_by_range(bucket: Any) -> None:
    bucket.blob("text").upload_from_string(b"0123456789")
    blob = bucket.blob("text")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=7) == b"789"
    with blob.open("rb") as file:
        assert file.read(3) == b"012"
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)


def test_objects_are_listed_by_prefix_in_pages_and_folders(emulator: VertexEmulator, bucket: Any) -> None:
    for name in ("a/1", "a/2", "a/b/3", "c/4"):
        emulator.put(name, b"x")
    client = gcs(emulator)
    assert [blob.name for blob in client.list_blobs(BUCKET, prefix="a/", page_size=1)] == ["a/1", "a/2", "a/b/3"]
    pages = client.list_blobs(BUCKET, prefix="a/", delimiter="/")
    assert [blob.name for blob in pages] == ["a/1", "a/2"]
    assert pages.prefixes == {"a/b/"}


def test_metadata_is_changed_and_an_object_deleted_once(bucket: Any) -> None:
    bucket.blob("meta").upload_from_string(b"x")
    blob = bucket.get_blob("meta")
    blob.metadata = {"owner": "me"}
    blob.patch()
    assert (blob.metageneration, bucket.get_blob("meta").metadata) == (2, {"owner": "me"})
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    blob.delete(if_generation_match=blob.generation)
    with pytest.raises(exceptions.NotFound):
        blob.delete()
    assert bucket.get_blob("meta") is None


def test_a_bucket_says_where_it_is(emulator: VertexEmulator) -> None:
    client = gcs(emulator)
    assert (client.get_bucket(BUCKET).location, client.get_bucket("tune-main-eu").location) == ("US-CENTRAL1", "EUROPE-WEST4")
    assert client.get_bucket(BUCKET).location_type == "region"
    assert [bucket.name for bucket in client.list_buckets()] == ["tune-main-eu", "tune-main-us"]
    with pytest.raises(exceptions.NotFound):
        client.get_bucket("not-there")
    made = client.create_bucket("brand-new", location="EU")
    assert (made.location, made.location_type) == ("EU", "multi-region")
    with pytest.raises(exceptions.Conflict):
        client.create_bucket("brand-new")
    made.delete()


# --- who may --------------------------------------------------------------------------------------------------------------------------


def test_who_may_not_is_told_so(emulator: VertexEmulator) -> None:
    looking = gcs(emulator, token=emulator.token(role="viewer")).bucket(BUCKET)
    emulator.put("x", b"x")
    assert looking.blob("x").download_as_bytes() == b"x"
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
        looking.blob("y").upload_from_string(b"y")
    assert looking.test_iam_permissions(["storage.objects.get", "storage.objects.create"]) == ["storage.objects.get"]
    keeping = gcs(emulator, token=emulator.token(without=("storage.objects.delete",))).bucket(BUCKET)
    with pytest.raises(exceptions.Forbidden):
        keeping.blob("x").delete()


def test_a_token_ends_in_the_middle_of_an_upload(emulator: VertexEmulator, clock: SteppedClock) -> None:
    where = session(emulator, "x")
    short = {"authorization": f"Bearer {emulator.token(life_s=60)}"}
    assert send((where[0], short), b"x" * CHUNK, f"bytes 0-{CHUNK - 1}/*").status_code == 308
    clock.advance(61)
    answer = send((where[0], short), b"x", f"bytes {CHUNK}-{CHUNK}/{CHUNK + 1}")
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert send(where, b"x", f"bytes {CHUNK}-{CHUNK}/{CHUNK + 1}").status_code == 200


def test_nobody_in_particular_is_refused(emulator: VertexEmulator) -> None:
    answer = requests.get(f"{emulator.url}/storage/v1/b/{BUCKET}", timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "required"


def test_what_the_api_does_not_know_is_refused(emulator: VertexEmulator) -> None:
    headers = {"authorization": f"Bearer {emulator.token()}"}
    odd = requests.get(f"{emulator.url}/storage/v1/b/{BUCKET}/o", params={"surprise": "1"}, headers=headers, timeout=10)
    assert odd.status_code == 400
    body: Any = {"name": "x", "surprise": 1}
    where = f"{emulator.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable"
    begun = requests.post(where, json=body, headers=headers, timeout=10)
    answer = send((begun.headers["location"], headers), b"x", "bytes 0-0/1")
    assert (answer.status_code, "surprise" in answer.json()["error"]["message"]) == (400, True)


def test_a_slow_download_arrives_whole(emulator: VertexEmulator, bucket: Any) -> None:
    data = many_bytes(CHUNK)
    emulator.put("slow", data)
    emulator.faults.once(SlowBody(4, 0.001), on="GET /download/storage/v1/b/{bucket}/o/{object}")
    assert bucket.blob("slow").download_as_bytes() == data


def test_a_download_that_is_damaged_on_the_way_is_noticed_by_googles_client(emulator: VertexEmulator, bucket: Any) -> None:
    emulator.put("damaged", b"hello world")
    stored = emulator.objects()["damaged"]
    stored.crc32c = crc(b"other")
    with pytest.raises(media.DataCorruption):
        bucket.blob("damaged").download_as_bytes(checksum="crc32c")
