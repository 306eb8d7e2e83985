"""What `make bench` writes down, and that the two sides of a comparison do the same work."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import orjson
import psutil
import pytest

from benchmarks import banking77, data, faults, follow, openai, quotes, vertex
from benchmarks.data_room import memory, real, rivals, speed
from benchmarks.data_room.rounds import in_turns, ratio
from benchmarks.data_room.rows import lines, write_megabytes, write_rows
from benchmarks.data_room.verdict import Outcome, Setting, Verdict
from benchmarks.parts import in_turn
from benchmarks.provider_room.command import Room
from benchmarks.provider_room.setting import Setting as ProviderSetting
from benchmarks.record import commit, paired_rounds, record, table
from tuneport.dataset import Dataset
from tuneport.testing.simulation import simulate

ROOT = Path(__file__).parents[1]


def test_a_result_names_the_commit_that_was_measured(tmp_path: Path) -> None:
    result = json.loads(record("speed", {"per_second": 7}, headline="7 a second", folder=tmp_path).read_text(encoding="utf-8"))
    assert result["commit"] == commit()
    if (ROOT / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}\+?", result["commit"])
        assert f"| `{result['commit'][:10]}" in table(tmp_path)


def test_an_older_result_without_a_commit_stays_in_the_table(tmp_path: Path) -> None:
    path = record("speed", {}, headline="7 a second", folder=tmp_path)
    old = {name: value for name, value in json.loads(path.read_text(encoding="utf-8")).items() if name != "commit"}
    path.write_text(json.dumps(old), encoding="utf-8")
    assert "| - |" in table(tmp_path)


@pytest.mark.parametrize("rounds", ["0", "3", "-2"])
def test_a_paired_run_takes_an_even_number_of_rounds(rounds: str) -> None:
    assert paired_rounds("4") == 4
    with pytest.raises(argparse.ArgumentTypeError):
        paired_rounds(rounds)


def test_the_peak_memory_of_a_process_that_has_ended_is_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    process = psutil.Process(ended.pid)
    ended.wait()
    assert banking77._resident_now(process) == 0


def test_following_counts_the_rounds_that_were_looked(tmp_path: Path) -> None:
    requests, _ = follow.measure(jobs=10, rounds=5, home=tmp_path)
    assert requests == 1.0


def test_the_summary_of_the_faults_says_where_clients_were_killed() -> None:
    total = faults.Total()
    for seed in range(30):
        total.add(simulate(seed))
    summary, kills, _ = total.lines(1.0)
    assert summary.startswith("30 lives of a client (")
    assert re.search(r"kills: .*submit\.py \d+", kills)


@pytest.mark.parametrize(
    ("room", "verdicts", "requests"),
    [(openai.ROOM, 9, {"ours": 3, "bare": 3}), (vertex.ROOM, 8, {"ours": 4, "bare": 3})],
    ids=lambda value: value.provider if isinstance(value, Room) else "",
)
def test_every_part_of_a_providers_benchmark_measures_against_its_limits(
    room: Room, verdicts: int, requests: dict[str, int], tmp_path: Path
) -> None:
    for module in room.needs:
        pytest.importorskip(module)
    setting = ProviderSetting(folder=tmp_path, rows=20, rounds=2, megabytes=9.0, jobs=30)
    found = in_turn(room.parts, lambda name: room.in_its_own_process(name, setting))
    named = {verdict.name: verdict for outcome in found.values() for verdict in outcome.verdicts}
    assert len(named) == verdicts
    assert [name for name, verdict in named.items() if "request" in name and not verdict.holds] == []
    assert found["submit"].figures["requests"] == requests
    assert list(tmp_path.iterdir()) == []


def test_quoting_counts_and_quotes_the_same_rows_and_asks_again_in_a_process_of_its_own(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 40)
    found = quotes.measure(rows, home=tmp_path / "never-calibrated", rounds=2)
    assert found["tokens"] > 40 * 100
    assert found["quotes"] > len(quotes.COMMANDS)
    assert 0 < found["again_s"] < found["quote_s"]
    home = quotes._fresh(tmp_path / "never-calibrated", tmp_path / "home")
    assert quotes.command(rows, words=["--base", "gpt-4.1-mini"], home=home, bytecode=tmp_path / "bytecode", starts=1) > 0
    assert list((home / "cache" / "measures").iterdir()) != []


def made(folder: Path, *, rows: int = 60, large_mb: float = 0.2) -> Setting:
    """A very small setting of the data room's benchmark."""
    chat = write_rows(folder / "chat.jsonl", rows)
    return Setting(chat, folder, folder, rounds=2, rival_rows=20, token_rows=20, small_mb=0.1, large_mb=large_mb, rows=rows)


