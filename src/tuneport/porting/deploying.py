"""What answers for a tuned model: itself, or a deployment, which costs by the hour and is agreed to apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.errors import JobFailed, TuneportError, Unsupported
from tuneport.model import Deployment
from tuneport.porting.wishes import Consent
from tuneport.porting.work import Work
from tuneport.provider import Deploys

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.model import DeploymentPlan, Model


def answering(model: Model, *, work: Work) -> Model | Deployment:
    """The tuned model at the destination, or its deployment once that answers. Raises what the consent raises, and JobFailed."""
    client = work.client
    if not isinstance(client.server(model.provider), Deploys):
        _done(work, f"{model.uri} answers without a deployment", model.uri)
        return model
    try:
        plan = client.deployment_plan(model, options=work.wishes.deployment)
    except Unsupported:
        _done(work, f"{model.uri} answers without a deployment", model.uri)
        return model
    if not plan.sends_nothing:
        _ask_for_it(plan, work)
    begun = client.deploy(model, options=work.wishes.deployment, plan=plan)
    work.journal.begin("deploy", {"target": begun.uri})
    stands = client.wait_deployed(begun, hear=lambda now: work.say("deploy", f"{now.uri} {now.state}"))
    if stands.phase != "ready":
        raise JobFailed(f"{stands.uri} is {stands.state}{f': {stands.reason}' if stands.reason else ''}.", remedy="Give the command again.")
    _done(work, f"{stands.uri} answers; end it, and what it costs: tuneport models undeploy {stands.uri}", stands.uri)
    return stands


def deployed(model: Model, *, work: Work) -> Model | Deployment:
    """What answers, as it was when the step was done: that it stands no more is no reason to pay for it again."""
    known = work.journal.facts("deploy").get("target")
    if not work.journal.done("deploy") or known is None:
        return answering(model, work=work)
    if known == model.uri:
        return model
    return Deployment(str(known), model.provider, str(known).partition(":")[2], model.id, "as it was")


def planned(model: Model, *, work: Work) -> Model | Deployment:
    """What would answer: itself, or the deployment that there would be. Nothing is deployed, since nobody has to be asked."""
    work.journal.finish("deploy", {"target": None})
    try:
        plan = work.client.deployment_plan(model, options=work.wishes.deployment)
    except TuneportError:
        return model
    if not plan.sends_nothing:
        work.say("deploy", f"to let it answer: tuneport models deploy {model.uri}", facts={"target": None})
    return Deployment(plan.uri, plan.provider, plan.id, model.id, plan.stands.state if plan.stands else "not deployed")


def _done(work: Work, sentence: str, target: str) -> None:
    if not work.journal.done("deploy"):
        work.journal.finish("deploy", {"target": target})
        work.say("deploy", sentence, facts={"target": target})


def _ask_for_it(plan: DeploymentPlan, work: Work) -> None:
    if plan.free:
        return
    costs = "; ".join(plan.cost_sentences)
    work.agree(
        Consent(
            "deploy",
            f"{plan.model} answers only as the deployment {plan.uri}, which costs money as long as it stands ({costs}).",
            "Deploy it?",
            "Add --deploy to confirm. The job is kept, and the same command goes on from here.",
        )
    )


def standing(model_uri: str, *, client: Client) -> Model:
    """The old model, if it is still there. Nothing is deployed for it: where it takes a deployment, its server asks one that stands.

    Raises what the server raises.
    """
    provider, _, model_id = model_uri.partition(":")
    return client.server(provider).model(model_id)


def serving(model_uri: str, *, client: Client) -> list[Deployment] | None:
    """The deployments through which the old model can be asked now, the youngest first; None where it answers by itself, or where nobody
    says how it stands."""
    provider, _, model_id = model_uri.partition(":")
    try:
        server = client.server(provider)
        if not isinstance(server, Deploys):
            return None
        server.deployment_plan(server.model(model_id), options={})
        found = [each for each in server.deployments() if each.model == model_id and each.phase == "ready"]
    except TuneportError:
        return None
    return sorted(found, key=lambda each: str(each.created_at), reverse=True)


def reason(error: TuneportError) -> str:
    """Why something is not to be had, as a part of a sentence."""
    return error.message.rstrip(".")
