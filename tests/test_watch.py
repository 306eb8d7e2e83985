"""Watching: until when each tuned model answers, who says so, and what to do before that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from desks import ScriptedWire

from tuneport.calendar_file import calendar
from tuneport.catalogue import catalogue
from tuneport.cli import main
from tuneport.client import Client
from tuneport.errors import UnknownProvider
from tuneport.last_days import last_days, vendor_of
from tuneport.model import Deployment, Model
from tuneport.owned_models import Owned
from tuneport.provider import Provider
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import fake_provider
from tuneport.testing.server import FakeServer
from tuneport.testing.wire import NoAnswer
from tuneport.watching import Watched, watched

MINI = "gpt-4.1-mini-2025-04-14"
LAST_DAY = date(2027, 1, 14)


class TellingServer(FakeServer):
    """Says of its models what a vendor may say of them, but neither base nor job, and has deployments."""

    told: Mapping[str, Any]
    deployed: Sequence[Deployment]

    def models(self) -> Sequence[Model]:
        return [replace(model, base=None, job_uri=None, details=dict(self.told)) for model in super().models()]

    def deployments(self) -> Sequence[Deployment]:
        return self.deployed


@dataclass
class Desk:
    """A home, a clock before the last day, and one cloud that goes by the name `openai`."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(datetime(2026, 11, 21, 9, tzinfo=UTC)))
    wire: ScriptedWire = field(default_factory=ScriptedWire)
    told: dict[str, Any] = field(default_factory=dict)
    deployed: list[Deployment] = field(default_factory=list)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: list[Provider] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud = FakeCloud(self.clock)

    def provider(self) -> Provider:
        def open_server(settings: Any) -> TellingServer:
            server = TellingServer(self.cloud, name=settings.name, bases=(), wire=self.wire)
            server.told, server.deployed = self.told, self.deployed
            return server

        return replace(fake_provider(self.cloud, name="openai", wire=self.wire), open_server=open_server)

    def client(self, home: Path | None = None) -> Client:
        settings = Settings(home=home or self.home, providers=self.profiles)
        return Client(settings=settings, clock=self.clock, providers=[self.provider(), *self.others])

    def __call__(self, *words: str | Path) -> Run:
        self.capsys.readouterr()
        code = main([str(word) for word in words], opening=self.client)
        out, err = self.capsys.readouterr()
        return Run(code, out, err)

    def watched(self, *words: str) -> list[dict[str, Any]]:
        """What `tuneport watch --json` says."""
        found: list[dict[str, Any]] = self("watch", "--provider", "openai", *words, "--json").document["watched"]
        return found

    def tuned(self, base: str = MINI, *, adopt: bool = True) -> str:
        """The URI of the model of a job that has succeeded, known to the registry or to the provider only."""
        return f"openai:{tuned(self.cloud, base)}" if not adopt else self._adopted(base)

    def _adopted(self, base: str) -> str:
        model = tuned(self.cloud, base)
        with self.client() as client:
            client.sync(provider="openai", adopt_all=True)
        return f"openai:{model}"

    def go_to(self, day: date) -> None:
        self.clock.sleep((datetime(day.year, day.month, day.day, 9, tzinfo=UTC) - self.clock.now()).total_seconds())


def tuned(cloud: FakeCloud, base: str) -> str:
    """The name of a model that someone tuned there."""
    body = {"base": base, "method": "sft", "seed": 0, "suffix": None, "files": {}, "file_names": {}, "metadata": {}, "hyperparameters": {}}
    job = cloud.add_foreign_job(body)
    cloud.settle(job.id)
    return str(cloud.get_job(job.id)["model"])


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path / "home", capsys)


# --- what is known of each ---------------------------------------------------------------------------------------------------------------


def test_a_tuned_model_has_its_last_days_their_source_and_what_to_do(desk: Desk) -> None:
    uri = desk.tuned()
    (found,) = desk.watched()
    assert (found["uri"], found["kind"], found["base"]) == (uri, "model", MINI)
    assert (found["serving_ends"], found["training_ends"], found["days_left"]) == ("2027-01-14", "2027-01-06", 54)
    base = catalogue().demand(MINI, provider="openai")
    assert (found["source"], found["as_of"]) == (base.source, base.as_of.isoformat())
    assert found["todo"] == f"archive and move: nearest at azure: {MINI}"
    assert found["move_to"] == f"azure:{MINI}"


