"""`tuneport models bases` and `tuneport models nearest`: what can be tuned where and until when, and what is nearest to what."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from tuneport.cli.price_files import today
from tuneport.cli.session import session_of
from tuneport.errors import UsageError

Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only of this provider.")]


def bases(
    context: typer.Context,
    *,
    provider: Provider = None,
    method: Annotated[str | None, typer.Option("--method", metavar="NAME", help="Only what can be tuned so: sft, dpo, grpo.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="As it will be, or was, on that day: 2027-01-06.")] = None,
) -> None:
    """The bases that can be tuned, and until when. Facts that are old or no vendor's are marked."""
    from tuneport.catalogue import catalogue
    from tuneport.cli.price_views import BASE_HEADERS, base_document, base_row

    session = session_of(context)
    now = today(session)
    day = now if on is None else _day(on)
    _refuse_unknown(provider)
    found = [base for base in catalogue().bases if provider in (None, base.provider) and (method is None or method in base.methods)]
    if session.json:
        session.out.document({"on": day.isoformat(), "bases": [base_document(base, on=day) for base in found]})
    elif found:
        session.out.table(BASE_HEADERS, [base_row(base, on=day, today=now) for base in found], right=(3,))
        session.out.say("Says who: tuneport prices show PROVIDER:MODEL", style="dim")
    else:
        session.out.say("The catalogue has no such base.")


def nearest(
    context: typer.Context,
    base: Annotated[str, typer.Argument(metavar="BASE", help="A base: its name, or PROVIDER:NAME.")],
    *,
    provider: Provider = None,
) -> None:
    """What stands in for a base at other providers: the same weights, else one of like size and price, and why."""
    from tuneport.catalogue import catalogue
    from tuneport.catalogue import nearest as nearest_of
    from tuneport.cli.price_sheet import elsewhere, print_nearest
    from tuneport.cli.price_views import nearest_document

    session = session_of(context)
    _refuse_unknown(provider)
    wanted = catalogue().demand(base)
    found = elsewhere(wanted) if provider is None else nearest_of(wanted, provider)
    now = today(session)
    if session.json:
        session.out.document({"base": wanted.uri, "nearest": [nearest_document(each, on=now) for each in found]})
    elif found:
        print_nearest(session, found, on=now)
    else:
        session.out.say(f"Nothing{f' of {provider}' if provider else ''} is known to be near {wanted.uri}.")


def _refuse_unknown(provider: str | None) -> None:
    """Raises UsageError for a provider without a base in the catalogue."""
    from tuneport.catalogue import catalogue
    from tuneport.nearest import did_you_mean

    if provider is not None and provider not in catalogue().providers():
        raise UsageError(f"no base of a provider {provider!r} is known; {did_you_mean(provider, catalogue().providers())}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--on {text!r} is no day; write it as 2027-01-06.") from None
