"""`tuneport models deploy`, `deployments` and `undeploy`: tuned models that answer only while something stands, and costs."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.everywhere import listed
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import ago, iso, short_uri
from tuneport.errors import Detached, UsageError, worst_exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneport.model import Deployment, DeploymentPlan

OneDeployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Its URI, as `models deployments` shows it.")]


def deploy(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A tuned model's URI, or the job that made it.")],
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The deployment's name; without it, one made of the model's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the provider, such as type=developer; may be repeated."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until it answers.")] = True,
    timeout: Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Follow it no longer than that.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent and what it would cost; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it costs money.")] = False,
) -> None:
    """Let a tuned model answer, where it takes a deployment. That may cost money every hour, asked or not: it says so first."""
    session = session_of(context)
    options = options_of(settings or [], name=name)
    target = session.client.model(model)
    plan = session.client.deployment_plan(target, options=options)
    if dry_run:
        _print_plan(session, plan, requests=True)
        return
    if not plan.sends_nothing and not yes:
        _confirm(session, plan)
    try:
        begun = session.client.deploy(target, options=options, plan=plan)
        _say(session, begun, stands=plan.sends_nothing, stream=wait)
        if wait:
            _follow(session, begun, timeout_s=timeout)
    except KeyboardInterrupt:
        raise Detached(
            "stopped looking; a deployment that was begun goes on, and so does its cost.", remedy=_list_command(session, plan)
        ) from None


def deployments(
    context: typer.Context,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only this provider or profile.")] = None,
) -> None:
    """What is deployed: since when, when it was last asked, and when the provider removes it."""
    session = session_of(context)
    found, codes = listed(session, provider, lambda name: session.client.deployments(provider=name))
    if session.json:
        session.out.document({"deployments": [deployment_document(each) for each in found]})
    elif found:
        now, short = session.client.clock.now(), session.out.terminal
        session.out.table(HEADERS, [_row(each, now=now, short=short) for each in found])
    elif not codes:
        session.out.say("Nothing is deployed.")
    raise typer.Exit(worst_exit_code(codes))


def undeploy(
    context: typer.Context,
    deployment: OneDeployment,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a deployment and what it costs. The model stays and can be deployed again."""
    session = session_of(context)
    if not yes:
        if not session.can_ask:
            raise UsageError(
                f"{deployment} would stop answering and there is no terminal to confirm on; nothing was sent.",
                remedy="Add --yes to confirm.",
            )
        typer.confirm(f"{deployment} will stop answering. End it?", abort=True)
    session.client.undeploy(deployment)
    if session.json:
        session.out.document({"uri": deployment, "ended": True})
    else:
        session.out.say(f"Ended {deployment}.")


# --- deploying -----------------------------------------------------------------------------------------------------------------------


