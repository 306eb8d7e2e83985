"""Files: whole or not at all, with the permissions that any other new file would get."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tuneport.files import whole_folder, write_text


def usual(folder: Path) -> int:
    """The permissions that a plain new file gets here."""
    (folder / "plain").write_text("")
    return (folder / "plain").stat().st_mode


def test_a_file_gets_the_usual_permissions_and_the_umask_of_the_process_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(mask: int) -> int:
        raise AssertionError(f"umask({mask:o}) would hold for every thread")

    expected = usual(tmp_path)
    monkeypatch.setattr(os, "umask", touched)
    assert write_text(tmp_path / "file", "words").stat().st_mode == expected
    with whole_folder(tmp_path / "folder") as part:
        (part / "private").touch(mode=0o600)
    assert (tmp_path / "folder" / "private").stat().st_mode == expected
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["private"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    from tuneport.files import write_chunks

    def chunks() -> object:
        yield b"half"
        raise RuntimeError("the source broke off")

    write_text(tmp_path / "file", "old")
    with pytest.raises(RuntimeError):
        write_chunks(tmp_path / "file", chunks())  # type: ignore[arg-type]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot open folders")
def test_the_folder_is_synced_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, synced = os.fsync, []

    def noting(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            synced.append(sorted(path.name for path in tmp_path.iterdir()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    write_text(tmp_path / "file", "words")
    assert synced == [["file"]]
