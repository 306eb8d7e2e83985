"""`tuneport prices`, `tuneport models bases` and `tuneport models nearest` as a user types them."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import Shell

from tuneport.prices import Price
from tuneport.prices.book import shipped
from tuneport.testing.clock import SimulatedClock

OURS = '[[prices]]\nprovider = "openai"\nmodel = "gpt-4.1-mini-2025-04-14"\nunit = "1M training tokens"\nprice = "4.10"\n'


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """On 2026-11-21, in a folder without configuration."""
    monkeypatch.setenv("TUNEPORT_CONFIG", str(tmp_path / "user" / "tuneport.toml"))
    monkeypatch.delenv("TUNEPORT_PRICES", raising=False)
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path, capsys)
    made.clock = SimulatedClock(datetime(2026, 11, 21, 9, 0, tzinfo=UTC))
    return made


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A price file of the user's."""
    path = tmp_path / "ours.toml"
    path.write_text(OURS, encoding="utf-8")
    return path


# --- prices list ------------------------------------------------------------------------------------------------------------------------


def test_the_list_has_every_row_with_its_marks_and_its_source(shell: Shell) -> None:
    run = shell("prices", "list")
    header, *lines = run.out.splitlines()
    assert run.code == 0
    assert header.split()[:4] == ["PROVIDER", "MODEL", "UNIT", "PRICE"]
    assert len(lines) == len(shipped())
    (training,) = [line for line in lines if line.startswith("openai") and "gpt-4.1-mini" in line and "training" in line]
    assert "5.00 USD" in training
    assert "2025-07-01" in training
    assert "old, closing" in training
    assert training.rstrip().endswith("openai.com/api/pricing, copy of mid-2025")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--provider", "tinker"], sum(row.provider == "tinker" for row in shipped())),
        (["--unit", "training hour"], sum(row.unit == "training hour" for row in shipped())),
        (["--unit", "training"], sum("training" in row.unit for row in shipped())),
        (["--status", "retired"], sum(row.status == "retired" for row in shipped())),
        (["--provider", "openai", "--model", "gpt-4.1-mini", "--unit", "1M training tokens"], 1),
        (["--provider", "openai", "--model", "*mini*", "--unit", "1M training tokens"], 2),
        (["--provider", "local"], 0),
    ],
)
def test_the_list_is_narrowed_by_provider_model_unit_and_status(shell: Shell, words: list[str], count: int) -> None:
    run = shell("prices", "list", *words, "--json")
    assert (run.code, len(run.document["prices"])) == (0, count)


def test_a_model_gets_the_prices_that_go_by_its_size_and_those_for_all(shell: Shell) -> None:
    found = shell("prices", "list", "--provider", "together", "--model", "qwen/qwen3.5-9b", "--json").document["prices"]
    assert {(row["model"], row["up_to_b"]) for row in found} == {("*", "16"), ("*", None)}
    gpus = shell("prices", "list", "--provider", "together", "--model", "H100", "--json").document["prices"]
    assert [(row["model"], row["unit"]) for row in gpus] == [("H100 80GB SXM", "GPU hour")]


def test_json_rows_have_every_field_money_as_text_and_their_doubts(shell: Shell) -> None:
    run = shell("prices", "list", "--provider", "openai", "--unit", "1M training tokens", "--json")
    assert (run.document["schema_version"], run.document["on"]) == (1, "2026-11-21")
    row = next(row for row in run.document["prices"] if row["model"] == "gpt-4.1-mini-2025-04-14")
    assert set(row) == {*Price.__struct_fields__, "doubts"}
    assert (row["price"], row["as_of"], row["doubts"], row["above_b"]) == ("5.00", "2025-07-01", ["old", "closing"], None)


