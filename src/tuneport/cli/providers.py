"""`tuneport providers`: what is installed, what it can do, and why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.session import Session, session_of
from tuneport.cli.views import finding_document
from tuneport.errors import TuneportError, worst_exit_code

if TYPE_CHECKING:
    from tuneport.finding import Finding
    from tuneport.provider import BaseModel, Support, Trainer

app = typer.Typer(rich_markup_mode=None, add_completion=False, help="What is installed, what it can do, and why it cannot.")


@app.callback(invoke_without_command=True)
def providers(context: typer.Context) -> None:
    """What is installed, what it can do, and why it cannot."""
    if context.invoked_subcommand is None:
        list_providers(session_of(context))


def list_providers(session: Session) -> None:
    """One line for each provider and profile; a broken one with its reason."""
    infos = session.client.providers()
    if session.json:
        session.out.document({"providers": [asdict(info) for info in infos]})
    elif infos:
        rows = [
            (i.name, f"{i.distribution} {i.version}".strip(), "broken" if i.problem else "ready", i.problem or i.summary) for i in infos
        ]
        session.out.table(("Provider", "From", "State", "What"), rows, last_is_long=True)
        session.out.say("Can they be used from here? tuneport providers check", style="dim")
    else:
        session.out.say("No provider is installed. For this machine: pip install 'tuneport[local]'")


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this provider or profile, with all it can do.")] = None,
) -> None:
    """Ask whether credentials, region and machine will do. Exit code 3 if a provider refuses, 1 if a check fails."""
    session = session_of(context)
    names = [name] if name else [info.name for info in session.client.providers()]
    checked = [_checked(session, one, whole=name is not None) for one in names]
    if session.json:
        session.out.document({"providers": [one for one, _ in checked]})
    else:
        for one, _ in checked:
            _print_checked(session, one)
    raise typer.Exit(worst_exit_code(code for _, code in checked))


def _checked(session: Session, name: str, *, whole: bool) -> tuple[dict[str, Any], int]:
    """(what was found about a provider, exit code). `whole` adds what it can do and which models it tunes."""
    try:
        findings = session.client.check(name)
        more = _abilities(session, name) if whole else {}
    except TuneportError as error:
        if whole:
            raise
        finding = {"line": None, "rule": type(error).__name__, "severity": "error", "message": error.message, "remedy": error.remedy}
        return {"provider": name, "ok": False, "findings": [finding]}, error.exit_code
    failed = any(finding.severity == "error" for finding in findings)
    return {"provider": name, "ok": not failed, "findings": _documents(findings), **more}, int(failed)


def _documents(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [finding_document(finding) for finding in findings]


def _abilities(session: Session, name: str) -> dict[str, Any]:
    from tuneport.provider import Capability

    trainer = session.client.trainer(name)
    capabilities = {capability.value: _ability(trainer.support(capability)) for capability in Capability}
    return {"capabilities": capabilities, "methods": _methods(trainer), "bases": [asdict(base) for base in _catalogue(session, name)]}


def _methods(trainer: Trainer) -> list[dict[str, Any]]:
    """Each method with whether it is trained, and where the trainer tells, by which rows, on which models, which weights."""
    from tuneport.method_row import TellsMethods
    from tuneport.methods import METHODS
    from tuneport.provider import Capability

    told = {row.method: asdict(row) for row in trainer.methods()} if isinstance(trainer, TellsMethods) else {}
    return [{**told.get(name, {"method": name}), **_ability(trainer.support(Capability.TRAIN, method=name))} for name in METHODS]


def _catalogue(session: Session, name: str) -> Sequence[BaseModel]:
    try:
        return session.client.catalogue(name)
    except TuneportError:
        return ()


def _ability(support: Support) -> dict[str, Any]:
    return {"supported": support.supported, "reason": support.reason, "whose": support.whose}


def _print_checked(session: Session, checked: dict[str, Any]) -> None:
    out = session.out
    out.say(f"{checked['provider']}: {'ready' if checked['ok'] else 'cannot be used'}", style="good" if checked["ok"] else "bad")
    for finding in checked["findings"]:
        lead = "" if finding["severity"] == "info" else f"{finding['severity']}: "
        remedy = f" {finding['remedy']}" if finding["remedy"] else ""
        out.say(f"  {lead}{finding['message']}{remedy}", style="bad" if finding["severity"] == "error" else "")
    if "capabilities" in checked:
        _print_abilities(session, checked)


def _print_abilities(session: Session, checked: dict[str, Any]) -> None:
    can = [name for name, ability in checked["capabilities"].items() if ability["supported"]]
    session.out.say(f"  can: {', '.join(can)}")
    for name, ability in checked["capabilities"].items():
        if not ability["supported"]:
            whose = "the vendor cannot" if ability["whose"] == "vendor" else "not yet"
            session.out.say(f"  {name}: {whose}: {ability['reason']}")
    told = [(row["method"], row["data"], row["models"], ", ".join(row["weights"])) for row in checked["methods"] if "data" in row]
    if told:
        session.out.say()
        session.out.table(("Method", "From", "On", "Weights"), told, last_is_long=True)
    if checked["bases"]:
        session.out.say()
        rows = [(base["id"], ", ".join(base["methods"]), _tokens(base["context_tokens"]), base["licence"]) for base in checked["bases"]]
        session.out.table(("Base", "Methods", "Context", "Licence"), rows, right=(2,))


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
