"""The toolkit of all emulators, through a vendor that keeps notes: what it reads, refuses, pages, breaks, and writes down."""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import (
    Account,
    Answer,
    Blob,
    EmulatorServer,
    FaultPlan,
    Fields,
    Form,
    KeyRing,
    Problem,
    Refusal,
    Request,
    Routes,
    RunningClock,
    SteppedClock,
    cursor_page,
    json_answer,
    strict_json,
    visible,
)
from tuneport.testing.emulator.answers import event_stream
from tuneport.testing.emulator.blobs import BlobStore
from tuneport.testing.emulator.faults import (
    ExtraField,
    Fault,
    IgnoredFilters,
    LaggingList,
    MissingField,
    PartKept,
    RateLimited,
    Reset,
    Says,
    ServerError,
    Silence,
    SlowBody,
    Truncated,
    UnknownWord,
)
from tuneport.testing.emulator.keys import bearer
from tuneport.testing.emulator.multipart import BadForm, read_form
from tuneport.testing.emulator.paging import newest_first

MAKE, LIST, READ = "POST /v1/notes", "GET /v1/notes", "GET /v1/notes/{id}"
KEY = "sk-emulator-0123456789"


class Notes:
    """A vendor that keeps notes: {"id", "text", "status"}. Also its own `Vendor`."""

    words = ("status",)

    def __init__(self) -> None:
        self.keys = KeyRing()
        self.keys.admit(KEY, Account("org", "project"))
        self.notes: list[tuple[datetime, dict[str, Any]]] = []
        self.files: list[bytes] = []
        self.routes = Routes()
        self.routes.add(MAKE, self.make)
        self.routes.add(LIST, self.list)
        self.routes.add(READ, self.read)
        self.routes.add("POST /v1/notes/{id}/file", self.attach)
        self.routes.add("GET /v1/stream", lambda request: event_stream([{"n": 1}, {"n": 2}, {"n": 3}]))
        self.routes.add("GET /v1/bug", self.bug)
        self.routes.add("PUT /v1/notes/{id}:fill", self.fill, stores=True)

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        return {"error": {"message": message, "code": code}}

    def headers(self, request_number: int) -> Mapping[str, str]:
        return {"x-request-id": f"req-{request_number}"}

    def admit(self, request: Request) -> None:
        key = bearer(request.headers)
        if key is None or self.keys.account(key) is None:
            raise self.refusal(401, "who are you?")

    def refusal(self, status: int, message: str) -> Refusal:
        return Refusal(json_answer(self.error(status, message), status=status))

    def refuse(self, problem: Problem) -> Refusal:
        return self.refusal(400, f"{problem.kind} {problem.path}")

    def make(self, request: Request) -> Answer:
        fields = request.fields(refuse=self.refuse)
        note = {"id": f"note-{len(self.notes) + 1}", "text": fields.text("text", required=True), "status": "kept"}
        fields.done()
        self.notes.append((request.at, note))
        return json_answer(note, status=201)

    def list(self, request: Request) -> Answer:
        made = {note["id"]: at for at, note in self.notes}
        text = None if request.weather.ignores_filters else request.asked("text", refuse=self.refuse)
        rows = [note for _, note in self.notes if text in (None, note["text"])]
        rows = visible(rows, made_at=lambda note: made[note["id"]], now=request.at, lag_s=request.weather.lag_s)
        rows = newest_first(rows, made_at=lambda note: made[note["id"]])
        limit = request.asked_whole("limit", refuse=self.refuse, otherwise=2, least=1, most=10)
        page = cursor_page(rows, after=request.asked("after", refuse=self.refuse), limit=limit, id_of=lambda note: note["id"])
        return json_answer({"data": page.items, "has_more": page.has_more})

    def read(self, request: Request) -> Answer:
        return json_answer(request.params)

    def attach(self, request: Request) -> Answer:
        assert isinstance(request.body, Form)
        file = request.body.files["file"]
        self.files.append(file.blob.read())
        return json_answer({**request.body.fields, "name": file.filename, "sha256": file.blob.sha256, "bytes": file.blob.size_bytes})

    def fill(self, request: Request) -> Answer:
        assert isinstance(request.body, Blob)
        kept = int(request.body.size_bytes * request.weather.kept_share)
        return json_answer({"id": request.params["id"], "bytes": request.body.size_bytes, "kept": kept, "status": 1})

    def bug(self, request: Request) -> Answer:
        raise ZeroDivisionError("a bug in a route")


