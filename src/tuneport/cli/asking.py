"""Before a command asks models that send a bill: what that costs, and whether to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.session import Session
from tuneport.errors import UsageError
from tuneport.span import NOTHING

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.model import Model
    from tuneport.provider import Generation

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask models that cost money without asking first.")]


def confirm_asking(
    session: Session,
    model: Model,
    rows: Dataset,
    *,
    against: Sequence[str | Model] = (),
    labels_from: Iterable[Example] | None = None,
    generation: Generation | None = None,
) -> None:
    """Asks before money is spent on answers. Raises UsageError where nobody can be asked, typer.Abort when the answer is no."""
    client = session.client
    named = {model.provider, *(each.partition(":")[0] if isinstance(each, str) else each.provider for each in against)}
    if not any(info.bills for info in client.providers() if info.name in named):
        return
    found = client.asking(model, rows, against=against, labels_from=labels_from, generation=generation)
    paid = [each for each in found if each.cost != NOTHING]
    if not paid:
        return
    said = "; ".join(each.sentence for each in paid)
    if not session.can_ask:
        raise UsageError(
            f"answers cost money ({said}) and there is no terminal to confirm on; nothing was asked.", remedy="Add --yes to confirm."
        )
    session.out.say(f"To ask: {said}.")
    typer.confirm("Ask for these answers?", abort=True)