def test_csv_has_a_column_for_every_field_and_goes_to_standard_output_alone(shell: Shell) -> None:
    run = shell("prices", "list", "--provider", "nebius", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert (run.code, len(rows)) == (0, sum(row.provider == "nebius" for row in shipped()))
    assert set(rows[0]) == {*Price.__struct_fields__, "doubts"}
    assert {row["price"] for row in rows} == {str(row.price) for row in shipped() if row.provider == "nebius"}


def test_csv_goes_to_a_file_that_is_not_replaced_unasked(shell: Shell, tmp_path: Path) -> None:
    target = tmp_path / "prices.csv"
    run = shell("prices", "list", "--unit", "GB-month", "--csv", target)
    assert (run.code, f"Wrote 1 price to {target}." in run.out) == (0, True)
    assert len(target.read_text(encoding="utf-8").splitlines()) == 2
    again = shell("prices", "list", "--csv", target)
    assert (again.code, "is already there" in again.err) == (2, True)
    assert shell("prices", "list", "--csv", target, "--overwrite").code == 0


def test_json_and_csv_do_not_both_fit_on_standard_output(shell: Shell) -> None:
    run = shell("prices", "list", "--csv", "-", "--json")
    assert (run.code, "both want standard output" in run.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--provider", "opnai"], "did you mean 'openai'?"),
        (["--unit", "tokem"], "there is no unit 'tokem'"),
    ],
)
def test_a_word_that_nobody_knows_is_refused_with_what_is_known(shell: Shell, words: list[str], sentence: str) -> None:
    run = shell("prices", "list", *words)
    assert (run.code, sentence in run.err) == (2, True)


# --- the user's own prices --------------------------------------------------------------------------------------------------------------


def first_price(shell: Shell, *words: str | Path) -> tuple[str, str]:
    """Of gpt-4.1-mini's training at OpenAI: (price, who says it)."""
    found = shell("prices", "show", "openai:gpt-4.1-mini", "--json", *words).document["prices"]
    row = next(row for row in found if row["unit"] == "1M training tokens")
    return row["price"], row["confidence"]


def test_own_prices_stand_first_and_are_marked(shell: Shell, ours: Path) -> None:
    run = shell("prices", "list", "--model", "gpt-4.1-mini", "--provider", "openai", "--prices", ours)
    assert "4.10 USD" in run.out.splitlines()[1]
    assert "yours" in run.out.splitlines()[1]
    assert "ours.toml" in run.out.splitlines()[1]


def test_own_prices_are_found_in_the_environment_beside_the_configuration_and_on_the_line(
    shell: Shell, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first_price(shell) == ("5.00", "vendor page")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "prices.toml").write_text(OURS.replace("4.10", "1"), encoding="utf-8")
    assert first_price(shell) == ("1.00", "yours")
    (tmp_path / "prices.toml").write_text(OURS.replace("4.10", "2"), encoding="utf-8")
    assert first_price(shell) == ("1.00", "yours")
    (tmp_path / "tuneport.toml").write_text("", encoding="utf-8")
    assert first_price(shell) == ("2.00", "yours")
    three = tmp_path / "three.toml"
    three.write_text(OURS.replace("4.10", "3"), encoding="utf-8")
    monkeypatch.setenv("TUNEPORT_PRICES", os.pathsep.join([str(ours), str(three)]))
    assert first_price(shell) == ("3.00", "yours")
    assert first_price(shell, "--prices", ours) == ("4.10", "yours")


def test_an_own_file_that_cannot_be_used_is_refused_with_file_and_row(shell: Shell, ours: Path) -> None:
    ours.write_text(OURS + "prize = 1\n", encoding="utf-8")
    run = shell("prices", "list", "--prices", ours)
    assert (run.code, "ours.toml: row 1 of [[prices]]" in run.err) == (2, True)


# --- prices show ------------------------------------------------------------------------------------------------------------------------


def test_one_model_is_shown_with_prices_limits_dates_and_what_is_near_elsewhere(shell: Shell) -> None:
    run = shell("prices", "show", "openai:gpt-4.1-mini")
    assert run.code == 0
    for words in (
        "openai:gpt-4.1-mini-2025-04-14",
        "closing: closed to new customers since 2026-05-07; new jobs until 2027-01-06; tuned models answer until 2027-01-14",
        "2026-10-27, vendor page: developers.openai.com",
        "1M cached input tokens",
        "batch",
        "max_tokens 65,536",
        "guide Fine-tuning best practices",
        "azure:gpt-4.1-mini-2025-04-14",
        "the same snapshot of the same model",
        "ms.date 2026-10-06",
    ):
        assert words in run.out


