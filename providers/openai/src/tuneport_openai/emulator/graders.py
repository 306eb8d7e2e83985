"""The graders of reinforcement fine-tuning, read as strictly as the API does (guide on graders, copy of July 2026; the SDK's types)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tuneport.testing.emulator import Fields, Refusal
from tuneport_openai.emulator import refusals

OPERATIONS = ("eq", "ne", "like", "ilike")
SIMILARITIES = ("cosine", "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l")
KINDS = ("string_check", "text_similarity", "python", "score_model", "multi")
ROLES = ("user", "assistant", "system", "developer")
LARGEST_SOURCE_BYTES = 256 * 1000
FUNCTIONS = frozenset({"min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log"})
TEMPLATE = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
SAMPLE = ("output_text", "output_json", "output_tools", "choices")


@dataclass(frozen=True, slots=True)
class Grader:
    """What a grader asks of each training row: keys of `item` that its templates name."""

    kind: str
    item_keys: frozenset[str]


def read_grader(said: Fields, *, inside_multi: bool = False) -> Grader:
    """Raises the API's refusal for a grader it would not take."""
    kinds = (*(kind for kind in KINDS if kind != "multi"), "label_model") if inside_multi else KINDS
    kind = said.text("type", required=True, words=kinds) or ""
    said.text("name", required=True)
    keys = frozenset(_READERS[kind](said))
    said.done()
    return Grader(kind, keys)


def _string_check(said: Fields) -> Iterator[str]:
    said.text("operation", required=True, words=OPERATIONS)
    yield from _template(said, "input")
    yield from _template(said, "reference")


def _text_similarity(said: Fields) -> Iterator[str]:
    said.text("evaluation_metric", required=True, words=SIMILARITIES)
    yield from _template(said, "input")
    yield from _template(said, "reference")


def _python(said: Fields) -> Iterator[str]:
    source = said.text("source", required=True) or ""
    said.text("image_tag")
    if len(source.encode()) >= LARGEST_SOURCE_BYTES:
        raise _invalid(said, "source", f"the source must be smaller than {LARGEST_SOURCE_BYTES} bytes")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise _invalid(said, "source", f"the source is not valid Python: {error}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == "grade" for node in tree.body):
        raise _invalid(said, "source", "the source must define a function `grade(sample, item)`")
    yield from ()


def _score_model(said: Fields) -> Iterator[str]:
    said.text("model", required=True)
    yield from _messages(said)
    bounds = said.items("range")
    if bounds is not None and (len(bounds) != 2 or not all(isinstance(bound, int | float) for bound in bounds) or bounds[0] >= bounds[1]):
        raise _invalid(said, "range", "expected two numbers, the lower one first")
    sampling = said.nested("sampling_params")
    if sampling is not None:
        for name in ("temperature", "top_p"):
            sampling.number(name, nullable=True)
        for name in ("seed", "max_completions_tokens"):
            sampling.whole(name, nullable=True)
        sampling.text("reasoning_effort", nullable=True)
        sampling.done()


def _label_model(said: Fields) -> Iterator[str]:
    said.text("model", required=True)
    labels, passing = said.items("labels", required=True) or [], said.items("passing_labels", required=True) or []
    if not set(passing) <= set(labels):
        raise _invalid(said, "passing_labels", "must be a subset of labels")
    yield from _messages(said)


def _multi(said: Fields) -> Iterator[str]:
    """`graders` is an object of graders by name (guide), or one grader (the SDK's type)."""
    graders = said.nested("graders", required=True)
    assert graders is not None
    names: list[str] = []
    if graders.has("type"):
        names.append(str(graders.raw("name")))
        graders = Fields({names[0]: _whole(graders, names[0])}, refuse=graders.refuse, path=graders.path)
    for name in list(graders.names()):
        names.append(name)
        inner = graders.nested(name)
        if inner is not None:
            yield from read_grader(inner, inside_multi=True).item_keys
    _formula(said, names)


def _whole(graders: Fields, name: str) -> dict[str, object]:
    return {"name": name, **{field: graders.raw(field) for field in list(graders.names())}}


def _formula(said: Fields, names: list[str]) -> None:
    formula = said.text("calculate_output", required=True) or ""
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError:
        raise _invalid(said, "calculate_output", f"cannot parse the formula {formula!r}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in FUNCTIONS and node.id not in names:
            raise _invalid(said, "calculate_output", f"the formula names {node.id!r}, which is no grader of this one")


def _messages(said: Fields) -> Iterator[str]:
    for message in said.objects("input", required=True) or []:
        message.text("role", required=True, words=ROLES)
        message.text("type", words=("message",))
        content = message.raw("content", required=True)
        message.done()
        yield from _keys_in(said, "input", str(content))


def _template(said: Fields, name: str) -> Iterator[str]:
    yield from _keys_in(said, name, said.text(name, required=True) or "")


def _keys_in(said: Fields, name: str, text: str) -> Iterator[str]:
    """The keys of `item` that the templates in a text name. Refuses templates of anything but item and sample."""
    for path in TEMPLATE.findall(text):
        space, _, rest = path.partition(".")
        key = re.split(r"[.\[]", rest)[0]
        if space == "sample" and key in SAMPLE:
            continue
        if space != "item" or not key:
            raise _invalid(said, name, f"unknown template {{{{{path}}}}}: use item.… or sample.output_text, sample.output_json")
        yield key


def _invalid(said: Fields, name: str, why: str) -> Refusal:
    """Wording and code of a grader that is refused: not published."""
    return refusals.refusal(400, f"Invalid grader: {why}.", param=said.at(name))


_READERS = {
    "string_check": _string_check,
    "text_similarity": _text_similarity,
    "python": _python,
    "score_model": _score_model,
    "label_model": _label_model,
    "multi": _multi,
}