def test_a_model_in_the_registry_and_at_the_provider_is_one_line(desk: Desk) -> None:
    known, unknown = desk.tuned(), desk.tuned("gpt-4.1-2025-04-14", adopt=False)
    assert sorted(each["uri"] for each in desk.watched()) == sorted([known, unknown])
    assert all(each["job_uri"] for each in desk.watched())


def test_what_the_provider_says_itself_wins_over_the_catalogue(desk: Desk) -> None:
    desk.told["shutdown_date"] = "2026-12-24"
    desk.tuned()
    (found,) = desk.watched()
    assert (found["serving_ends"], found["days_left"]) == ("2026-12-24", 33)
    assert found["source"].startswith("the shutdown_date that the provider names; new jobs: developers.openai.com")
    assert found["training_ends"] == "2027-01-06"


@pytest.mark.parametrize("value", ["soon", "", None, True, 1e300, ["2026-12-24"]])
def test_a_shutdown_date_that_is_no_date_is_passed_over(desk: Desk, value: Any) -> None:
    desk.told["shutdown_date"] = value
    desk.tuned()
    assert desk.watched()[0]["serving_ends"] == "2027-01-14"


@pytest.mark.parametrize("value", ["2026-12-24T10:00:00Z", 1798070400])
def test_a_shutdown_date_may_be_a_time(desk: Desk, value: Any) -> None:
    desk.told["shutdown_date"] = value
    desk.tuned()
    assert desk.watched()[0]["serving_ends"] == "2026-12-24"


def test_a_model_whose_base_nobody_knows_has_no_end_and_says_whom_to_ask(desk: Desk) -> None:
    desk.tuned("gpt-9")
    (found,) = desk.watched()
    assert (found["serving_ends"], found["days_left"], found["move_to"]) == (None, None, None)
    assert found["todo"] == "no end is known: ask openai"


@pytest.mark.parametrize("base", ["gpt-4.1-mini", f"ft:{MINI}:acme::x"])
def test_a_base_goes_by_its_other_names_and_by_those_of_its_tunes(desk: Desk, base: str) -> None:
    desk.tuned(base)
    assert desk.watched()[0]["serving_ends"] == "2027-01-14"


def test_a_deployment_ends_with_the_model_that_it_serves(desk: Desk) -> None:
    uri = desk.tuned()
    desk.deployed.append(Deployment("openai:live", "openai", "live", uri.partition(":")[2], "running"))
    found = {each["uri"]: each for each in desk.watched()}
    assert found["openai:live"]["kind"] == "deployment"
    assert found["openai:live"]["serving_ends"] == "2027-01-14"
    assert found["openai:live"]["job_uri"] == found[uri]["job_uri"]


def test_a_deployment_that_its_provider_removes_when_idle_says_when_and_is_not_near_its_end_for_that(desk: Desk) -> None:
    uri = desk.tuned()
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    desk.deployed.append(Deployment("openai:live", "openai", "live", uri.partition(":")[2], "running", removed_at=at))
    found = {each["uri"]: each for each in desk.watched()}
    assert found["openai:live"]["todo"] == f"openai removes it on 2026-11-30 if nothing changes; {found[uri]['todo']}"
    assert (found["openai:live"]["removed"], found["openai:live"]["serving_ends"]) == ("2026-11-30", "2027-01-14")
    assert found[uri]["removed"] is None


def test_a_profile_has_the_last_days_of_its_plug_in_unless_the_catalogue_knows_its_own_name(desk: Desk) -> None:
    desk.profiles.update(work={"provider": "openai"}, nebius={"provider": "openai"})
    tuned(desk.cloud, MINI)
    with desk.client() as client:
        found = {each.provider: each for each in client.watch().watched}
    assert found["work"].serving_ends == LAST_DAY
    assert found["nebius"].serving_ends is None


@pytest.mark.parametrize(
    ("name", "vendor"), [("openai", None), ("mine", None), ("work", "openai"), ("nebius", "nebius"), ("stranger", None), ("azure", "azure")]
)
def test_another_address_is_another_vendor(name: str, vendor: str | None) -> None:
    elsewhere = {"base_url": "https://models.example/v1"}
    profiles = {
        "openai": elsewhere,
        "mine": {"provider": "openai", **elsewhere},
        "work": {"provider": "openai"},
        "nebius": {"provider": "openai", **elsewhere},
    }
    assert vendor_of(name, profiles=profiles, known={"openai", "azure", "nebius"}) == vendor


def test_the_first_to_end_comes_first(desk: Desk) -> None:
    desk.tuned("gpt-9")
    mini = desk.tuned()
    assert next(each["uri"] for each in desk.watched()) == mini


