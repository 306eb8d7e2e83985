"""Checkpoints are whole or not there, and a damaged one is passed over for the one before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tuneport_local.training.checkpoints import Checkpoint, Progress, newest_checkpoint, write_checkpoint

from tuneport.errors import ConfigError


def write(folder: Path, step: int, content: bytes = b"weights", digest: str = "rows") -> Checkpoint:
    def save(part: Path) -> None:
        (part / "adapter_model.safetensors").write_bytes(content)
        (part / "optimizer.pt").write_bytes(b"moments")

    return write_checkpoint(folder, progress=Progress(step, 0.5, tokens=10 * step, rows_digest=digest), save=save)


def newest(folder: Path, digest: str | None = None) -> tuple[Checkpoint | None, list[str]]:
    said: list[str] = []
    return newest_checkpoint(folder, say=said.append, rows_digest=digest), said


def test_the_newest_checkpoint_comes_back_with_its_progress(tmp_path: Path) -> None:
    write(tmp_path, 4)
    written = write(tmp_path, 12)

    assert newest(tmp_path) == (written, [])


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert newest(tmp_path / "nothing") == (None, [])


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (4, 8, 12, 100):
        write(tmp_path, step)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000012", "step-00000100"]


@pytest.mark.parametrize("hurt", ["cut", "flip", "file gone", "marker gone", "marker cut", "marker strange"])
def test_a_damaged_one_is_passed_over_for_the_one_before_and_named(hurt: str, tmp_path: Path) -> None:
    before, last = write(tmp_path, 4), write(tmp_path, 8)
    weights, marker = last.path / "adapter_model.safetensors", last.path / "complete.json"
    {
        "cut": lambda: weights.write_bytes(b"weig"),
        "flip": lambda: weights.write_bytes(b"weighty"),
        "file gone": (last.path / "optimizer.pt").unlink,
        "marker gone": marker.unlink,
        "marker cut": lambda: marker.write_text(marker.read_text()[:40]),
        "marker strange": lambda: marker.write_text(json.dumps({"progress": {"colour": "red"}, "files": {}})),
    }[hurt]()

    found, said = newest(tmp_path)

    assert found == before
    assert len(said) == 1
    assert "step-00000008 is passed over" in said[0]


def test_one_that_was_trained_on_other_rows_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 4, digest="other rows")

    found, said = newest(tmp_path, digest="rows")

    assert found is None
    assert "other rows" in said[0]


def test_what_a_new_beginning_has_passed_over_does_not_push_out_what_it_writes(tmp_path: Path) -> None:
    for step in (36, 40):
        write(tmp_path, step, digest="other rows")

    first = write(tmp_path, 4, digest="rows")

    assert newest(tmp_path, digest="rows") == (first, [])
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]


def test_one_whose_writing_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path, 4)

    def full_disk(part: Path) -> None:
        (part / "adapter_model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match="No space left on device"):
        write_checkpoint(tmp_path, progress=Progress(8, 1.0), save=full_disk)

    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]


def test_a_disk_that_fills_while_torch_writes_is_told_as_such(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys, torch; from pathlib import Path\n"
        "from tuneport_local.training.checkpoints import Progress, write_checkpoint\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "save = lambda part: torch.save({'moments': torch.zeros(100_000)}, part / 'optimizer.pt')\n"
        "try: write_checkpoint(Path(sys.argv[1]), progress=Progress(4, 1.0), save=save)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )

    said = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True).stdout

    assert said.startswith(f"MachineGaveOut a checkpoint in {tmp_path} could not be written")
    assert list(tmp_path.iterdir()) == []


def test_one_that_a_killed_worker_was_writing_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    before = write(tmp_path, 4)
    part = tmp_path / ".step-00000008.part"
    part.mkdir()
    (part / "adapter_model.safetensors").write_bytes(b"half")

    assert newest(tmp_path)[0] == before
    assert write(tmp_path, 8).path.is_dir()
    assert not part.exists()


def test_writing_a_step_again_replaces_what_was_there(tmp_path: Path) -> None:
    write(tmp_path, 4, b"damaged")
    again = write(tmp_path, 4, b"whole")

    assert newest(tmp_path)[0] == again
    assert (again.path / "adapter_model.safetensors").read_bytes() == b"whole"