def options_of(settings: Sequence[str], *, name: str | None = None) -> dict[str, Any]:
    """KEY=VALUE as TOML has values: numbers and true are such, everything else is text. Raises UsageError."""
    found: dict[str, Any] = {} if name is None else {"name": name}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {each!r} is not KEY=VALUE; write for example --set type=developer.")
        if key.strip() in found:
            raise UsageError(f"--set {key.strip()} is given twice.")
        found[key.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    return {"true": True, "false": False}.get(text, int(text) if text.isascii() and text.isdigit() else text)


def _confirm(session: Session, plan: DeploymentPlan) -> None:
    """Asks where it would cost something, or nobody knows. Raises UsageError where nobody can be asked, typer.Abort for a no."""
    if plan.free:
        if not session.json:
            _print_plan(session, plan)
        return
    if not session.can_ask:
        costs = "; ".join(plan.cost_sentences)
        raise UsageError(
            f"deploying {plan.model} costs money as long as it stands ({costs}) and there is no terminal to confirm on; nothing was sent.",
            remedy="Add --yes to confirm, or --dry-run to look first.",
        )
    _print_plan(session, plan)
    typer.confirm("Deploy it?", abort=True)


def _print_plan(session: Session, plan: DeploymentPlan, *, requests: bool = False) -> None:
    out = session.out
    if session.json:
        out.document(plan_document(plan))
        return
    out.say(f"{plan.model} as {plan.uri}")
    if plan.stands is not None:
        out.say(f"  it {'stands already' if plan.sends_nothing else 'is made anew'}: {plan.stands.state}")
    for line, sentence in zip_longest(plan.costs, plan.cost_sentences):
        out.say(f"  {sentence}")
        if line is None:
            continue
        origin = ", ".join(filter(None, (line.source, line.as_of, line.confidence, *line.doubts)))
        out.say(f"    {origin}" if origin else "    no price is known")
    for rule in plan.rules:
        out.say(f"  {rule}")
    for request in plan.requests if requests else ():
        out.say(f"\n{request.call}")
        out.raw_json(request.body, indent=2)


def _say(session: Session, begun: Deployment, *, stands: bool, stream: bool) -> None:
    if session.json:
        show = partial(session.out.record, "deployment") if stream else session.out.document
        show(deployment_document(begun))
        return
    session.out.say(f"{begun.uri} {'stands already' if stands else 'is being made'} ({begun.state}).")
    if not stream:
        session.out.say(f"Look at it: {session.command('models', 'deployments', '--provider', begun.provider)}")


def _follow(session: Session, begun: Deployment, *, timeout_s: float | None) -> None:
    """Until it answers. Exits with 1 where it failed."""

    def hear(now: Deployment) -> None:
        if session.json:
            session.out.record("deployment", deployment_document(now))
        else:
            session.out.say(f"{now.uri} {now.state}{f': {now.reason}' if now.reason else ''}")

    ended = session.client.wait_deployed(begun, timeout_s=timeout_s, hear=hear)
    if ended.phase != "ready":
        raise typer.Exit(1)
    if not session.json:
        session.out.say(f"It answers: {session.command('models', 'chat', ended.uri)}")
        session.out.say(f"End it, and what it costs: {session.command('models', 'undeploy', ended.uri)}")


def _list_command(session: Session, plan: DeploymentPlan) -> str:
    return f"Look: {session.command('models', 'deployments', '--provider', plan.provider)}"


# --- listing -------------------------------------------------------------------------------------------------------------------------

HEADERS = ("Deployment", "State", "Model", "Since", "Last asked", "Removed by the provider")


def _row(each: Deployment, *, now: datetime, short: bool) -> tuple[str, ...]:
    state = f"{each.state}: {each.reason}" if each.reason else each.state
    if not short:
        return each.uri, state, each.model, iso(each.created_at), iso(each.last_used_at), iso(each.removed_at)
    asked = ago(each.last_used_at, now) if each.last_used_at else "not known"
    return short_uri(each.uri), state, each.model, ago(each.created_at, now), asked, _ahead(each.removed_at, now)


def _ahead(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    left_h = (at - now).total_seconds() / 3600
    if left_h <= 0:
        return "any time now"
    return f"in {left_h:.0f} h" if left_h < 48 else f"in {left_h / 24:.0f} days"


# --- for scripts ---------------------------------------------------------------------------------------------------------------------


def deployment_document(deployment: Deployment) -> dict[str, Any]:
    """A deployment for scripts."""
    return {field.name: getattr(deployment, field.name) for field in fields(deployment)}


def plan_document(plan: DeploymentPlan) -> dict[str, Any]:
    """A plan for scripts: nothing was sent."""
    from tuneport.cli.quote_documents import line_document

    return {
        "uri": plan.uri,
        "provider": plan.provider,
        "id": plan.id,
        "model": plan.model,
        "requests": [{"call": request.call, "body": request.body} for request in plan.requests],
        "costs": [line_document(line) for line in plan.costs],
        "rules": list(plan.rules),
        "stands": None if plan.stands is None else deployment_document(plan.stands),
    }
