"""The folder of one job at an fsspec URL: a bucket, or a folder that several machines see. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError, TuneportError

MARKER = "complete.json"


class Place:
    """`url` as fsspec takes it (s3://bucket/jobs/1, file:///shared/jobs/1, /shared/jobs/1). Names in it go by `/`.

    `files` is a filesystem of fsspec's kind that somebody has opened, and `url` then the folder in it. Everything raises ConfigError, with
    the URL, where the storage does not do what it is asked; what a filesystem of ours raises from tuneport.errors goes through.
    """

    def __init__(self, url: str, *, files: Any = None) -> None:
        self.url = url
        if files is not None:
            self._files, self._root = files, files._strip_protocol(url)
            return
        import fsspec

        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"options.local.storage {url} cannot be used: {error}.", remedy="Install what fsspec needs for it.") from None

    @property
    def filesystem(self) -> tuple[Any, str]:
        """fsspec's, and the folder in it, for libraries that speak of both."""
        return self._files, str(self._root)

    def read(self, name: str, *, start: int = 0) -> bytes | None:
        """The file's content, as it is now, from a byte that is there on; None where there is no such file."""
        with self._told(f"{name} cannot be read"):
            self._files.invalidate_cache()
            try:
                return bytes(self._files.cat_file(self._path(name), **({"start": start} if start else {})))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, data: bytes) -> None:
        """Puts a whole file there, in place of the one before."""
        with self._told(f"{name} cannot be written"):
            path = self._path(name)
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(path, data)

    def remove(self, name: str) -> None:
        """Removes a file or a folder, if it is there."""
        with self._told(f"{name} cannot be removed"):
            if self._files.exists(self._path(name)):
                self._files.rm(self._path(name), recursive=True)

    def names(self, folder: str) -> list[str]:
        """All files below a folder, by their names from there, in order."""
        with self._told(f"{folder} cannot be listed"):
            self._files.invalidate_cache()
            path = self._path(folder)
            return sorted(found.removeprefix(path).lstrip("/") for found in self._files.find(path))

    def size(self, name: str) -> int | None:
        """Of a file, in bytes; None where there is none."""
        with self._told(f"{name} cannot be read"):
            self._files.invalidate_cache()
            try:
                return int(self._files.info(self._path(name))["size"] or 0)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, local: Path, name: str) -> None:
        """Copies a file, or a folder with all it holds, there. Its marker goes last, so that whoever sees it sees the rest."""
        files = [local] if local.is_file() else [path for path in local.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == MARKER):
            below = path.relative_to(local).as_posix() if path != local else ""
            with self._told(f"{name} cannot be written"):
                target = self._path(f"{name}/{below}" if below else name)
                self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(path), target)

    def take(self, name: str, to: Path) -> None:
        """Copies a folder from there, its marker last."""
        for below in sorted(self.names(name), key=lambda below: below.endswith(MARKER)):
            target = to / below
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._told(f"{name} cannot be read"):
                self._files.get_file(self._path(f"{name}/{below}"), str(target))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except TuneportError:
            raise
        except Exception as error:  # each kind of storage raises its own
            words = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ConfigError(f"storage {self.url}: {what}: {words}.", remedy="Check its address, and the rights there.") from None


def place_of(storage: str, job_id: str) -> Place:
    """That of a job below the storage that its recipe names."""
    return Place(f"{storage.rstrip('/')}/{job_id}")
