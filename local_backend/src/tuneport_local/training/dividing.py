"""Whether the base of a job is divided among its workers, and what each of them has of it then."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import Unsupported
from tuneport_local.bases import divided
from tuneport_local.jobs.devices import device_of
from tuneport_local.machine.team import Team
from tuneport_local.machine.what_fits import team_that_fits

if TYPE_CHECKING:
    from tuneport_local.training.group import Group
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.spec import TrainingSpec


def settled(job: JobLog, spec: TrainingSpec, home: Path, *, group: Group) -> TrainingSpec:
    """The same, knowing whether the base is divided among the workers. Raises Unsupported where that cannot be done here."""
    if spec.sharding == "none" or group.size == 1:
        return replace(spec, sharding="none")
    team, why = team_of(spec, group), divided.why_not(device_of(spec.device))
    if spec.sharding == "auto":
        team = team if why else group.agreed(team_that_fits(spec.base, team, home=home, **asked(spec)))
        job.event("info", f"the base is {'divided among the workers: only that fits' if team.divided else 'whole in each worker'}")
    elif why:
        raise Unsupported(f"{why}.", remedy="Leave options.local.sharding out.")
    return replace(spec, sharding="full" if team.divided else "none")


def team_of(spec: TrainingSpec, group: Group) -> Team:
    """The processes of a job, as far as its memory goes."""
    return Team(group.size, group.here if device_of(spec.device) == "cpu" else 1, spec.sharding == "full")


def asked(spec: TrainingSpec) -> dict[str, Any]:
    """What the memory for a training depends on beside its base."""
    return {"device": device_of(spec.device), "method": spec.method, "kind": spec.kind.name, "lora": asdict(spec.lora)}


def kept_here(model: Any) -> str:
    """What each worker has of a divided base, with its size."""
    parts = [(divided.here(each), each) for each in model.parameters()]
    kept, all_of_it = (sum(each[place].numel() * each[place].element_size() for each in parts) for place in (0, 1))
    unit, size = ("MB", 1e6) if all_of_it >= 1e6 else ("kB", 1e3)
    return f"the base is divided: each worker keeps {kept / size:,.1f} of its {all_of_it / size:,.1f} {unit}"
