"""A datastore's blobs as a filesystem of fsspec's kind, as far as a job's folder needs one: whole files, lists, and no open handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from tuneport_azureml.adapter.containers import Container, Entry


class BlobFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Paths are those in the container; the addresses `azureml://datastores/…/paths/…` of jobs' outputs are taken as well."""

    protocol = "azureml"
    cachable = False

    def __init__(self, container: Container) -> None:
        super().__init__()
        self._container = container

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return (path.partition("/paths/")[2] if path.startswith("azureml://") else path).strip("/")

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path and (found := self._container.about(path)) is not None:
            return _told(found)
        if self._container.below(path):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        for entry in self._container.below(path):
            below, _, deeper = entry.path.removeprefix(f"{path}/").partition("/")
            name = f"{path}/{below}"
            found[name] = {"name": name, "size": 0, "type": "directory"} if deeper else _told(entry)
        if not found:
            found = {path: self.info(path)}
        return list(found.values()) if detail else list(found)

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any) -> Any:
        """All files below, in one list of the service's. None below is no error."""
        found = {entry.path: _told(entry) for entry in self._container.below(self._strip_protocol(path))}
        return found if detail else sorted(found)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        data = self._container.read(self._strip_protocol(path), start=start, end=end)
        if data is None:
            raise FileNotFoundError(path)
        return data

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        self._container.write(self._strip_protocol(path), bytes(value))

    def put_file(self, lpath: str, rpath: str, callback: Any = None, mode: str = "overwrite", **options: Any) -> None:
        self._container.put(Path(lpath), self._strip_protocol(rpath))

    def get_file(self, rpath: str, lpath: str, callback: Any = None, outfile: Any = None, **options: Any) -> None:
        if not self._container.take(self._strip_protocol(rpath), Path(lpath)):
            raise FileNotFoundError(rpath)

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        path = self._strip_protocol(path)
        for entry in self._container.below(path) if recursive else ():
            self._container.remove(entry.path)
        self._container.remove(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """A container has no folders, only names that look so."""

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """As `makedirs`."""


def _told(entry: Entry) -> dict[str, Any]:
    return {"name": entry.path, "size": entry.size_bytes, "type": "file", "modified": entry.changed_at}
