"""Datasets that lie in a cloud's storage: read through the plug-in that can, named by their address, and copied here once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError, Unreachable
from tuneport.recipe import Recipe
from tuneport.remote_files import address_in

ROWS = [{"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]} for n in range(40)]
PLUGIN = """
from pathlib import Path
from tuneport.errors import NotFound, Unreachable
from tuneport.provider import Provider, RemoteFile

ROOT = Path(__file__).parent / "cloud"
ASKED = []

class Files:
    def __init__(self, settings):
        self.settings = settings

    def look(self, address):
        ASKED.append(("look", address, self.settings.name))
        path = ROOT / address.partition("://")[2]
        if path.name == "silent.jsonl":
            raise Unreachable("no answer came.")
        if not path.is_file():
            raise NotFound("no such object", remedy="Look again.")
        stat = path.stat()
        return RemoteFile(address, stat.st_size, str(stat.st_mtime_ns))

    def content(self, file):
        ASKED.append(("content", file.address, self.settings.name))
        data = (ROOT / file.address.partition("://")[2]).read_bytes()
        yield data[:100]
        if not file.address.endswith("cut.jsonl"):
            yield data[100:]

provider = Provider("acme", "files", open_trainer=Files, reads={"acme": Files})
"""


class Cloud:
    """A cloud's storage, and the plug-in that reads it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "cloud" / "bucket"
        self.root.mkdir(parents=True)
        (folder / "acme_files.py").write_text(PLUGIN)
        about = folder / "acme_files-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-files\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[tuneport.providers]\nacme = acme_files:provider\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(__import__("sys").modules, "acme_files", raising=False)

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        import acme_files  # type: ignore[import-not-found]

        found: list[tuple[str, str, str]] = acme_files.ASKED
        return found

    def put(self, name: str = "rows.jsonl", rows: list[dict[str, object]] | None = None) -> str:
        (self.root / name).write_text("".join(json.dumps(row) + "\n" for row in (ROWS if rows is None else rows)))
        return f"acme://bucket/{name}"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("TUNEPORT_CONFIG", str(tmp_path / "tuneport.toml"))
    monkeypatch.chdir(tmp_path)
    yield Cloud(tmp_path / "plugin", monkeypatch)
    gc.collect()


def test_a_dataset_at_an_address_holds_the_rows_that_lie_there(cloud: Cloud, tmp_path: Path) -> None:
    dataset = Dataset.read(cloud.put())
    (tmp_path / "here.jsonl").write_text((cloud.root / "rows.jsonl").read_text())
    assert dataset.count() == 40
    assert dataset.fingerprint == Dataset.read(tmp_path / "here.jsonl").fingerprint
    assert dataset.name == "rows.jsonl"
    assert dataset.address == "acme://bucket/rows.jsonl"
    assert dataset.reference() == {"path": "acme://bucket/rows.jsonl"}
    assert dataset.format == "chat"


def test_a_recipe_may_name_one_and_its_parts(cloud: Cloud, tmp_path: Path) -> None:
    address = cloud.put()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'base = "b"\ntrain = "{address}"\n[validation]\npath = "{address}"\ntake = 3\n')
    found = Recipe.load(recipe)
    assert found.train.count() == 40
    assert found.validation is not None
    assert found.validation.count() == 3
    assert found.validation.address is None
    again = Recipe.parse(found.to_dict())
    assert again.fingerprint == found.fingerprint
    assert again.train.address == address


def test_the_file_is_copied_once_for_all_who_read_the_same_version(cloud: Cloud) -> None:
    address = cloud.put()
    first, second = Dataset.read(address), Dataset.read(address)
    assert first.path == second.path
    assert [what for what, _, _ in cloud.asked].count("content") == 1
    cloud.put(rows=ROWS[:7])
    assert Dataset.read(address).count() == 7
    assert first.count() == 40


def test_the_copy_goes_when_nobody_reads_it_any_more(cloud: Cloud) -> None:
    dataset = Dataset.read(cloud.put())
    path = dataset.path
    assert path is not None
    assert path.is_file()
    del dataset
    gc.collect()
    assert not path.parent.exists()


def test_an_address_that_went_through_a_path_is_still_one() -> None:
    assert address_in(Path("gs://bucket/a/rows.jsonl")) == "gs://bucket/a/rows.jsonl"
    assert address_in("acme://bucket/rows.jsonl") == "acme://bucket/rows.jsonl"
    for path in ("rows.jsonl", "/gs/rows.jsonl", "C:/rows.jsonl", "a:b/rows.jsonl", "-"):
        assert address_in(path) is None
        assert address_in(Path(path)) is None


def test_an_ending_says_how_it_is_packed(cloud: Cloud) -> None:
    import gzip

    (cloud.root / "rows.jsonl.gz").write_bytes(gzip.compress((cloud.root / "rows.jsonl").read_bytes() if cloud.put() else b""))
    assert Dataset.read("acme://bucket/rows.jsonl.gz").count() == 40


def test_the_profile_of_the_plugin_signs_in(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "tuneport.toml").write_text('[providers.work]\nprovider = "acme"\n')
    Dataset.read(cloud.put())
    assert {name for _, _, name in cloud.asked} == {"work"}


def test_a_file_that_is_not_there_is_refused_like_one_here(cloud: Cloud) -> None:
    with pytest.raises(DatasetError, match=r"acme://bucket/nowhere\.jsonl: no such file") as caught:
        Dataset.read("acme://bucket/nowhere.jsonl")
    assert caught.value.remedy == "Look again."
    with pytest.raises(RecipeError, match="no such file"):
        Recipe.parse({"base": "b", "train": "acme://bucket/nowhere.jsonl"})


def test_an_empty_file_is_refused_by_its_address(cloud: Cloud) -> None:
    with pytest.raises(DatasetError, match=r"acme://bucket/rows\.jsonl: the file is empty"):
        Dataset.read(cloud.put(rows=[]))


def test_a_file_of_which_only_a_part_arrives_is_no_dataset(cloud: Cloud) -> None:
    with pytest.raises(DatasetError, match="bytes arrived"):
        Dataset.read(cloud.put("cut.jsonl"))


def test_a_storage_that_gives_no_answer_is_no_missing_file(cloud: Cloud) -> None:
    with pytest.raises(Unreachable):
        Dataset.read("acme://bucket/silent.jsonl")


def test_a_bad_row_is_told_with_the_address_and_its_line(cloud: Cloud) -> None:
    address = cloud.put()
    with (cloud.root / "rows.jsonl").open("a") as file:
        file.write("{\n")
    with pytest.raises(DatasetError, match=r"acme://bucket/rows\.jsonl:41: "):
        Dataset.read(address).count()


def test_nothing_is_written_to_an_address(cloud: Cloud, tmp_path: Path) -> None:
    dataset = Dataset.read(cloud.put())
    for target in (Path("gs://bucket/copy.jsonl"), "gs://bucket/copy.jsonl"):
        with pytest.raises(DatasetError, match="nothing is written into a cloud's storage"):
            dataset.write(target)
    assert not (tmp_path / "gs:").exists()


def test_a_scheme_that_nobody_reads_is_refused_by_name(cloud: Cloud) -> None:
    for address in ("s3://bucket/rows.jsonl", "https://example.com/rows.jsonl"):
        with pytest.raises(DatasetError, match="cannot be read from here; gs:// can") as caught:
            Dataset.read(address)
        assert "Download" in caught.value.remedy
