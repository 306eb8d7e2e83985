"""One tuning job at a time: whoever is beyond the quota waits for its turn, in the order in which the jobs were made."""

from __future__ import annotations

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.jobs import Job, settle
from tuneport_vertex.emulator.projects import Project
from tuneport_vertex.emulator.world import World

METRIC = "aiplatform.googleapis.com/global_concurrent_tuning_jobs"


def allowed(project: Project, world: World) -> int:
    return world.habits.concurrent_jobs if project.concurrent_jobs is None else project.concurrent_jobs


def advance(project: Project, world: World) -> None:
    """Lets all jobs of the project run up to now, and those that wait begin as soon as there is room."""
    jobs, freed = world.unfinished.get(project.id, []), []
    while True:
        for job in jobs:
            settle(job, world)
        freed += [job.ended_at for job in jobs if job.ended_at is not None and job.admitted_at is not None]
        jobs = world.unfinished[project.id] = [job for job in jobs if job.ended_at is None]
        waiting = [job for job in jobs if job.waits]
        room = allowed(project, world) - sum(job.active for job in jobs)
        if not waiting or room <= 0:
            return
        for job in waiting[:room]:
            since = min(freed, default=None)
            if since is not None:
                freed.remove(since)
            job.admitted_at = max(job.created_at, since or job.created_at)


def admit(job: Job, world: World) -> None:
    """A new job: it begins if there is room, and otherwise waits or is refused. Raises Refusal."""
    project = job.place.project
    advance(project, world)
    room = allowed(project, world) - len(world.unfinished[project.id])
    if room > 0:
        job.admitted_at = job.created_at
    elif world.habits.when_full == "refuse":
        raise refusals.out_of_quota(METRIC)
    world.unfinished[project.id].append(job)
