"""Carrying one tune: collect, map, convert, quote, submit, follow, deploy, prove, switch; each step once, whatever stops it in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import Unsupported, UsageError
from tuneport.porting.comparison import Comparison, comparison
from tuneport.porting.converting import converted
from tuneport.porting.costs import Costs
from tuneport.porting.deploying import answering, deployed, planned
from tuneport.porting.journal import JOURNAL, Journal, alone, port_id, ports_in
from tuneport.porting.mapping import Mapped, mapped
from tuneport.porting.named import Named, look_up
from tuneport.porting.old_answers import ask_early
from tuneport.porting.outputs import rows_from_outputs
from tuneport.porting.proving import Copy, Proof, proved
from tuneport.porting.quoting import agree_to, agree_to_other_rows, quoted
from tuneport.porting.source import Source, collect
from tuneport.porting.submitting import begin_again, followed, submitted
from tuneport.porting.switching import Switch, switch
from tuneport.porting.wishes import Confirm, Follow, Hear, Tell, Wishes, tell_nobody
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.job import Job
    from tuneport.model import Deployment, Model
    from tuneport.plan import Plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """A port as far as it costs nothing: what was found, what it becomes, what will be compared, and what it all costs."""

    work: Work
    source: Source
    mapped: Mapped
    plan: Plan | None
    comparison: Comparison | None
    costs: Costs | None


@dataclass(frozen=True, slots=True)
class Ported:
    """A tune that was carried: the new model, the proof, and how to switch to it. `folder` holds the journal, the answers, the report."""

    id: str
    folder: Path
    source: Source
    job: Job
    model: Model
    target: Model | Deployment
    proof: Proof
    switch: Switch


def port(
    named: str,
    wishes: Wishes,
    *,
    client: Client,
    confirm: Confirm,
    hear: Hear = lambda _: None,
    follow: Follow | None = None,
) -> Ported:
    """Carries one tune to `wishes.to` and proves the copy. The same call goes on where an earlier one was stopped.

    Raises from `tuneport.errors`; nothing that is behind it is done twice then.
    """
    with working(named, wishes, client=client, confirm=confirm, hear=hear, follow=follow) as (work, found):
        prepared = prepare(found, work=work)
        if wishes.dry_run or prepared is None:
            raise UsageError("a dry run carries nothing.", remedy="Leave dry_run out to carry it.")
        return carry_out(prepared)


@contextmanager
def working(
    named: str, wishes: Wishes, *, client: Client, confirm: Confirm, hear: Hear, follow: Follow | None, tell: Tell = tell_nobody
) -> Iterator[tuple[Work, Named]]:
    """The port's folder and journal, held alone."""
    found = look_up(named, client=client)
    folder = _folder(found, wishes, ports_in(client.settings.home))
    with alone(folder):
        journal = Journal(folder, about={"source": found.uri, "to": wishes.to, "base": wishes.base}, now=client.clock.now)
        yield Work(client, journal, wishes, confirm, hear, follow or client.wait, tell), found


def _folder(found: Named, wishes: Wishes, ports: Path) -> Path:
    """That of an earlier run, also of one to which only the model was known and not its job; else one by the first of its names."""
    given = [rows.fingerprint if rows is not None else "" for rows in (wishes.train, wishes.validation, wishes.prompts)]
    folders = [ports / port_id(name, wishes.to, wishes.base or "", *given) for name in found.names]
    return next((folder for folder in folders if (folder / JOURNAL).is_file()), folders[0])


def prepare(found: Named, *, work: Work) -> Prepared | None:
    """Everything up to the quote. Sends nothing to the destination; only making rows of the old model's answers is paid for.

    None where a dry run comes to that, since nothing more can be known before.
    """
    work.client.trainer(work.wishes.to)  # a destination that cannot be used is said before anything is fetched
    if work.wishes.again:
        begin_again(work)
    source = collect(found, work=work)
    train = rows_from_outputs(source, work=work) if work.wishes.prompts is not None else source.train
    if train is None:
        return None
    mapping = mapped(source, train, work=work)
    rows = comparison(mapping, work=work) if _can_be_asked(work.wishes.to, work) else None
    if work.journal.done("submit"):
        return Prepared(work, source, mapping, None, rows, None)
    plan = converted(mapping, work=work)
    return Prepared(work, source, mapping, plan, rows, quoted(source, mapping, rows, plan=plan, work=work))


def carry_out(prepared: Prepared) -> Ported:
    """The rest, after the consent to what it costs."""
    job = begin(prepared)
    return finish(prepared, followed(job, work=prepared.work))


def begin(prepared: Prepared) -> Job:
    """The one job, submitted now or before."""
    work = prepared.work
    if prepared.costs is not None:
        agree_to(prepared.costs, work=work)

    def plan() -> Plan:
        return prepared.plan or work.client.plan(prepared.mapped.recipe, provider=work.wishes.to)

    job = submitted(prepared.mapped, plan, work=work)
    if prepared.costs is not None:  # else other rows may be meant now, which were not agreed to
        ask_early(prepared.source, prepared.comparison, work=work)
    return job


def finish(prepared: Prepared, job: Job) -> Ported:
    """What comes after a job that ended well."""
    work, source = prepared.work, prepared.source
    model = work.client.model(job)
    answers = _can_be_asked(model.provider, work)
    agree_to_other_rows(source, prepared.mapped, prepared.comparison, work=work)
    before = work.journal.done("deploy")
    target = model if not answers else planned(model, work=work) if prepared.comparison is None else deployed(model, work=work)
    copy = Copy(model, answers, lambda: answering(model, work=work) if before else target)
    proof = proved(source, prepared.mapped, prepared.comparison, copy, work=work)
    code = switch(source, prepared.mapped, model, target, work=work)
    return Ported(work.journal.id, work.folder, source, job, model, target, proof, code)


def _can_be_asked(provider: str, work: Work) -> bool:
    """Where nobody can ask the new model, nobody needs to pay for the old one's answers."""
    try:
        work.client.server(provider)
    except Unsupported:
        return False
    return True