@pytest.mark.parametrize(("day", "left", "within"), [(date(2027, 5, 1), 6, True), (date(2027, 5, 8), -1, False)])
def test_a_promise_not_to_end_sooner_is_an_alarm_before_its_day_and_no_end_after_it(day: date, left: int, within: bool) -> None:
    owned = Owned("vertex:models/1", "vertex", "models/1", base="gemini-3.1-flash-lite")
    found = watched(owned, on=day, profiles={})
    assert (found.serving_ends, found.serving_earliest, found.days_left) == (date(2027, 5, 7), True, left)
    assert (found.ends_within(60), found.stopped) == (within, False)
    assert found.todo.startswith("archive and move")


# --- days --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "left", "code"), [(LAST_DAY - timedelta(61), 61, 0), (LAST_DAY - timedelta(60), 60, 1), (LAST_DAY, 0, 1)])
def test_the_exit_code_says_whether_something_ends_within(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], day: date, left: int, code: int
) -> None:
    desk = Desk(tmp_path / "home", capsys, clock=SimulatedClock(datetime(2026, 10, 1, tzinfo=UTC)))
    desk.tuned()
    desk.go_to(day)
    assert desk.watched()[0]["days_left"] == left
    run = desk("watch", "--provider", "openai", "--within", "60d", "--json")
    assert run.code == code
    assert len(run.document["watched"]) == code
    assert run.document["within_days"] == 60


def test_what_has_stopped_is_shown_with_all_only_and_ends_within_no_time(desk: Desk) -> None:
    desk.tuned()
    desk.go_to(LAST_DAY + timedelta(1))
    assert desk.watched() == []
    (found,) = desk.watched("--all")
    assert found["stopped"] is True
    assert found["todo"].startswith("it has stopped; train it again: nearest at azure")
    assert desk("watch", "--provider", "openai", "--within", "60d").code == 0
    assert "Not shown, for they have stopped already or are on your own machine: 1." in desk("watch", "--provider", "openai").out


def test_a_base_that_closes_to_newcomers_before_the_end_is_no_place_to_move_to(desk: Desk) -> None:
    desk.tuned("o4-mini-2025-04-16")
    (found,) = desk.watched("--all")
    assert found["stopped"] is True
    assert found["move_to"] is not None
    assert found["move_to"] != "azure:o4-mini-2025-04-16"


@pytest.mark.parametrize("text", ["soon", "-3d", "60x", "", "1e3", "٣d"])
def test_a_time_that_is_none_is_refused(desk: Desk, text: str) -> None:
    run = desk("watch", f"--within={text}")
    assert run.code == 2
    assert "60d" in run.err


def test_weeks_are_times_too(desk: Desk) -> None:
    desk.tuned()
    assert desk("watch", "--provider", "openai", "--within", "8w").code == 1
    assert desk("watch", "--provider", "openai", "--within", "7w").code == 0


# --- providers that do not answer --------------------------------------------------------------------------------------------------------


def test_a_provider_that_does_not_answer_is_named_and_the_registry_speaks_for_it(desk: Desk) -> None:
    uri = desk.tuned()
    desk.wire.before("GET", *(NoAnswer("gone") for _ in range(9)))
    run = desk("watch", "--provider", "openai", "--json")
    assert run.code == 0
    assert [each["uri"] for each in run.document["watched"]] == [uri]
    assert [each["provider"] for each in run.document["not_asked"]] == ["openai"]
    assert "openai gave no full answer" in run.err


def test_one_that_does_not_answer_is_asked_once_only(desk: Desk) -> None:
    desk.wire.before("GET", *(NoAnswer("gone") for _ in range(9)))
    desk("watch", "--provider", "openai")
    assert desk.wire.count("GET") == 1


def test_jobs_of_a_provider_that_is_not_installed_are_watched(desk: Desk) -> None:
    uri = desk.tuned()
    with Client(home=desk.home, clock=desk.clock, providers=[fake_provider(FakeCloud(desk.clock))]) as client:
        client.registry.add("vanished", "there", next(iter(desk.provider().open_trainer(_settings(desk, "vanished")).list())))
        watch = client.watch()
    assert uri in {each.uri for each in watch.watched}
    assert isinstance(watch.not_asked["vanished"], UnknownProvider)


def _settings(desk: Desk, name: str) -> Any:
    from tuneport.provider import ProviderSettings

    return ProviderSettings(name=name, home=desk.home, clock=desk.clock)


