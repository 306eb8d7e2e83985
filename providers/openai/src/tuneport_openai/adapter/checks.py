"""`tuneport providers check`: whose key goes where, whether anybody answers, and what is about to end. Creates nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any

from tuneport.catalogue import Base, catalogue
from tuneport.errors import NotFound, TuneportError
from tuneport.finding import Finding
from tuneport.replies import day_in
from tuneport_openai.adapter import jobs
from tuneport_openai.adapter.connection import Connection, Reply
from tuneport_openai.adapter.costs import priced_as
from tuneport_openai.adapter.names import is_checkpoint, is_tuned
from tuneport_openai.profile import Endpoint
from tuneport_openai.wire.jobs import organization_of

SOON_DAYS = 180
MOST_SHOWN = 6


def check(connection: Connection, *, on: date) -> list[Finding]:
    """What is known and what is wrong. Three requests at most; where one is refused, what needs it is left out."""
    endpoint = connection.endpoint
    found = list(_key(endpoint))
    if not endpoint.key:
        return found
    try:
        models = connection.rows("listing models", lambda client: client.models.with_raw_response.list())
        newest = next(islice(jobs.since(jobs.pages(connection), None), 1), None)
    except TuneportError as error:
        return [*found, Finding("reach", "error", error.message, remedy=error.remedy or _whom_to_ask(endpoint))]
    found.append(Finding("reach", "info", f"{endpoint.scope} answers: {len(models)} models can be asked."))
    found += [*_owner(endpoint, newest), *_limits(connection), *_open(endpoint, newest, on=on), *_retirements(endpoint, models, on=on)]
    return found


def _key(endpoint: Endpoint) -> Iterator[Finding]:
    if not endpoint.key:
        yield Finding("key", "error", f"{endpoint.key_source} holds no key.", remedy=f"Set it: export {endpoint.key_source}=…")
        return
    yield Finding("key", "info", f"the key is that of {endpoint.key_source}; it goes to {endpoint.base_url}.")
    told = {"organization": endpoint.organization, "project": endpoint.project}
    for what, value in told.items():
        if value:
            yield Finding(what, "info", f"requests are for the {what} {value}.")
    if endpoint.in_the_clear:
        yield Finding("key", "warning", f"{endpoint.base_url} is not encrypted: the key can be read on its way.", remedy="Use https.")


def _whom_to_ask(endpoint: Endpoint) -> str:
    organization = f", organization {endpoint.organization}" if endpoint.organization else ""
    return f"See whether the key in {endpoint.key_source} belongs to {endpoint.base_url}{organization}."


def _owner(endpoint: Endpoint, newest: Reply | None) -> Iterator[Finding]:
    """Whose key it is: nothing but a job of theirs says so."""
    owner = organization_of(newest) if newest else None
    if owner and not endpoint.organization:
        yield Finding("organization", "info", f"the jobs here belong to the organization {owner}.")


def _limits(connection: Connection) -> Iterator[Finding]:
    """What the vendor says of this organization's limits. The call is documented, its answer is not: it is shown as it comes."""
    if connection.endpoint.compatible:
        return
    try:
        answer = connection.get("reading the limits of fine-tuning", "/fine_tuning/model_limits")
    except NotFound:
        yield Finding("limits", "info", "the vendor gives no limits of fine-tuning for this organization.")
        return
    except TuneportError as error:
        yield Finding("limits", "warning", error.message, remedy=error.remedy)
        return
    shown = [f"{name} ({said})" for name, said in _limits_of(answer) if said]
    if shown:
        more = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
        yield Finding("limits", "info", f"limits of fine-tuning: {'; '.join(shown[:MOST_SHOWN])}{more}.")


def _limits_of(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model with its numbers in words: of `{"data": [{"model", …}]}` or `{"<model>": {…}}`."""
    data = answer.get("data", answer)
    rows = data.items() if isinstance(data, Mapping) else ((_name(row), row) for row in data if isinstance(row, Mapping))
    for name, row in rows:
        if isinstance(row, Mapping):
            yield str(name), ", ".join(f"{key} {value:,}" for key, value in _numbers(row))


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("model") or row.get("id") or "?")


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value


def _open(endpoint: Endpoint, newest: Reply | None, *, on: date) -> Iterator[Finding]:
    """Whether jobs are still taken, as far as that can be told without creating one."""
    bases = _bases(endpoint)
    ends = max((base.training_ends for base in bases if base.training_ends), default=None)
    if ends is None or any(base.training_ends is None for base in bases):
        return
    if on > ends:
        yield Finding("open", "error", f"no new jobs are taken since {ends}.", remedy=_elsewhere())
        return
    since = min((base.closed_to_new_since for base in bases if base.closed_to_new_since), default=None)
    if since is None:
        return
    last = day_in(newest or {}, "created_at")
    if last is None:
        yield Finding(
            "open",
            "warning",
            f"no job is listed here, and new customers are turned away since {since}: a job would probably be refused.",
            remedy=_elsewhere(),
        )
    else:
        yield Finding(
            "open",
            "warning" if (ends - on).days < SOON_DAYS else "info",
            f"the newest job here is of {last}. New customers are turned away since {since}; existing ones that used a tuned model in the "
            f"last 60 days can create jobs until {ends}. Whether this organization may is only told when a job is created.",
            remedy="See: tuneport watch",
        )


def _retirements(endpoint: Endpoint, models: list[Reply], *, on: date) -> Iterator[Finding]:
    """The dates of the catalogue, and those that the vendor's list of models gives: its own word wins."""
    told = {str(row["id"]): day for row in models if (day := _shutdown(row)) is not None}
    by_day: defaultdict[date, list[str]] = defaultdict(list)
    for base in _bases(endpoint):
        day = told.get(base.id) or base.serving_ends
        if day is not None and day >= on:
            by_day[day].append(base.id)
    tuned: defaultdict[date, list[str]] = defaultdict(list)
    for model_id, day in told.items():
        if is_tuned(model_id) and not is_checkpoint(model_id):
            tuned[day].append(model_id)
    for day, names in sorted(by_day.items()):
        yield _ends(f"tunes of {', '.join(sorted(names))} stop answering on {day}", day, on=on)
    for day, names in sorted(tuned.items()):
        yours = f"{len(names)} tuned models of yours ({names[0]} …) stop" if len(names) > 1 else f"your tuned model {names[0]} stops"
        yield _ends(f"{yours} answering on {day}", day, on=on)


def _ends(sentence: str, day: date, *, on: date) -> Finding:
    left = (day - on).days
    when = f"{left} days left" if left >= 0 else f"{-left} days ago"
    soon = left < SOON_DAYS
    return Finding("retirement", "warning" if soon else "info", f"{sentence} ({when}).", remedy="See: tuneport watch" if soon else "")


def _bases(endpoint: Endpoint) -> tuple[Base, ...]:
    """Those of which the catalogue knows, without those that are long gone."""
    provider = priced_as(endpoint)
    return catalogue().of(provider) if provider else ()


def _shutdown(row: Reply) -> date | None:
    try:
        return date.fromisoformat(str(row.get("shutdown_date")))
    except ValueError:
        return None


def _elsewhere() -> str:
    return "The same data can be trained elsewhere: tuneport quote FILE"
