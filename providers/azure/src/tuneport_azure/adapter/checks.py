"""`tuneport providers check`: with whose credentials which resource is asked, what it offers, how full it is, and what ends. Creates
nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date

from tuneport_openai.adapter.checks import SOON_DAYS
from tuneport_openai.adapter.connection import Reply
from tuneport_openai.adapter.names import is_checkpoint, is_tuned

from tuneport.catalogue import catalogue
from tuneport.errors import TuneportError
from tuneport.finding import Finding
from tuneport.job import Snapshot
from tuneport.replies import day_in, object_in
from tuneport_azure.adapter.connection import AzureConnection
from tuneport_azure.adapter.costs import PROVIDER
from tuneport_azure.adapter.management import Management
from tuneport_azure.adapter.region import region
from tuneport_azure.profile import Resource
from tuneport_azure.quotas import Jobs, told
from tuneport_azure.wire.versions import SINCE, too_old


def check(connection: AzureConnection, jobs: Iterator[Snapshot], *, management: Management, on: date) -> list[Finding]:
    """What is known and what is wrong. `jobs` are read only when the resource answers."""
    resource = connection.resource
    found = [*_credentials(resource), *_version(resource)]
    try:
        models = connection.rows("listing models", lambda client: client.models.with_raw_response.list())
        listed = list(jobs)
    except TuneportError as error:
        return [
            *found,
            Finding("reach", "error", error.message, remedy=error.remedy or "See whether the endpoint and credentials are right."),
        ]
    found.append(Finding("reach", "info", f"{resource.scope} answers: it lists {len(models)} models and {len(listed)} jobs."))
    found += [*told(Jobs.of(listed), resource=resource.resource), *_retirements(models, on=on)]
    return [*found, *region(management, wanted=resource.training_type), *_roles(resource)]


def _credentials(resource: Resource) -> Iterator[Finding]:
    what = {"key": f"the key is that of {resource.key_source}", "token": f"the token is that of {resource.key_source}"}
    said = what.get(resource.credential, f"tokens come from {resource.key_source}")
    yield Finding("key", "info", f"{said}; it goes to {resource.endpoint}{resource.project}.")
    yield Finding("training_type", "info", f"jobs are trained as {resource.training_type} unless their recipe says otherwise.")


def _version(resource: Resource) -> Iterator[Finding]:
    version = resource.api_version
    if version is None:
        yield Finding("version", "info", "requests go to the v1 API, which has no date.")
    elif too_old(version):
        yield Finding(
            "version",
            "error",
            f"api_version {version} is too old to train with: it knows neither methods nor training types, which came with {SINCE}.",
            remedy="Unset OPENAI_API_VERSION and api_version for the v1 API, or take a later one.",
        )
    else:
        yield Finding("version", "info", f"requests go to the API of {version}.")


_AT_LEAST = "at least "


def _retirements(models: Sequence[Reply], *, on: date) -> Iterator[Finding]:
    """The dates of the catalogue, and those that the list of models gives: the vendor's own word wins."""
    listed = {str(row["id"]): object_in(row, "deprecation") for row in models}
    training: defaultdict[tuple[date, str], list[str]] = defaultdict(list)
    answering: defaultdict[tuple[date, str], list[str]] = defaultdict(list)
    for base in catalogue().of(PROVIDER):
        if day := day_in(listed.get(base.id, {}), "fine_tune"):
            training[day, ""].append(base.id)
        elif base.training_ends:
            training[base.training_ends, _AT_LEAST if "training" in base.earliest else ""].append(base.id)
        if base.serving_ends:
            answering[base.serving_ends, _AT_LEAST if "serving" in base.earliest else ""].append(f"tunes of {base.id}")
    for model_id, ends in listed.items():
        if is_tuned(model_id) and not is_checkpoint(model_id) and (day := day_in(ends, "inference")):
            answering[day, ""].append(f"your {model_id}")
    for what, found in (("can be trained", training), ("answer", answering)):
        for (day, vague), names in sorted(found.items()):
            yield _ends(f"{', '.join(sorted(names))} {what} until {vague}{day}", day, on=on)


def _ends(sentence: str, day: date, *, on: date) -> Finding:
    left = (day - on).days
    when = f"{left} days left" if left >= 0 else f"{-left} days ago"
    soon = left < SOON_DAYS
    return Finding("retirement", "warning" if soon else "info", f"{sentence} ({when}).", remedy="See: tuneport watch" if soon else "")


def _roles(resource: Resource) -> Iterator[Finding]:
    """Reading is all that can be tried without effect."""
    who = "whoever has the key" if resource.credential == "key" else "this identity"
    yield Finding("role", "info", f"{who} may read here; whether it may train and deploy is only told when that is asked for.")
