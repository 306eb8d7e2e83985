"""The data files of a plan: checked for what the method and the base take, and as they will lie in the job folder."""

from __future__ import annotations

from dataclasses import dataclass

from tuneport.checks import CheckReport, Target, check, check_pair
from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, Unsupported
from tuneport.finding import Finding
from tuneport.limits import Limits
from tuneport.plan import PlannedFile
from tuneport.planned_data import datasets_of, refuse_errors
from tuneport.provider import Capability
from tuneport.recipe import Recipe
from tuneport_local.heads.labelled_rows import as_learned
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.plans.contents import RICH, Contents, contents, refuse_split
from tuneport_local.rows.pictures import embedded
from tuneport_local.support import support


@dataclass(frozen=True, slots=True)
class Carried:
    """The files, the format that all of them have, and what the checks found of the rows to train on that is no error."""

    files: tuple[PlannedFile, ...]
    format: str
    findings: tuple[Finding, ...]


def carried(recipe: Recipe, *, provider: str, base: str, knows_tools: bool, blind: str, workers: int = 1) -> Carried:
    """Raises CheckFailed for rows that cannot be trained on, Unsupported for kinds of rows that the method or the workers do not take."""
    if OBJECTIVES[recipe.method.kind].headed:
        return _for_a_head(recipe, provider=provider, base=base)
    datasets, method = datasets_of(recipe), recipe.method.kind
    held = contents(datasets.values())
    refuse_split(recipe.method, held, name=recipe.train.name)
    if held.pictures and workers > 1:
        raise Unsupported(
            "some rows have images, which have not been tried with several workers.", remedy="Leave options.local.engine out."
        )
    why = _why_blind(recipe, held, base=base, blind=blind)
    if held.pictures and not why:
        datasets = {purpose: embedded(dataset) for purpose, dataset in datasets.items()}
    target = Target(provider=provider, model=base, method=method, limits=Limits(images=not why, media=False, tools=knows_tools))
    reports = {purpose: _checked(dataset, purpose=purpose, target=target, why=why) for purpose, dataset in datasets.items()}
    format = RICH if held.texts or held.pictures else OBJECTIVES[method].format
    if format == RICH and OBJECTIVES[method].format == "chat":
        datasets = {purpose: dataset.recast("chat") for purpose, dataset in datasets.items()}
    return Carried(_files(datasets, reports, format), format, reports["train"].findings)


def _for_a_head(recipe: Recipe, *, provider: str, base: str) -> Carried:
    """The same for rows with labels or scores: as a head learns from them, with their images in them."""
    method = recipe.method.kind
    refuse_split(recipe.method, Contents(), name=recipe.train.name)
    datasets = {
        purpose: embedded(dataset).changed(lambda example: as_learned(example, method=method))
        for purpose, dataset in datasets_of(recipe).items()
    }
    target = Target(provider=provider, model=base, method=method, limits=Limits(images=True, media=False, tools=True))
    reports = {purpose: _checked(dataset, purpose=purpose, target=target) for purpose, dataset in datasets.items()}
    _refuse_one_answer(reports["train"], recipe.train.name)
    _refuse_new_labels(datasets, target)
    format = OBJECTIVES[method].format
    return Carried(_files(datasets, reports, format), format, reports["train"].findings)


def _files(datasets: dict[str, Dataset], reports: dict[str, CheckReport], format: str) -> tuple[PlannedFile, ...]:
    return tuple(_file(dataset, purpose=purpose, rows=reports[purpose].rows, format=format) for purpose, dataset in datasets.items())


def _file(dataset: Dataset, *, purpose: str, rows: int, format: str) -> PlannedFile:
    return PlannedFile.from_chunks(lambda: dataset.chunks(format=format), purpose=purpose, rows=rows)


def _checked(dataset: Dataset, *, purpose: str, target: Target, why: str = "") -> CheckReport:
    """What the rules say of the data. Raises CheckFailed with the first lines that cannot be trained on, and `why`."""
    report = check(dataset, target=target)
    refuse_errors(report.findings, what=f"{dataset.name} ({purpose})", remedy=f"{why} See: tuneport data check".strip())
    return report


def _refuse_one_answer(report: CheckReport, name: str) -> None:
    """Raises CheckFailed for training rows that all have the same label or score."""
    if any(finding.rule == "answers-differ" for finding in report.findings):
        raise CheckFailed(
            f"{name} (train) cannot be used: all {report.rows} rows have the same label or score, so there is nothing to tell apart.",
            remedy="Add rows with others, or check that the right column was taken.",
        )


def _refuse_new_labels(datasets: dict[str, Dataset], target: Target) -> None:
    """Raises CheckFailed for labels that only the rows to validate on have."""
    validation = datasets.get("validation")
    if validation is None or target.method != "classify":
        return
    report = check_pair(datasets["train"], validation, target=target, rules={"labels-covered"})
    refuse_errors(report.findings, what=f"{validation.name} (validation)", remedy="Add rows with these labels to train on.")


def _why_blind(recipe: Recipe, held: Contents, *, base: str, blind: str) -> str:
    """Why pictures in the rows are not taken, as a sentence; '' where there are none, or where they are. Raises Unsupported."""
    if not held.pictures:
        return ""
    if not (answer := support(Capability.IMAGES, method=recipe.method.kind)) or blind:
        return f"{answer.reason or f'{base} is shown no images: {blind}'}."
    if recipe.method.weights is not None:
        raise Unsupported(f"rows with images are trained with LoRA only so far, not with weights {recipe.method.weights.kind!r}.")
    return ""