def test_the_made_rows_are_the_same_each_time_and_no_two_alike(tmp_path: Path) -> None:
    first = list(islice(lines(), 300))
    assert first == list(islice(lines(), 300))
    assert len(set(first)) == 300
    assert write_rows(tmp_path / "rows.jsonl", 300).read_bytes() == b"".join(first)
    assert 0 <= write_megabytes(tmp_path / "long.jsonl", 0.5).stat().st_size - 500_000 < 2000


def test_all_who_convert_the_made_rows_get_the_same_conversations(tmp_path: Path) -> None:
    setting = made(tmp_path)
    speed.converting(setting.chat, tmp_path / "ours.jsonl")()
    ours = [orjson.loads(line) for line in (tmp_path / "ours.jsonl").read_bytes().splitlines()]
    rows = [orjson.loads(line) for line in setting.chat.read_bytes().splitlines()]
    assert ours == [rivals.to_gemini(row) for row in rows]
    speed.parse_and_write(setting.chat, tmp_path / "parsed.jsonl")
    assert [orjson.loads(line) for line in (tmp_path / "parsed.jsonl").read_bytes().splitlines()] == rows


def test_both_sides_of_a_comparison_go_first_equally_often() -> None:
    went: list[str] = []
    times = in_turns({"a": lambda: went.append("a"), "b": lambda: went.append("b")}, rounds=4)
    assert [went[place] for place in range(2, 10, 2)].count("a") == 2
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 4, "b": 4}


def test_a_rate_is_compared_round_by_round() -> None:
    assert ratio({"ours": [1.0, 9.0, 1.0], "theirs": [2.0, 18.0, 5.0]}, ours="ours", theirs="theirs") == 2.0


def test_what_was_not_measured_breaks_no_limit_and_says_why() -> None:
    assert not Verdict("speed", 0.59, 0.6).holds
    assert not Verdict("memory", 61, 60, at_most=True).holds
    unknown = Verdict("rival", None, 8, reason="no connection")
    assert unknown.holds
    assert str(unknown) == "rival: not measured: no connection"


@pytest.mark.parametrize("name", ["convert", "check", "tokens"])
def test_a_part_of_the_data_benchmark_measures_both_sides(name: str, tmp_path: Path) -> None:
    found = data.part(name)(made(tmp_path))
    sides = [each for each in found.figures.values() if isinstance(each, dict)]
    assert len(sides) >= 2
    assert all(side["rows_per_s"] > 0 for side in sides)
    assert found.verdicts[0].value is not None
    assert Outcome.of(json.loads(json.dumps(found.to_dict()))).verdicts == found.verdicts


def test_a_part_that_fails_breaks_a_limit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    setting = made(tmp_path)
    setting.chat.unlink()
    found = data.in_its_own_process("convert", setting)
    assert not any(verdict.holds for verdict in found.verdicts)
    assert "no such file" in capfd.readouterr().err


def test_the_memory_of_a_command_counts_the_processes_it_starts(tmp_path: Path) -> None:
    hold = "held = bytearray(60_000_000)\n"
    child = f"import time\n{hold}time.sleep(0.5)"
    both = f"import subprocess, sys\n{hold}subprocess.run([sys.executable, '-c', {child!r}])"
    assert memory.run([sys.executable, "-c", both], folder=tmp_path)["peak_mb"] > 120


def test_the_memory_of_a_command_that_fails_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3: nothing there"):
        memory.run([sys.executable, "-c", "import sys; print('nothing there'); sys.exit(3)"], folder=tmp_path)


def test_memory_is_not_measured_where_the_disk_is_too_small(tmp_path: Path) -> None:
    found = memory.memory(made(tmp_path, large_mb=1e12))
    assert "of disk" in str(found.verdicts[0])
    assert found.verdicts[0].value is None


def test_a_rival_that_cannot_be_imported_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "converter.py").write_text("import nothing_of_that_name", encoding="utf-8")
    before = set(sys.modules)
    with pytest.raises(rivals.NotMeasured, match="could not be imported"):
        rivals.llama_factory_modules(tmp_path)
    assert not any(name.startswith("llamafactory") for name in set(sys.modules) - before)


def test_real_sets_are_converted_and_checked_and_absent_ones_named(tmp_path: Path) -> None:
    (tmp_path / "banking77").mkdir()
    rows = "".join(f"where is card {number},card_{number % 2}\n" for number in range(20))
    (tmp_path / "banking77" / "train.csv").write_text("text,category\n" + rows, encoding="utf-8")
    found = real.real(made(tmp_path))
    banking = found.figures["banking77"]
    assert banking["conversions"]["chat"]["rows"] == banking["checks"]["openai sft"]["rows"] == 20
    assert str(tmp_path) not in json.dumps(banking)
    assert found.figures["gsm8k"] == {"skipped": "there is no gsm8k/train.jsonl"}
    assert Dataset.read(tmp_path / "real.jsonl").count() == 20