def test_a_provider_that_does_not_exist_is_refused(desk: Desk) -> None:
    run = desk("watch", "--provider", "opnai")
    assert run.code == 2
    assert "did you mean 'openai'" in run.err


def test_one_s_own_machine_is_left_out_but_for_all(desk: Desk) -> None:
    cloud = FakeCloud(desk.clock)
    desk.others.append(replace(fake_provider(cloud, name="bench"), bills=False))
    tuned(cloud, "fake-small")
    run = desk("watch", "--provider", "bench")
    assert "No tuned models that could stop" in run.out
    (found,) = desk("watch", "--provider", "bench", "--all", "--json").document["watched"]
    assert found["todo"] == "nothing: it is on your own machine"


# --- for people --------------------------------------------------------------------------------------------------------------------------


def test_people_see_the_days_and_who_says_so(desk: Desk) -> None:
    uri = desk.tuned()
    run = desk("watch", "--provider", "openai")
    (line,) = [line for line in run.out.splitlines() if line.startswith(uri)]
    assert re.search(
        rf"{MINI}\S* +2027-01-14 +54 +2027-01-06 +{MINI} +catalogue 2026-10-27 +archive and move: nearest at azure: {MINI}$", line
    )
    assert "openai, as of 2026-10-27: developers.openai.com" in run.out


def test_the_command_that_moves_a_tune_is_named_where_it_is_time_to_move(desk: Desk) -> None:
    desk.tuned()
    job = desk.watched()[0]["job_uri"]
    assert f"To move it, its copy proved: tuneport port {job} --to azure\n" in desk("watch", "--provider", "openai").out


def test_no_command_is_named_while_there_is_nothing_to_do_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path / "home", capsys, clock=SimulatedClock(datetime(2026, 7, 1, tzinfo=UTC)))
    desk.tuned()
    run = desk("watch", "--provider", "openai")
    assert "nothing yet" in run.out
    assert "tuneport port" not in run.out


@pytest.mark.parametrize("words", [("jobs", "list"), ("models", "list", "--provider", "openai")], ids=" ".join)
def test_lists_say_when_something_is_near_beside_the_output(desk: Desk, words: tuple[str, ...]) -> None:
    desk.tuned()
    desk.tuned("gpt-4.1-2025-04-14")
    near = desk(*words)
    assert near.err == "2 tuned models stop answering within 60 days, the first after 2027-01-14: tuneport watch\n"
    assert "tuneport watch" not in near.out
    assert desk(*words, "--json").err == ""
    desk.go_to(LAST_DAY + timedelta(1))
    assert desk(*words).err == ""


def test_lists_say_nothing_of_what_is_far_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path / "home", capsys, clock=SimulatedClock(datetime(2026, 10, 1, tzinfo=UTC)))
    desk.tuned()
    run = desk("jobs", "list")
    assert (run.code, run.err) == (0, "")


def test_the_line_knows_a_profile_and_looks_at_jobs_beyond_the_limit(desk: Desk) -> None:
    desk.profiles["work"] = {"provider": "openai"}
    tuned(desk.cloud, MINI)
    tuned(desk.cloud, "gpt-9")
    with desk.client() as client:
        client.sync(provider="work", adopt_all=True)
    run = desk("jobs", "list", "--limit", "1")
    assert MINI not in run.out
    assert "1 tuned model stops answering within 60 days, after 2027-01-14" in run.err


