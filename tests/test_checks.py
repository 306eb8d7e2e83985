"""Checks: every finding at once, with its line, bounded in memory, and without the rows' contents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tuneport.check_report import KEPT_PER_RULE
from tuneport.checks import METHODS, RULES, CheckReport, Limits, check, check_pair
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, UsageError
from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
)
from tuneport.finding import Finding
from tuneport.rules.known import chosen, named

DATA = Path(__file__).parents[2] / "shared" / "data"
SECRET = "4929-1234-secret"


def chat(*turns: Message, tools: tuple[Tool, ...] = ()) -> ChatExample:
    return ChatExample(turns, tools)


def pair(question: str, answer: str) -> ChatExample:
    return chat(Message("user", question), Message("assistant", answer))


Scores = tuple[float | None, float | None]


def preference(chosen: str, rejected: str, *, prompt: str = "q", scores: Scores = (None, None)) -> PreferenceExample:
    sides = (Message("assistant", chosen),), (Message("assistant", rejected),)
    return PreferenceExample((Message("user", prompt),), *sides, chosen_score=scores[0], rejected_score=scores[1])


def rules(report: CheckReport) -> set[str]:
    return {finding.rule for finding in report.findings}


GOOD: dict[str, list[Example]] = {
    "sft": [pair(f"question {n}", f"answer {n}") for n in range(30)],
    "dpo": [preference(f"good {n}", f"bad {n}", prompt=f"question {n}") for n in range(30)],
    "kto": [ChatExample(pair(f"question {n}", f"answer {n}").messages, desirable=n % 2 == 0) for n in range(30)],
    "grpo": [PromptExample((Message("user", f"question {n}"),), reference=f"answer {n}") for n in range(30)],
    "classify": [LabelledExample(text=f"text {n}", label=f"label{n % 2}") for n in range(30)],
    "regress": [LabelledExample(text=f"text {n}", score=float(n)) for n in range(30)],
}
GOOD["orpo"] = GOOD["reward"] = GOOD["dpo"]


def of(rows: Sequence[Example], limits: Limits | None = None, *, method: str = "sft") -> CheckReport:
    """The check of `rows` behind enough good ones that nothing else is found; `rows` stand on lines 31 and after."""
    return check(Dataset.from_examples([*GOOD[method], *rows]), limits=limits, method=method)


def found(report: CheckReport) -> list[tuple[str, int | None]]:
    return [(finding.rule, finding.line) for finding in report.findings]


FIND = (Tool("find"),)
CALL = Message("assistant", None, (ToolCall("find", "{}", "c1"),))
USER, ANSWER, RESULT = Message("user", SECRET), Message("assistant", SECRET), Message("tool", "found", tool_call_id="c1")
PNG = ImagePart("https://x.test/a.png")


def picture(*parts: ImagePart | MediaPart, role: str = "user") -> ChatExample:
    seen = Message(role, (TextPart("look"), *parts))  # type: ignore[arg-type]
    return chat(seen, ANSWER) if role == "user" else chat(USER, seen)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_good_rows_of_every_method_have_no_findings(method: str) -> None:
    report = of([], method=method)
    assert report.findings == ()
    assert (report.ok, report.rows, report.truncated) == (True, 30, False)


def test_good_rows_with_tools_and_pictures_have_no_findings() -> None:
    tools = chat(Message("system", "s"), USER, CALL, RESULT, ANSWER, Message("user", "more"), CALL, tools=FIND)
    assert of([tools, picture(PNG, role="assistant"), picture(MediaPart("gs://a/b.mp4", "video/mp4"))]).findings == ()


@pytest.mark.parametrize(
    ("rule", "severity", "row"),
    [
        ("row-fits-method", "error", PromptExample((USER,))),
        ("row-fits-method", "error", ChatExample((USER, ANSWER), desirable=False)),
        ("chat-ends-with-assistant", "error", chat(USER)),
        ("chat-ends-with-assistant", "error", chat(USER, CALL, RESULT, tools=FIND)),
        ("chat-teaches", "error", chat(USER, Message("assistant", SECRET, weight=0))),
        ("weight-right", "error", chat(USER, Message("assistant", SECRET, weight=0.5))),
        ("weight-right", "error", chat(Message("user", SECRET, weight=1), ANSWER)),
        ("answer-not-empty", "error", chat(USER, Message("assistant", " \n"))),
        ("answer-not-empty", "error", chat(USER, Message("assistant", None), Message("user", "again"), ANSWER)),
        ("prompt-not-empty", "warning", chat(Message("user", " "), ANSWER)),
        ("roles-in-order", "warning", chat(USER, Message("system", SECRET), ANSWER)),
        ("roles-in-order", "warning", chat(ANSWER, USER, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, CALL, ANSWER, tools=FIND)),
        ("tool-calls-paired", "error", chat(USER, RESULT, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, CALL, RESULT, RESULT, ANSWER, tools=FIND)),
        ("tool-calls-paired", "error", chat(USER, CALL, Message("tool", "x"), ANSWER, tools=FIND)),
        ("tool-calls-paired", "error", chat(USER, Message("assistant", None, (ToolCall("find", "{}"),)), tools=FIND)),
        (
            "tool-calls-paired",
            "error",
            chat(USER, Message("assistant", None, (ToolCall("find", "{}", "c"), ToolCall("find", "{}", "c"))), tools=FIND),
        ),
        ("tool-calls-by-assistant", "error", chat(Message("user", SECRET, CALL.tool_calls), RESULT, ANSWER, tools=FIND)),
        ("tool-arguments-json", "error", chat(USER, Message("assistant", None, (ToolCall("find", f"{{{SECRET}", "c"),)), tools=FIND)),
        ("tool-arguments-json", "error", chat(USER, Message("assistant", None, (ToolCall("find", "[1]", "c"),)), tools=FIND)),
        ("tool-arguments-json", "error", chat(USER, Message("assistant", None, (ToolCall("find", '{"a":1,"a":2}', "c"),)), tools=FIND)),
        ("tool-declared", "warning", chat(USER, CALL)),
        ("tool-declared", "warning", chat(USER, CALL, tools=(Tool("other"),))),
        ("tool-well-formed", "error", chat(USER, ANSWER, tools=(Tool("find", parameters={"type": "array"}),))),
        ("tool-well-formed", "error", chat(USER, ANSWER, tools=(Tool("find", parameters={"properties": {}, "required": 1}),))),
        ("tool-well-formed", "error", chat(USER, ANSWER, tools=(Tool("two words"),))),
        ("tool-well-formed", "error", chat(USER, ANSWER, tools=(Tool("find"), Tool("find")))),
    ],
)
def test_a_row_that_breaks_a_rule_is_found_with_its_line_and_without_its_contents(rule: str, severity: str, row: Example) -> None:
    report = of([row])
    assert [(finding.rule, finding.line, finding.severity) for finding in report.findings] == [(rule, 31, severity)]
    assert report.ok is (severity == "warning")
    assert SECRET not in report.findings[0].message
    assert report.findings[0].message.endswith(".")


@pytest.mark.parametrize(
    ("method", "rule", "row"),
    [
        ("dpo", "row-fits-method", pair("a", "b")),
        ("dpo", "preference-differs", preference("same", "same")),
        ("orpo", "preference-scores", preference("a", "b", scores=(1, 2))),
        ("dpo", "preference-scores", preference("a", "b", scores=(1, None))),
        ("dpo", "preference-answers", PreferenceExample((USER,), (ANSWER,), ())),
        ("dpo", "prompt-ends-with-user", PreferenceExample((USER, ANSWER), (Message("assistant", "x"),), (ANSWER,))),
        ("dpo", "tool-calls-paired", PreferenceExample((USER,), (ANSWER,), (CALL, ANSWER), FIND)),
        ("kto", "wish-there", pair("a", "b")),
        ("grpo", "prompt-ends-with-user", PromptExample((USER, ANSWER), reference="x")),
        ("grpo", "prompt-has-reference", PromptExample((USER,))),
        ("classify", "label-there", LabelledExample(text="a", label=" ")),
        ("classify", "input-there", LabelledExample(text="", label="label1")),
        ("regress", "label-there", LabelledExample(text="a", label="b")),
        ("regress", "score-finite", LabelledExample(text="a", score=float("nan"))),
    ],
)
def test_rows_of_other_methods_have_rules_of_their_own(method: str, rule: str, row: Example) -> None:
    assert (rule, 31) in found(of([row], method=method))


def test_labelled_rows_can_be_learned_as_conversations_and_the_other_way_round() -> None:
    assert of([LabelledExample(text="what?", label="that")]).findings == ()
    assert of([pair("what?", "label1")], method="classify").findings == ()


def test_rows_to_test_on_are_asked_for_where_the_provider_requires_them() -> None:
    required = Limits(test_required=True)
    report = of([], required, method="grpo")
    assert (found(report), report.ok) == ([("test-there", None)], True)
    assert "takes method grpo only with rows to test on" in report.findings[0].message
    rows = Dataset.from_examples(GOOD["grpo"])
    assert check(rows, limits=required, method="grpo", paired=True).findings == ()


def test_kto_needs_wanted_and_unwanted_answers() -> None:
    rows = [ChatExample(pair(f"q {n}", f"a {n}").messages, desirable=True) for n in range(12)]
    assert found(check(Dataset.from_examples(rows), method="kto")) == [("wishes-differ", None)]
    both = [preference(f"a {n}", f"b {n}", prompt=f"q {n}") for n in range(12)]
    assert check(Dataset.from_examples(both), method="kto").findings == ()


def test_a_role_that_the_provider_does_not_take_is_an_error() -> None:
    row = chat(Message("developer", "s"), USER, ANSWER)
    report = of([row], Limits(roles=frozenset({"system", "user", "assistant"})))
    assert found(report) == [("role-taken", 31)]
    assert "'developer' is not taken here; assistant, system, user are" in report.findings[0].message


@pytest.mark.parametrize(
    ("limits", "rule", "row"),
    [
        (Limits(first_role="user"), "first-role-right", chat(ANSWER, USER, ANSWER)),
        (Limits(tools=False), "tools-taken", chat(USER, ANSWER, tools=FIND)),
        (Limits(weights=False), "weight-taken", chat(USER, Message("assistant", "a", weight=1))),
        (Limits(images=False), "image-taken", picture(PNG)),
        (Limits(media=False), "media-taken", picture(MediaPart("https://x.test/a.mp3", "audio/mp3"))),
        (Limits(max_images=1), "image-count", picture(PNG, PNG)),
        (Limits(max_image_bytes=5), "image-size", picture(ImagePart("data:image/png;base64,QUJDREVG"))),
        (Limits(image_types=frozenset({"image/png"})), "image-type", picture(ImagePart("https://x.test/a.GIF?x=1"))),
        (Limits(image_types=frozenset({"image/png"})), "image-type", picture(ImagePart("data:image/gif;base64,QUJD"))),
        (Limits(image_schemes=frozenset({"https", "data"})), "image-scheme", picture(ImagePart("gs://bucket/a.png"))),
        (Limits(image_schemes=frozenset({"https", "data"})), "image-scheme", picture(ImagePart("pictures/a.png"))),
        (Limits(image_roles=frozenset({"user"})), "image-place", picture(PNG, role="assistant")),
    ],
)
def test_what_a_provider_does_not_take_is_an_error_and_what_it_takes_is_not(limits: Limits, rule: str, row: Example) -> None:
    assert found(of([row], limits)) == [(rule, 31)]
    assert rule not in rules(of([row]))


def test_an_image_just_within_the_limits_is_taken() -> None:
    limits = Limits(max_images=1, max_image_bytes=6, image_types=frozenset({"image/png"}), image_schemes=frozenset({"data"}))
    assert of([picture(ImagePart("data:image/png;base64,QUJDREVG"))], limits).findings == ()


def test_preference_rows_for_a_provider_that_takes_one_text_answer_on_each_side() -> None:
    limits = Limits(one_answer=True, text_only=True)
    two = PreferenceExample((USER,), (ANSWER,), (ANSWER, Message("user", "and?"), Message("assistant", "so")))
    seen = PreferenceExample((Message("user", (PNG,)),), (ANSWER,), (Message("assistant", "x"),))
    assert found(of([two, seen], limits, method="dpo")) == [("preference-one-answer", 31), ("preference-text-only", 32)]
    assert of([two, seen], method="dpo").findings == ()


class Letters:
    """Counts a token for each letter of the first message."""

    exact, name, source = True, "letters", ""

    def count(self, example: Example) -> int:
        assert isinstance(example, ChatExample)
        return len(example.messages[0].text)

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        return [self.count(example) for example in examples]


def test_tokens_are_limited_only_when_they_are_counted() -> None:
    data, limits = Dataset.from_examples([*GOOD["sft"], pair("a" * 50, "b")]), Limits(max_tokens=49)
    assert check(data, limits=limits).findings == ()
    report = check(data, limits=limits, counter=Letters())  # type: ignore[arg-type]
    assert found(report) == [("tokens-not-too-many", 31)]
    assert "has 50 tokens; at most 49" in report.findings[0].message
    assert check(data, limits=Limits(max_tokens=50), counter=Letters()).findings == ()  # type: ignore[arg-type]


# --- what texts hold -------------------------------------------------------------------------------------------------------------------

TOKEN = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"use sk-proj-{TOKEN} here", "an OpenAI key"),
        (f"use sk-ant-api03-{TOKEN} here", "an Anthropic key"),
        ("id AKIAIOSFODNN7EXAMPLE.", "an AWS access key"),
        (f"ghp_{TOKEN}", "a GitHub token"),
        ("AIza" + TOKEN[:35], "a Google API key"),
        (f"hf_{TOKEN}", "a Hugging Face token"),
        (f"xoxb-{TOKEN}", "a Slack token"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "a JSON Web Token"),
        ("postgres://admin:hunter2hunter2@db.example.com/x", "a password in a URL"),
        (f"-----BEGIN RSA PRIVATE KEY-----\n{TOKEN}{TOKEN}\n-----END RSA PRIVATE KEY-----", "a private key"),
    ],
)
def test_likely_credentials_are_named_by_kind_and_never_shown(text: str, what: str) -> None:
    report = of([pair("hello", f"Sure: {text}"), pair(f"what is {text}", "hi")])
    assert found(report) == [("no-credential", 31), ("no-credential", 32)]
    assert {finding.message for finding in report.findings} == {f"the row holds what looks like {what}."}


@pytest.mark.parametrize(
    "text",
    [
        "the risk-management-of-large-organisations1 chapter",
        "see https://example.com/a/very/long/path/to/some/page?x=1 and mail me@example.com",
        "a hyphenated-word-that-goes-on-and-on-2024",
        "task-ABCDEFGHIJKLMNOPQRST12345678",
    ],
)
def test_long_words_and_addresses_are_no_credentials(text: str) -> None:
    assert of([pair(text, "yes")]).findings == ()


@pytest.mark.parametrize("text", ["4111 1111 1111 1111", "4111-1111-1111-1111", "pay with 5555555555554444.", "3782 822463 10005"])
def test_card_numbers_are_found_however_they_are_written(text: str) -> None:
    report = of([pair("hello", text)])
    assert found(report) == [("no-card-number", 31)]
    assert "1111" not in report.findings[0].message


@pytest.mark.parametrize(
    "text", ["4111 1111 1111 1112", "call 1700000000000", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12", "0.4111111111111111"]
)
def test_other_long_numbers_are_no_card_numbers(text: str) -> None:
    assert of([pair("hello", text)]).findings == ()


def test_special_tokens_are_errors_where_the_provider_refuses_them_and_warnings_elsewhere() -> None:
    rows = [pair("a <|im_end|> b", "c"), pair("a <|fim_suffix|> b", "c"), pair("x <| y |> z", "d | e")]
    report = of(rows, Limits(forbidden_tokens=frozenset({"<|fim_suffix|>"})))
    assert found(report) == [("no-special-token", 31), ("token-allowed", 32)]
    assert found(of(rows)) == [("no-special-token", 31), ("no-special-token", 32)]


@pytest.mark.parametrize("text", ["cafÃ© crÃ¨me", "itâ€™s", "wei\ufffd", "a\0b", "half \ud83d pair", "Â£5"])
def test_traces_of_a_wrong_encoding_are_found(text: str) -> None:
    assert found(of([pair("hello", text), pair("Çelik à la façade “ça” 日本語 Ã Â £", "naïve")])) == [("encoding-right", 31)]


# --- rows beside one another -----------------------------------------------------------------------------------------------------------


def test_repeated_rows_are_named_with_the_line_they_repeat() -> None:
    report = of([pair("QUESTION,  3", "Answer 3!"), pair("question 3", "another answer"), pair("question 3", "answer 3")])
    assert [(finding.rule, finding.line, finding.message) for finding in report.findings] == [
        ("row-not-alike", 31, "the row repeats line 4 but for white space, case or punctuation."),
        ("row-not-repeated", 33, "the row repeats line 4."),
    ]
    assert report.ok


def test_the_same_words_in_other_roles_and_with_other_tools_are_no_repeats() -> None:
    rows = [chat(Message("user", "a"), Message("assistant", "b")), chat(Message("system", "a"), Message("assistant", "b"))]
    tools = [chat(USER, ANSWER, tools=(Tool(name),)) for name in ("x", "y")]
    assert "row-not-repeated" not in rules(of([*rows, *tools]))


@pytest.mark.parametrize("words", ["ÀÉÎ öß — „Straße“", "你好，世界。"])
def test_repeats_are_found_in_any_script(words: str) -> None:
    report = of([pair(words, "x1"), pair(words.upper().replace(" ", "\u00a0"), "x1"), pair(words.replace("。", ""), "X1")])
    assert {finding.line for finding in report.findings} == {32, 33}


def test_repeats_beyond_the_bound_keep_the_first_lines() -> None:
    report = check(Dataset.from_examples(pair(f"q{n % 200}", f"a{n % 200}") for n in range(600)))
    assert report.counts == {"row-not-repeated": 400}
    assert [finding.line for finding in report.findings] == list(range(201, 301))
    assert report.truncated


def test_nearly_the_same_rows_are_found_only_when_asked_for() -> None:
    words = [f"word{n}" for n in range(80)]
    rows = [pair(" ".join(words), "a"), pair(" ".join([*words[:79], "other"]), "a"), pair(" ".join(reversed(words)), "a")]
    data = Dataset.from_examples([*GOOD["sft"], *rows])
    assert "row-not-near" not in rules(check(data))
    assert found(check(data, near=True)) == [("row-not-near", 32)]


def test_the_same_answer_everywhere_is_a_warning() -> None:
    report = check(Dataset.from_examples(pair(f"question {n}", "yes") for n in range(20)))
    assert rules(report) == {"answers-differ"}


def test_labels_out_of_balance_are_a_warning_and_free_answers_never_are() -> None:
    labels = [pair(f"question {n}", "common") for n in range(40)] + [pair(f"other {n}", "rare") for n in range(4)]
    report = check(Dataset.from_examples(labels))
    assert rules(report) == {"labels-balanced"}
    assert "in 40 rows, the rarest in 4." in report.findings[0].message
    assert "common" not in report.findings[0].message.replace("commonest", "")
    assert rules(check(Dataset.from_examples(labels + [pair(f"more {n}", "rare") for n in range(4)]))) == set()
    long = [pair(f"question {n}", "a sentence that is much too long to be anything like a label, really") for n in range(40)]
    assert rules(check(Dataset.from_examples(long + labels[40:]))) == set()


def test_a_label_with_too_few_rows_is_a_warning() -> None:
    rows = [LabelledExample(text=f"other text {n}", label="rare") for n in range(2)]
    report = check(Dataset.from_examples([*GOOD["classify"], *rows]), method="classify")
    assert "label-has-rows" in rules(report)
    assert "1 of 3 labels have fewer than 3 rows." in [finding.message for finding in report.findings]


# --- files as a whole ------------------------------------------------------------------------------------------------------------------


def test_every_unreadable_row_is_found_and_the_others_are_still_checked(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    good = [json.dumps({"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}) for n in range(20)]
    good[5], good[9] = "{broken", '{"text": "x"}'
    good[12] = json.dumps({"messages": [{"role": "user", "content": "q"}]})
    path.write_text("\n".join(good))
    report = check(Dataset.read(path))
    assert [(finding.line, finding.rule) for finding in report.findings] == [
        (6, "row-readable"),
        (10, "row-readable"),
        (13, "chat-ends-with-assistant"),
    ]
    assert (report.rows, report.ok) == (18, False)


def test_keys_that_are_not_carried_on_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": f"a{n}", "mood": "x"}]} for n in range(10)]
    path.write_text("\n".join(map(json.dumps, rows)))
    report = check(Dataset.read(path))
    assert (report.counts, report.ok) == ({"key-known": 10}, True)
    assert "'message.mood'" in report.findings[0].message


@pytest.mark.parametrize(
    ("rows", "limits", "expected", "ok"),
    [
        (0, Limits(), {"rows-there"}, False),
        (1, Limits(), {"rows-not-few"}, True),
        (9, Limits(), {"rows-not-few"}, True),
        (10, Limits(), set(), True),
        (9, Limits(min_rows=10), {"rows-enough"}, False),
        (12, Limits(max_rows=11), {"rows-not-too-many"}, False),
        (12, Limits(max_rows=12, min_rows=12), set(), True),
    ],
)
def test_too_few_and_too_many_rows_are_found(rows: int, limits: Limits, expected: set[str], ok: bool) -> None:
    report = check(Dataset.from_examples(pair(f"q{n}", f"a{n}") for n in range(rows)), limits=limits)
    assert (rules(report), report.ok, report.rows) == (expected, ok, rows)


def test_too_many_rows_with_images_are_found() -> None:
    rows = [picture(ImagePart(f"https://x.test/{n}.png")) for n in range(3)]
    assert found(of(rows, Limits(max_image_rows=2))) == [("image-rows", None)]
    assert of(rows, Limits(max_image_rows=3)).findings == ()


def test_a_file_larger_than_the_provider_takes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    size = Dataset.from_examples(pair(f"q{n}", f"a{n}") for n in range(10)).write(path).path.stat().st_size
    assert rules(check(Dataset.read(path), limits=Limits(max_file_bytes=size))) == set()
    assert rules(check(Dataset.read(path), limits=Limits(max_file_bytes=size - 1))) == {"file-not-too-big"}


def test_a_missing_byte_order_mark_is_a_warning_where_one_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Dataset.from_examples(GOOD["sft"]).write(path)
    assert rules(check(Dataset.read(path), limits=Limits(bom=True))) == {"byte-order-marked"}
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rules(check(Dataset.read(path), limits=Limits(bom=True))) == set()


def test_a_file_without_a_readable_row_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{\n{\n")
    report = check(Dataset.read(path, format="chat"))
    assert report.findings[0].message == "none of the 2 rows can be read."
    assert not report.ok


def test_a_file_that_cannot_be_read_as_a_whole_is_an_error_not_a_report(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError):
        check(Dataset.read(path))


def test_findings_are_kept_to_a_bound_counted_beyond_it_and_all_of_them_heard() -> None:
    heard: list[Finding] = []
    many = check(Dataset.from_examples(chat(Message("user", f"{n}")) for n in range(KEPT_PER_RULE + 20)), hear=heard.append)
    assert many.counts["chat-ends-with-assistant"] == KEPT_PER_RULE + 20
    assert [finding.line for finding in many.findings if finding.line] == list(range(1, KEPT_PER_RULE + 1))
    assert many.truncated
    assert len(heard) == sum(many.counts.values())


def test_the_report_has_the_shape_that_scripts_rely_on() -> None:
    report = of([chat(USER)]).to_dict()
    assert json.loads(json.dumps(report)) == {
        "findings": [
            {
                "line": 31,
                "rule": "chat-ends-with-assistant",
                "severity": "error",
                "message": 'the last message is from "user"; it must be from "assistant".',
                "remedy": "Add the answer, or remove the messages after the last one.",
            }
        ],
        "counts": {"chat-ends-with-assistant": 1},
        "truncated": False,
        "rows": 31,
        "ok": False,
        "checked_for": {"provider": None, "model": None, "method": "sft", "limits_known": False, "sources": []},
        "format": None,
        "confidence": None,
    }


def test_rules_have_different_ids_and_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.explanation.endswith((".", "in.", ")")) for rule in RULES)


def test_a_rule_can_be_left_out_or_be_the_only_one() -> None:
    data = Dataset.from_examples([*GOOD["sft"], chat(USER), *GOOD["sft"]])
    assert set(check(data).counts) == {"chat-ends-with-assistant", "row-not-repeated"}
    assert check(data, rules=chosen(ignore=["chat-ends-with-assistant"])).ok
    assert set(check(data, rules=chosen(only=["chat-ends-with-assistant"])).counts) == {"chat-ends-with-assistant"}
    with pytest.raises(UsageError, match="did you mean 'row-not-repeated'"):
        named("row-not-repeatd")


def test_an_unknown_method_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="unknown method 'classifi'; did you mean 'classify'"):
        check(Dataset.from_examples([pair("a", "b")]), method="classifi")


# --- two files together ----------------------------------------------------------------------------------------------------------------


def test_questions_that_stand_in_train_and_test_are_found_once_each() -> None:
    train = Dataset.from_examples([pair("one", "1"), pair("two", "2"), pair("two", "2")], name="train")
    test = Dataset.from_examples([pair("three", "3"), pair(" TWO! ", "zwei"), pair("four", "4"), pair("four", "4")], name="test")
    report = check_pair(train, test)
    assert [(finding.rule, finding.line, finding.message) for finding in report.findings] == [
        ("test-apart", 2, "the row asks the same as line 2 of train.")
    ]
    assert (report.rows, report.ok) == (4, True)


def test_nearly_the_same_questions_in_train_and_test_are_found_when_asked_for() -> None:
    words = [f"word{n}" for n in range(80)]
    train, test = pair(" ".join(words), "a"), pair(" ".join([*words[:79], "other"]), "a")
    report = check_pair(Dataset.from_examples([train], name="train"), Dataset.from_examples([test, test]), near=True)
    assert found(report) == [("test-not-near", 1), ("test-not-near", 2)]


def test_labels_that_only_the_test_rows_have_are_errors() -> None:
    test = [LabelledExample(text=f"new {n}", label=label) for n, label in enumerate(["label0", "label9", "label9"])]
    report = check_pair(Dataset.from_examples(GOOD["classify"]), Dataset.from_examples(test))
    assert [(finding.rule, finding.line, finding.message) for finding in report.findings] == [
        ("labels-covered", 2, "the label of the row does not stand in the training rows; 2 test rows have it.")
    ]
    assert check_pair(Dataset.from_examples(GOOD["sft"]), Dataset.from_examples([pair("new", "other")])).ok


def test_the_two_sides_of_a_split_have_nothing_in_common() -> None:
    rows = Dataset.from_examples(pair(f"question {n % 50}", str(n % 2)) for n in range(100))
    assert check_pair(*rows.split(test=0.3)).findings == ()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not in shared/data beside the checkout")
def test_banking77_has_a_few_repeated_rows_and_questions_shared_with_its_test_set() -> None:
    train, test = (Dataset.read(DATA / "banking77" / f"{name}.csv") for name in ("train", "test"))
    report = check(train)
    assert (report.ok, report.rows, report.counts) == (True, 10_003, {"row-not-alike": 29})
    assert check_pair(train, test).counts == {"test-apart": 29}
