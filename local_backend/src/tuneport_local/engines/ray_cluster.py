"""A job on a Ray cluster: sent to its jobs API, followed through the storage that both share.

The cluster's job is named after ours, so that a worker which comes later (this machine slept, the first one was killed) follows it instead
of sending another.
"""

from __future__ import annotations

import importlib.metadata
import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuneport
import tuneport_local
from tuneport.errors import ConfigError, TuneportError, Unreachable
from tuneport_local.bases import divided
from tuneport_local.engines.engine import ENGINES, Outcome, Stop
from tuneport_local.engines.ray_copies import SAID
from tuneport_local.engines.reports import ENDED, FOLDER, Report
from tuneport_local.engines.rounds import outcome_of
from tuneport_local.jobs.failures import MachineGaveOut, first_line
from tuneport_local.storage.followed import Followed
from tuneport_local.storage.place import Place, place_of
from tuneport_local.storage.sent import NOT_SHARED
from tuneport_local.tracking.tracked import tracked

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

_EVERY_S = 1.0
_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
}
_OVER = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_WARM_UP_S = 60.0
_PATIENCE_S = 600.0
"""How long a cluster that does not answer is asked again: a head node may be restarted, a laptop may have slept."""


def run(folder: JobFolder, spec: TrainingSpec) -> Outcome:
    """Has the cluster train the job. Raises TuneportError with a sentence."""
    assert spec.address is not None
    assert spec.storage is not None
    place = place_of(spec.storage, folder.id)
    client = connected(spec.address)
    followed = Followed(folder, place)
    name = _running(client, folder.id) or _sent(client, folder, followed, place, spec)
    with tracked(folder) as tracking:
        try:
            report = _until_ended(client, name, followed, place)
        except Stop:  # the worker was told to end: so shall the cluster
            with suppress(Exception):
                client.stop_job(name)
                followed.finish()
            raise
        followed.finish()
        outcome = outcome_of(report)
        tracking.ended(outcome)
    return outcome


def stop(folder: JobFolder) -> None:
    """Ends what the cluster has going for a job that is over here. A cluster that cannot be told is an event."""
    try:
        client = connected(folder.recipe()["hyperparameters"]["address"])
        if (name := _running(client, folder.id)) is not None:
            client.stop_job(name)
    except (TuneportError, ImportError, RuntimeError, OSError) as error:
        said = f"the Ray cluster could not be told that the job is cancelled ({first_line(error)[:200]}): stop it there"
        folder.event("warning", said)


def connected(address: str) -> Any:
    """The cluster's jobs API. Raises Unreachable where nobody answers, ConfigError for a Ray that is too old or another than here."""
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(address)
        version = str(client._do_request("GET", "/api/version").json()["ray_version"])
    except ConnectionError:
        raise Unreachable(
            f"no Ray cluster answers at {address}.", remedy="Check options.local.address: it is that of the dashboard, usually port 8265."
        ) from None
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(f"what answers at {address} is no Ray that takes jobs: {first_line(error)[:200]}.") from None
    refuse_other_version(version, here=importlib.metadata.version("ray"), address=address)
    return client


def refuse_other_version(there: str, *, here: str, address: str) -> None:
    """Raises ConfigError for a cluster that is older than what this was built with."""
    first = ENGINES["ray"].first
    if tuple(int(part) for part in there.split(".")[:2]) < first:
        raise ConfigError(
            f"the cluster at {address} runs Ray {there}, and {first[0]}.{first[1]} or newer is needed (here is {here}).",
            remedy="Bring the cluster up to date.",
        )


def _running(client: Any, job_id: str) -> str | None:
    """The cluster's job that trains ours, where one does."""
    for details in client.list_jobs():
        if (details.metadata or {}).get("tuneport_job") == job_id and details.status not in _OVER:
            return str(details.submission_id)
    return None


def _sent(client: Any, folder: JobFolder, followed: Followed, place: Place, spec: TrainingSpec) -> str:
    """Puts the job's folder on the storage and sends its program. Returns what the cluster calls it."""
    followed.send()
    name = f"tuneport-{folder.id}-{folder.status().attempt}"
    modules = [str(Path(str(package.__file__)).parent) for package in (tuneport, tuneport_local)]
    _taken(
        client,
        folder.id,
        entrypoint=f"python -m tuneport_local.engines.ray_program --storage {shlex.quote(place.url)}",
        submission_id=name,
        metadata={"tuneport_job": folder.id},
        runtime_env={"py_modules": modules, "env_vars": {**_ENVIRONMENT, **divided.environment(spec.sharding, device=spec.device)}},
    )
    folder.event("info", f"sent to the Ray cluster at {spec.address} as {name}; its folder is {place.url}")
    return name


def _taken(client: Any, job_id: str, **job: Any) -> None:
    """Sends the program until the cluster has it: one that has just begun takes none for some seconds. Raises MachineGaveOut."""
    end = time.monotonic() + _WARM_UP_S
    while True:
        try:
            client.submit_job(**job)
        except (RuntimeError, OSError) as error:
            with suppress(RuntimeError, OSError):
                if _running(client, job_id) is not None:
                    return  # it was taken, and only the answer was lost
            if time.monotonic() > end:
                raise MachineGaveOut(
                    f"the Ray cluster takes no job: {first_line(error)[:200]}.", remedy="See its dashboard; resume tries again."
                ) from None
        else:
            return
        time.sleep(_EVERY_S)


def _until_ended(client: Any, name: str, followed: Followed, place: Place) -> Report:
    """How the job ended. Storage or a cluster that gives out for a while is asked again."""
    silent_since: float | None = None
    while True:
        try:
            followed.keep_up()
            report = Report.from_json(place.read(f"{FOLDER}/{ENDED}"))
            if report is not None:
                return report
            if client.get_job_status(name) in _OVER:
                return Report.from_json(place.read(f"{FOLDER}/{ENDED}")) or _unsaid(client, name)
            silent_since = None
        except (ConnectionError, ConfigError, RuntimeError, OSError) as error:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > _PATIENCE_S:
                raise MachineGaveOut(
                    f"the Ray cluster does not answer any more: {first_line(error)}.", remedy="Resume follows it."
                ) from None
        time.sleep(_EVERY_S)


def _unsaid(client: Any, name: str) -> Report:
    """That of a program which left no word on the storage: its log is put beside ours, and has one where it did not see the storage."""
    log = ""
    with suppress(Exception):
        log = client.get_job_logs(name)
        print(log[-8000:], flush=True)
    if said := [line.removeprefix(SAID) for line in log.splitlines() if line.startswith(SAID)]:
        return Report(0, "refused", said[-1], NOT_SHARED)
    words = (client.get_job_info(name).message or "").strip().splitlines()
    why = f": {words[0][:300]}" if words else ""
    return Report(
        0, "machine", f"the program that trains the job ended on the cluster without a word{why}", "See worker.log for the end of its log."
    )
