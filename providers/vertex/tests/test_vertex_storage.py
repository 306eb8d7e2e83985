"""Files in the user's bucket, through the storage client unmodified, against a bucket on loopback."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tuneport_vertex.adapter.uploading import ATTEMPTS, PIECE_BYTES, SHA256
from tuneport_vertex.refusals import OtherRegion
from tuneport_vertex.wire.buckets import BucketPlace, ObjectAddress

from tuneport.errors import Ambiguous, ConfigError, CredentialsRefused, DatasetError, NotFound, RateLimited, Refused, Unreachable
from tuneport.plan import PlannedFile

from .vertex_bucket import Bucket, crc32c_of, planned, refused, storing
from .vertex_loopback import SILENT, Asked, Said

ROWS = b'{"contents": []}\n' * 100
LARGE = random.Random(7).randbytes(2 * PIECE_BYTES + 12_345)
SIZES = pytest.mark.parametrize(
    "data", [ROWS, LARGE[:PIECE_BYTES], LARGE[: PIECE_BYTES + 1], LARGE], ids=["rows", "one piece", "a byte more", "large"]
)


def puts(asked: list[Asked]) -> list[Asked]:
    """The pieces that were sent."""
    return [each for each in asked if each.method == "PUT" and each.body]


# --- uploads ----------------------------------------------------------------------------------------------------------------------------


@SIZES
def test_a_file_lies_in_the_bucket_under_the_digest_of_its_bytes(data: bytes) -> None:
    file = planned(data)
    with storing() as (storage, bucket, _):
        file_id = storage.upload(file)
        assert file_id == f"gs://bucket/tunes/tuneport-{file.sha256[:32]}.jsonl"
        stored = bucket.objects[f"tunes/{file.name}"]
        assert stored.data == data
        assert stored.metadata == {SHA256: file.sha256}
        assert stored.content_type == "application/jsonl"
        assert storage.file_state(file_id).state == "ready"
        assert storage.find_file(file) == file_id


def test_a_small_file_takes_one_request_the_look_at_the_region_once_and_one_at_what_is_there() -> None:
    with storing() as (storage, _, asked):
        for purpose in ("train", "validation"):
            file = planned(ROWS + purpose.encode(), purpose=purpose)
            assert storage.file_state(storage.upload(file)).state == "ready"
        assert [each.method for each in asked] == ["GET", "POST", "GET", "POST", "GET"]
        assert {each.query.get("ifGenerationMatch") for each in asked if each.method == "POST"} == {"0"}


def test_a_large_file_goes_in_pieces_of_which_the_last_carries_the_checksum() -> None:
    with storing() as (storage, _, asked):
        storage.upload(planned(LARGE))
        sent = puts(asked)
        assert [len(each.body) for each in sent] == [PIECE_BYTES, PIECE_BYTES, 12_345]
        assert [each.headers.get("x-goog-hash") for each in sent] == [None, None, f"crc32c={crc32c_of(LARGE)}"]


def test_an_image_says_what_it_is() -> None:
    with storing() as (storage, bucket, _):
        storage.upload(planned(b"\x89PNG", purpose="media:1", suffix=".png"))
        assert [each.content_type for each in bucket.objects.values()] == ["image/png"]


def test_an_object_that_has_the_name_and_the_bytes_is_taken_and_not_written_again() -> None:
    file = planned(ROWS)
    with storing() as (storage, bucket, _):
        bucket.put(f"tunes/{file.name}", ROWS, **{SHA256: file.sha256})
        assert storage.upload(file) == f"gs://bucket/tunes/{file.name}"
        assert bucket.objects[f"tunes/{file.name}"].generation == 1


def test_an_object_that_somebody_copied_there_without_its_digest_is_known_by_its_checksum() -> None:
    file = planned(ROWS)
    with storing() as (storage, bucket, _):
        bucket.put(f"tunes/{file.name}", ROWS)
        assert storage.find_file(file) is not None
        assert storage.upload(file) == f"gs://bucket/tunes/{file.name}"


@pytest.mark.parametrize("data", [ROWS, LARGE], ids=["rows", "large"])
@pytest.mark.parametrize("other", [b"short", None], ids=["another size", "the same size"])
def test_an_object_of_our_name_with_other_bytes_is_left_alone(data: bytes, other: bytes | None) -> None:
    file, there = planned(data), other or b"x" * len(data)
    with storing() as (storage, bucket, _):
        bucket.put(f"tunes/{file.name}", there)
        assert storage.find_file(file) is None
        with pytest.raises(Refused, match="holds other bytes than its name says") as caught:
            storage.upload(file)
        assert "another folder" in caught.value.remedy
        assert bucket.objects[f"tunes/{file.name}"].data == there


def test_an_object_that_says_itself_that_it_holds_other_bytes_is_left_alone() -> None:
    file = planned(ROWS)
    with storing() as (storage, bucket, _):
        bucket.put(f"tunes/{file.name}", b"x" * len(ROWS), **{SHA256: "0" * 64})
        assert storage.find_file(file) is None
        with pytest.raises(Refused, match="holds other bytes"):
            storage.upload(file)


def test_somebody_who_uploads_the_same_file_at_the_same_time_does_no_harm() -> None:
    file = planned(LARGE)
    with storing() as (storage, bucket, _):

        def first(asked: Asked) -> Said | None:
            if "x-goog-hash" in asked.headers:
                bucket.put(f"tunes/{file.name}", LARGE, **{SHA256: file.sha256})
            return None

        bucket.before = first
        assert storage.upload(file) == f"gs://bucket/tunes/{file.name}"


def test_rows_that_have_changed_since_they_were_planned_are_not_uploaded() -> None:
    for data in (ROWS, LARGE):
        before = planned(data)
        changed = PlannedFile("train", before.sha256, before.size_bytes, 1, chunks=lambda data=data: iter((data[:-1] + b"!",)))  # type: ignore[misc]
        with storing() as (storage, bucket, _):
            with pytest.raises(DatasetError, match="changed since they were planned"):
                storage.upload(changed)
            assert bucket.objects == {}


def test_without_a_bucket_nothing_can_be_uploaded_and_the_setting_is_named() -> None:
    with storing(bucket_name=None) as (storage, _, asked):
        with pytest.raises(ConfigError, match="no bucket is named"):
            storage.upload(planned(ROWS))
        assert storage.check()[0].severity == "warning"
        assert asked == []


# --- what is cut ------------------------------------------------------------------------------------------------------------------------


class Cuts:
    """Breaks off the requests for which `when` is true, `times` times; `arrived`: the service has understood them none the less."""

    def __init__(self, when: Callable[[Asked], bool], *, times: int = 1, arrived: bool = False, said: Said = SILENT) -> None:
        self.left = times
        self._when, self._arrived, self._said = when, arrived, said

    def before(self, asked: Asked) -> Said | None:
        return self._taken(asked) if not self._arrived else None

    def after(self, asked: Asked, said: Said) -> Said:
        return (self._taken(asked) or said) if self._arrived else said

    def _taken(self, asked: Asked) -> Said | None:
        if not self.left or not self._when(asked):
            return None
        self.left -= 1
        return self._said


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def cutting(bucket: Bucket, cuts: Cuts) -> Bucket:
    bucket.before, bucket.after = cuts.before, cuts.after
    return bucket


def piece(start: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.method == "PUT" and asked.headers["Content-Range"].startswith(f"bytes {start}-")


@pytest.mark.parametrize("arrived", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("start", [0, PIECE_BYTES, 2 * PIECE_BYTES])
@pytest.mark.parametrize(
    "said", [SILENT, refused(503, "backendError", "Try again."), refused(429, "rateLimitExceeded", "Slow.")], ids=["silent", "503", "429"]
)
def test_an_upload_that_was_cut_goes_on_where_it_stands(bucket: Bucket, start: int, arrived: bool, said: Said) -> None:
    cuts = Cuts(piece(start), arrived=arrived, said=said)
    with storing(cutting(bucket, cuts)) as (storage, _, asked):
        storage.upload(planned(LARGE))
        assert [each.data for each in bucket.objects.values()] == [LARGE]
        assert cuts.left == 0
        assert len(puts(asked)) == 3 + (not arrived)


def test_a_service_that_keeps_only_a_part_of_a_piece_gets_the_rest_again(bucket: Bucket) -> None:
    done: list[str] = []

    def half(asked: Asked, said: Said) -> Said:
        if piece(0)(asked) and not done:
            done.append("half")
            session = next(iter(bucket.sessions.values()))
            session.data = session.data[: PIECE_BYTES // 2]
            return Said(308, b"", {"Range": f"bytes=0-{PIECE_BYTES // 2 - 1}"})
        return said

    bucket.after = half
    with storing(bucket) as (storage, _, asked):
        storage.upload(planned(LARGE))
        assert [each.data for each in bucket.objects.values()] == [LARGE]
        assert [len(each.body) for each in puts(asked)] == [PIECE_BYTES, PIECE_BYTES // 2, PIECE_BYTES, 12_345]


def test_a_service_that_loses_what_it_had_acknowledged_gets_it_again(bucket: Bucket) -> None:
    def forget(asked: Asked) -> Said | None:
        if piece(2 * PIECE_BYTES)(asked):
            bucket.before = lambda _: None
            next(iter(bucket.sessions.values())).data = LARGE[: PIECE_BYTES // 4]
        return None

    bucket.before = forget
    with storing(bucket) as (storage, _, _):
        storage.upload(planned(LARGE))
        assert [each.data for each in bucket.objects.values()] == [LARGE]


def test_a_service_that_never_answers_again_is_given_up_after_some_tries(bucket: Bucket) -> None:
    with storing(cutting(bucket, Cuts(lambda asked: asked.method == "PUT", times=99))) as (storage, _, asked):
        with pytest.raises(Unreachable):
            storage.upload(planned(LARGE))
        assert len(puts(asked)) <= ATTEMPTS
        assert bucket.objects == {}


def test_the_last_piece_without_an_answer_may_have_arrived(bucket: Bucket) -> None:
    last = Cuts(lambda asked: asked.method == "PUT" and not piece(0)(asked) and not piece(PIECE_BYTES)(asked), times=99, arrived=True)
    with storing(cutting(bucket, last)) as (storage, _, _):
        with pytest.raises(Ambiguous):
            storage.upload(planned(LARGE))
        last.left = 0
        assert storage.find_file(planned(LARGE)) is not None


@pytest.mark.parametrize("arrived", [False, True])
def test_a_small_file_without_an_answer_may_have_arrived_and_is_found(bucket: Bucket, arrived: bool) -> None:
    cuts = Cuts(lambda asked: asked.method == "POST", arrived=arrived)
    with storing(cutting(bucket, cuts)) as (storage, _, _):
        with pytest.raises(Ambiguous):
            storage.upload(planned(ROWS))
        assert (storage.find_file(planned(ROWS)) is not None) == arrived
        assert storage.upload(planned(ROWS)).startswith("gs://bucket/tunes/")


def test_a_begin_without_an_answer_has_made_nothing(bucket: Bucket) -> None:
    with storing(cutting(bucket, Cuts(lambda asked: asked.method == "POST", arrived=True))) as (storage, _, _):
        with pytest.raises(Unreachable) as caught:
            storage.upload(planned(LARGE))
        assert type(caught.value) is Unreachable


def test_an_upload_that_the_service_has_given_up_begins_anew_at_the_next_try(bucket: Bucket) -> None:
    def forget(asked: Asked) -> Said | None:
        if piece(PIECE_BYTES)(asked):
            bucket.sessions.clear()
            bucket.before = lambda _: None
        return None

    bucket.before = forget
    with storing(bucket) as (storage, _, _):
        with pytest.raises(Unreachable, match="given up by the service"):
            storage.upload(planned(LARGE))
        storage.upload(planned(LARGE))
        assert [each.data for each in bucket.objects.values()] == [LARGE]


def test_bytes_that_change_on_the_way_never_become_an_object(bucket: Bucket) -> None:
    def spoil(asked: Asked, said: Said) -> Said:
        if piece(0)(asked):
            session = next(iter(bucket.sessions.values()))
            session.data = b"!" + session.data[1:]
        return said

    bucket.after = spoil
    with storing(bucket) as (storage, _, _):
        with pytest.raises(Refused, match="CRC32C"):
            storage.upload(planned(LARGE))
        assert bucket.objects == {}


def test_a_rate_limit_says_that_nothing_was_uploaded(bucket: Bucket) -> None:
    said = Said(429, {"error": {"code": 429, "message": "Slow.", "errors": [{"reason": "rateLimitExceeded"}]}}, {"Retry-After": "9"})
    with storing(cutting(bucket, Cuts(lambda asked: asked.method == "POST", said=said))) as (storage, _, _):
        with pytest.raises(RateLimited) as caught:
            storage.upload(planned(ROWS))
        assert caught.value.retry_after_s == 9.0


def test_an_answer_that_cannot_be_read_may_have_been_a_yes(bucket: Bucket) -> None:
    for body in (b"{", b"[]", b"{}"):
        bucket.objects.clear()
        there = cutting(bucket, Cuts(lambda asked: "x-goog-hash" in asked.headers, arrived=True, said=Said(200, body)))
        with storing(there) as (storage, _, _), pytest.raises(Ambiguous):
            storage.upload(planned(LARGE))


# --- what is there ----------------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_gone_is_told_as_gone() -> None:
    with storing() as (storage, bucket, _):
        file_id = storage.upload(planned(ROWS))
        assert storage.file_state(file_id).state == "ready"
        bucket.objects.clear()
        assert storage.file_state(file_id).state == "gone"
        assert storage.find_file(planned(ROWS)) is None


@SIZES
def test_a_file_comes_back_byte_for_byte(data: bytes) -> None:
    with storing() as (storage, _, _):
        assert b"".join(storage.file_content(storage.upload(planned(data)))) == data


def test_a_file_that_comes_back_other_than_it_is_kept_is_refused() -> None:
    with storing() as (storage, bucket, _):
        file_id = storage.upload(planned(ROWS))
        bucket.after = lambda asked, said: Said(200, said.body[:-1] + b"!", said.headers) if asked.query.get("alt") == "media" else said
        with pytest.raises(Unreachable, match="other than it is kept"):
            b"".join(storage.file_content(file_id))


def test_deleting_takes_what_was_uploaded_from_here_and_nothing_else() -> None:
    with storing() as (storage, bucket, _):
        file_id = storage.upload(planned(ROWS))
        bucket.put("tunes/mine.jsonl", b"precious")
        storage.delete_file(file_id)
        with pytest.raises(NotFound):
            storage.delete_file(file_id)
        with pytest.raises(Refused, match="not uploaded from here"):
            storage.delete_file("gs://bucket/tunes/mine.jsonl")
        assert list(bucket.objects) == ["tunes/mine.jsonl"]


@pytest.mark.parametrize("file_id", ["", "file-abc", "gs://bucket", "s3://bucket/x", "gs://Bucket!/x"])
def test_what_is_no_address_is_no_file(file_id: str) -> None:
    with storing() as (storage, _, asked):
        assert storage.file_state(file_id).state == "gone"
        for look in (storage.delete_file, storage.file_content):
            with pytest.raises(NotFound, match="no address in Cloud Storage"):
                look(file_id)
        assert asked == []


def test_the_objects_under_an_address_are_listed_page_by_page() -> None:
    with storing() as (storage, bucket, asked):
        for number in range(5):
            bucket.put(f"outputs/7/part-{number}", b"x" * number)
        bucket.put("outputs/8", b"another's")
        found = {address.uri: size for address, size in storage.objects_under("gs://bucket/outputs/7/")}
        assert found == {f"gs://bucket/outputs/7/part-{number}": number for number in range(5)}
        assert len(asked) == 3
        assert list(storage.objects_under("gs://bucket/nothing/")) == []


def test_an_address_may_hold_any_sign() -> None:
    with storing() as (storage, bucket, _):
        name = "a b/ü#?%2F&x=1.jsonl"
        bucket.put(name, ROWS)
        assert b"".join(storage.content(ObjectAddress("bucket", name))) == ROWS
        assert storage.described(ObjectAddress("bucket", name))["size"] == str(len(ROWS))


# --- regions and rights -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "kind", "parts", "tuning", "holds"),
    [
        ("US-CENTRAL1", "region", (), "us-central1", True),
        ("US-EAST1", "region", (), "us-central1", False),
        ("EUROPE-WEST4", "region", (), "us-central1", False),
        ("US", "multi-region", (), "us-central1", True),
        ("EU", "multi-region", (), "europe-west4", True),
        ("EU", "multi-region", (), "us-central1", False),
        ("ASIA", "multi-region", (), "asia-east1", True),
        ("NAM4", "dual-region", (), "us-central1", True),
        ("NAM4", "dual-region", (), "us-west1", False),
        ("EUR4", "dual-region", (), "europe-west4", True),
        ("US", "dual-region", ("US-WEST1", "US-CENTRAL1"), "us-central1", True),
        ("US", "dual-region", ("US-WEST1", "US-EAST1"), "us-central1", False),
        ("ASIA-EAST1", "region", (), "global", True),
        ("US-EAST1", "region", (), "us", True),
        ("EUROPE-WEST4", "region", (), "eu", True),
        ("EUROPE-WEST4", "region", (), "us", False),
    ],
)
def test_a_bucket_is_near_where_its_location_covers_the_tunings(
    location: str, kind: str, parts: tuple[str, ...], tuning: str, holds: bool
) -> None:
    there = Bucket(location=location, kind=kind, parts=parts)
    with storing(there, location=tuning) as (storage, _, asked):
        finding = storage.check()[0]
        assert (finding.severity == "info") == holds
        if holds:
            storage.upload(planned(ROWS))
            return
        with pytest.raises(OtherRegion, match=f"the tuning runs in {tuning}") as caught:
            storage.upload(planned(ROWS))
        assert f"-l {tuning}" in caught.value.remedy
        assert there.objects == {}
        assert [each.method for each in asked] == ["GET"]


def test_a_bucket_that_could_not_be_looked_at_once_is_looked_at_again() -> None:
    there = Bucket(location="EUROPE-WEST4")
    there.before = lambda asked: refused(503, "backendError", "Later.") if asked.path.endswith("/b/bucket") else None
    with storing(there) as (storage, _, _):
        with pytest.raises(Unreachable):
            storage.upload(planned(ROWS))
        there.before = lambda _: None
        with pytest.raises(OtherRegion):
            storage.upload(planned(ROWS))
        assert there.objects == {}


def test_a_bucket_that_says_no_location_is_not_judged() -> None:
    assert BucketPlace.of({}) is None


def test_a_bucket_whose_region_may_not_be_seen_can_be_written_to() -> None:
    there = Bucket()
    words = "ann does not have storage.buckets.get access to the Google Cloud Storage bucket."
    there.before = lambda asked: refused(403, "forbidden", words) if asked.path.endswith("/b/bucket") else None
    with storing(there) as (storage, _, _):
        assert storage.check()[0].severity == "warning"
        storage.upload(planned(ROWS))
        assert len(there.objects) == 1


def test_a_bucket_that_does_not_exist_is_told_with_the_command_that_makes_one() -> None:
    with storing(bucket_name="nowhere") as (storage, _, _):
        assert "no such bucket" in storage.check()[0].message
        with pytest.raises(NotFound) as caught:
            storage.upload(planned(ROWS))
        assert "gcloud storage buckets create" in caught.value.remedy


def test_a_role_that_may_not_write_is_told_with_the_role_that_may() -> None:
    there = Bucket()
    words = "ann does not have storage.objects.create access to the Google Cloud Storage object."
    there.before = lambda asked: refused(403, "forbidden", words) if asked.method == "POST" else None
    for data in (ROWS, LARGE):
        with storing(there) as (storage, _, _), pytest.raises(CredentialsRefused) as caught:
            storage.upload(planned(data))
        assert "roles/storage.objectUser" in caught.value.remedy


def test_a_token_that_ends_in_the_middle_of_an_upload_loses_nothing() -> None:
    there = Bucket()
    said = Said(401, {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}})
    there.before = lambda asked: said if piece(PIECE_BYTES)(asked) else None
    with storing(there) as (storage, _, _), pytest.raises(CredentialsRefused, match="access token"):
        storage.upload(planned(LARGE))
    there.before = lambda _: None
    with storing(there) as (storage, _, _):
        storage.upload(planned(LARGE))
        assert [each.data for each in there.objects.values()] == [LARGE]
