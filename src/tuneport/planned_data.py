"""The rows of a recipe before a job: checked for what the provider takes, and as the bytes of the files that it gets. For any provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuneport.errors import CheckFailed, UnknownModel, Unsupported
from tuneport.finding import Finding
from tuneport.limits import Limits, Target
from tuneport.methods import GRPO, Training
from tuneport.plan import PlannedFile
from tuneport.recipe import Recipe

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.tokens import Counter

Chunks = Callable[[], Iterator[bytes]]
"""The bytes of a file, afresh at every call."""

_OF_SOURCES = ("file-not-too-big", "byte-order-marked")
"""Rules about the file that rows are read from; what goes over the wire is another one."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CheckedData:
    """The files of a plan, what the checks found that is no error, and what could not be looked at."""

    files: tuple[PlannedFile, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of a provider's rows. `who` takes them in sentences; `counted_as` is the model that counts their tokens.

    `write` makes a dataset the bytes of a file. `cuts`: whether the provider itself cuts (`truncate`) or leaves out (`drop`) rows that are
    too long, so that a recipe may ask for it.
    """

    who: str
    goal: Target
    counted_as: str
    write: Callable[[Dataset], Chunks]
    cuts: frozenset[str] = frozenset({"truncate"})


def checked_data(recipe: Recipe, rows: Rows, *, datasets: Mapping[str, Dataset] | None = None) -> CheckedData:
    """The files by purpose: train, and validation where the recipe has one. `datasets` stand for its own where rows were rewritten.

    Raises CheckFailed with the first lines that the provider would refuse, DatasetError for rows that cannot be read at all.
    """
    goal, found_in = rows.goal, dict(datasets) if datasets is not None else datasets_of(recipe)
    _refuse_no_validation(recipe, rows)
    counter, notes = _counter(recipe.method, rows, most=goal.limits.max_tokens)
    limits = _with_length(goal.limits, recipe.method)
    findings: list[Finding] = []
    files: list[PlannedFile] = []
    for purpose, dataset in found_in.items():
        check_for = replace(goal, limits=limits if purpose == "train" else _of_validation(limits))
        number, found = _checked(dataset, check_for, purpose=purpose, counter=counter, paired="validation" in found_in)
        findings += found
        files.append(PlannedFile.from_chunks(rows.write(dataset), purpose=purpose, rows=number))
        refuse_size(files[-1], limits, who=rows.who)
    if isinstance(recipe.method, GRPO):
        _refuse_ungradable(recipe.method, found_in)
    if "validation" in found_in:
        findings += _pair(found_in["train"], found_in["validation"], goal)
    return CheckedData(tuple(files), tuple(findings), (*notes, *unlearned(recipe)))


def unlearned(recipe: Recipe) -> tuple[str, ...]:
    """What stands in the rows and is not learned by the recipe's method."""
    if recipe.method.kind != "sft" or recipe.train.kind != "preference":
        return ()
    return ("the rows are pairs of answers: sft learns the better ones, and the others are left out; method dpo learns from both",)


def datasets_of(recipe: Recipe) -> dict[str, Dataset]:
    """A recipe's datasets by purpose."""
    return {"train": recipe.train} | ({"validation": recipe.validation} if recipe.validation is not None else {})


def _refuse_no_validation(recipe: Recipe, rows: Rows) -> None:
    if rows.goal.limits.test_required and recipe.validation is None:
        raise CheckFailed(
            f"{rows.who} takes method {recipe.method.kind} only with rows to validate on, and the recipe names none.",
            remedy="Name them in the recipe: validation. To divide a file: tuneport data split FILE",
        )


def _refuse_ungradable(method: GRPO, datasets: Mapping[str, Dataset]) -> None:
    """Raises CheckFailed with the lines of rows without what the grader names."""
    from tuneport.grading.fitness import refuse_rows

    for purpose, dataset in datasets.items():
        refuse_rows(method.grader, dataset, purpose=purpose)


def _counter(method: Training, rows: Rows, *, most: int | None) -> tuple[Counter | None, tuple[str, ...]]:
    """What counts tokens, where there is a limit to look at, and the sentence that says that nobody does."""
    from tuneport.tokens import counter_for
    from tuneport.tokens.long_rows import LongRows

    bounds = [bound for bound in (most, None if method.max_length == "auto" else method.max_length) if bound is not None]
    if not bounds:
        return None, ()
    if method.too_long in rows.cuts:
        done = {"truncate": "cut at their end", "drop": "left out"}[method.too_long]
        return None, (f"rows of more than {min(bounds):,} tokens are {done} by the provider, as too_long says",)
    try:
        return LongRows(counter_for(rows.counted_as), min(bounds)), ()
    except (Unsupported, UnknownModel) as error:
        if method.max_length != "auto":
            raise
        return None, (f"whether rows have more than {min(bounds):,} tokens was not looked at: {error.message.removesuffix('.')}",)


def _with_length(limits: Limits, method: Training) -> Limits:
    if method.max_length == "auto":
        return limits
    return replace(limits, max_tokens=min(method.max_length, limits.max_tokens or method.max_length))


def _of_validation(limits: Limits) -> Limits:
    """How few rows may be and how many has its own number here."""
    return replace(limits, min_rows=1, max_rows=limits.max_test_rows)


def _checked(dataset: Dataset, goal: Target, *, purpose: str, counter: Counter | None, paired: bool) -> tuple[int, tuple[Finding, ...]]:
    """The number of rows, and what the rules say of them. Raises CheckFailed with the first that cannot be trained on."""
    from tuneport.checks import check
    from tuneport.rules.known import chosen

    ignored = (*_OF_SOURCES, *(("rows-not-few",) if purpose == "validation" else ()))
    report = check(dataset, target=goal, counter=counter, rules=chosen(ignore=ignored), paired=paired)
    refuse_errors(report.findings, what=f"{dataset.name} ({purpose})", remedy=_all_of_it(goal))
    return report.rows, tuple(_told(finding, purpose) for finding in report.findings)


def refuse_errors(findings: Iterable[Finding], *, what: str, remedy: str) -> None:
    """Raises CheckFailed with the first of the findings that are errors."""
    problems = [finding for finding in findings if finding.severity == "error"]
    if problems:
        shown = [f"line {each.line}: {each.message}" if each.line else each.message for each in problems[:_SHOWN]]
        more = [f"(and {len(problems) - _SHOWN} more)"] if len(problems) > _SHOWN else []
        raise CheckFailed(f"{what} cannot be used: {' '.join(shown + more)}", remedy=remedy)


def _all_of_it(goal: Target) -> str:
    """The command that checks for the same."""
    named = ":".join(filter(None, (goal.provider, goal.model))) if goal.provider else ""
    told = (f" --for {named}" if named else "") + (f" --method {goal.method}" if goal.method != "sft" else "")
    return f"See all of it: tuneport data check FILE{told}"


def _told(finding: Finding, purpose: str) -> Finding:
    return finding if purpose == "train" else replace(finding, message=f"({purpose}) {finding.message}")


def _pair(train: Dataset, validation: Dataset, goal: Target) -> tuple[Finding, ...]:
    """Rows that stand in both files, and more rows to validate on than are taken, which is an error."""
    from tuneport.checks import check_pair

    report = check_pair(train, validation, target=goal, rules={"test-apart", "test-rows"})
    refuse_errors(report.findings, what=f"{validation.name} (validation)", remedy=_all_of_it(goal))
    return tuple(_told(finding, "validation") for finding in report.findings)


def refuse_size(file: PlannedFile, limits: Limits, *, who: str) -> None:
    """Raises CheckFailed for a file that is larger, as it goes over the wire, than what is taken."""
    most = limits.max_file_bytes
    if most is not None and file.size_bytes > most:
        raise CheckFailed(
            f"the {file.purpose} file has {file.size_bytes:,} bytes as it would be sent; {who} takes {most:,} at most.",
            remedy="Leave rows out: tuneport data sample, or data split.",
        )
