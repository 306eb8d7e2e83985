"""Tunes of Vertex AI and tunes that go there: archived, watched, ported, over the emulators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from platforms import cards, comparison, ported, save_apprentice, step
from vertex_platforms import WithVertex, opened_with_vertex

QUESTION = "My card number 1002 is lost"
GEMINI = "gemini-3.1-flash-lite"
LLAMA = "meta/llama3_1@llama-3.1-8b"


@pytest.fixture
def platforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[WithVertex]:
    with opened_with_vertex(tmp_path / "home", capsys) as found:
        yield found


@pytest.fixture(scope="module")
def apprentice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base that a tune of a few seconds teaches the cards."""
    return save_apprentice(tmp_path_factory.mktemp("bases") / "apprentice")


def test_from_openai_to_vertex_the_copy_is_proved_equal_and_the_printed_code_runs_on_googles_own_sdk(
    platforms: WithVertex, tmp_path: Path
) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--suffix", "cards.of-all-customers")
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    dry = platforms("port", uri, "--to", "vertex", "--test", test, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert platforms.vertex.world.jobs == {}
    run = platforms("port", uri, "--to", "vertex", "--test", test, "--yes", "--json")
    assert run.code == 0, run.err
    done = ported(run)
    assert (done["verdict"], done["job"]["base"]) == ("equal", GEMINI)
    assert done["target"] == done["model"]["uri"]  # no deployment, and nothing to pay for one
    assert comparison(run)["models"]["prompted"]["uri"] == f"vertex:{GEMINI}"
    changes = {each["setting"]: each for each in step(run, "map")["changes"]}
    assert changes["base"]["becomes"] == GEMINI
    program = Path(done["switch"]["path"])
    assert "from google import genai" in program.read_text(encoding="utf-8")
    assert platforms.runs(program, QUESTION) == "lost"
    assert platforms.runs(Path(done["folder"]) / "before.py", QUESTION) == "lost"
    again = platforms("port", uri, "--to", "vertex", "--test", test, "--json")
    assert (again.code, ported(again)["verdict"], len(platforms.vertex.world.jobs)) == (0, "equal", 1)


def test_a_tune_of_vertex_is_talked_to_and_measured_by_its_model_its_job_and_a_checkpoint(platforms: WithVertex, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--base", GEMINI, "--epochs", 2, at="vertex")
    test = cards(tmp_path / "test.jsonl", 40, start=1000)
    shown = platforms("models", "show", uri, "--json")
    assert shown.code == 0, shown.err
    model = shown.document["uri"]
    listed = platforms("models", "list", "--provider", "vertex", "--json")
    assert [each["uri"] for each in listed.document["models"]] == [model]
    for name in (model, uri, f"vertex:{shown.document['checkpoints'][-1]}"):
        assert platforms("models", "chat", name, QUESTION).out.strip() == "lost"
    run = platforms("models", "eval", model, test, "--against", "base", "--yes", "--json")
    assert run.code == 0, run.err
    assert run.document["metrics"]["exact_match"] == 1.0
    assert run.document["against"]["metrics"]["exact_match"] < 1.0


@pytest.mark.train
def test_a_tune_of_vertex_comes_home_and_goes_back_proved_equal_by_real_answers_and_every_printed_program_runs(
    platforms: WithVertex, apprentice: Path, tmp_path: Path
) -> None:
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    uri = platforms.trained(cards(tmp_path / "cards.jsonl", 40), at="vertex", base=GEMINI, epochs=6, learning_rate_multiplier=10)
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", apprentice, "--test", test, "--yes", "--json")
    home = ported(run)
    assert (run.code, home["verdict"]) == (0, "equal"), run.err
    assert platforms.runs(Path(home["folder"]) / "before.py", QUESTION) == "lost"
    assert platforms("models", "chat", home["model"]["uri"], QUESTION).out.strip() == "lost"
    platforms.real = False
    run = platforms("port", home["job"]["uri"], "--to", "vertex", "--base", GEMINI, "--test", test, "--yes", "--json")
    back = ported(run)
    assert (run.code, back["verdict"]) == (0, "equal"), run.err
    assert platforms.runs(back["switch"]["path"], QUESTION) == "lost"


def test_what_another_machine_tuned_at_vertex_is_carried_from_the_name_of_its_model(platforms: WithVertex, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--base", GEMINI, at="vertex")
    with platforms.client() as client:
        model = str(client.job(uri, refresh=False).model)
    run = platforms("--home", tmp_path / "elsewhere", "port", model, "--to", "azure", "--ask", 0, "--yes", "--deploy", "--json")
    assert run.code == 0, run.err
    assert ported(run)["job"]["provider"] == "azure"


def test_a_tune_of_vertex_is_archived_with_its_rows_its_answers_and_its_lineage(platforms: WithVertex, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--base", GEMINI, at="vertex")
    test = cards(tmp_path / "test.jsonl", 20, start=1000)
    kept = tmp_path / "kept"
    run = platforms("archive", uri, kept, "--rows", test, "--ask", 20, "--yes", "--json")
    assert run.code == 0, run.err
    (archive,) = run.document["archives"]
    assert (archive["missing"], archive["errors"]) == ([], [])
    folder = Path(archive["folder"])
    assert (folder / "files" / "train.jsonl").read_text(encoding="utf-8").count("\n") == 60
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert (model["job_uri"], model["base"]) == (uri, GEMINI)
    assert platforms("archive", "--verify", kept).code == 0


def test_watch_tells_until_when_tunes_of_vertex_answer_and_where_to_go(platforms: WithVertex, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--base", GEMINI, at="vertex")
    run = platforms("watch", "--provider", "vertex", "--json")
    assert run.code == 0, run.err
    (seen,) = run.document["watched"]
    assert (seen["job_uri"], seen["base"], seen["serving_ends"], seen["serving_earliest"]) == (uri, GEMINI, "2027-05-07", True)


def test_an_open_model_of_vertex_is_deployed_after_its_price_was_agreed_to_and_everything_answers_through_that(
    platforms: WithVertex, tmp_path: Path
) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    test = cards(tmp_path / "test.jsonl", 60, start=1000)
    carry = ("port", uri, "--to", "vertex", "--base", LLAMA, "--test", test, "--yes", "--json")
    refused = platforms(*carry)
    assert refused.code == 2
    assert "--deploy" in refused.err
    assert "1.15 USD per hosting hour" in refused.err
    run = platforms(*carry, "--deploy")
    assert run.code == 0, run.err
    done = ported(run)
    assert done["verdict"] in ("equal", "cannot tell")
    assert "/endpoints/" in done["target"]
    rates = {each["setting"]: each["becomes"] for each in step(run, "map")["changes"]}
    assert "learning_rate_multiplier" not in rates or rates["learning_rate_multiplier"] == "auto"
    listed = platforms("models", "deployments", "--provider", "vertex", "--json").document["deployments"]
    assert [(each["uri"], each["phase"]) for each in listed] == [(done["target"], "ready")]
    home = {"TUNEPORT_HOME": str(platforms.home)}
    assert platforms.runs(done["switch"]["path"], QUESTION, **home) == "lost"
    assert platforms("models", "chat", done["model"]["uri"], QUESTION).out.strip() == "lost"
    assert platforms("models", "undeploy", done["target"], "--yes").code == 0
    gone = platforms("models", "chat", done["model"]["uri"], QUESTION)
    assert (gone.code, "models deploy" in gone.err) == (3, True)
    watched = platforms("watch", "--provider", "vertex", "--json").document["watched"]
    assert [(each["kind"], each["base"]) for each in watched] == [("model", LLAMA)]