class Reply:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Plain HTTP, a connection per request unless one is kept."""

    def __init__(self, server: EmulatorServer, *, key: str = KEY) -> None:
        self._port = server.port
        self._headers = {"authorization": f"Bearer {key}"}

    def send(self, method: str, path: str, body: Any = None, *, timeout_s: float = 10, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict | list) else body
            connection.request(method, path, data, {**self._headers, **headers})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def make(self, text: str = "hello") -> Reply:
        return self.send("POST", "/v1/notes", {"text": text})


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def server(notes: Notes, clock: SteppedClock) -> Iterator[EmulatorServer]:
    with EmulatorServer(notes.routes, notes, clock=clock) as server:
        yield server


@pytest.fixture
def client(server: EmulatorServer) -> Client:
    return Client(server)


# --- requests and answers ---------------------------------------------------------------------------------------------------------------


def test_importing_an_emulator_loads_neither_pytest_nor_an_sdk() -> None:
    program = (
        "import json, sys; before = {*sys.modules}; import tuneport.testing.emulator; print(json.dumps(sorted({*sys.modules} - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"pytest", "openai", "httpx", "httpx2", "pydantic", "google", "azure"}


def test_a_request_is_answered_and_written_down_with_its_key_hidden(client: Client, server: EmulatorServer) -> None:
    assert client.make().status == 201
    (entry,) = server.log
    assert (entry.route, entry.status, entry.effect, entry.fault) == (MAKE, 201, True, None)
    assert entry.body_sha256 == hashlib.sha256(b'{"text": "hello"}').hexdigest()
    assert KEY not in str(entry.headers)
    assert str(entry) == "POST /v1/notes -> 201, took effect"


def test_a_connection_serves_one_request_after_the_other(server: EmulatorServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for number in (1, 2, 3):
        connection.request("POST", "/v1/notes", b'{"text": "x"}', {"authorization": f"Bearer {KEY}"})
        assert json.loads(connection.getresponse().read())["id"] == f"note-{number}"
    connection.close()


def test_a_wrong_key_a_wrong_path_and_a_wrong_method_are_refused_in_the_vendors_shape(client: Client, server: EmulatorServer) -> None:
    assert Client(server, key="sk-wrong").make().json == {"error": {"message": "who are you?", "code": None}}
    assert client.send("GET", "/v2/notes").json["error"]["message"] == "Invalid URL (GET /v2/notes)"
    answer = client.send("DELETE", "/v1/notes")
    assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_supported")
    assert [entry.effect for entry in server.log] == [False, False, False]


def test_an_encoded_slash_belongs_to_the_segment_it_stands_in(client: Client) -> None:
    assert client.send("GET", "/v1/notes/meta%2Fllama%3A1").json == {"id": "meta/llama:1"}


def test_a_route_may_end_in_a_verb_and_keep_a_body_of_any_size(client: Client, server: EmulatorServer) -> None:
    assert client.send("PUT", "/v1/notes/note-7:fill", b"x" * 1000).json == {"id": "note-7", "bytes": 1000, "kept": 1000, "status": 1}
    assert client.send("PUT", "/v1/notes/note-7", b"x").status == 405
    assert client.send("PUT", "/v1/notes/:fill", b"x").status == 405
    assert server.log.of("PUT /v1/notes/{id}:fill")[0].body_sha256 == hashlib.sha256(b"x" * 1000).hexdigest()


def test_every_answer_carries_the_vendors_headers_and_the_emulators_date(client: Client, clock: SteppedClock) -> None:
    clock.advance_to(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    answer = client.send("GET", "/nowhere")
    assert answer.headers["x-request-id"] == "req-1"
    assert email.utils.parsedate_to_datetime(answer.headers["date"]) == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_bug_in_a_route_is_not_mistaken_for_the_vendors_behaviour(notes: Notes) -> None:
    with pytest.raises(AssertionError, match="a bug in a route"), EmulatorServer(notes.routes, notes) as server:
        assert Client(server).send("GET", "/v1/bug").status == 500


def test_a_stream_arrives_event_by_event(client: Client) -> None:
    answer = client.send("GET", "/v1/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body == b'data: {"n":1}\n\ndata: {"n":2}\n\ndata: {"n":3}\n\ndata: [DONE]\n\n'


def test_closing_ends_connections_that_are_kept_open(notes: Notes) -> None:
    with EmulatorServer(notes.routes, notes) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/v1/notes", headers={"authorization": f"Bearer {KEY}"})
        connection.getresponse().read()
    connection.close()
    with pytest.raises(ConnectionError):
        Client(server).make()


# --- bodies -----------------------------------------------------------------------------------------------------------------------------


def form(parts: list[tuple[str, str | None, bytes]], boundary: str = "bound") -> bytes:
    """A multipart body of (name, filename, content)."""
    lines = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_file_arrives_byte_for_byte(client: Client, notes: Notes, chunked: bool) -> None:
    content = bytes(range(256)) * 3000 + b"\r\n--boun\r\n --bound--\r\n"
    body = form([("purpose", None, b"fine-tune"), ("file", "rows.jsonl", content)])
    sent: Any = iter([body[:70], body[70:500_000], body[500_000:]]) if chunked else body
    answer = client.send("POST", "/v1/notes/7/file", sent, **{"content-type": "multipart/form-data; boundary=bound"})
    assert answer.json == {
        "purpose": "fine-tune",
        "name": "rows.jsonl",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    assert notes.files == [content]


@pytest.mark.parametrize(
    "body",
    [b"no boundary", form([("a", None, b"1")])[:-12], form([("a", None, b"1"), ("a", None, b"2")]), form([("a", None, b"x" * 70_000)])],
    ids=["no boundary", "cut", "a name twice", "a field too long"],
)
def test_a_broken_form_is_refused(client: Client, body: bytes) -> None:
    answer = client.send("POST", "/v1/notes/7/file", body, **{"content-type": "multipart/form-data; boundary=bound"})
    assert answer.status == 400


def test_a_large_file_passes_through_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    block = b"x" * 262_144
    head, tail = form([("file", "big", b"MARK")]).split(b"MARK")
    pieces = iter([head, *[block] * 400, tail])
    tracemalloc.start()
    read = read_form(lambda count: next(pieces, b""), boundary=b"bound", blobs=BlobStore(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read.files["file"].blob.size_bytes == 400 * len(block)
    assert peak < 4_000_000


def test_a_form_that_ends_early_leaves_no_file_behind(tmp_path: Path) -> None:
    pieces = iter([form([("file", "big", b"x" * 1000)])[:500]])
    with pytest.raises(BadForm):
        read_form(lambda count: next(pieces, b""), boundary=b"bound", blobs=BlobStore(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"text": "a", "text": "b"}', "duplicate text"),
        (b'{"text": NaN}', "unreadable "),
        (b'{"text": "\xff"}', "unreadable "),
        (b"[" * 100_000, "unreadable "),
        (b"{", "unreadable "),
        (b"[]", "type "),
        (b"{}", "missing text"),
        (b'{"text": 1}', "type text"),
        (b'{"text": null}', "type text"),
        (b'{"text": "a", "colour": "red"}', "unknown colour"),
    ],
)
def test_json_is_read_strictly(client: Client, server: EmulatorServer, body: bytes, problem: str) -> None:
    answer = client.send("POST", "/v1/notes", body)
    assert (answer.status, answer.json["error"]["message"]) == (400, problem)
    assert server.log.effects() == 0


# --- fields -----------------------------------------------------------------------------------------------------------------------------


class Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.kind} {problem.path}")


def fields(value: object) -> Fields:
    return Fields(value, refuse=Wrong)


def test_fields_are_read_with_their_bounds() -> None:
    read = fields({"n": 3, "x": 0.5, "word": "eq", "yes": True, "none": None, "inner": {"m": 1}, "list": [{"a": 1}], "auto": "auto"})
    assert (read.whole("n", least=1, most=3), read.number("x", above=0), read.text("word", words=("eq", "ne"))) == (3, 0.5, "eq")
    assert (read.flag("yes"), read.text("none", nullable=True), read.text("absent")) == (True, None, None)
    inner, rows = read.nested("inner"), read.objects("list")
    assert inner is not None
    assert rows is not None
    assert (inner.whole("m"), rows[0].whole("a"), read.says("auto", "auto")) == (1, 1, True)
    read.done()


@pytest.mark.parametrize(
    ("value", "read", "problem"),
    [
        ({"n": 0}, lambda f: f.whole("n", least=1), "low n"),
        ({"n": 51}, lambda f: f.whole("n", most=50), "high n"),
        ({"n": True}, lambda f: f.whole("n"), "type n"),
        ({"n": 1.5}, lambda f: f.whole("n"), "type n"),
        ({"x": 0}, lambda f: f.number("x", above=0), "low x"),
        ({"s": "abc"}, lambda f: f.text("s", longest=2), "long s"),
        ({"s": "abc"}, lambda f: f.text("s", words=("a", "b")), "word s"),
        ({"a": {"b": {"c": 1}}}, lambda f: f.nested("a").nested("b").done(), "unknown a.b.c"),
        ({"l": [{}, 1]}, lambda f: f.objects("l"), "type l[1]"),
        ({"l": [1, 2]}, lambda f: f.items("l", most=1), "many l"),
        ({"m": {"a": "b", "c": "d"}}, lambda f: f.strings("m", pairs=1, longest_name=1, longest_value=1), "many m"),
        ({"m": {"ab": "c"}}, lambda f: f.strings("m", pairs=1, longest_name=1, longest_value=1), "long m.a"),
        ({"m": {"a": 1}}, lambda f: f.strings("m", pairs=1, longest_name=1, longest_value=1), "type m.a"),
    ],
)
def test_what_is_out_of_bounds_is_named(value: object, read: Any, problem: str) -> None:
    with pytest.raises(Wrong, match=problem.replace("[", r"\[")):
        read(fields(value))


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(Wrong):
        strict_json(b'{"x": Infinity}', refuse=Wrong)


# --- listings ---------------------------------------------------------------------------------------------------------------------------


def test_pages_run_from_the_newest_to_the_oldest(client: Client, clock: SteppedClock) -> None:
    for text in "abcde":
        client.make(text)
        clock.advance(1)
    pages, after = [], ""
    while True:
        page = client.send("GET", f"/v1/notes?limit=2{after}").json
        pages.append([row["text"] for row in page["data"]])
        if not page["has_more"]:
            break
        after = f"&after={page['data'][-1]['id']}"
    assert pages == [["e", "d"], ["c", "b"], ["a"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=11", "limit=two", "limit=1&limit=2"])
def test_a_limit_out_of_bounds_is_refused(client: Client, query: str) -> None:
    assert client.send("GET", f"/v1/notes?{query}").status == 400


def test_things_made_at_the_same_moment_are_listed_the_later_one_first() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert newest_first("abc", made_at=lambda _: moment) == ["c", "b", "a"]


def test_a_lagging_listing_leaves_out_what_is_new_and_shows_it_later(client: Client, server: EmulatorServer, clock: SteppedClock) -> None:
    client.make("old")
    clock.advance(300)
    client.make("new")
    server.faults.times(2, LaggingList(120), on=LIST)
    assert [row["text"] for row in client.send("GET", "/v1/notes").json["data"]] == ["old"]
    clock.advance(120)
    assert [row["text"] for row in client.send("GET", "/v1/notes").json["data"]] == ["new", "old"]


def test_a_listing_may_ignore_its_filter(client: Client, server: EmulatorServer) -> None:
    client.make("a")
    client.make("b")
    server.faults.once(IgnoredFilters(), on=LIST)
    assert [len(client.send("GET", "/v1/notes?text=a").json["data"]) for _ in range(2)] == [2, 1]


# --- faults -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [RateLimited(), ServerError(500), ServerError(502, "html"), ServerError(503, "empty"), Reset(), Reset(after_bytes=3)],
    ids=str,
)
def test_a_fault_before_the_effect_leaves_nothing_behind(client: Client, server: EmulatorServer, notes: Notes, fault: Fault) -> None:
    server.faults.once(fault, on=MAKE)
    try:
        assert client.make().status >= 429
    except ConnectionError:
        assert isinstance(fault, Reset)
    assert (notes.notes, server.log.effects(MAKE), [str(fault)]) == ([], 0, [entry.fault for entry in server.log])
    assert client.make().status == 201


@pytest.mark.parametrize(
    "fault",
    [
        ServerError(500, after_effect=True),
        ServerError(504, "empty", after_effect=True),
        Reset(after_effect=True),
        Truncated(),
        Truncated(admitted=True),
    ],
    ids=str,
)
def test_a_fault_after_the_effect_leaves_it_there(client: Client, server: EmulatorServer, notes: Notes, fault: Fault) -> None:
    server.faults.once(fault, on=MAKE)
    try:
        answer = client.make()
        assert answer.status >= 500 or not answer.body.endswith(b"}")
    except (ConnectionError, http.client.IncompleteRead):
        assert isinstance(fault, Reset | Truncated)
    assert (len(notes.notes), server.log.effects(MAKE)) == (1, 1)


def test_a_429_says_how_long_to_wait_in_seconds_or_as_a_date(client: Client, server: EmulatorServer) -> None:
    for fault in (RateLimited(7), RateLimited(7, as_date=True), RateLimited(None)):
        server.faults.once(fault)
    seconds, date, nothing = (client.make().headers for _ in range(3))
    assert (seconds["retry-after"], nothing["retry-after"]) == ("7", None)
    parse = email.utils.parsedate_to_datetime
    assert parse(date["retry-after"]) - parse(date["date"]) == timedelta(seconds=7)


@pytest.mark.parametrize("after_effect", [False, True])
def test_silence_lasts_until_the_client_gives_up(client: Client, server: EmulatorServer, notes: Notes, after_effect: bool) -> None:
    server.faults.once(Silence(after_effect=after_effect))
    with pytest.raises(TimeoutError):
        client.send("POST", "/v1/notes", {"text": "x"}, timeout_s=0.1)
    assert len(notes.notes) == after_effect


def test_silence_ends_when_it_is_released(client: Client, server: EmulatorServer) -> None:
    server.faults.once(Silence())
    failed: list[Exception] = []

    def send() -> None:
        try:
            client.make()
        except ConnectionError as error:
            failed.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    while sending.is_alive():
        server.release()
        sending.join(0.01)
    assert len(failed) == 1


def test_a_slow_body_arrives_whole(client: Client, server: EmulatorServer) -> None:
    server.faults.once(SlowBody(pieces=5, pause_s=0.001))
    assert client.make("slow").json["text"] == "slow"


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (UnknownWord(), {"id": "note-1", "text": "x", "status": "hibernating"}),
        (MissingField("status"), {"id": "note-1", "text": "x"}),
        (ExtraField(), {"id": "note-1", "text": "x", "status": "kept", "x_undocumented": {"reason": "new", "since": 1}}),
    ],
    ids=str,
)
def test_an_answer_may_hold_what_nobody_documented(client: Client, server: EmulatorServer, notes: Notes, fault: Fault, seen: Any) -> None:
    server.faults.once(fault)
    assert client.make("x").json == seen
    assert notes.notes[0][1]["status"] == "kept"


def test_of_an_upload_only_part_may_be_kept(client: Client, server: EmulatorServer) -> None:
    server.faults.once(PartKept(0.25))
    assert client.send("PUT", "/v1/notes/a:fill", b"x" * 1000).json["kept"] == 250
    plan = FaultPlan(seed=1, share=1.0, among=(PartKept(), Reset()))
    assert {str(plan.draw(route_of(MAKE))) for _ in range(50)} == {str(Reset())}
    assert {str(plan.draw(route_of("PUT /v1/notes/a:fill"))) for _ in range(50)} == {str(Reset()), str(PartKept())}


def test_a_word_that_goes_by_a_number_becomes_a_number_nobody_knows(client: Client, server: EmulatorServer) -> None:
    server.faults.once(UnknownWord())
    assert client.send("PUT", "/v1/notes/a:fill", b"x").json["status"] == 999


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_vendors_own_words_may_stand_in_place_of_an_answer(
    client: Client, server: EmulatorServer, notes: Notes, after_effect: bool
) -> None:
    server.faults.once(Says(json_answer({"error": "try later"}, status=429, headers={"retry-after": "9"}), after_effect))
    reply = client.make()
    assert (reply.status, reply.json, reply.headers["retry-after"]) == (429, {"error": "try later"}, "9")
    assert len(notes.notes) == int(after_effect)


def test_a_truncated_stream_breaks_off(client: Client, server: EmulatorServer) -> None:
    server.faults.once(Truncated())
    with pytest.raises(http.client.IncompleteRead):
        client.send("GET", "/v1/stream")


def test_a_fault_waits_for_the_request_it_is_meant_for(client: Client, server: EmulatorServer) -> None:
    server.faults.once(ServerError(), on=MAKE, after=1)
    statuses = [client.send("GET", "/v1/notes").status, client.make().status, client.make().status, client.make().status]
    assert statuses == [200, 201, 500, 201]


def outcomes(seed: int) -> list[str]:
    """What thirty requests run into."""
    notes = Notes()
    with EmulatorServer(notes.routes, notes, faults=FaultPlan(seed=seed, share=0.5)) as server:
        for number in range(30):
            try:
                Client(server).make() if number % 2 else Client(server).send("GET", "/v1/notes")
            except (ConnectionError, http.client.HTTPException):
                continue
        return [str(entry) for entry in server.log]


def test_a_seed_decides_all_faults() -> None:
    first = outcomes(3)
    assert first == outcomes(3)
    assert first != outcomes(4)
    assert 5 < sum("[" in line for line in first) < 25


def test_seeds_draw_every_kind_of_fault_and_listings_lag_only_when_read() -> None:
    plan = FaultPlan(seed=1, share=1.0)
    routes = {route.name: route for name in (MAKE, LIST) if (route := route_of(name))}
    drawn = {name: {type(plan.draw(route)).__name__ for _ in range(500)} for name, route in routes.items()}
    assert drawn[LIST] - drawn[MAKE] == {"LaggingList", "IgnoredFilters"}
    assert len(drawn[LIST]) == 10


def route_of(name: str) -> Any:
    method, _, path = name.partition(" ")
    found = Notes().routes.match(method, path)
    assert found is not None
    return found[0]


def test_a_plan_that_is_calm_lets_everything_through(client: Client, server: EmulatorServer) -> None:
    server.faults.always(ServerError())
    assert client.make().status == 500
    server.faults.calm()
    assert client.make().status == 201


# --- time -------------------------------------------------------------------------------------------------------------------------------


def test_an_emulator_can_live_in_the_time_of_the_client_under_test() -> None:
    world = SimulatedClock()
    clock = SteppedClock(world)
    before = clock.now()
    world.sleep(60)
    world.jump(-3600)
    assert clock.now() - before == timedelta(seconds=60)


def test_real_time_can_run_faster() -> None:
    clock = RunningClock(speed=1e9, start=datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() > datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="0 times as fast"):
        RunningClock(speed=0)
