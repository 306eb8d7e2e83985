"""`tuneport data check` and `tuneport data rules`: what is wrong with a dataset, and what is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.data_files import (
    STANDARD,
    Columns,
    DataFile,
    FromFormat,
    Overwrite,
    beside,
    open_dataset,
    refuse_targets,
    say_recognised,
)
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import finding_document
from tuneport.errors import UsageError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.check_report import CheckReport
    from tuneport.corrections import Corrected
    from tuneport.finding import Finding
    from tuneport.limits import Target
    from tuneport.tokens import Counter

SHOWN_PER_RULE = 10
_ALSO_CALLED = {"reinforcement": "grpo"}


class Form(StrEnum):
    """What findings are printed as."""

    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"
    SARIF = "sarif"


For = Annotated[str | None, typer.Option("--for", metavar="PROVIDER[:MODEL]", help="Also check what this provider takes.")]
Method = Annotated[
    str, typer.Option("--method", metavar="NAME", help="What the data are for: sft, dpo, orpo, kto, grpo, reward, classify or regress.")
]
Train = Annotated[Path | None, typer.Option("--train", metavar="FILE", help="FILE is to test on; check it beside these training rows.")]
Tokens = Annotated[bool, typer.Option("--tokens", help="Also count tokens, for the limits of the model that --for names.")]
Near = Annotated[
    bool | None, typer.Option("--near/--no-near", help="Look for rows that are nearly the same. Default: in files of up to 10 MB.")
]
NEAR_BYTES = 10_000_000
"""Up to this size looking for near duplicates takes about a second more, so nobody has to ask for it."""

Only = Annotated[list[str] | None, typer.Option("--only", metavar="RULE", help="Look at this rule only. Repeatable. See: data rules")]
Ignore = Annotated[list[str] | None, typer.Option("--ignore", metavar="RULE", help="Do not look at this rule. Repeatable.")]
OutputForm = Annotated[
    Form | None,
    typer.Option("--output", help="text groups findings by rule, json and sarif hold the first 100 of each, ndjson gives every one."),
]
Fix = Annotated[bool, typer.Option("--fix", help="Write a corrected copy beside FILE, and a list of what was changed.")]
FixTo = Annotated[Path | None, typer.Option("--fix-to", metavar="FILE", help="Write the corrected copy there.")]


def check(
    context: typer.Context,
    file: DataFile,
    *,
    for_: For = None,
    method: Method = "sft",
    train: Train = None,
    tokens: Tokens = False,
    near: Near = None,
    only: Only = None,
    ignore: Ignore = None,
    output: OutputForm = None,
    fix: Fix = False,
    fix_to: FixTo = None,
    format: FromFormat = None,
    columns: Columns = None,
    overwrite: Overwrite = False,
) -> None:
    """Say everything that is wrong with a dataset. Exit code 1 if there are errors."""
    from tuneport.checks import check, check_pair
    from tuneport.limits import target
    from tuneport.rules.known import chosen

    session = session_of(context)
    form = output or (Form.JSON if session.json else Form.TEXT)
    rules = chosen(only=only or (), ignore=ignore or ())
    wanted = target(for_, method=_ALSO_CALLED.get(method, method))
    copy = _copy_target(file, fix=fix, fix_to=fix_to, overwrite=overwrite)
    hear: Callable[[Finding], None] | None = _streamed(session) if form is Form.NDJSON else None
    dataset = open_dataset(file, format=format, columns=columns)
    if form is Form.TEXT:
        say_recognised(dataset)
    close = _is_small(dataset.path, train) if near is None else near
    paired = train is not None
    report = check(dataset, target=wanted, counter=_counter(for_, tokens=tokens), rules=rules, near=close, paired=paired, hear=hear)
    if train is not None:
        trained = open_dataset(train, format=format, columns=columns)
        report = report.joined(check_pair(trained, dataset, target=wanted, rules=rules, near=close, hear=hear))
    fixed = _corrected(file, copy, format=format, columns=columns) if copy is not None else None
    _print(session, form, report, file=dataset.address or str(file), fixed=fixed)
    if form is Form.TEXT and near is None and not close:
        note("rows that are nearly the same were not looked for in a file of this size; --near does.")
    raise typer.Exit(0 if report.ok else 1)


def rules(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="[RULE]", help="One rule to explain.")] = None,
) -> None:
    """List the rules of data check, or explain one."""
    from tuneport.rules.known import RULES, named

    session = session_of(context)
    shown = RULES if id is None else (named(id),)
    if session.json:
        keys = ("id", "severity", "explanation", "remedy")
        session.out.document({"rules": [{key: getattr(rule, key) for key in keys} for rule in shown]})
    elif id is None:
        session.out.table(("Rule", "Severity", ""), [(rule.id, rule.severity, rule.explanation) for rule in shown], last_is_long=True)
    else:
        rule = shown[0]
        session.out.fields([("rule", rule.id), ("severity", rule.severity), ("asks", rule.explanation), ("else", rule.remedy)])


def _counter(model: str | None, *, tokens: bool) -> Counter | None:
    if not tokens:
        return None
    if model is None or ":" not in model:
        raise UsageError("--tokens needs a model whose tokens to count.", remedy="Name it: --for openai:gpt-4.1-mini")
    from tuneport.tokens import counter_for

    return counter_for(model)


def _is_small(*files: Path | None) -> bool:
    """Whether all of the files are small; what has no size on a disk is not."""
    there = [file for file in files if file is not None]
    return all(file.is_file() and file.stat().st_size <= NEAR_BYTES for file in there)


def _copy_target(file: Path, *, fix: bool, fix_to: Path | None, overwrite: bool) -> Path | None:
    """Where the corrected copy goes; None when none is asked for. Raises UsageError before anything is read."""
    if not fix and fix_to is None:
        return None
    if file == STANDARD:
        raise UsageError("rows from standard input cannot be corrected in a copy.", remedy="Save them to a file first.")
    copy = fix_to or beside(file, "fixed")
    refuse_targets([copy], sources=[file], overwrite=overwrite)
    return copy


def _corrected(file: Path, copy: Path, *, format: str | None, columns: Sequence[str] | None) -> Corrected:
    from tuneport.corrections import correct

    pairs = (column.partition("=") for column in columns or ())
    return correct(file, copy, format=format, columns={name: theirs for name, _, theirs in pairs})


def _streamed(session: Session) -> Callable[[Finding], None]:
    def hear(finding: Finding) -> None:
        session.out.raw_json({"schema_version": 1, "record": "finding", **finding_document(finding)})

    return hear


def _print(session: Session, form: Form, report: CheckReport, *, file: str, fixed: Corrected | None) -> None:
    if form is Form.SARIF:
        from tuneport.sarif import sarif_log

        session.out.raw_json(sarif_log(report, file=file), indent=2)
    elif form is Form.JSON:
        session.out.document(_document(report, fixed))
    elif form is Form.NDJSON:
        summary = _document(report, fixed)
        del summary["findings"], summary["truncated"]
        session.out.record("summary", summary)
    else:
        _say(session, report, file=file)
        _say_target(session, report.target)
        if fixed is not None:
            _say_fixed(session, fixed)


def _document(report: CheckReport, fixed: Corrected | None) -> dict[str, Any]:
    document = report.to_dict()
    if fixed is not None:
        document["fixed"] = {"path": fixed.path, "changes_path": fixed.changes_path, "rows": fixed.rows, "changes": dict(fixed.changes)}
    return document


def _say(session: Session, report: CheckReport, *, file: str) -> None:
    """Findings by rule, errors first; the first of each."""
    order = {"error": 0, "warning": 1, "info": 2}
    findings = sorted(report.findings, key=lambda finding: (order[finding.severity], finding.rule, finding.line or 0))
    for (severity, rule), group in groupby(findings, key=lambda finding: (finding.severity, finding.rule)):
        some = list(group)
        style = "bad" if severity == "error" else "warn"
        for finding in some[:SHOWN_PER_RULE]:
            place = f"{file}:{finding.line}" if finding.line is not None else file
            session.out.say(f"{place}: {severity}: {finding.message} [{rule}]", style=style)  # type: ignore[arg-type]
        if report.counts[rule] > SHOWN_PER_RULE:
            session.out.say(f"  and {report.counts[rule] - SHOWN_PER_RULE:,} more of {rule}; --output ndjson gives every one.")
        if some[0].remedy:
            session.out.say(f"  {rule}: {some[0].remedy}")
    total = sum(report.counts.values())
    found = counted(total, "finding") if total else "nothing found"
    verdict = "ok" if report.ok else "not usable as it is"
    session.out.say(f"{file}: {counted(report.rows, 'row')}, {found}: {verdict}.", style="good" if report.ok else "bad")


def _say_target(session: Session, target: Target) -> None:
    if target.provider is not None:
        of = " ".join(filter(None, (target.provider, target.model)))
        note(f"checked for {of} with method {target.method}; --json gives the sources of its limits and their dates.")


def _say_fixed(session: Session, fixed: Corrected) -> None:
    changes = ", ".join(f"{rule} {count:,}" for rule, count in fixed.changes.items())
    session.out.say(f"Wrote {counted(fixed.rows, 'row')} to {fixed.path}; {changes or 'nothing to correct'}. Changes: {fixed.changes_path}")
