"""Whether jobs can be made in this workspace, one finding for each reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tuneport.errors import TuneportError
from tuneport.finding import Finding
from tuneport.replies import Json, object_in, text_in, whole_in
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.adapter.sizes import price_of, sizes
from tuneport_azureml.wire.datastores import api_url, store_of
from tuneport_azureml.wire.tunable import base_of, rows

GPUS = ("standard_nc", "standard_nd", "standard_nv")
"""How the names of sizes with GPUs begin."""


def check(connection: Connection) -> Sequence[Finding]:
    """Identity and workspace first: without them nothing else can be asked."""
    found = list(_identity(connection))
    if not any(each.severity == "error" for each in found):
        for step in (_datastore, _compute, _registries, _jobs):
            found += _told(step, connection)
    return found


def _told(step: Callable[[Connection], Iterator[Finding]], connection: Connection) -> list[Finding]:
    try:
        return list(step(connection))
    except TuneportError as error:
        return [Finding(step.__name__.lstrip("_"), "error", error.message, remedy=error.remedy)]


def _identity(connection: Connection) -> Iterator[Finding]:
    place = connection.place
    try:
        workspace = connection.arm("GET", "", doing="looking at the workspace")
    except TuneportError as error:
        yield Finding("workspace", "error", error.message, remedy=error.remedy)
        return
    who = f"the token in {place.token_source} is used; it is not renewed when it ends" if place.token else "azure-identity's chain is used"
    yield Finding("credentials", "info", f"{who}.")
    region = text_in(workspace, "location") or "a region that it does not name"
    yield Finding("workspace", "info", f"{place.workspace} of {place.group} is there, in {region}.")
    try:
        yield Finding("history", "info", f"the run history is at {api_url(place, workspace)}.")
    except TuneportError as error:
        yield Finding("history", "error", error.message, remedy=error.remedy)


def _datastore(connection: Connection) -> Iterator[Finding]:
    place = connection.place
    store = store_of(place, connection.arm("GET", f"/datastores/{place.datastore}", doing="looking at the datastore"))
    how = "by a signature that it gives out" if store.signed else "by this identity itself, which needs Storage Blob Data Contributor"
    yield Finding("datastore", "info", f"data go to the container {store.container} of {place.datastore}, {how}.")


def _compute(connection: Connection) -> Iterator[Finding]:
    place = connection.place
    if not place.compute:
        where = f"serverless machines: {', '.join(place.instance_types)}" if place.instance_types else "machines of the service's own"
        yield Finding("compute", "info", f"jobs run on {where}.")
        yield from _quota(connection)
        return
    row = connection.arm("GET", f"/computes/{place.compute}", doing=f"looking at the compute {place.compute}")
    size = text_in(object_in(object_in(row, "properties"), "properties"), "vmSize") or "an unknown size"
    if size.casefold().startswith(GPUS):
        yield Finding("compute", "info", f"jobs run on {place.compute}, of {size}.")
    else:
        remedy = "Set compute to one with GPUs, or leave it out."
        yield Finding(
            "compute", "warning", f"the compute {place.compute} is of {size}, which has no GPU as far as is known.", remedy=remedy
        )


def _quota(connection: Connection) -> Iterator[Finding]:
    """Of the sizes that are named: that there are none, or no quota for them, is told before a job is refused for it."""
    place = connection.place
    if not place.instance_types:
        return
    region = text_in(connection.arm("GET", "", doing="looking at the workspace"), "location") or ""
    where = f"/subscriptions/{place.subscription}/providers/Microsoft.MachineLearningServices/locations/{region}"
    there = sizes(connection, region)
    limits = {
        (text_in(object_in(row, "name"), "value") or "").casefold(): whole_in(row, "limit")
        for page in connection.rows(f"{where}/usages", doing="looking at the quota")
        for row in page
    }
    for size in place.instance_types:
        yield _of_size(size, there.get(size.casefold()), limits, region=region)


def _of_size(size: str, row: Json | None, limits: Mapping[str, int | None], *, region: str) -> Finding:
    if row is None:
        return Finding("quota", "error", f"{region} has no machines of size {size}.", remedy="See: az ml compute list-sizes")
    family = text_in(row, "family") or ""
    limit = limits.get(family.casefold())
    if limit == 0:
        return Finding(
            "quota", "error", f"the quota of {family}, which {size} is of, is 0 in {region}.", remedy="Ask for more: the studio, Quota."
        )
    gpus, (price, currency) = whole_in(row, "gpus"), price_of(row)
    cost = "its price is not told" if price is None else f"{price:g} {currency} an hour"
    said = f"{size} has {gpus or 0} GPUs; {cost}; quota of {family or 'its family'}: {'not told' if limit is None else f'{limit} cores'}."
    return Finding("quota", "info" if gpus else "warning", said, remedy="" if gpus else "Name a size with GPUs.")


def _registries(connection: Connection) -> Iterator[Finding]:
    """Those that the bases of our catalogue are in."""
    for name in sorted({base_of(str(row["id"]), provider=connection.place.name).registry for row in rows()}):
        try:
            connection.registry(name)
        except TuneportError as error:
            yield Finding("registries", "warning", f"the registry {name} cannot be reached: {error.message}", remedy=error.remedy)
        else:
            yield Finding("registries", "info", f"the registry {name} can be reached.")


def _jobs(connection: Connection) -> Iterator[Finding]:
    from tuneport_azureml.adapter.jobs import ended, pages

    live = [row for row in next(pages(connection), []) if not ended(row)]
    yield Finding("jobs", "info", f"{len(live)} fine-tuning job{'' if len(live) == 1 else 's'} under way on the first page of the list.")
