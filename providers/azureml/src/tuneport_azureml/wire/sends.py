"""All that a submit sends, in order, for a dry run to show: data that are not there yet with their assets, then the job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport_azureml.profile import Workspace
from tuneport_azureml.wire.datastores import blob_path, data_uri
from tuneport_azureml.wire.names import CLIENT_ID, data_id, data_name, data_path
from tuneport_azureml.wire.plans import create_body
from tuneport_azureml.wire.tags import tags_of_file


def sends(plan: Plan, place: Workspace) -> Iterator[PlannedRequest]:
    """What is only known then stands in braces: the id of the submit. Looks, which change nothing, are left out."""
    for file in plan.files:
        yield PlannedRequest(f"PUT {place.datastore}/{blob_path(data_name(file))}", {"bytes": file.size_bytes})
        yield PlannedRequest(f"PUT {data_path(data_name(file)).lstrip('/')}", asset_body(file, uri=_uri(place, file)))
    files = {file.purpose: data_id(place, data_name(file)) for file in plan.files}
    yield PlannedRequest(plan.requests[-1].call, create_body(plan, client_id=CLIENT_ID, files=files))


def asset_body(file: PlannedFile, *, uri: str) -> dict[str, Any]:
    """The data asset over a file's bytes, as it is registered."""
    properties = {
        "dataType": "uri_file",
        "dataUri": uri,
        "description": f"{file.rows} rows to {'train' if file.purpose == 'train' else 'validate'} on",
        "tags": tags_of_file(file),
        "isAnonymous": False,
        "isArchived": False,
    }
    return {"properties": properties}


def _uri(place: Workspace, file: PlannedFile) -> str:
    return data_uri(place, place.datastore, blob_path(data_name(file)))
