"""The rows of a recipe: checked for what the vendor takes, and as the bytes of the files that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from tuneport.errors import CheckFailed, UnknownModel, Unsupported
from tuneport.finding import Finding
from tuneport.limits import Limits, Target, target
from tuneport.methods import Training
from tuneport.plan import PlannedFile
from tuneport.recipe import Recipe
from tuneport_openai.wire.dialect import OPENAI, Dialect

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.tokens import Counter

FORMATS = {"sft": "chat", "dpo": "preference", "grpo": "reinforcement"}
"""The format of the files of each method."""

_BOM = b"\xef\xbb\xbf"
_OF_SOURCES = ("file-not-too-big", "byte-order-marked")
"""Rules about the file that rows are read from; what goes over the wire is another one."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CheckedData:
    """The files of a plan, what the checks found that is no error, and what could not be looked at."""

    files: tuple[PlannedFile, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def checked_data(recipe: Recipe, *, base: str, dialect: Dialect = OPENAI) -> CheckedData:
    """Raises CheckFailed with the first lines that the vendor would refuse, DatasetError for rows that cannot be read at all."""
    goal = target_of(base, method=recipe.method.kind, dialect=dialect)
    _refuse_no_validation(recipe, goal, dialect=dialect)
    counter, notes = _counter(recipe.method, base=base, most=goal.limits.max_tokens)
    limits = _with_length(goal.limits, recipe.method)
    datasets = {"train": recipe.train} | ({"validation": recipe.validation} if recipe.validation is not None else {})
    findings: list[Finding] = []
    files: list[PlannedFile] = []
    for purpose, dataset in datasets.items():
        check_for = replace(goal, limits=limits if purpose == "train" else _of_validation(limits))
        rows, found = _checked(dataset, check_for, purpose=purpose, counter=counter, recipe=recipe)
        findings += found
        files.append(_file(dataset, purpose=purpose, rows=rows, method=recipe.method.kind, dialect=dialect))
        refuse_size(files[-1], limits, dialect=dialect)
    if recipe.validation is not None:
        findings += _shared(recipe.train, recipe.validation, goal)
    return CheckedData(tuple(files), tuple(findings), notes)


def target_of(base: str, *, method: str, dialect: Dialect = OPENAI) -> Target:
    """What the data are checked for. A tuned model takes what its base takes."""
    if dialect.limits is None:
        return Target(method=method)
    from tuneport_openai.wire.bases import known_base

    known = known_base(base, dialect=dialect)
    return target(f"{dialect.limits}:{known.id if known else base}", method=method)


def _refuse_no_validation(recipe: Recipe, goal: Target, *, dialect: Dialect) -> None:
    if goal.limits.test_required and recipe.validation is None:
        raise CheckFailed(
            f"{dialect.name} takes method {recipe.method.kind} only with rows to validate on, and the recipe names none.",
            remedy="Name them in the recipe: validation. To divide a file: tuneport data split FILE",
        )


def _counter(method: Training, *, base: str, most: int | None) -> tuple[Counter | None, tuple[str, ...]]:
    """What counts tokens, where there is a limit to look at, and the sentence that says that nobody does."""
    from tuneport.tokens import counter_for
    from tuneport_openai.wire.long_rows import LongRows

    bounds = [bound for bound in (most, None if method.max_length == "auto" else method.max_length) if bound is not None]
    if not bounds:
        return None, ()
    if method.too_long == "truncate":
        return None, (f"rows of more than {min(bounds):,} tokens are cut at their end by the vendor, as too_long says",)
    try:
        return LongRows(counter_for(base), min(bounds)), ()
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


def _checked(dataset: Dataset, goal: Target, *, purpose: str, counter: Counter | None, recipe: Recipe) -> tuple[int, tuple[Finding, ...]]:
    """The number of rows, and what the rules say of them. Raises CheckFailed with the first that cannot be trained on."""
    from tuneport.checks import check
    from tuneport.rules.known import chosen

    ignored = (*_OF_SOURCES, *(("rows-not-few",) if purpose == "validation" else ()))
    paired = recipe.validation is not None
    report = check(dataset, target=goal, counter=counter, rules=chosen(ignore=ignored), paired=paired)
    _refuse_errors(report.findings, what=f"{dataset.name} ({purpose})", goal=goal)
    return report.rows, tuple(_told(finding, purpose) for finding in report.findings)


def _refuse_errors(findings: tuple[Finding, ...], *, what: str, goal: Target) -> None:
    problems = [finding for finding in findings if finding.severity == "error"]
    if problems:
        shown = [f"line {each.line}: {each.message}" if each.line else each.message for each in problems[:_SHOWN]]
        more = [f"(and {len(problems) - _SHOWN} more)"] if len(problems) > _SHOWN else []
        raise CheckFailed(f"{what} cannot be used: {' '.join(shown + more)}", remedy=f"See all of it: tuneport data check FILE{_for(goal)}")


def _for(goal: Target) -> str:
    """What `data check` has to be told to check for the same."""
    named = ":".join(filter(None, (goal.provider, goal.model))) if goal.provider else ""
    return (f" --for {named}" if named else "") + (f" --method {goal.method}" if goal.method != "sft" else "")


def _told(finding: Finding, purpose: str) -> Finding:
    return finding if purpose == "train" else replace(finding, message=f"({purpose}) {finding.message}")


def _shared(train: Dataset, validation: Dataset, goal: Target) -> tuple[Finding, ...]:
    """Rows that stand in both files."""
    from tuneport.checks import check_pair

    report = check_pair(train, validation, target=goal, rules={"test-apart"})
    return tuple(_told(finding, "validation") for finding in report.findings)


def _file(dataset: Dataset, *, purpose: str, rows: int, method: str, dialect: Dialect) -> PlannedFile:
    return PlannedFile.from_chunks(chunks_of(dataset, format=FORMATS[method], bom=dialect.bom), purpose=purpose, rows=rows)


def chunks_of(dataset: Dataset, *, format: str, bom: bool = False) -> Callable[[], Iterator[bytes]]:
    """The bytes of a file, afresh at every call."""
    return lambda: chain((_BOM,) if bom else (), dataset.chunks(format=format))


def refuse_size(file: PlannedFile, limits: Limits, *, dialect: Dialect) -> None:
    """Raises CheckFailed for a file that is larger, as it goes over the wire, than what is taken."""
    most = limits.max_file_bytes
    if most is not None and file.size_bytes > most:
        raise CheckFailed(
            f"the {file.purpose} file has {file.size_bytes:,} bytes as it would be sent; {dialect.name} takes {most:,} at most.",
            remedy="Leave rows out: tuneport data sample, or data split.",
        )


def datasets_of(files: Mapping[str, str]) -> dict[str, str]:
    """The keys of a job that name its files."""
    return {f"{'training' if purpose == 'train' else purpose}_file": file_id for purpose, file_id in files.items()}
