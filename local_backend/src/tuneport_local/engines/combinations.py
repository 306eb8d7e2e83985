"""What goes with several workers, as data, and why the rest does not. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.provider import YES, Support, not_yet
from tuneport_local.adapters.tuned_kinds import kind_of, why_undivided
from tuneport_local.bases import divided
from tuneport_local.engines.engine import ENGINES, elsewhere
from tuneport_local.engines.installed import installed
from tuneport_local.jobs.devices import device_of, gpus_here

if TYPE_CHECKING:
    from tuneport_local.plans.machines import Machine

_UNDIVIDED = {
    "kto": "its loss asks how far the model has moved on average over rows that are computed together, which shares of a step are not",
    "grpo": "its answers are written and compared in groups, which nobody deals among workers yet",
}
"""Methods whose loss over a step is no sum over tokens or rows, each of which counts the same whoever learned it."""


def trains(engine: str, *, method: str | None = None) -> Support:
    """Whether an engine can train, and by that method with several workers."""
    if engine not in ENGINES:
        if engine in (rented := installed()):
            return YES
        return not_yet(f"engine {engine!r} is not built for the local backend; it trains with {' or '.join([*ENGINES, *rented])}")
    return _divides(engine, method) if ENGINES[engine].several and method is not None else YES


def _divides(engine: str, method: str) -> Support:
    if method not in _UNDIVIDED:
        return YES
    return not_yet(f"engine {engine!r} divides a step among workers, which is not built for {method}: {_UNDIVIDED[method]}")


def device_there(asked: str, machine: Machine) -> str:
    """What a recipe's device means on a machine that is rented. Raises RecipeError for one that it has not."""
    if asked == "auto":
        return machine.device
    if asked not in ("cpu", "cuda"):
        raise RecipeError(
            f"device {asked!r} is one of this machine, and engine {machine.engine!r} rents another.",
            remedy="Leave options.local.device out, or say 'cpu' or 'cuda'.",
        )
    if asked == "cuda" and not machine.gpus:
        raise RecipeError(
            f"device is 'cuda', and the machine that engine {machine.engine!r} is to rent has no GPU.",
            remedy=f"Choose one with a GPU in options.local.{machine.engine}, or leave options.local.device out.",
        )
    return asked


def workers_there(asked: int | str, machine: Machine, *, device: str) -> int:
    """How many processes train on what is rented: one for each GPU. Raises RecipeError for more than there are, or for a number that the
    machines cannot share evenly."""
    gpus, count = (machine.gpus if device == "cuda" else 0) * machine.count, machine.count
    if asked == "auto":
        if count > 1 and not gpus:
            raise RecipeError(
                f"workers = 'auto' means one for each GPU, and the {count} machines train on their processors.",
                remedy=f"Say options.local.workers = {count}, or a multiple of it.",
            )
        return max(1, gpus)
    has = f"{gpus} GPU{'s' if gpus != 1 else ''}"
    if gpus and int(asked) > gpus:
        which = "the machine that engine" if count == 1 else f"the {count} machines that engine"
        verb = "has" if count == 1 else "have"
        raise RecipeError(f"workers = {asked}, and {which} {machine.engine!r} is to rent {verb} {has}.", remedy=f"Ask for {gpus}.")
    if int(asked) % count:
        raise RecipeError(
            f"workers = {asked} cannot be divided evenly among the {count} machines that engine {machine.engine!r} is to rent.",
            remedy=f"Ask for {max(1, int(asked) // count) * count}.",
        )
    return int(asked)


def workers_of(values: Mapping[str, Any]) -> int:
    """How many processes a recipe's hyperparameters ask for. Raises RecipeError where that cannot be told."""
    engine, asked, device = values.get("engine", "process"), values.get("workers", "auto"), values["device"]
    if not ENGINES[engine].several:
        if asked not in ("auto", 1):
            several = " or ".join(f"'{name}'" for name, listed in ENGINES.items() if listed.several)
            raise RecipeError(f"workers = {asked}, and engine 'process' is one of them.", remedy=f"Set options.local.engine to {several}.")
        return 1
    if values.get("address"):
        if asked == "auto":
            raise RecipeError("a cluster does not say how many workers it is meant to give.", remedy="Say options.local.workers.")
        if device == "auto":
            raise RecipeError(
                "what a cluster's machines have cannot be seen from here.", remedy="Say options.local.device = 'cuda', or 'cpu'."
            )
        return int(asked)
    there = gpus_here() if device_of(device).startswith("cuda") else 0
    if asked == "auto":
        if not there:
            raise RecipeError(
                "workers = 'auto' means one for each GPU, and this trains on the CPU.", remedy="Say options.local.workers = 2, or how many."
            )
        return there
    if there and asked > there:
        raise RecipeError(f"workers = {asked}, and this machine has {there} GPU{'s' if there != 1 else ''}.", remedy=f"Ask for {there}.")
    return int(asked)