PROGRAM = """
import json, sys
from datetime import UTC, datetime
from tuneport.cli import main
from tuneport.client import Client
from tuneport.testing.clock import SimulatedClock
code = main(sys.argv[1:], opening=lambda home: Client(home=home, clock=SimulatedClock(datetime(2026, 12, 1, tzinfo=UTC))))
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def test_the_line_under_jobs_imports_no_provider_and_nothing_heavy(desk: Desk) -> None:
    desk.tuned()
    environ = {**os.environ, "TUNEPORT_HOME": str(desk.home)}
    run = subprocess.run([sys.executable, "-c", PROGRAM, "jobs", "list"], capture_output=True, text=True, env=environ, check=True)
    line, modules = run.stderr.splitlines()
    assert "1 tuned model stops answering" in line
    names = json.loads(modules)
    assert "tuneport.provider" not in names
    assert not any(name.startswith("tuneport_") for name in names)
    assert {name.partition(".")[0] for name in names} & {"msgspec", "pydantic", "rich"} == set()


def test_the_quick_reading_of_last_days_is_what_the_catalogue_says() -> None:
    ending = [base for base in catalogue().bases if base.serving_ends is not None]
    assert len(ending) > 10
    for base in ending:
        for name in (base.id, *base.names):
            known = last_days(base.provider)[name.casefold()]
            first = catalogue().demand(name, provider=base.provider)
            assert (known.serving_ends, known.training_ends, known.earliest) == (first.serving_ends, first.training_ends, first.earliest)


@pytest.mark.parametrize("name", ["local", "nobody", "../prices/openai", "nearest", ""])
def test_a_provider_without_ends_has_no_last_days(name: str) -> None:
    assert last_days(name) == {}


# --- the calendar ------------------------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HARD = "openai:ft:gpt-4.1-mini-2025-04-14:größe;süß,ja\\nein::" + "é" * 60
EVENT = Watched(HARD, "openai", "model", MINI, None, serving_ends=LAST_DAY, training_ends=date(2027, 1, 6), days_left=54, todo="go\r\nnow")


def properties(content: bytes) -> Iterator[tuple[str, str]]:
    """The unfolded lines of a calendar, each with its name and its text as it was before it was escaped."""
    for line in content.decode("utf-8").replace("\r\n ", "").removesuffix("\r\n").split("\r\n"):
        name, _, value = line.partition(":")
        yield name, re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value)


def test_a_calendar_has_an_event_on_the_day_with_two_reminders() -> None:
    found = list(properties(calendar([EVENT], at=NOW)))
    values = dict(found)
    assert found[0] == ("BEGIN", "VCALENDAR")
    assert found[-1] == ("END", "VCALENDAR")
    assert values["VERSION"] == "2.0"
    assert (values["DTSTART;VALUE=DATE"], values["DTEND;VALUE=DATE"]) == ("20270114", "20270115")
    assert values["DTSTAMP"] == "20261121T090000Z"
    assert [value for name, value in found if name == "TRIGGER"] == ["-P30D", "-P7D"]
    opened: list[str] = []
    for name, value in found:
        if name == "BEGIN":
            opened.append(value)
        elif name == "END":
            assert opened.pop() == value
    assert opened == []


def test_a_calendar_s_lines_are_short_end_as_they_must_and_lose_no_letter() -> None:
    content = calendar([EVENT], at=NOW)
    lines = content.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    assert [line.decode("utf-8") for line in lines]  # no letter is cut in two
    values = list(properties(content))
    assert ("SUMMARY", f"{HARD} stops answering") in values
    (description,) = [value for name, value in values if name == "DESCRIPTION" and "base:" in value]
    assert description.splitlines()[:3] == ["go", "now", f"base: {MINI}, new jobs until 2027-01-06"]


def test_an_event_keeps_its_uid_when_its_day_moves_and_shares_it_with_no_other() -> None:
    def uid(watched: Watched) -> str:
        return dict(properties(calendar([watched], at=NOW)))["UID"]

    assert uid(EVENT) == uid(replace(EVENT, serving_ends=date(2027, 2, 1), todo="wait"))
    assert uid(EVENT) != uid(replace(EVENT, uri="openai:ft:other"))


def test_what_has_no_end_is_no_event() -> None:
    assert b"VEVENT" not in calendar([replace(EVENT, serving_ends=None)], at=NOW)


def test_the_calendar_is_written_and_replaced_but_no_other_file_is(desk: Desk, tmp_path: Path) -> None:
    desk.tuned()
    target = tmp_path / "ends.ics"
    assert "Wrote 1 date" in desk("watch", "--provider", "openai", "--ics", target).out
    first = target.read_bytes()
    assert b"DTSTART;VALUE=DATE:20270114\r\n" in first
    desk.tuned("gpt-4.1-2025-04-14")
    assert desk("watch", "--provider", "openai", "--ics", target).code == 0
    assert target.read_bytes().count(b"BEGIN:VEVENT") == 2
    notes = tmp_path / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    run = desk("watch", "--provider", "openai", "--ics", notes)
    assert run.code == 2
    assert notes.read_text(encoding="utf-8") == "mine"


def test_the_calendar_goes_to_standard_output_alone(desk: Desk) -> None:
    desk.tuned()
    run = desk("watch", "--provider", "openai", "--ics", "-")
    assert run.out.startswith("BEGIN:VCALENDAR\r\n") or run.out.startswith("BEGIN:VCALENDAR\n")
    assert "What to do" not in run.out
    assert desk("watch", "--ics", "-", "--json").code == 2
