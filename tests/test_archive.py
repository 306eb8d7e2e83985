"""Archives: what one owns of a tune, in a folder that needs neither the provider nor Tuneport."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Run, Shell
from desks import ScriptedWire

from tuneport.archive.bundle import folder_name
from tuneport.job import JobState, Snapshot
from tuneport.testing.fake import FakeTrainer, fake_provider
from tuneport.testing.wire import HttpAnswer, NoAnswer

HELD_OUT = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"where is parcel {n}"}, {"role": "assistant", "content": "delivery"}]}) + "\n"
    for n in range(6)
)


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: ScriptedWire) -> Shell:
    return Shell(tmp_path, capsys, wire=wire)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def bundle_of(uri: str, to: Path) -> Path:
    return to / folder_name(uri)


def manifest(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def only(run: Run) -> Any:
    """The one archive of a run."""
    (archive,) = run.document["archives"]
    return archive


def test_an_archive_holds_all_there_is_with_checksums(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    run = shell("archive", uri, to, "--json")
    assert run.code == 0, run.err
    folder = bundle_of(uri, to)
    assert str(folder) == only(run)["folder"]
    entries = {entry["name"]: entry for entry in manifest(folder)["files"]}
    assert {"job.json", "recipe.json", "plan.json", "hyperparameters.json", "model.json", "events.jsonl", "metrics.jsonl"} <= set(entries)
    for name, entry in entries.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert (model["job_uri"], model["base"]) == (uri, "fake-small")
    assert json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["base"] == "fake-small"
    assert len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 10
    assert {"step", "values", "at"} <= json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0]).keys()


def test_the_training_rows_are_those_that_were_sent(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    (sent,) = shell.cloud.files.values()
    assert shell("archive", uri, to).code == 0
    assert (bundle_of(uri, to) / "files" / "train.jsonl").read_bytes() == sent.content


def test_what_is_missing_is_named_with_its_reason(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    missing = only(shell("archive", uri, to, "--json"))["missing"]
    assert [(each["piece"], each["why"]) for each in missing] == [("download", "this cloud keeps the weights to itself.")]
    assert "this cloud keeps the weights to itself" in (bundle_of(uri, to) / "README.txt").read_text(encoding="utf-8")


def test_rows_that_the_provider_has_lost_come_from_the_dataset_while_it_is_unchanged(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell.cloud.lose_files()
    assert shell("archive", uri, to).code == 0
    (entry,) = [each for each in manifest(bundle_of(uri, to))["files"] if each["piece"] == "train"]
    assert "dataset" in entry["origin"]
    job = shell("jobs", "show", uri, "--json").document
    assert entry["sha256"] == job["dataset_fingerprint"]


def test_rows_of_a_dataset_that_has_changed_are_missing_and_not_invented(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell.cloud.lose_files()
    shell.data(text=HELD_OUT)
    run = shell("archive", uri, to, "--json")
    assert run.code == 0
    why = {each["piece"]: each["why"] for each in only(run)["missing"]}["train"]
    assert "no_such_file" in why
    assert "has changed" in why
    assert not (bundle_of(uri, to) / "files" / "train.jsonl").exists()


def test_rows_that_came_back_altered_are_not_taken_for_those_that_were_sent(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    for file_id, file in list(shell.cloud.files.items()):
        shell.cloud.files[file_id] = type(file)(file.id, file.name, file.purpose, file.size_bytes, file.sha256, b"cut off")
    assert shell("archive", uri, to).code == 0
    assert b"cut off" not in (bundle_of(uri, to) / "files" / "train.jsonl").read_bytes()


def test_a_second_run_fetches_nothing_again(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    uri = shell.finished()
    assert shell("archive", uri, to).code == 0
    before = [call for call in wire.sent if "events" in call or "metrics" in call or "content" in call]
    run = shell("archive", uri, to, "--json")
    assert [call for call in wire.sent if "events" in call or "metrics" in call or "content" in call] == before
    assert only(run)["taken"] == []
    assert {"events", "metrics", "train", "model"} <= set(only(run)["kept"])


def test_a_damaged_file_is_fetched_again(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell("archive", uri, to)
    events = bundle_of(uri, to) / "events.jsonl"
    whole = events.read_bytes()
    events.write_bytes(whole[:-5])
    assert only(shell("archive", uri, to, "--json"))["taken"] == ["events"]
    assert events.read_bytes() == whole


def test_a_provider_that_does_not_answer_ends_with_4_and_what_is_done_is_kept(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    uri = shell.finished()
    wire.before(f"GET /jobs/{uri.partition(':')[2]}/metrics", *[NoAnswer("timed out")] * 4)
    run = shell("archive", uri, to, "--json")
    assert run.code == 4
    assert {"recipe", "plan", "model", "events"} <= set(only(run)["taken"])
    assert "metrics" in {each["piece"] for each in only(run)["missing"]}
    again = shell("archive", uri, to, "--json")
    assert again.code == 0
    assert only(again)["taken"] == ["metrics"]
    assert "metrics" not in {each["piece"] for each in only(again)["missing"]}


def test_an_archive_that_is_interrupted_goes_on_where_it_stopped(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    uri = shell.finished()
    wire.before(f"GET /jobs/{uri.partition(':')[2]}/metrics", KeyboardInterrupt())  # type: ignore[arg-type]
    assert shell("archive", uri, to).code == 130
    assert shell("archive", "--verify", to).code == 0
    again = only(shell("archive", uri, to, "--json"))
    assert again["taken"] == ["metrics", "train"]
    assert {"recipe", "model", "events"} <= set(again["kept"])


def test_several_jobs_go_on_after_one_that_fails(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    first, second = shell.finished(), shell.finished("--seed", "1")
    wire.before(f"GET /jobs/{first.partition(':')[2]}/events", HttpAnswer(401, "bad_key"))
    run = shell("archive", first, "fake:nothing", second, to, "--json")
    assert run.code == 3
    assert [each["uri"] for each in run.document["archives"]] == [first, second]
    assert [error["job"] for error in run.document["errors"]] == ["fake:nothing"]
    assert only_piece(bundle_of(second, to), "events")


def only_piece(folder: Path, piece: str) -> bool:
    return piece in {entry["piece"] for entry in manifest(folder)["files"]}


def test_all_takes_every_tuned_model_and_no_job_without_one(shell: Shell, to: Path) -> None:
    done = shell.finished()
    cancelled = shell.submitted("--seed", "1")
    assert shell("jobs", "cancel", cancelled).code == 0
    run = shell("archive", "--all", to, "--json")
    assert [each["uri"] for each in run.document["archives"]] == [done]
    assert "1 job without a tuned model" in run.err


def test_a_job_that_still_runs_is_completed_by_a_later_run(shell: Shell, to: Path) -> None:
    uri = shell.submitted()
    first = shell("archive", uri, to, "--json")
    assert first.code == 0
    assert "model" in {each["piece"] for each in only(first)["missing"]}
    shell("jobs", "wait", uri)
    later = only(shell("archive", uri, to, "--json"))
    assert {"job", "record", "model", "events", "metrics"} <= set(later["taken"])
    assert len((bundle_of(uri, to) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 10


def test_a_job_that_was_submitted_elsewhere_says_what_is_not_known_here(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    elsewhere = Shell(shell.folder / "elsewhere", shell._capsys)
    elsewhere.folder.mkdir()
    elsewhere.cloud, elsewhere.provider = shell.cloud, shell.provider
    run = elsewhere("archive", uri, to, "--json")
    assert run.code == 0, run.err
    assert {"recipe", "plan", "hyperparameters"} <= {each["piece"] for each in only(run)["missing"]}
    (sent,) = shell.cloud.files.values()
    assert (bundle_of(uri, to) / "files" / "train.jsonl").read_bytes() == sent.content


def test_a_job_whose_provider_is_not_installed_keeps_what_is_recorded_here(shell: Shell, to: Path) -> None:
    with shell.opening(None) as client:
        client.registry.add("gone", "somewhere", Snapshot("x", JobState.SUCCEEDED, "done", model="m"))
    run = shell("archive", "gone:x", to, "--json")
    assert run.code == 2
    assert only(run)["taken"] == ["job"]
    assert only(run)["errors"][0]["type"] == "UnknownProvider"


def test_keys_stay_out_of_an_archive(shell: Shell, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = shell.finished()
    honest = FakeTrainer.result

    def result(self: FakeTrainer, job_id: str) -> Any:
        model = honest(self, job_id)
        model.details.update({"api_key": "plainlooking", "said": "used sk-abcdefghijklmnop"})
        return model

    monkeypatch.setattr(FakeTrainer, "result", result)
    assert shell("archive", uri, to).code == 0
    text = "".join(path.read_text(encoding="utf-8") for path in bundle_of(uri, to).glob("*.json*"))
    assert "plainlooking" not in text
    assert "sk-abcdefghijklmnop" not in text


def test_verify_finds_a_changed_and_a_missing_file(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell("archive", uri, to)
    assert shell("archive", "--verify", to).code == 0
    folder = bundle_of(uri, to)
    (folder / "events.jsonl").write_text("other", encoding="utf-8")
    (folder / "plan.json").unlink()
    run = shell("archive", "--verify", to, "--json")
    assert run.code == 1
    faults = only(run)["faults"]
    assert [Path(fault["path"]).name for fault in faults] == ["events.jsonl", "plan.json"]
    assert "has changed" in faults[0]["message"]
    assert faults[1]["message"] == "is missing"


def test_verify_calls_a_broken_manifest_a_fault_and_a_folder_without_archives_a_mistake(shell: Shell, to: Path, tmp_path: Path) -> None:
    uri = shell.finished()
    shell("archive", uri, to)
    (bundle_of(uri, to) / "manifest.json").write_text("{", encoding="utf-8")
    assert shell("archive", "--verify", to).code == 1
    assert shell("archive", "--verify", tmp_path / "home").code == 2


def test_a_broken_manifest_is_never_written_over(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell("archive", uri, to)
    (bundle_of(uri, to) / "manifest.json").write_text("{", encoding="utf-8")
    assert shell("archive", uri, to).code == 2
    assert (bundle_of(uri, to) / "manifest.json").read_text(encoding="utf-8") == "{"


def test_the_checksums_are_those_that_sha256sum_checks(shell: Shell, to: Path) -> None:
    uri = shell.finished()
    shell("archive", uri, to)
    folder = bundle_of(uri, to)
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(manifest(folder)["files"])
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_answers_are_asked_once_confirmed_and_not_twice(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    uri = shell.finished()
    rows = shell.data("held-out.jsonl", HELD_OUT)
    refused = shell("archive", uri, to, "--rows", rows, "--ask", "3")
    assert refused.code == 2
    assert "3 requests" in refused.err
    assert "--yes" in refused.err
    assert not to.exists()
    assert wire.count("POST /chat") == 0
    assert shell("archive", uri, to, "--rows", rows, "--ask", "3", "--yes").code == 0
    (path,) = bundle_of(uri, to).glob("answers-*.jsonl")
    answers = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == 3
    assert all(f"parcel {each['line'] - 1}" in each["question"] and each["answer"] for each in answers)
    assert {each["reference"] for each in answers} == {"delivery"}
    assert shell("archive", uri, to, "--rows", rows, "--ask", "3").code == 0, "nothing is left to ask, so nobody has to confirm"
    assert wire.count("POST /chat") == 3


def test_answers_are_quoted_at_the_price_of_the_tuned_models_base(shell: Shell, to: Path) -> None:
    shell.provider = fake_provider(shell.cloud, name="openai")
    tuned = Snapshot("x", JobState.SUCCEEDED, "done", base="gpt-4.1-mini-2025-04-14", model="ft:x")
    with shell.opening(None) as client:
        client.registry.add("openai", "openai-account", tuned)
    run = shell("archive", "openai:x", to, "--rows", shell.data("held-out.jsonl", HELD_OUT), "--ask", "4")
    assert run.code == 2
    assert re.search(r"4 requests to tuned gpt-4.1-mini-2025-04-14 at openai for about .*0\.0\d+ USD \(0\.0\d+ for 1,000\)", run.err)


def test_answers_that_were_cut_off_go_on_where_they_stopped(shell: Shell, to: Path, wire: ScriptedWire) -> None:
    uri = shell.finished()
    rows = shell.data("held-out.jsonl", HELD_OUT)
    honest = shell.cloud.answer
    asked = 0

    def answer(model: str, texts: list[str]) -> Any:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise HttpAnswer(401, "bad_key")
        return {"text": f"{honest(model, texts)['text']}\u2028on a new line"}

    shell.cloud.answer = answer  # type: ignore[method-assign]
    assert shell("archive", uri, to, "--rows", rows, "--ask", "5", "--yes").code == 3
    assert shell("archive", uri, to, "--rows", rows, "--ask", "5", "--yes").code == 0
    assert wire.count("POST /chat") == 6, "five answers and the one that was refused"
    (path,) = bundle_of(uri, to).glob("answers-*.jsonl")
    lines = [json.loads(line)["line"] for line in path.read_bytes().splitlines()]
    assert len(set(lines)) == 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("{to}",), "no job is named"),
        (("--all", "{uri}", "{to}"), "both --all and jobs"),
        (("{uri}", "{uri}"), "is a job; the folder is missing"),
        (("--verify", "{uri}", "{to}"), "--verify takes one folder"),
        (("{uri}", "{to}", "--ask", "0"), "--ask"),
        (("{uri}", "{to}", "--ask", "3"), "no rows are named"),
    ],
)
def test_a_command_line_that_says_too_little_or_too_much_is_refused(shell: Shell, to: Path, words: tuple[str, ...], sentence: str) -> None:
    uri = shell.finished()
    run = shell("archive", *(word.format(to=to, uri=uri) for word in words))
    assert run.code == 2
    assert sentence in run.err
    assert not to.exists()


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    uri = shell.finished()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    run = shell("archive", uri, tmp_path / "file" / "below")
    assert run.code == 2
    assert "cannot be written" in run.err


def test_two_jobs_never_share_a_folder() -> None:
    assert folder_name("azure:a/b") != folder_name("azure:a-b")
    assert folder_name("fake:ftjob-1") == "fake-ftjob-1"
    assert len(folder_name("fake:" + "x" * 500)) < 120
