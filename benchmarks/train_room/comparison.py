"""Ours against the others on one data set: every setting of theirs once, shortly; then the fastest of them in turns with ours."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.train_room.material import Source, write
from benchmarks.train_room.process import Run
from benchmarks.train_room.process import run as run_process
from benchmarks.train_room.task import DEFAULTS, FACTORY, OURS, TRL, Setting, Task

VALIDATION_ROWS = 16
LOSS_WITHIN = 0.02
NEARLY = 1.02
"""A validation loss is reached when it is this close to the end of whoever ends higher."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a data set is compared. `rows` of whole runs, `short_rows` of the first ones; `limit` is what is aimed at: times as fast."""

    source: Source
    rows: int
    short_rows: int
    limit: float


@dataclass(frozen=True, slots=True)
class Room:
    """What all data sets are compared with. `folder` is where rows are written, `run` starts a process for a task."""

    model: str
    home: str
    data: Path
    folder: Path
    settings: tuple[Setting, ...]
    rounds: int
    factory: str | None = None
    run: Callable[..., Run] = run_process

    def told(self, task: Task) -> Run:
        """Runs it, and says how it went."""
        found = self.run(task, factory=self.factory)
        rate, later = found["per_s"], found["later_per_s"] or 0.0
        losses = found["losses"]
        figures = f"{rate:7.1f} tokens/s ({later:6.1f} after the first step; {found['per_processor_s']:6.1f} a processor second)"
        print(f"{task.name:44} {figures} {found['peak_mb']:6.0f} MB  loss {losses[0]:.3f} to {losses[-1]:.3f}", flush=True)
        return found


def compared(plan: Plan, room: Room) -> Outcome:
    """Everything about one data set; without it, why."""
    name = plan.source.name
    if reason := plan.source.why_absent(room.data):
        return Outcome({}, (Verdict(name, None, plan.limit, reason=reason),))
    short, whole = _task(plan, room, plan.short_rows, "short"), _task(plan, room, plan.rows, "whole")
    first = {task.name: room.told(task) for task in _theirs(short, room)}
    _refuse_other_tokens([run for label, run in first.items() if label.startswith(TRL)])
    rivals = [task for task in _theirs(whole, room) if task.name in fastest(first, who=TRL)]
    beside = [task for task in _theirs(whole, room) if task.name in fastest(first, who=FACTORY)]
    turns = _turns([whole, *rivals, *beside[:1]], room)
    course = {task.name: room.told(replace(task, validate_every=2)) for task in (whole, rivals[0])}
    apart = {task.name: room.told(task) for task in (replace(whole, adapters="bf16"), replace(whole, shared=True))}
    figures = {
        "rows": plan.rows,
        "short_rows": plan.short_rows,
        "first": first,
        "turns": turns,
        "course": course,
        "time_to_loss": time_to_loss(course),
        "apart": apart,
    }
    return concluded(figures, name=name, limit=plan.limit)


def concluded(figures: dict[str, Any], *, name: str, limit: float) -> Outcome:
    """The limits, by the setting of TRL's that is fastest in the turns, and what is said beside them."""
    turns: dict[str, list[Run]] = figures["turns"]
    ours = turns[OURS]
    rival = max((label for label in turns if label.startswith(TRL)), key=lambda label: middle(turns[label], "per_s"))
    theirs = turns[rival]
    ratios = {rate: ratio(ours, theirs, rate) for rate in ("per_s", "later_per_s", "per_processor_s", "later_per_processor_s")}
    memory = middle(ours, "peak_mb") / middle(theirs, "peak_mb")
    use = {side: statistics.median(run[side] for run in ours) for side in ("use", "processor_use", "nominal_use")}
    apart = losses_apart(ours[0], theirs[0])
    end = {label: run["course"][-1][2] for label, run in figures["course"].items()}
    figures |= {
        "fastest": rival,
        "ratios": ratios,
        "memory_ratio": memory,
        "our_use": use,
        "losses_apart": apart,
        "validation_at_the_end": end,
    }
    other = ", whose steps hold other rows" if "packed" in rival else ""
    executed = f"{use['use']:.0%} of the ceiling executed, {use['processor_use']:.0%} by the processor's time"
    notes = (
        f"{name}: {middle(ours, 'per_s'):.0f} tokens/s, fastest of TRL's {rival}: {middle(theirs, 'per_s'):.0f}",
        *_beside(turns, name=name),
        f"{name}: last losses {apart['last']:.1%} apart, means {apart['mean']:.1%}{other}; validation at the end "
        + ", ".join(f"{label} {loss:.3f}" for label, loss in end.items()),
        f"{name}: to a validation loss of {figures['time_to_loss']['loss']:.3f}: "
        + ", ".join(_reached(label, seconds) for label, seconds in figures["time_to_loss"]["seconds"].items()),
        f"{name}: by the processor's time {ratios['per_processor_s']:.2f} x, {ratios['later_per_processor_s']:.2f} x after the first step",
        f"{name}: {executed}, {use['nominal_use']:.0%} nominal",
        *(f"{name}: {label}: {_apart(run, ours)}" for label, run in figures["apart"].items()),
    )
    verdicts = (
        Verdict(f"{name}: times as fast", ratios["per_s"], limit),
        Verdict(f"{name}: times as fast after the first step", ratios["later_per_s"], limit),
        Verdict(f"{name}: memory", memory, 1.0, at_most=True),
    )
    if not other:
        verdicts = (*verdicts, Verdict(f"{name}: last losses apart", 100 * apart["last"], 100 * LOSS_WITHIN, at_most=True, unit="%"))
    return Outcome(figures, verdicts, notes)