def test_a_sheet_in_json_has_its_parts_whatever_is_known(shell: Shell) -> None:
    sheet = shell("prices", "show", "together:Qwen/Qwen3.5-9B", "--json").document
    assert set(sheet) == {"schema_version", "provider", "model", "on", "base", "gpu", "prices", "limits", "nearest"}
    assert (sheet["base"]["availability"], sheet["gpu"]) == ({"word": "available", "sentence": "", "ends": None}, None)
    assert {row["unit"] for row in sheet["prices"]} == {"1M training tokens", "job minimum", "GPU hour"}
    assert {row["model"] for row in sheet["prices"] if row["unit"] == "GPU hour"} == {"H100 80GB SXM"}
    assert [limit["method"] for limit in sheet["limits"]] == ["sft", "dpo"]
    same = [each["uri"] for each in sheet["nearest"] if each["same_weights"]]
    assert "tinker:Qwen/Qwen3.5-9B" in same
    assert all(each["source"] and each["as_of"] for each in sheet["nearest"])


def test_a_gpu_is_shown_by_any_of_its_names_with_every_renter(shell: Shell) -> None:
    run = shell("prices", "show", "gpu:h100")
    assert run.code == 0
    for words in ("H100 80GB SXM", "700 W", "runpod secure", "lambda on-demand"):
        assert words in run.out
    document = shell("prices", "show", "gpu:H100", "--json").document
    assert (document["model"], document["gpu"]["memory_gb"], document["base"]) == ("H100 80GB SXM", 80, None)


def test_a_base_without_any_price_says_so(shell: Shell) -> None:
    run = shell("prices", "show", "local:smollm2-135m-instruct")
    assert (run.code, "No price of it is known." in run.out) == (0, True)


def test_a_whole_provider_is_shown_with_its_bases_and_its_prices(shell: Shell) -> None:
    run = shell("prices", "show", "bedrock")
    assert (run.code, "bedrock:amazon.nova-pro-v1:0:300k" in run.out, "model-month" in run.out) == (0, True, True)
    document = shell("prices", "show", "bedrock", "--json").document
    assert len(document["prices"]) == sum(row.provider == "bedrock" for row in shipped())
    assert len(document["bases"]) == 5


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        ("opnai:gpt-4.1", "did you mean 'openai'?"),
        ("openai:gpt-4.1-mni", "nothing is known of a model 'gpt-4.1-mni' of openai; did you mean 'gpt-4.1-mini'?"),
        ("gpu:H1000", "nothing is known of a model 'H1000' of gpu"),
    ],
)
def test_what_nobody_knows_is_refused_with_the_nearest_name(shell: Shell, thing: str, sentence: str) -> None:
    run = shell("prices", "show", thing)
    assert (run.code, sentence in run.err) == (2, True)


# --- prices check -----------------------------------------------------------------------------------------------------------------------


def test_the_book_as_it_comes_has_warnings_and_no_error(shell: Shell) -> None:
    run = shell("prices", "check")
    assert run.code == 0
    assert run.out.splitlines()[-1].startswith(f"{len(shipped())} prices, ")
    assert run.out.splitlines()[-1].endswith("can be used.")
    assert sum("[price-old]" in line for line in run.out.splitlines()) == 10
    assert "more of price-old; --json gives every one." in run.out


def test_json_gives_every_finding_with_counts(shell: Shell) -> None:
    document = shell("prices", "check", "--json").document
    assert (document["ok"], document["rows"]) == (True, len(shipped()))
    assert sum(document["counts"].values()) == len(document["findings"])
    assert set(document["findings"][0]) == {"line", "rule", "severity", "message", "remedy"}


def test_rows_that_cannot_be_used_are_errors_each_with_its_number(shell: Shell, ours: Path) -> None:
    ours.write_text(OURS + "prize = 1\n" + OURS + OURS.replace('"4.10"', '"cheap"'), encoding="utf-8")
    run = shell("prices", "check", "--prices", ours)
    assert run.code == 1
    first, second, *_ = run.out.splitlines()
    assert "error: " in first
    assert "row 1" in first
    assert "row 3" in second
    assert run.out.splitlines()[-1].endswith("not usable as it is.")


