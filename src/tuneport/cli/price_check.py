"""`tuneport prices check`: what is wrong with or doubtful in the price book, the catalogue and the user's own prices."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import typer

from tuneport.cli.price_files import Prices, own_files, today
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import finding_document
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.catalogue.book_check import BookCheck

SHOWN_PER_RULE = 10


def check(context: typer.Context, *, prices: Prices = None) -> None:
    """Say what is wrong with the book and with your own price files, and what of it is doubtful.

    Rows that cannot be used, contradictions, old prices and those of third parties, prices of unknown models and models without a price,
    and prices that litellm or genai-prices, where installed, have otherwise. Exit code 1 only for errors in your own files.
    """
    from tuneport.catalogue.book_check import check_book
    from tuneport.prices.other_tables import installed

    session = session_of(context)
    others = installed()
    found = check_book(own_files(session, prices), on=today(session), others=others)
    if session.json:
        session.out.document(
            {
                "on": today(session).isoformat(),
                "rows": found.rows,
                "ok": found.ok,
                "counts": found.counts,
                "compared_with": [other.name for other in others],
                "findings": [finding_document(finding) for finding in found.findings],
            }
        )
    else:
        print_check(session, found)
    raise typer.Exit(0 if found.ok else 1)


def print_check(session: Session, found: BookCheck) -> None:
    """Findings by rule, errors first; the first ten of each, and how to act on them."""
    ordered = sorted(found.findings, key=lambda finding: (finding.severity, finding.rule))
    for (severity, rule), group in groupby(ordered, key=lambda finding: (finding.severity, finding.rule)):
        some = list(group)
        for finding in some[:SHOWN_PER_RULE]:
            session.out.say(f"{severity}: {finding.message} [{rule}]", style="bad" if severity == "error" else "warn")
        if len(some) > SHOWN_PER_RULE:
            session.out.say(f"  and {len(some) - SHOWN_PER_RULE:,} more of {rule}; --json gives every one.")
        if some[0].remedy:
            session.out.say(f"  {rule}: {some[0].remedy}")
    said = counted(len(found.findings), "finding") if found.findings else "nothing found"
    verdict = "can be used" if found.ok else "not usable as it is"
    session.out.say(f"{counted(found.rows, 'price')}, {said}: {verdict}.", style="good" if found.ok else "bad")
