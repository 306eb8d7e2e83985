"""Graders on this machine: what each gives, what becomes of those that misbehave, and what is refused before anything runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import tuneport as tp
from tuneport.errors import CheckFailed, GraderFailed, RecipeError, Unsupported, UsageError
from tuneport.grading.formula import names_in, value_of
from tuneport.grading.grade import Grading
from tuneport.grading.portable import as_python
from tuneport.grading.similarity import METRICS

QUICK = tp.GraderLimits(timeout_s=1.0, memory_mb=256)


def python(body: str, *, before: str = "", name: str = "mine") -> tp.PythonGrader:
    return tp.PythonGrader(name=name, source=f"{before}\ndef grade(sample, item):\n    {body}\n")


def score(grader: Any, answer: str, item: dict[str, Any] | None = None) -> float:
    return tp.grade(grader, answer, item, limits=tp.GraderLimits(memory_mb=256)).value


# --- text --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "answer", "expected"),
    [("eq", "Red", 1), ("eq", "red", 0), ("ne", "red", 1), ("like", "a Red one", 1), ("like", "a red one", 0), ("ilike", "a rED one", 1)],
)
def test_a_string_check_compares_as_its_operation_says(operation: Any, answer: str, expected: float) -> None:
    assert score(tp.StringCheck(operation=operation), answer, {"reference": "Red"}) == expected


def test_templates_reach_into_rows_and_into_answers_that_are_json() -> None:
    grader = tp.StringCheck(input="{{ sample.output_json.city }}", reference="{{item.places[1].name}}")

    assert score(grader, '{"city": "Rome"}', {"places": [{}, {"name": "Rome"}]}) == 1
    assert score(grader, "Rome", {"places": [{}, {"name": "Rome"}]}) == 0


@pytest.mark.parametrize(
    ("settings", "answer", "expected"),
    [
        ({"pattern": r"#### -?\d+\s*$"}, "so\n#### 42\n", 1),
        ({"pattern": r"#### -?\d+\s*$"}, "#### 42, or so", 0),
        ({"pattern": "yes", "match": "full"}, "yes!", 0),
        ({"pattern": "YES", "match": "full", "ignore_case": True}, "yes", 1),
        ({"pattern": "^{{item.word}}$"}, "a+b", 1),
        ({"pattern": "^{{item.word}}$"}, "aab", 0),
    ],
)
def test_a_regular_expression_is_looked_for(settings: dict[str, Any], answer: str, expected: float) -> None:
    assert score(tp.RegexCheck(**settings), answer, {"word": "a+b"}) == expected


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("It is 1,042.", "48/2 = 24 #### 1042", 1),
        ("first 7, then 42", "#### 42", 1),
        ("42 apples, of 50", "#### 42", 0),
        ("-3", "#### -3", 1),
        ("5-3", "3", 1),
        ("\u22123", "-3", 1),
        ("$ 18.00", "18", 1),
        ("no number", "18", 0),
        ("", "18", 0),
        ("H2O", "2", 0),
        ("1e3", "1000", 1),
        ("9" * 400, "1", 0),
    ],
)
def test_the_last_number_of_an_answer_is_compared_with_that_of_the_reference(answer: str, reference: str, expected: float) -> None:
    assert score(tp.NumericAnswer(), answer, {"reference": reference}) == expected


@pytest.mark.parametrize(
    ("settings", "answer", "expected"),
    [
        ({"take": "first"}, "10 of 50", 1),
        ({"tolerance": 0.5}, "10.4", 1),
        ({"tolerance": 0.3}, "10.4", 0),
        ({"relative": 0.05}, "10.4", 1),
        ({"pattern": r"answer: (\S+)"}, "answer: 10 and 7", 1),
        ({"pattern": r"answer: (\S+)"}, "10", 0),
        ({"pattern": r"answer: (\S+)"}, "answer: ten", 0),
    ],
)
def test_which_number_counts_and_how_near_it_must_be_can_be_said(settings: dict[str, Any], answer: str, expected: float) -> None:
    assert score(tp.NumericAnswer(**settings), answer, {"reference": "10"}) == expected


LIKE = json.loads((Path(__file__).parent / "data" / "similarities.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", LIKE["pairs"], ids=lambda case: case["answer"][:12] or "nothing")
def test_similarities_are_those_of_the_libraries_that_define_them(case: dict[str, Any]) -> None:
    """Written by rapidfuzz 3.14.6, sacrebleu 2.6.0, nltk 3.10.4 and rouge-score 0.1.2."""
    assert case["scores"].keys() == METRICS.keys()
    for metric, expected in case["scores"].items():
        grader = tp.TextSimilarity(metric=metric)
        assert score(grader, case["answer"], {"reference": case["reference"]}) == pytest.approx(expected, abs=1e-12), metric


# --- several -----------------------------------------------------------------------------------------------------------------------------


def test_several_graders_are_made_one_by_their_formula() -> None:
    both = tp.MultiGrader(graders={"form": tp.RegexCheck(pattern="####"), "right": tp.NumericAnswer()}, formula="0.2 * form + 0.8 * right")

    found = tp.grade(both, "#### 41", {"reference": "42"})
    assert (found.value, found.parts) == (0.2, {"form": 1.0, "right": 0.0})


@pytest.mark.parametrize(
    ("formula", "expected"), [("a + b * 2", 5.0), ("max(a, b) - abs(-1)", 1.0), ("-a ** 2", -1.0), ("b / 4 + 7 // 2 + 5 % 3", 5.5)]
)
def test_a_formula_is_arithmetic(formula: str, expected: float) -> None:
    assert value_of(formula, {"a": 1.0, "b": 2.0}) == expected


@pytest.mark.parametrize(
    "formula",
    ["__import__('os')", "a.b", "a if b else 1", "[a]", "a and b", "lambda: 1", "min()", "a := 1", "'a' * 9", "True", "a +", "(" * 900],
)
def test_a_formula_is_nothing_but_arithmetic(formula: str) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        names_in(formula)


def test_a_formula_that_names_no_grader_or_has_no_value_is_told() -> None:
    unknown = tp.MultiGrader(graders={"one": tp.StringCheck()}, formula="one + two")
    with pytest.raises(RecipeError, match=r"names 'two', and there is no such grader\. There are: one"):
        tp.grade(unknown, "x", {"reference": "x"})
    without = tp.MultiGrader(graders={"one": tp.StringCheck()}, formula="1 / one")
    with pytest.raises(GraderFailed, match=r"the formula '1 / one' gives no number for one = 0"):
        tp.grade(without, "x", {"reference": "y"})
    with pytest.raises(GraderFailed, match="gives no number"):
        tp.grade(without.model_copy(update={"formula": "9 ** 9 ** 9"}), "x", {"reference": "y"})


# --- python ------------------------------------------------------------------------------------------------------------------------------


def test_python_code_sees_the_answer_its_json_and_the_row() -> None:
    grader = python("return len(sample['output_text']) + sample['output_json']['n'] + item['reference'].count('a')")

    assert score(grader, '{"n": 3}', {"reference": "abba"}) == 8 + 3 + 2
    assert score(python("return sample['output_text'] == item['reference']"), "x", {"reference": "x"}) == 1.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return int('secret')", "raised ValueError in line 4 of its source"),
        ("return None", "gave a value of type NoneType where a number is wanted"),
        ("return '1'", "gave a value of type str"),
        ("return float('nan')", "gave nan, which is no score"),
        ("return float('inf')", "gave inf, which is no score"),
        ("return 1e300", r"gave 1e\+300, which is no score"),
        ("raise SystemExit(0)", "wanted to end its process"),
        ("__import__('os')._exit(3)", r"ended while it graded an answer \(exit code 3\)"),
        ("__import__('os').kill(__import__('os').getpid(), 9)", r"ended while it graded an answer \(signal 9\)"),
        ("while True: pass", r"took more than 1 seconds while it graded an answer"),
        ("__import__('re').match('(a+)+$', 'a' * 60 + 'b'); return 1", r"took more than 1 seconds"),
        ("__import__('signal').pause()", r"took more than 1 seconds"),
    ],
)
def test_whatever_else_a_grader_does_is_one_sentence_and_it_can_be_asked_again(body: str, words: str) -> None:
    grader = python(f"if sample['output_text'] == 'good': return 0.5\n    {body}")

    with Grading(grader, limits=QUICK if "took" in words else None) as grading:
        with pytest.raises(GraderFailed, match=rf"'mine' .*{words}.*\(line 7\)\.$") as raised:
            grading.score("bad secret", {"reference": "secret"}, where="line 7")
        assert "secret" not in str(raised.value)
        assert grading.score("good", {}).value == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds processes to a limit of memory")
def test_a_grader_that_wants_too_much_memory_is_told_so() -> None:
    with pytest.raises(GraderFailed, match="wanted more than 256 MB of memory"):
        score(python("return len(bytearray(1 << 30))"), "x")


def test_what_a_grader_prints_spoils_nothing_and_is_kept_for_its_author() -> None:
    noise = "import os\n    os.write(1, b'{\"score\": 9}\\n'); os.write(2, b'x' * 300000); print('seen'); return 0.5"

    found = tp.grade(python(noise), "x", limits=QUICK)
    assert (found.value, found.printed) == (0.5, "seen\n")


def test_a_grader_inherits_no_secrets_and_stands_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    names = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONHASHSEED", "PYTHONIOENCODING"]

    strange = f"[n for n in os.environ if n not in {names!r} and not n.endswith('_THREADS')]"
    assert score(python(f"return len({strange}) + len(os.listdir('.'))", before="import os"), "x") == 0.0


def test_chance_in_a_grader_repeats_with_the_answer() -> None:
    grader = python("return random.random()", before="import random")

    assert score(grader, "one") == score(grader, "one") != score(grader, "two")


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("def grade(sample, item) return 1", RecipeError, r"is no Python: .*, line 1"),
        ("def score(sample, item): return 1", RecipeError, r"has no function grade\(sample, item\)"),
        ("import no_such_thing\ndef grade(s, i): return 1", GraderFailed, r"does not run \(ModuleNotFoundError: .*, line 1\)"),
        ("grade = 3", GraderFailed, r"has no function grade\(sample, item\)"),
    ],
)
def test_a_source_that_does_not_run_is_refused(source: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tp.grade(tp.PythonGrader(source=source), "x", limits=QUICK)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes the grader a second to notice")
def test_a_killed_process_leaves_no_grader_behind(tmp_path: Path) -> None:
    code = (
        "import sys, tuneport as tp; from tuneport.grading.grade import Grading\n"
        "g = Grading(tp.PythonGrader(source='def grade(s, i):\\n    while s[\"output_text\"]: pass\\n    return 1'))\n"
        "g.score('', {}); print(g._processes[0]._process.pid, flush=True); g.score('for ever', {})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        gone, alive = psutil.wait_procs([child], timeout=5)
    assert (len(gone), alive) == (1, [])


# --- as code for others -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grader", "answers", "item"),
    [
        (tp.RegexCheck(pattern=r"^{{item.word}}\s*$", ignore_case=True), ["A+b ", "aab", ""], {"word": "a+B"}),
        (tp.RegexCheck(pattern="x.z", match="full", input="<{{sample.output_text}}>"), ["xyz"], {}),
        (tp.NumericAnswer(tolerance=0.5), ["It is 1,042.", "no", "#### 1041.6"], {"reference": "#### 1042"}),
        (tp.NumericAnswer(pattern=r"is (\S+)", reference="{{item.n}}"), ["is 3 of 4", "3"], {"n": 3}),
    ],
)
def test_graders_that_a_provider_has_not_score_alike_as_python_code(grader: Any, answers: list[str], item: dict[str, Any]) -> None:
    code = as_python(grader)
    scope: dict[str, Any] = {}
    exec(compile(code.source, "grader", "exec"), scope)  # as a provider's sandbox would: nothing of ours is imported

    assert "tuneport" not in "".join(line for line in code.source.splitlines() if "import" in line)
    for answer in answers:
        assert (
            scope["grade"]({"output_text": answer, "output_json": None}, item) == score(grader, answer, item) == score(code, answer, item)
        )


# --- refused before anything runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grader", "words"),
    [
        (tp.ScoreModel(model="gpt-4.1", messages=({"role": "user", "content": "?"},)), "asks the model gpt-4.1 for a score"),
        (tp.TextSimilarity(metric="cosine"), "cosine is not worked out here: it compares embeddings"),
        (tp.TextSimilarity(metric="meteor"), "meteor is not worked out here: it looks for synonyms in WordNet"),
    ],
)
def test_graders_that_need_a_model_are_refused_with_the_reason(grader: Any, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        tp.grade(grader, "x", {"reference": "x"})


def test_templates_of_nothing_and_rows_without_what_a_grader_names_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"has the template \{\{reference\}\}, and there is nothing of that name"):
        tp.grade(tp.StringCheck(reference="{{reference}}"), "x")
    with pytest.raises(CheckFailed, match=r"item has no item\.city, which the grader 'string_check' names"):
        tp.grade(tp.StringCheck(reference="{{item.city}}"), "x", {"reference": "x"})
    with pytest.raises(CheckFailed, match="item has no number in the reference of the grader 'numeric'"):
        tp.grade(tp.NumericAnswer(), "x", {"reference": "many"})


@pytest.mark.parametrize("table", [{"kind": "regex", "pattern": "("}, {"kind": "numeric", "pattern": "[0-9"}])
def test_a_pattern_that_is_none_is_refused_when_the_recipe_is_read(table: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="pattern is no regular expression"):
        tp.GRPO(grader=table)  # type: ignore[arg-type]


# --- in recipes --------------------------------------------------------------------------------------------------------------------------


def recipe_in(folder: Path, grader: str) -> Path:
    (folder / "rows.jsonl").write_text('{"messages": [{"role": "user", "content": "2+2?"}], "reference": "4"}\n')
    path = folder / "recipe.toml"
    path.write_text(f'base = "o4-mini"\ntrain = "rows.jsonl"\n[method]\nkind = "grpo"\n{grader}\n')
    return path


def test_a_python_file_is_read_from_the_recipes_folder_and_its_source_is_what_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return 1.0\n")
    path = recipe_in(tmp_path, '[method.grader]\nkind = "python"\nfile = "mine.py"')
    recipe = tp.Recipe.load(path)
    inline = recipe.model_copy(update={"method": tp.GRPO(grader=tp.PythonGrader(source=(tmp_path / "mine.py").read_text()))})

    assert recipe.fingerprint == inline.fingerprint
    assert "file" not in recipe.to_dict()["method"]["grader"]
    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return 0.5\n")
    assert tp.Recipe.load(path).fingerprint != recipe.fingerprint
    assert tp.Recipe.load(recipe.save(tmp_path / "saved.json")).fingerprint == recipe.fingerprint


def test_a_python_file_among_several_graders_is_read_too_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return 1.0\n")
    several = '[method.grader]\nkind = "multi"\nformula = "a"\n[method.grader.graders.a]\nkind = "python"\nfile = "mine.py"'

    method = tp.Recipe.load(recipe_in(tmp_path, several)).method
    assert isinstance(method, tp.GRPO)
    assert isinstance(method.grader, tp.MultiGrader)
    assert method.grader.graders["a"] == tp.PythonGrader(source=(tmp_path / "mine.py").read_text())
    with pytest.raises(RecipeError, match=r"nowhere\.py cannot be read: No such file"):
        tp.Recipe.load(recipe_in(tmp_path, '[method.grader]\nkind = "python"\nfile = "nowhere.py"'))


def test_a_file_of_a_grader_is_a_recipe_a_table_or_python(tmp_path: Path) -> None:
    from tuneport.grading.reading import read_grader

    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return 1.0\n")
    (tmp_path / "table.json").write_text('{"kind": "regex", "pattern": "x"}')
    (tmp_path / "other.json").write_text('{"base": "x"}')

    assert read_grader(tmp_path / "mine.py") == tp.PythonGrader(name="mine", source=(tmp_path / "mine.py").read_text())
    assert read_grader(tmp_path / "table.json") == tp.RegexCheck(pattern="x")
    assert read_grader(recipe_in(tmp_path, '[method.grader]\nkind = "numeric"')) == tp.NumericAnswer()
    with pytest.raises(UsageError, match=r"other\.json: it holds no grader"):
        read_grader(tmp_path / "other.json")


def test_a_grader_that_is_asked_often_is_asked_fast() -> None:
    with Grading(python("return 1.0"), limits=QUICK) as grading:
        grading.start()
        began = time.perf_counter()
        for number in range(200):
            grading.score(str(number), {})
        assert time.perf_counter() - began < 5.0