def test_two_prices_in_ones_own_file_are_an_error_and_a_note_makes_it_a_warning(shell: Shell, ours: Path) -> None:
    other = OURS.replace("4.10", "4.20")
    ours.write_text(OURS + other, encoding="utf-8")
    run = shell("prices", "check", "--prices", ours, "--json")
    assert (run.code, run.document["ok"]) == (1, False)
    assert [found["rule"] for found in run.document["findings"] if found["severity"] == "error"] == ["price-contradiction"]
    ours.write_text(OURS + other + 'note = "from May on"\n', encoding="utf-8")
    assert shell("prices", "check", "--prices", ours).code == 0


def test_an_own_price_that_no_quote_will_use_is_told_the_right_name(shell: Shell, ours: Path) -> None:
    ours.write_text(OURS.replace("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"), encoding="utf-8")
    run = shell("prices", "check", "--prices", ours)
    assert run.code == 0
    assert "no base of openai is called 'gpt-4.1-mini' here; it is called 'gpt-4.1-mini-2025-04-14'." in run.out


def test_a_named_file_that_is_not_there_is_an_error(shell: Shell, tmp_path: Path) -> None:
    run = shell("prices", "check", "--prices", tmp_path / "none.toml")
    assert (run.code, "none.toml: the prices cannot be read" in run.out) == (1, True)


# --- models bases, models nearest -------------------------------------------------------------------------------------------------------


def test_bases_are_listed_with_what_can_be_done_on_a_day(shell: Shell) -> None:
    run = shell("models", "bases", "--provider", "openai", "--method", "dpo")
    assert run.code == 0
    (mini,) = [line for line in run.out.splitlines() if "gpt-4.1-mini" in line]
    assert mini.split()[-3:] == ["2027-01-06", "2026-10-27", "-"]
    assert "closing" in mini
    (later,) = [
        base
        for base in shell("models", "bases", "--provider", "openai", "--on", "2027-01-07", "--json").document["bases"]
        if base["id"] == "gpt-4.1-mini-2025-04-14"
    ]
    assert later["availability"] == {
        "word": "closed",
        "sentence": "no new jobs since 2027-01-06; tuned models answer until 2027-01-14",
        "ends": "2027-01-06",
    }


def test_old_facts_and_those_of_third_parties_are_marked_by_the_day_of_today(shell: Shell) -> None:
    lines = shell("models", "bases", "--provider", "nebius").out.splitlines()[1:]
    assert any(line.rstrip().endswith("third party") for line in lines)
    (old,) = [line for line in shell("models", "bases", "--provider", "together").out.splitlines() if "together:Qwen/Qwen3.5-9B " in line]
    assert old.rstrip().endswith("old")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--provider", "opnai"], "did you mean 'openai'?"), (["--on", "tomorrow"], "--on 'tomorrow' is no day; write it as 2027-01-06.")],
)
def test_bases_of_nobody_and_days_that_are_none_are_refused(shell: Shell, words: list[str], sentence: str) -> None:
    run = shell("models", "bases", *words)
    assert (run.code, sentence in run.err) == (2, True)


def test_a_method_that_nothing_is_trained_by_has_no_bases(shell: Shell) -> None:
    run = shell("models", "bases", "--method", "orpo")
    assert (run.code, run.out) == (0, "The catalogue has no such base.\n")


def test_the_nearest_bases_come_with_their_reason(shell: Shell) -> None:
    run = shell("models", "nearest", "openai:gpt-4.1-mini", "--provider", "azure")
    _, found, source = run.out.splitlines()
    assert found.split()[:5] == ["azure:gpt-4.1-mini-2025-04-14", "available", "yes", "2026-10-06", "[1]"]
    assert found.endswith("the same snapshot of the same model")
    assert source.startswith("[1] learn.microsoft.com")
    everywhere = shell("models", "nearest", "openai:gpt-4.1-mini", "--json").document
    assert everywhere["base"] == "openai:gpt-4.1-mini-2025-04-14"
    assert {each["uri"].partition(":")[0] for each in everywhere["nearest"]} >= {"azure", "vertex", "together", "tinker", "local"}


def test_a_base_that_nobody_knows_and_one_with_nothing_near_are_told_apart(shell: Shell) -> None:
    unknown = shell("models", "nearest", "gpt-4.1-mni")
    assert (unknown.code, "did you mean 'gpt-4.1-mini'?" in unknown.err) == (2, True)
    lonely = shell("models", "nearest", "vertex:translation-llm-002")
    assert (lonely.code, lonely.out) == (0, "Nothing is known to be near vertex:translation-llm-002.\n")
