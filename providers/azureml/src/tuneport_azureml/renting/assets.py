"""What a job stands on, made where it is not there yet: the bundle as a code asset, the image as an environment. Their names say what is in
them, so that they are looked for first, and the same is never made twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneport.errors import Ambiguous, Refused, Unreachable
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.adapter.containers import Container
from tuneport_azureml.wire import bundles


def code(connection: Connection, container: Container, *, bundle: Path, bundle_sha256: str) -> str:
    """The id of the code asset that is that bundle. Its bytes go first: an asset that is there is whole."""
    name = bundles.code_name(bundle_sha256)
    path, uri = bundles.code_path(name), f"{container.url}/{bundles.code_folder(name)}"
    asset = _found(connection, path, doing="looking for the code")
    if asset is None:
        _send(container, bundle, bundles.code_folder(name))
        asset = _made(connection, path, bundles.code_body(uri, bundle_sha256), doing="registering the code")
    same = bundles.is_of_bundle(asset, uri=uri, bundle_sha256=bundle_sha256)
    if same is None:
        raise Unreachable(f"{connection.place.name} does not say which code {name} is.", remedy="Try again later.")
    if not same:
        raise Refused(f"{connection.place.name} has a code asset {name} that is another; it was left as it is.")
    return f"{connection.place.id}{path}"


def environment(connection: Connection, settings: Mapping[str, Any]) -> str:
    """The id of the environment to run in: the one that is named, or one that is nothing but the image that is."""
    if named := settings.get("environment"):
        return bundles.environment_id(connection.place, str(named))
    image = str(settings["image"])
    path = bundles.environment_path(bundles.environment_name(image))
    if _found(connection, path, doing="looking for the environment") is None:
        _made(connection, path, bundles.environment_body(image), doing="registering the environment")
    return f"{connection.place.id}{path}"


def _send(container: Container, bundle: Path, folder: str) -> None:
    """The bundle's files, in a folder that is named by what is in them; those that arrived before a break stay."""
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        container.put(file, f"{folder}/{file.relative_to(bundle).as_posix()}", once=True)


def _found(connection: Connection, path: str, *, doing: str) -> Reply | None:
    return found_or_none(lambda: connection.patiently(lambda: connection.arm("GET", path, doing=doing)))


def _made(connection: Connection, path: str, body: Mapping[str, Any], *, doing: str) -> Reply:
    """The asset as the service then tells of it. Raises Unreachable where it is not known to be there: no job stands on it yet."""
    try:
        return connection.patiently(lambda: connection.arm("PUT", path, doing=doing, body=body, creating=True))
    except Ambiguous as error:
        found = _found(connection, path, doing=doing)
        if found is None:
            raise Unreachable(error.message, remedy="Try again later.") from None
        return found
