"""Whether a grader can score answers here, and whether rows have what it names: asked before anything is paid for."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuneport.errors import CheckFailed, RecipeError, Unsupported
from tuneport.examples import Example, PromptExample
from tuneport.graders import Grader, MultiGrader, NumericAnswer, PythonGrader, ScoreModel, SingleGrader, TextSimilarity
from tuneport.grading import scoring
from tuneport.grading.formula import refuse_unknown_names
from tuneport.grading.similarity import UNAVAILABLE
from tuneport.reference import reference

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

_TEMPLATED = ("input", "reference", "pattern")
_SAMPLE = ("output_text", "output_json")
_LINES_NAMED = 5


def single_graders(grader: Grader) -> Mapping[str, SingleGrader]:
    """The graders by name: those of a formula, or the one."""
    return grader.graders if isinstance(grader, MultiGrader) else {grader.name: grader}


def refuse_unfit(grader: Grader) -> None:
    """Raises Unsupported for a grader that cannot be worked out on this machine, RecipeError for one that says nothing."""
    if isinstance(grader, MultiGrader):
        refuse_unknown_names(grader.formula, grader.graders)
    for name, each in single_graders(grader).items():
        if isinstance(each, ScoreModel):
            raise Unsupported(
                f"the grader {name!r} asks the model {each.model} for a score, and no model is asked from here.",
                remedy="Use a grader that needs none, or a provider that has such judges.",
            )
        if isinstance(each, TextSimilarity) and each.metric in UNAVAILABLE:
            raise Unsupported(f"the grader {name!r}: {each.metric} is not worked out here: {UNAVAILABLE[each.metric]}.")
        if isinstance(each, PythonGrader):
            _refuse_no_python(each, name)
        for path in _paths(each):
            _refuse_path(path, name)


def refuse_missing(grader: Grader, item: Mapping[str, Any], *, where: str) -> None:
    """Raises CheckFailed naming the first thing that the grader wants of a row and `item` has not."""
    for why in missing(grader, item):
        raise CheckFailed(f"{where} has {why}.", remedy="Add it to the rows, or name another in the grader.")


def refuse_rows(grader: Grader, dataset: Dataset, *, purpose: str) -> None:
    """The same for all rows of a dataset, with their lines."""
    lacking: dict[str, list[int]] = {}
    for line, example in dataset.recast("prompt").numbered():
        for why in missing(grader, item_of(example)):
            lacking.setdefault(why, []).append(line)
            break
    for why, lines in lacking.items():
        raise CheckFailed(
            f"{dataset.name} ({purpose}) cannot be graded: {_named(lines)} {'has' if len(lines) == 1 else 'have'} {why}.",
            remedy="Add it to the rows, or name another key in the grader.",
        )


def missing(grader: Grader, item: Mapping[str, Any]) -> Iterator[str]:
    """`no item.reference, which the grader 'exact' names`, for each such thing."""
    for name, each in single_graders(grader).items():
        for path in _paths(each):
            if path.startswith("item") and not _has(item, path):
                yield f"no {path}, which the grader {name!r} names"
        if isinstance(each, NumericAnswer) and not each.reference.startswith("{{sample") and _no_number(each, item):
            yield f"no number in the reference of the grader {name!r}"


def item_of(example: Example) -> dict[str, Any]:
    """What graders see of a row: whatever it has beside its prompt."""
    right = example.reference if isinstance(example, PromptExample) else reference(example)
    return dict(example.extra) | ({} if right is None else {"reference": right})


def _no_number(grader: NumericAnswer, item: Mapping[str, Any]) -> bool:
    return scoring.reference_number(scoring.filled(grader.reference, scoring.sample_of(""), item)) is None


def _paths(grader: SingleGrader) -> Iterable[str]:
    texts: list[Any] = [getattr(grader, name, None) for name in _TEMPLATED]
    texts += [message.get("content") for message in grader.messages] if isinstance(grader, ScoreModel) else []
    return [path for text in texts if isinstance(text, str) for path in scoring.TEMPLATE.findall(text)]


def _has(item: Mapping[str, Any], path: str) -> bool:
    try:
        return scoring.looked_up(path, {}, item) is not None
    except KeyError:
        return False


def _refuse_path(path: str, name: str) -> None:
    space, _, rest = path.partition(".")
    known = rest.split(".")[0].split("[")[0]
    if not (known and (space == "item" or (space == "sample" and known in _SAMPLE))):
        raise RecipeError(
            f"the grader {name!r} has the template {{{{{path}}}}}, and there is nothing of that name.",
            remedy="Use {{item.KEY}} for what stands in a row, {{sample.output_text}} or {{sample.output_json.KEY}} for the answer.",
        )


def _refuse_no_python(grader: PythonGrader, name: str) -> None:
    try:
        tree = ast.parse(grader.source)
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise RecipeError(f"the source of the grader {name!r} is no Python: {getattr(error, 'msg', error)}{where}.") from None
    if "grade" not in _names(tree):
        raise RecipeError(f"the source of the grader {name!r} has no function grade(sample, item).")


def _names(tree: ast.Module) -> set[str]:
    """What the source gives a name to, anywhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name)
    return found


def _named(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:_LINES_NAMED]))
    more = f" and {len(lines) - _LINES_NAMED} more" if len(lines) > _LINES_NAMED else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {shown}{more}"
