"""The program that trains a job through Ray: `python -m tuneport_local.engines.ray_program <folder>`, or `--storage <url>` on a cluster.

On its own machine it starts a Ray for this job alone, which ends with it. As a job of a cluster it finds that one, and the job's folder on
storage that all machines share: each member works on a copy of its own, and the first one's is sent back while it trains. Ray Train starts
the members and ends the others when one is gone; whether they begin again, and from where, is decided by `rounds`, as for every other
engine, so Ray's own FailureConfig allows no failure.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.job import JobState
from tuneport_local.bases import divided
from tuneport_local.engines import ray_copies
from tuneport_local.engines.member import end_with_launcher, take_part
from tuneport_local.engines.ray_copies import Copies
from tuneport_local.engines.reports import ENDED, Report, process_of, reports
from tuneport_local.engines.restarting import Lost
from tuneport_local.engines.rounds import rounds
from tuneport_local.jobs.devices import device_of
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.jobs.folder import JobFolder

if TYPE_CHECKING:
    from tuneport_local.training.spec import TrainingSpec

_PATIENCE_S = 60.0
"""How long a node that went away has to come back."""
_LOOK_EVERY_S = 2.0
_STORE_BYTES = 80 * 1024 * 1024
"""Of Ray's store of objects, which a training does not use: about the least it takes."""


def main(arguments: list[str] | None = None) -> int:
    """Trains the job. Exit code 0 when it has said how the job ended."""
    parser = argparse.ArgumentParser(prog="python -m tuneport_local.engines.ray_program")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("folder", type=Path, nargs="?")
    where.add_argument("--storage", help="the address of the job's folder, on a cluster")
    given = parser.parse_args(arguments)
    if given.storage is not None:
        ray_copies.driven(given.storage, driven)
        return 0
    folder = JobFolder(given.folder)
    threading.Thread(target=end_with_launcher, args=(folder.lock,), name="launcher-watch", daemon=True).start()
    driven(folder).write(folder.path, name=ENDED)
    return 0


def driven(folder: JobFolder, copies: Copies | None = None) -> Report:
    """How the job ended. `copies`: the members have their own, on a cluster."""
    from tuneport_local.training.spec import TrainingSpec

    try:
        spec = TrainingSpec.from_dict(folder.recipe())
        _begin(spec, alone=copies is None)
        if copies is None:
            return rounds(folder, spec, lambda: _fitted(folder, spec))
        return rounds(folder, spec, lambda: copies.kept(lambda: _fitted(folder, spec, copies)))
    except Exception as error:  # whatever Ray raises ends this job, with its reason
        traceback.print_exc()
        return Report.of(0, error)


def _begin(spec: TrainingSpec, *, alone: bool) -> None:
    """Ray, for this job `alone` on this machine: it says nothing to its makers, and only this process can talk to it. Else the cluster that
    this program is a job of."""
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_TRAIN_V2_ENABLED": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"})
    if alone:
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    import ray

    if not alone:
        ray.init(logging_level=logging.ERROR)
        return
    ray.init(
        address="local",
        num_cpus=spec.workers,
        num_gpus=spec.workers if _on_gpus(spec) else 0,
        include_dashboard=False,
        object_store_memory=_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=True,
        runtime_env={"env_vars": _environment(spec)},
    )


def _environment(spec: TrainingSpec) -> dict[str, str]:
    """What the members are told beside who they are. Ray would give each a single thread."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // spec.workers))
    found = {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    found |= divided.environment(spec.sharding, device=device_of(spec.device))
    if paths := os.environ.get("PYTHONPATH"):
        found["PYTHONPATH"] = paths
    return found


def _on_gpus(spec: TrainingSpec) -> bool:
    """A cluster's GPUs may be on other machines than this one: there the recipe says that it wants them."""
    return spec.device == "cuda" if spec.address else device_of(spec.device).startswith("cuda")


def _fitted(folder: JobFolder, spec: TrainingSpec, copies: Copies | None = None) -> Lost | None:
    """Starts the members through Ray Train and waits until all have ended. Which one was lost, where one was."""
    folder.phase(JobState.STARTING, f"starting {spec.workers} workers")
    wait_for_room(spec, free=_resources)
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import WorkerGroupError

    gpus = _on_gpus(spec)
    trainer = TorchTrainer(
        ray_copies.member if copies else _member,
        train_loop_config={"job": copies.url if copies else str(folder.path)},
        scaling_config=ScalingConfig(num_workers=spec.workers, use_gpu=gpus, resources_per_worker={"GPU": 1} if gpus else {"CPU": 1}),
        run_config=RunConfig(name="ray", failure_config=FailureConfig(max_failures=0), **_kept_at(folder, copies)),
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        ray_copies.refuse_what_is_not_shared(error.worker_failures.values())
        if copies is not None:
            copies.heard()
        return _lost(folder, error.worker_failures)
    return None


def _kept_at(folder: JobFolder, copies: Copies | None) -> dict[str, Any]:
    """Where Ray Train keeps what it writes for itself: on a cluster it wants storage that all machines share."""
    if copies is None:
        return {"storage_path": str(folder.path)}
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    files, path = copies.filesystem
    return {"storage_path": path, "storage_filesystem": PyFileSystem(FSSpecHandler(files))}


def _lost(folder: JobFolder, failures: Mapping[int, Exception]) -> Lost:
    """The member that ended without a word; the others miss it and say so."""
    spoke = {report.rank for report in reports(folder.path)}
    rank = min(failures, key=lambda each: (each in spoke, each))
    return Lost(rank, process_of(folder.path, rank=rank))


def _resources() -> dict[str, float]:
    import ray

    return dict(ray.cluster_resources())


def wait_for_room(spec: TrainingSpec, *, free: Any, patience_s: float = _PATIENCE_S, clock: Any = time) -> None:
    """Raises MachineGaveOut for a cluster with fewer places than workers; after a node was lost it may be given back."""
    what = "GPU" if _on_gpus(spec) else "CPU"
    end = clock.monotonic() + patience_s
    while (there := int(free().get(what, 0))) < spec.workers:
        if clock.monotonic() >= end:
            places = f"{there} {what}{'s' if there != 1 else ''}"
            raise MachineGaveOut(
                f"the Ray cluster has {places}, and {spec.workers} workers were asked for.",
                remedy="Resume once it has as many again, or submit with fewer workers.",
            )
        clock.sleep(_LOOK_EVERY_S)


def _member(config: dict[str, str]) -> None:
    """What Ray Train runs in each member."""
    if take_part(JobFolder(Path(config["job"])), rank=int(os.environ["RANK"])).begins_again:
        raise RuntimeError("this member has left its reason in the job's folder")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
