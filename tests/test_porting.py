"""Ports: a tune carried from one provider to another, once, whatever is missing, and proved by the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harbour import Harbour, School, held_out, in_memory, page_of, rows

from tuneport.archive import Asking, Origins, archive_job
from tuneport.client import Client
from tuneport.dataset import Dataset
from tuneport.errors import (
    CheckFailed,
    ConfigError,
    CredentialsRefused,
    JobFailed,
    Refused,
    Uncertain,
    Unreachable,
    Unsupported,
    UsageError,
)
from tuneport.job import Job
from tuneport.porting.journal import Journal, alone
from tuneport.porting.port import port
from tuneport.porting.wishes import Wishes, agreeing
from tuneport.testing.remote_job import Course
from tuneport.testing.wire import HttpAnswer, NoAnswer


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return Harbour(tmp_path / "harbour")


def written(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "port.json").read_text(encoding="utf-8")))


# --- from end to end -----------------------------------------------------------------------------------------------------------------


def test_a_job_is_carried_as_it_was_and_proved_equal_on_enough_rows(harbour: Harbour) -> None:
    done = harbour.port(test=held_out(harbour))
    (remote,) = harbour.new.jobs.values()
    assert remote.body["hyperparameters"]["epochs"] == 2
    assert remote.body["base"] == "fake-small"
    assert done.proof.outcome == "equal"
    assert done.proof.path is not None
    assert "<html" in done.proof.path.read_text(encoding="utf-8")
    steps = written(done.folder)["steps"]
    assert isinstance(steps, dict)
    assert {name for name, step in steps.items() if step["state"] == "done"} == {
        *("collect", "map", "convert", "quote", "submit", "follow", "deploy", "prove", "switch")
    }


def test_all_training_rows_are_trained_on_where_others_are_held_out(harbour: Harbour) -> None:
    harbour.port(test=held_out(harbour))
    (sent,) = harbour.new.files.values()
    (given,) = harbour.old.files.values()
    assert sent.content == given.content


def test_without_other_rows_some_of_the_training_rows_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path, count=400)
    harbour.port()
    (sent,) = harbour.new.files.values()
    learned = set(sent.content.splitlines())
    asked = {text.partition(" ")[2] for text in harbour.new.asked if ":tuned:" in text}
    assert len(learned) == 360
    assert len(asked) == 40
    assert not any(question.encode() in line for question in asked for line in learned)
    assert "40 rows of the 400 training rows, which are left out" in harbour.heard("map")


def test_rows_that_the_old_job_was_validated_on_are_compared_on(harbour: Harbour) -> None:
    uri = harbour.tuned(validation=harbour.file("validation.jsonl", rows(30, start=900)), seed=3)
    done = harbour.port(uri)
    assert done.proof.report is not None
    assert done.proof.report.compared.rows == 30
    assert {file.purpose for file in harbour.new.files.values()} == {"train", "validation"}


def test_few_rows_cannot_tell_and_say_how_many_would_do(harbour: Harbour) -> None:
    done = harbour.port()
    assert done.proof.outcome == "cannot tell"
    assert "fewer than 20" in harbour.heard("map")


def test_a_planted_drop_is_found_and_named(harbour: Harbour) -> None:
    harbour.new.errs = lambda text: "refund" in text
    done = harbour.port(test=held_out(harbour))
    assert done.proof.outcome == "worse"
    assert "points below" in done.proof.sentence


def test_the_untuned_base_is_asked_under_a_prompt_of_training_rows(harbour: Harbour) -> None:
    done = harbour.port(test=held_out(harbour))
    assert done.proof.report is not None
    assert done.proof.report.compared.prompted is not None
    assert sum(text.startswith("fake-small customer") for text in harbour.new.asked) == 200
    assert done.proof.report.about.prompted is not None
    assert done.proof.report.about.prompted.name == "fake-small with 8 examples"


def test_nothing_is_compared_and_nobody_asked_where_that_is_wished(harbour: Harbour) -> None:
    done = harbour.port(ask=0)
    assert (done.proof.outcome, harbour.new.asked, harbour.old.asked) == ("not compared", [], [])
    (sent,) = harbour.new.files.values()
    assert sent.content.count(b"\n") == 60


def test_where_the_new_model_cannot_be_asked_nobody_pays_for_the_old_ones_answers(harbour: Harbour) -> None:
    silent = replace(harbour.provider("new"), open_server=None)
    with Client(settings=harbour.client().settings, clock=harbour.clock, providers=[harbour.provider("old"), silent]) as client:
        done = harbour.port(client=client, test=held_out(harbour), agree=("train",))
    assert (done.proof.outcome, harbour.old.asked) == ("not compared", [])
    assert "no way to ask its models here" in done.proof.sentence
    assert "answers of the old model" not in harbour.heard("quote")


def test_a_tuned_model_is_as_good_a_name_as_its_job(harbour: Harbour) -> None:
    model = f"old:{next(iter(harbour.old.jobs.values())).body['base']}:tuned:{harbour.uri.partition(':')[2]}"
    done = harbour.port(model)
    assert done.source.uri == harbour.uri
    assert harbour.port().id == done.id


def test_a_model_whose_job_this_registry_has_never_seen_is_found_by_the_providers_list(harbour: Harbour, tmp_path: Path) -> None:
    model = f"old:fake-small:tuned:{harbour.uri.partition(':')[2]}"
    with harbour.client(home=tmp_path / "elsewhere") as client:
        done = harbour.port(model, client=client)
    assert done.source.uri == harbour.uri
    assert done.source.recipe is None


def test_the_printed_code_is_two_programs_that_are_python_and_differ_in_the_model(harbour: Harbour) -> None:
    done = harbour.port()
    for program in (done.switch.before, done.switch.after):
        compile(program, "program", "exec")
    assert f'-    print("".join(client.chat("{done.source.model}"' in done.switch.difference
    assert f'+    print("".join(client.chat("{done.model.uri}"' in done.switch.difference
    subprocess.run([sys.executable, "-m", "py_compile", str(done.switch.path)], check=True)


def test_the_lineage_is_kept(harbour: Harbour) -> None:
    done = harbour.port()
    steps = written(done.folder)["steps"]
    assert isinstance(steps, dict)
    lineage = steps["switch"]["facts"]["lineage"]
    assert (lineage["from"], lineage["job"], lineage["model"]) == (harbour.uri, done.job.uri, done.model.uri)
    assert lineage["data"] == done.job.dataset_fingerprint
    assert lineage["old_data"] == done.source.dataset_fingerprint


def test_a_second_run_sends_nothing_asks_nothing_and_says_the_same(harbour: Harbour) -> None:
    first = harbour.port(test=held_out(harbour))
    before = len(harbour.new.asked), len(harbour.old.asked), harbour.creates
    again = harbour.port(test=held_out(harbour), agree=())
    assert (len(harbour.new.asked), len(harbour.old.asked), harbour.creates) == before
    assert (again.id, again.proof.sentence) == (first.id, first.proof.sentence)


def test_held_out_rows_need_not_be_named_again(harbour: Harbour) -> None:
    harbour.port(test=held_out(harbour))
    assert harbour.port(agree=()).proof.outcome == "equal"


def test_rows_that_are_given_later_are_asked_after_a_consent_of_their_own(harbour: Harbour) -> None:
    harbour.port()
    with pytest.raises(UsageError, match="asking for 600 answers"):
        harbour.port(test=held_out(harbour), agree=())
    done = harbour.port(test=held_out(harbour), agree=("ask",))
    assert (done.proof.outcome, harbour.creates) == ("equal", 1)


def test_the_client_carries_it_as_the_command_line_does(harbour: Harbour) -> None:
    with harbour.client() as client:
        done = client.port(client.job(harbour.uri), Wishes(to="new"))
    assert done.model.provider == "new"


def test_rows_that_were_trained_on_are_told_to_prove_little(harbour: Harbour) -> None:
    harbour.port(test=Dataset.read(harbour.file("known.jsonl", rows(30))))
    assert "30 of them ask what the training rows ask" in harbour.heard("map")


def test_a_tune_is_no_copy_of_itself(harbour: Harbour) -> None:
    jobs = len(harbour.old.jobs)
    with pytest.raises(UsageError, match="there is nothing to carry"):
        harbour.port(to="old", test=held_out(harbour))
    assert len(harbour.old.jobs) == jobs
    assert harbour.port(to="old", base="fake-large", test=held_out(harbour)).job.base == "fake-large"


def test_two_processes_do_not_carry_one_tune_at_once(harbour: Harbour) -> None:
    folder = harbour.port(ask=0).folder
    with alone(folder), pytest.raises(ConfigError, match="right now"):
        harbour.port(ask=0)


# --- what is missing -----------------------------------------------------------------------------------------------------------------


def test_rows_that_the_provider_has_deleted_come_from_the_dataset_while_it_is_unchanged(harbour: Harbour) -> None:
    harbour.old.lose_files()
    assert harbour.port().proof.outcome == "cannot tell"


def test_rows_that_nobody_has_any_more_are_said_to_be_gone_with_what_can_still_be_done(harbour: Harbour) -> None:
    harbour.old.lose_files()
    harbour.train.unlink()
    with pytest.raises(UsageError, match="the training rows of old:ftjob-0001 cannot be had") as gone:
        harbour.port()
    assert "--train FILE" in gone.value.remedy
    assert "--from-outputs PROMPTS" in gone.value.remedy
    assert harbour.creates == 0
    own = Dataset.read(harbour.file("own.jsonl", rows(40)))
    assert harbour.port(train=own).job.provider == "new"


def test_a_retired_model_is_said_to_be_silent_and_the_tune_is_carried_all_the_same(harbour: Harbour) -> None:
    harbour.old.retired = True
    done = harbour.port(test=held_out(harbour))
    assert done.proof.outcome == "nothing to compare"
    assert "does not answer any more" in harbour.heard("prove")
    assert "the new model by itself: exact_match 100.0% of 200 rows" in harbour.heard("prove")


def test_a_model_that_retires_while_its_copy_is_trained_has_been_asked_by_then(harbour: Harbour) -> None:
    with harbour.client() as client:

        def follow(job: Job) -> Job:
            harbour.old.retired = True
            return client.wait(job)

        done = port(harbour.uri, Wishes(to="new", test=held_out(harbour)), client=client, confirm=agreeing("train"), follow=follow)
    assert done.proof.outcome == "equal"


def test_a_model_that_retires_in_the_midst_of_it_leaves_the_answers_it_gave(harbour: Harbour) -> None:
    harbour.old.last_words = 30
    done = harbour.port(test=held_out(harbour, 50))
    assert done.proof.report is not None
    assert done.proof.report.compared.rows == 50
    assert done.proof.report.compared.asked["old"].missing == 20
    assert "30 of 50 answers are there" in harbour.heard("prove")


def test_answers_from_an_archive_stand_in_for_a_retired_model(harbour: Harbour, tmp_path: Path) -> None:
    test = held_out(harbour)
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins, asking=Asking.of(test, 200))
    harbour.old.retired = True
    before, taken = len(harbour.old.asked), harbour.clock.now().date()
    harbour.clock.sleep(40 * 86_400)
    for path in kept.folder.glob("answers-*"):
        os.utime(path)  # as a copy of the folder has it
    done = harbour.port(kept.folder, test=test)
    assert (done.proof.outcome, len(harbour.old.asked)) == ("equal", before)
    assert done.proof.report is not None
    assert (done.proof.report.about.old.source, done.proof.report.about.old.answered_on) == ("archive", taken)


def test_an_archived_answer_may_hold_any_character(harbour: Harbour, tmp_path: Path) -> None:
    test = Dataset.read(harbour.file("odd.jsonl", rows(20, start=5000).replace("customer", "customer\u2028\x85")))
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins, asking=Asking.of(test, 20))
    before = len(harbour.old.asked)
    harbour.port(kept.folder, test=test)
    assert len(harbour.old.asked) == before


def test_answers_that_are_partly_from_an_archive_are_said_to_be(harbour: Harbour, tmp_path: Path) -> None:
    test = held_out(harbour, 60)
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins, asking=Asking.of(test, 25))
    done = harbour.port(kept.folder, test=test)
    assert f"25 of 60 answers of the old model are from its archive, of {harbour.clock.now().date()}" in page_of(done)


def test_an_archive_is_carried_without_a_word_from_its_provider(harbour: Harbour, tmp_path: Path) -> None:
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins)
    sent = len(harbour.wires["old"].sent)
    new_home = Client(settings=harbour.client().settings, clock=harbour.clock, providers=[harbour.provider("new")])
    new_home.settings = type(new_home.settings)(home=tmp_path / "other")
    with new_home as client:
        done = harbour.port(kept.folder, client=client)
    assert (done.job.provider, len(harbour.wires["old"].sent)) == ("new", sent)
    assert done.proof.outcome == "nothing to compare"


def test_an_archive_is_carried_with_the_network_off(harbour: Harbour, tmp_path: Path) -> None:
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins)
    harbour.wires["old"].before("", *[NoAnswer("no route to host")] * 50)
    done = harbour.port(kept.folder)
    assert (done.job.provider, done.proof.outcome) == ("new", "nothing to compare")
    assert "gave no answer" in harbour.heard("prove")


def test_a_damaged_archive_is_refused(harbour: Harbour, tmp_path: Path) -> None:
    with harbour.client() as client:
        origins = Origins(client.registry, client.trainer, client.server, client.clock)
        kept = archive_job(client.job(harbour.uri), tmp_path / "kept", origins=origins)
    (kept.folder / "files" / "train.jsonl").write_bytes(b"{}\n")
    with pytest.raises(CheckFailed, match="is not what it was"):
        harbour.port(tmp_path / "kept")


def test_a_folder_without_an_archive_is_refused(harbour: Harbour, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no archive"):
        harbour.port(tmp_path / "empty")


def test_a_key_that_is_refused_is_no_end_where_the_user_has_the_rows(harbour: Harbour, tmp_path: Path) -> None:
    refused = [HttpAnswer(401, "no_key")] * 30
    harbour.wires["old"].before("GET", *refused)
    model = f"old:fake-small:tuned:{harbour.uri.partition(':')[2]}"
    with harbour.client(home=tmp_path / "elsewhere") as client, pytest.raises(CredentialsRefused, match="cannot be had") as said:
        harbour.port(model, client=client)
    assert "--train FILE" in said.value.remedy
    own = Dataset.read(harbour.train)
    with harbour.client(home=tmp_path / "elsewhere") as client:
        done = harbour.port(model, client=client, train=own, base="fake-large")
    assert done.job.base == "fake-large"


def test_an_old_model_that_cannot_be_reached_is_waited_for_and_no_answer_is_lost(harbour: Harbour) -> None:
    test = held_out(harbour, 30)
    harbour.wires["old"].before("POST /chat", *[NoAnswer("timed out")] * 2)
    with pytest.raises(Unreachable, match="gave no answer"):
        harbour.port(test=test)
    asked = len(harbour.new.asked)
    done = harbour.port(test=test)
    assert done.proof.report is not None
    assert sum(":tuned:" in text for text in harbour.new.asked[asked:]) == 0
    assert harbour.creates == 1


def test_what_the_users_own_file_holds_and_nobody_can_carry_is_said(harbour: Harbour) -> None:
    turns = [{"role": "user", "content": "about refund"}, {"role": "assistant", "content": "refund", "refusal": "no"}]
    own = harbour.file("own.jsonl", (json.dumps({"messages": turns}) + "\n") * 30)
    harbour.port(train=Dataset.read(own), test=held_out(harbour, 20))
    assert "not carried: message.refusal in 30 rows" in harbour.heard("convert")


def test_what_the_validation_rows_hold_and_nobody_can_carry_is_said_too(harbour: Harbour) -> None:
    turns = [{"role": "user", "content": "about refund"}, {"role": "assistant", "content": "refund", "refusal": "no"}]
    own = harbour.file("validation.jsonl", (json.dumps({"messages": turns}) + "\n") * 25)
    harbour.port(validation=Dataset.read(own), ask=0)
    assert "not carried: message.refusal (validation) in 25 rows" in harbour.heard("convert")


def test_where_nobody_knows_what_a_destinations_files_hold_nothing_is_said_to_be_carried(harbour: Harbour) -> None:
    harbour.port(ask=0)
    assert "everything in the rows is carried" not in harbour.heard("convert")
    assert "what the files of new can hold is not known here" in harbour.heard("convert")


def test_rows_that_are_answered_by_calls_of_tools_are_not_compared_as_text(harbour: Harbour) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = {"messages": [{"role": "user", "content": "about refund"}, {"role": "assistant", "tool_calls": [call]}]}
    test = Dataset.read(harbour.file("calls.jsonl", rows(10, start=70) + json.dumps(asked) + "\n"))
    done = harbour.port(test=test)
    assert done.proof.report is not None
    assert done.proof.report.compared.rows == 10
    assert "1 of 11 rows are answered by calls of tools" in harbour.heard("map")


def test_no_key_gets_into_the_journal_and_one_that_is_damaged_is_left_alone(harbour: Harbour, tmp_path: Path) -> None:
    folder = tmp_path / "ports" / "abc"
    journal = Journal(folder, about={}, now=harbour.clock.now)
    journal.finish("map", {"options": {"api_key": "sk-proj-0123456789abcdefghijklmnop"}, "note": "sk-proj-0123456789abcdefghijklmnop"})
    assert "0123456789abcdefghijklmnop" not in (folder / "port.json").read_text(encoding="utf-8")
    (folder / "port.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        Journal(folder, about={}, now=harbour.clock.now)
    assert (folder / "port.json").read_text(encoding="utf-8") == "{"
    for odd in ({"steps": {"submit": 3}}, {"steps": {"submit": {"facts": []}}}, {"steps": {}, "agreed": 1}, {"steps": 5}):
        (folder / "port.json").write_text(json.dumps({"kind": "tuneport port", **odd}), encoding="utf-8")
        with pytest.raises(ConfigError, match="is not the journal of a port"):
            Journal(folder, about={}, now=harbour.clock.now)


# --- jobs that do not end well -------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_is_not_made_again_without_a_word(harbour: Harbour) -> None:
    harbour.new = School(harbour.clock, course=lambda number: Course(ends="error") if number == 1 else Course())
    with pytest.raises(JobFailed, match="loss became NaN"):
        harbour.port()
    with pytest.raises(JobFailed):
        harbour.port()
    assert harbour.creates == 1
    with pytest.raises(UsageError, match="training at new costs"):
        harbour.port(again=True, agree=())
    assert harbour.creates == 1
    assert harbour.port(again=True).proof.outcome == "cannot tell"
    assert harbour.creates == 2
    harbour.port(again=True)
    assert harbour.creates == 2


def test_after_a_refusal_the_tune_can_be_carried_with_other_settings(harbour: Harbour) -> None:
    harbour.wires["new"].before("POST /jobs", HttpAnswer(400, "bad_request"))
    with pytest.raises(Refused):
        harbour.port(ask=0)
    assert harbour.port(ask=0, epochs=7).job.provider == "new"
    (job,) = harbour.new.jobs.values()
    assert job.body["hyperparameters"]["epochs"] == 7


def test_a_plan_that_has_changed_is_not_submitted_beside_one_that_may_have_become_a_job(harbour: Harbour, tmp_path: Path) -> None:
    harbour.new.listing_lag_s = 3600.0
    harbour.wires["new"].after("POST /jobs", NoAnswer("connection reset"))
    with pytest.raises(Uncertain):
        harbour.port(ask=0)
    (recipe,) = (harbour.home / "ports").glob("*/recipe.json")
    known = json.loads(recipe.read_text(encoding="utf-8"))
    recipe.write_text(json.dumps({**known, "suffix": "changed"}), encoding="utf-8")  # as a newer version might plan it
    with pytest.raises(Uncertain, match="no longer what was begun"):
        harbour.port(ask=0)
    assert harbour.creates == 1
    harbour.clock.sleep(4000)
    assert harbour.port(ask=0).job.provider == "new"
    assert harbour.creates == 1


def test_a_job_that_still_runs_is_no_tune_to_carry(harbour: Harbour) -> None:
    from tuneport.recipe import Recipe

    with harbour.client() as client:
        running = client.submit(Recipe(base="fake-small", train=harbour.train, seed=9), provider="old")
    with pytest.raises(JobFailed, match="no tune to carry yet"):
        harbour.port(running.uri)


def test_a_method_that_the_destination_does_not_train_by_is_refused_with_its_reason(harbour: Harbour) -> None:
    pairs = "".join(json.dumps({"prompt": f"q {n}", "chosen": f"good {n}", "rejected": f"bad {n}"}) + "\n" for n in range(30))
    own = Dataset.read(harbour.file("pairs.jsonl", pairs))
    with pytest.raises(Unsupported, match="the fake trains with sft only, not dpo"):
        harbour.port("old:fake-small:tuned:elsewhere", train=own, base="fake-small")
    assert harbour.creates == 0


def test_a_tune_of_which_only_the_model_was_known_at_first_is_one_port_all_the_same(harbour: Harbour, tmp_path: Path) -> None:
    model, own = f"old:fake-small:tuned:{harbour.uri.partition(':')[2]}", Dataset.read(harbour.train)
    harbour.wires["old"].before("GET", HttpAnswer(401, "no_key"))
    with harbour.client(home=tmp_path / "elsewhere") as client:
        first = harbour.port(model, client=client, train=own, base="fake-small", ask=0)
        assert first.source.uri == model
        assert harbour.port(model, client=client, train=own, base="fake-small", ask=0, agree=()).id == first.id
    assert harbour.creates == 1


def test_another_port_of_the_same_tune_is_pointed_out_before_it_is_paid_for(harbour: Harbour) -> None:
    first = harbour.port(train=Dataset.read(harbour.file("own.jsonl", rows(40))), ask=0)
    changed = Dataset.read(harbour.file("own.jsonl", rows(41)))
    with pytest.raises(UsageError, match=f"another job beside {first.job.uri}"):
        harbour.port(train=changed, ask=0, agree=())
    assert harbour.creates == 1


def test_an_old_model_that_nobody_may_ask_here_is_not_said_to_be_gone(harbour: Harbour) -> None:
    harbour.wires["old"].before("POST /chat", *[HttpAnswer(401, "no_key")] * 9)
    harbour.port(test=held_out(harbour, 20))
    assert "gives no answer here" in harbour.heard("prove")


# --- rows from answers ---------------------------------------------------------------------------------------------------------------


def test_rows_are_made_of_the_old_models_answers_once_terms_and_price_are_agreed_to(harbour: Harbour) -> None:
    prompts = Dataset.read(harbour.file("prompts.jsonl", rows(50, start=700)))
    with pytest.raises(UsageError, match="terms of old") as asked:
        harbour.port(prompts=prompts)
    assert "--accept-terms" in asked.value.remedy
    with pytest.raises(UsageError, match=r"50 answers of the old model at old for 0\.50 USD"):
        harbour.port(prompts=prompts, agree=("terms",))
    assert harbour.old.asked == []
    done = harbour.port(prompts=prompts, agree=("terms", "ask", "train"))
    (sent,) = harbour.new.files.values()
    assert sent.content.count(b"\n") == 40
    assert b'"refund"' in sent.content
    assert len([text for text in harbour.old.asked if "customer 7" in text]) >= 50
    before = len(harbour.old.asked)
    harbour.port(prompts=prompts, agree=("terms", "ask", "train"))
    assert len(harbour.old.asked) == before
    assert done.job.provider == "new"
