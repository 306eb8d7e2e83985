"""`tuneport providers check`: who asks whom and is let in, where data go, and what can be tuned there until when. Creates nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING

from tuneport.catalogue import Base, catalogue
from tuneport.errors import TuneportError
from tuneport.finding import Finding
from tuneport_vertex.adapter import jobs
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.signing_in import NOBODY
from tuneport_vertex.profile import ADC, Place
from tuneport_vertex.wire.bases import is_gemini
from tuneport_vertex.wire.states import job_state, state_word
from tuneport_vertex.wire.tunable import PROVIDER

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from tuneport_vertex.adapter.storage import Storage

SOON_DAYS = 180
MOST_SHOWN = 6
AT_A_TIME = 1
"""Tuning jobs of a project at a time, unless Google raised it (facts of 2026-11-21). The quota itself is read in the console only."""


def check(connection: Connection, storage: Storage, *, on: date) -> list[Finding]:
    """What is known and what is wrong. Three requests at most; where one is refused, what needs it is left out."""
    place = connection.place
    found = list(_place(place))
    try:
        found.append(_identity(connection))
        page = next(islice(jobs.pages(connection), 1), [])
    except TuneportError as error:
        return [*found, Finding("reach", "error", error.message, remedy=error.remedy)]
    found.append(Finding("reach", "info", f"{connection.address()} answers: the API is on, and tuning jobs may be listed."))
    try:
        found += storage.check()
    except TuneportError as error:
        found.append(Finding("bucket", "error", error.message, remedy=error.remedy))
    return [*found, *_quota(page), *_bases(place, on=on)]


def _place(place: Place) -> Iterator[Finding]:
    yield Finding("project", "info", f"jobs run in the project {place.project}, in {place.location}.")
    if place.endpoint is not None:
        yield Finding("endpoint", "info", f"requests go to {place.endpoint}.")
    if place.service_account is not None:
        yield Finding("service-account", "info", f"jobs run as {place.service_account}.")
    if place.kms_key is not None:
        yield Finding("kms-key", "info", "what jobs make is encrypted with a key of your own, which Google offers for no Gemini 3.")


def _identity(connection: Connection) -> Finding:
    """Whose credentials go there. Signs in, and asks for no token."""
    place = connection.place
    credentials = connection.sign_in.credentials(connection.address())
    if credentials.token == NOBODY:
        return Finding("credentials", "info", "no credentials: the address is on this machine.")
    if place.token is not None:
        return Finding("credentials", "info", f"the access token in {place.token_source} is used; it is not renewed when it ends.")
    return Finding("credentials", "info", f"{ADC} are used{_who(credentials)}.")


def _who(credentials: Credentials) -> str:
    named = getattr(credentials, "service_account_email", None)
    if isinstance(named, str) and "@" in named:
        return f": those of {named}"
    account, kind = getattr(credentials, "account", None), type(credentials)
    return f": those of {account}" if isinstance(account, str) and account else f" ({kind.__module__}.{kind.__name__})"


def _quota(page: list[Reply]) -> Iterator[Finding]:
    """How many run beside how many may, as far as jobs tell: of the newest page, in this region."""
    live = [job for job in page if not job_state(state_word(job.get("state"))).terminal]
    names = ", ".join(jobs.last(str(job["name"])) for job in live[:MOST_SHOWN])
    standing = f"{len(live)} {'is' if len(live) == 1 else 'are'} not done here ({names})" if live else "none is under way here"
    yield Finding(
        "quota",
        "warning" if len(live) >= AT_A_TIME else "info",
        f"a project tunes {AT_A_TIME} Gemini at a time, unless Google raised that: {standing}.",
        remedy="A further job waits with --queue. Your quota: console.cloud.google.com/iam-admin/quotas" if len(live) >= AT_A_TIME else "",
    )


def _bases(place: Place, *, on: date) -> Iterator[Finding]:
    """The bases of the catalogue: those tuned here, those that are near their end, and those that are not tuned any more."""
    here = [base for base in catalogue().of(PROVIDER) if not base.regions or place.location in base.regions]
    today = [base for base in here if base.availability(on=on).word != "closed"]
    if not today:
        yield Finding(
            "bases", "error", f"no base is tuned in {place.location} that is known here.", remedy="Set location: us-central1, europe-west4."
        )
        return
    gemini = [base.id for base in today if is_gemini(base.id)]
    open_models = [base.id for base in today if "@" in base.id]
    for what, names in (("Gemini", gemini), ("open models", open_models)):
        if names:
            more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
            yield Finding("bases", "info", f"{what} that are tuned in {place.location}: {', '.join(names[:MOST_SHOWN])}{more}.")
    yield from _ends(today, on=on)


def _ends(bases: list[Base], *, on: date) -> Iterator[Finding]:
    by_day: defaultdict[tuple[date, bool], list[str]] = defaultdict(list)
    for base in bases:
        if base.serving_ends is not None:
            by_day[base.serving_ends, "serving" in base.earliest].append(base.id)
    for (day, earliest), names in sorted(by_day.items()):
        left = (day - on).days
        when = f"not before {day}" if earliest else f"on {day} ({left} days left)"
        soon = left < SOON_DAYS
        yield Finding(
            "retirement",
            "warning" if soon and not earliest else "info",
            f"tunes of {', '.join(sorted(names))} stop answering {when}.",
            remedy="See: tuneport watch" if soon else "",
        )
