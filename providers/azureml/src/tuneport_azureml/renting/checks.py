"""Why no job can be launched with some settings, in sentences. The service is asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuneport.errors import NotFound, TuneportError, Unreachable
from tuneport.replies import Json, object_in, text_in, whole_in
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.adapter.stores import Opened, opened
from tuneport_azureml.wire.bundles import ASSET, environment_path
from tuneport_azureml.wire.command_jobs import FOLDER


def reasons(connection: Connection, settings: Mapping[str, Any]) -> list[str]:
    """None where all is well. The workspace comes first: without it nothing else can be asked. Raises Unreachable where nobody answers."""
    place = connection.place
    found: list[str] = []
    try:
        here = connection.patiently(lambda: connection.arm("GET", "", doing="looking at the workspace"))
    except Unreachable:
        raise
    except TuneportError as error:
        return [str(error)]
    region = text_in(here, "location") or ""
    for step in (_datastore, _environment, _machine):
        try:
            found += step(connection, settings, region)
        except Unreachable:
            raise
        except TuneportError as error:
            found.append(f"{place.name}: {error}")
    return found


def _datastore(connection: Connection, settings: Mapping[str, Any], region: str) -> Iterator[str]:
    """Whether it can be reached: from here, which a look at one blob tells, and from there."""
    place = connection.place
    there = opened(connection, place.datastore)
    connection.trying(lambda: _looked_at(there), doing="looking at the datastore's blobs")
    if not there.store.signed and "identity" not in settings:
        yield (
            f"the datastore {place.datastore} holds no secret, and the machine has to reach it as somebody. "
            'Set identity = "user" or "managed" in options.local.azureml.'
        )


def _looked_at(there: Opened) -> None:
    """At one that need not be there."""
    there.blob(f"{FOLDER}/none").exists(**there.signed())


def _environment(connection: Connection, settings: Mapping[str, Any], region: str) -> Iterator[str]:
    """Of the workspace's own; of a registry's, that there is such a registry: the rest is told when the job is created."""
    found = ASSET.fullmatch(str(settings.get("environment", "")))
    if found is None:
        return
    try:
        if registry := found["registry"]:
            connection.registry(registry)
        else:
            connection.arm("GET", environment_path(found["name"], found["version"]), doing="looking for the environment")
    except NotFound:
        if registry:
            yield f"the registry {registry}, which the environment is to be of, is not to be found from this workspace."
        else:
            yield f"the workspace has no environment {found['name']} of version {found['version']}. See: az ml environment list"


def _machine(connection: Connection, settings: Mapping[str, Any], region: str) -> Iterator[str]:
    size = str(settings.get("instance_type", ""))
    if compute := settings.get("compute"):
        try:
            row = connection.arm("GET", f"/computes/{compute}", doing=f"looking at the compute {compute}")
        except NotFound:
            yield f"the workspace has no compute {compute!r}. See: az ml compute list"
            return
        size = text_in(object_in(object_in(row, "properties"), "properties"), "vmSize") or ""
    where = f"/subscriptions/{connection.place.subscription}/providers/Microsoft.MachineLearningServices/locations/{region}"
    sizes = {
        str(row.get("name")).casefold(): row for page in connection.rows(f"{where}/vmSizes", doing="looking at the sizes") for row in page
    }
    row_of = sizes.get(size.casefold())
    if row_of is None:
        if not compute:  # one that is there runs, whatever the region offers now
            yield f"{region} has no machines of size {size}. See: az ml compute list-sizes"
        return
    yield from _gpus(row_of, size, int(settings["gpus"]))
    if not compute and settings.get("job_tier") != "spot":
        yield from _quota(connection, where, row_of, size, region, count=int(settings.get("instance_count", 1)))


def _gpus(row: Json, size: str, wanted: int) -> Iterator[str]:
    there = whole_in(row, "gpus") or 0
    if there < wanted:
        yield f"{size} has {there} GPUs, and options.local.azureml.gpus is {wanted}. Name a larger machine, or set gpus = {there}."


def _quota(connection: Connection, where: str, row: Json, size: str, region: str, *, count: int) -> Iterator[str]:
    """That of the family. Machines of low priority have a quota of their own, which is told under no family."""
    family, cores = text_in(row, "family") or "", whole_in(row, "vCPUs") or 0
    limits = {
        (text_in(object_in(each, "name"), "value") or "").casefold(): whole_in(each, "limit")
        for page in connection.rows(f"{where}/usages", doing="looking at the quota")
        for each in page
    }
    limit = limits.get(family.casefold())
    if limit is not None and limit < cores * count:
        has = f"{size} has {cores} cores" if count == 1 else f"{count} machines of size {size} have {cores * count} cores"
        yield f"{has}, and the quota of {family} is {limit} in {region}. Ask for more: the studio, Quota."
