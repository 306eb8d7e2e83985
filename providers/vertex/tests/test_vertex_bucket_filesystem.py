"""A job's folder in a bucket: what `Place` of the local backend asks of a filesystem, over the emulated Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_local.storage.place import MARKER, Place

from tuneport.errors import CredentialsRefused, NotFound
from tuneport.testing.emulator.faults import Reset, ServerError

from .vertex_machines import Rental, renting


@pytest.fixture
def rental(tmp_path: Path) -> Iterator[Rental]:
    with renting(tmp_path) as found:
        yield found


@pytest.fixture
def place(rental: Rental) -> Place:
    return rental.launcher().place(rental.order().settings, "one")


def names(rental: Rental) -> list[str]:
    return sorted(rental.emulator.objects())


def test_files_are_written_read_over_and_removed(rental: Rental, place: Place) -> None:
    assert place.read("state.json") is None
    place.write("state.json", b"{}")
    place.write("state.json", b'{"state": "running"}')
    assert place.read("state.json") == b'{"state": "running"}'
    assert names(rental) == ["tuneport/jobs/one/state.json"]
    place.remove("state.json")
    place.remove("state.json")
    assert place.read("state.json") is None


def test_folders_go_there_and_come_back_with_the_marker_last(rental: Rental, place: Place, tmp_path: Path) -> None:
    here = tmp_path / "step-4"
    (here / "deep").mkdir(parents=True)
    (here / MARKER).write_bytes(b"{}")
    (here / "deep" / "weights.bin").write_bytes(bytes(range(256)) * 40_000)
    place.put(here, "checkpoints/step-4")
    order = [one.name for one in sorted(rental.emulator.objects().values(), key=lambda one: one.generation)]
    assert order[-1].endswith(MARKER)
    assert place.names("checkpoints") == [f"step-4/{MARKER}", "step-4/deep/weights.bin"]
    place.take("checkpoints/step-4", tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "weights.bin").read_bytes() == (here / "deep" / "weights.bin").read_bytes()
    place.remove("checkpoints/step-4")
    assert names(rental) == []


def test_a_large_file_is_written_over_only_where_its_bytes_are_others(rental: Rental, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"a" * (9 << 20))
    place.put(path, "model.bin")
    generation = rental.emulator.objects()["tuneport/jobs/one/model.bin"].generation
    place.put(path, "model.bin")
    assert rental.emulator.objects()["tuneport/jobs/one/model.bin"].generation == generation
    path.write_bytes(b"b" * (9 << 20))
    place.put(path, "model.bin")
    assert place.read("model.bin") == path.read_bytes()


def test_a_folder_whose_name_begins_another_is_not_the_other(rental: Rental, place: Place) -> None:
    place.write("data/rows.jsonl", b"1\n")
    place.write("data-of-others/rows.jsonl", b"2\n")
    assert place.names("data") == ["rows.jsonl"]
    place.remove("data")
    assert names(rental) == ["tuneport/jobs/one/data-of-others/rows.jsonl"]


def test_what_libraries_ask_of_a_filesystem_is_answered(place: Place) -> None:
    files, root = place.filesystem
    place.write("data/rows.jsonl", b"1\n2\n")
    assert files.isfile(f"{root}/data/rows.jsonl")
    assert files.isdir(f"{root}/data")
    assert files.exists(f"{root}/data")
    assert not files.exists(f"{root}/dat")
    assert [one["type"] for one in files.ls(root)] == ["directory"]
    with files.open(f"gs://{root}/data/rows.jsonl", "rb") as file:
        assert file.read() == b"1\n2\n"
    with files.open(f"{root}/lease", "xb") as file:
        file.write(b"me")
    with pytest.raises(FileExistsError), files.open(f"{root}/lease", "xb") as file:
        file.write(b"you")
    assert files.cat_file(f"{root}/lease", start=1) == b"e"
    with pytest.raises(FileNotFoundError):
        files.info(f"{root}/nothing")
    with pytest.raises(NotImplementedError, match="written whole"):
        files.open(f"{root}/lease", "ab")


def test_storage_that_gives_out_for_a_moment_costs_nothing(rental: Rental, place: Place) -> None:
    rental.emulator.faults.times(2, ServerError(503))
    place.write("wish", b"pause")
    rental.emulator.faults.once(Reset(after_effect=True))
    place.write("wish", b"run")
    rental.emulator.faults.once(ServerError(500))
    place.remove("wish")
    assert names(rental) == []


def test_what_is_refused_is_said_by_the_table_of_errors(rental: Rental) -> None:
    nobody = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": rental.emulator.token(role="nobody")})
    with pytest.raises(CredentialsRefused, match=r"Storage Object User"):
        nobody.place(rental.order().settings, "one").write("wish", b"pause")
    with pytest.raises(NotFound, match=r"no such bucket"):
        rental.launcher().place(rental.order(bucket="nobodys").settings, "one").read("wish")