def refuse(values: Mapping[str, Any], *, method: str, workers: int) -> None:
    """Raises Unsupported, or RecipeError, for what several workers cannot train together."""
    engine = values.get("engine", "process")
    _refuse_half_a_cluster(values, engine)
    _refuse_divided(values, engine, method=method, workers=workers)
    listed = ENGINES.get(engine)
    if not listed.several if listed else workers == 1:
        return
    if listed and (why := listed.why_not()):
        raise Unsupported(f"{why}.", remedy="Install it, or set options.local.engine to 'accelerate'.")
    for answer in (_divides(engine, method), _weights(values), _device(values["device"])):
        if not answer:
            one_machine = f"Rent one machine in options.local.{engine}, and set options.local.workers = 1."
            alone = one_machine if values.get("machines", 1) > 1 else "Set options.local.workers = 1."
            raise Unsupported(f"{answer.reason}.", remedy="Leave options.local.engine out." if listed else alone)
    if values["batch_size"] % workers:
        near = max(workers, values["batch_size"] // workers * workers)
        raise RecipeError(
            f"batch_size {values['batch_size']} cannot be divided evenly among {workers} workers.",
            remedy=f"Set it to {near} or {near + workers}: it counts the rows of a step over all workers.",
        )


def _refuse_half_a_cluster(values: Mapping[str, Any], engine: str) -> None:
    """Raises RecipeError for a cluster's address without shared storage, the other way round, and for engines that have no cluster."""
    address, storage = values.get("address"), values.get("storage")
    if (address or storage) and engine != "ray":
        raise RecipeError(f"options.local.{'address' if address else 'storage'} is of a Ray cluster, and engine is {engine!r}.")
    if address and not re.fullmatch(r"https?://[^/@\s]+/?", address):
        raise RecipeError("options.local.address has to look like http://head-node:8265, without a user or a password.")
    if storage and not re.fullmatch(r"(/|[a-z][a-z0-9+.-]*://)[^@\s]+", storage):
        raise RecipeError(
            "options.local.storage has to look like s3://bucket/folder or /shared/folder, without a user or a password.",
            remedy="Credentials come from the environment, as fsspec finds them.",
        )
    if address and not storage:
        raise RecipeError(
            f"the cluster at {address} needs the job's folder on storage that it and this machine share.",
            remedy="Set options.local.storage to a bucket, or to a folder that is mounted on all of them.",
        )
    if storage and not address:
        raise RecipeError("options.local.storage is for a cluster, and no options.local.address says which.")


def _refuse_divided(values: Mapping[str, Any], engine: str, *, method: str, workers: int) -> None:
    """Raises RecipeError, or Unsupported, for a base that shall be divided among workers and cannot be."""
    asked = values.get("sharding", "none")
    if asked == "none":
        return
    listed = ENGINES.get(engine)
    if not listed.several if listed else workers == 1:
        alone = f"engine {engine!r} is one of them" if listed else f"the machine that engine {engine!r} is to rent has one"
        other = "Set options.local.engine to 'accelerate'" if listed else "Choose a machine with several GPUs"
        raise RecipeError(
            f"sharding = {asked!r} divides the base among workers, and {alone}.", remedy=f"{other}, or leave options.local.sharding out."
        )
    why = why_undivided(kind_of(values.get("weights")).name, method=method, lora=values["lora"])
    if not elsewhere(values):
        why = why or divided.why_not(device_of(values["device"]))
    if why and asked == "full":
        raise Unsupported(f"{why}.", remedy="Leave options.local.sharding out.")


def _weights(values: Mapping[str, Any]) -> Support:
    if (values.get("weights") or {}).get("gradual"):
        return not_yet(
            "weights that thaw one after the other (gradual) are not built for several workers, whose steps all learn the same ones"
        )
    if values["lora"].get("quantize"):
        return not_yet(f"a base in {values['lora']['quantize']} bits has not been tried with several workers")
    if values.get("share_beginning"):
        return not_yet("share_beginning has not been tried with several workers")
    return YES


def _device(device: str) -> Support:
    if device_of(device) == "mps":
        return not_yet("torch connects no processes over the GPU of a Mac; on its CPU (options.local.device = 'cpu') it does")
    if ":" in device:
        return not_yet(f"device {device!r} is one GPU, and each worker has one of its own; say 'cuda'")
    return YES