def _beside(turns: dict[str, list[Run]], *, name: str) -> Iterable[str]:
    for label, runs in turns.items():
        if label.startswith(FACTORY):
            times = [ratio(turns[OURS], runs, rate) for rate in ("per_s", "per_processor_s")]
            yield f"{name}: {times[0]:.2f} x {label}, {times[1]:.2f} x by the processor's time; it renders the rows itself"


def _apart(run: Run, ours: Sequence[Run]) -> str:
    """One run of ours that is another training, or the same in another way, beside the median of ours."""
    times = run["per_processor_s"] / middle(ours, "per_processor_s")
    return f"{run['per_s']:.0f} tokens/s, {times:.2f} x ours by the processor's time, last loss {run['losses'][-1]:.4f}"


def _reached(label: str, seconds: float | None) -> str:
    return f"{label} never" if seconds is None else f"{label} {seconds:.0f} s"


def _task(plan: Plan, room: Room, rows: int, name: str) -> Task:
    files = {
        file: write(plan.source.rows(room.data, count=count, file=file), room.folder / f"{plan.source.name}-{name}-{file}.jsonl")
        for file, count in (("train", rows), ("test", VALIDATION_ROWS))
    }
    return Task(OURS, room.model, room.home, str(files["train"]), str(files["test"]))


def _theirs(task: Task, room: Room) -> Iterable[Task]:
    yield from (replace(task, who=TRL, setting=setting) for setting in room.settings)
    if room.factory is not None:
        yield from (replace(task, who=FACTORY, setting=setting) for setting in (DEFAULTS, Setting()))


def _refuse_other_tokens(runs: Sequence[Run]) -> None:
    learned = {run["name"]: run["learned"] for run in runs}
    if len(set(learned.values())) > 1:
        raise RuntimeError(f"they did not learn the same tokens: {learned}")


def fastest(runs: dict[str, Run], *, who: str) -> set[str]:
    """The names of somebody's fastest: by the clock, and by the processor's time where others disturbed the clock. Often it is one."""
    names = [name for name in runs if name.startswith(who)]
    return {max(names, key=lambda name: runs[name][rate]) for rate in ("per_s", "per_processor_s") if names}


def _turns(tasks: Sequence[Task], room: Room) -> dict[str, list[Run]]:
    turns: dict[str, list[Run]] = {task.name: [] for task in tasks}
    for number in range(room.rounds):
        for task in tasks if number % 2 == 0 else reversed(tasks):
            turns[task.name].append(room.told(task))
    return turns


def middle(runs: Sequence[Run], name: str) -> float:
    """The median of a figure."""
    return statistics.median(run[name] for run in runs)


def ratio(ours: Sequence[Run], theirs: Sequence[Run], rate: str) -> float:
    """How many times as fast ours is: the median over the rounds."""
    return statistics.median(one[rate] / other[rate] for one, other in zip(ours, theirs, strict=True))


def losses_apart(ours: Run, theirs: Run) -> dict[str, float]:
    """How far the last losses of two runs are from each other, and their means, as a share of theirs."""
    pairs = {"last": (ours["losses"][-1], theirs["losses"][-1]), "mean": tuple(statistics.fmean(run["losses"]) for run in (ours, theirs))}
    return {name: abs(one - other) / other for name, (one, other) in pairs.items()}


def time_to_loss(course: dict[str, Run]) -> dict[str, Any]:
    """Seconds of training until a validation loss that all of them reach, which is nearly that of whoever ends highest."""
    wanted = NEARLY * max(run["course"][-1][2] for run in course.values())
    reached = {name: next((seconds for _, seconds, loss in run["course"] if loss <= wanted), None) for name, run in course.items()}
    return {"loss": wanted, "seconds": reached}
