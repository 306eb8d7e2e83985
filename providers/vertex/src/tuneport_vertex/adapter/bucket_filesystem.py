"""A bucket as a filesystem of fsspec's, by the adapter's own client: whoever is signed in for jobs reads and writes their folders.

gcsfs would bring credentials, errors and an event loop of its own. Folders are only beginnings of names: making one does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem  # type: ignore[import-not-found, unused-ignore]

from tuneport.errors import NotFound
from tuneport.plan import PlannedFile
from tuneport_vertex.adapter.storage import Storage
from tuneport_vertex.refusals import NoBucket
from tuneport_vertex.wire.buckets import SCHEME, ObjectAddress

_BLOCK_BYTES = 1 << 20


class BucketFilesystem(AbstractFileSystem):  # type: ignore[misc]
    """Paths are `BUCKET/NAME`, with or without gs:// before them. Raises errors of tuneport.errors, and FileNotFoundError.

    `ask` hands the storage to what it is given, once more where no answer comes: reading does no harm, and writing the same once more makes
    the same.
    """

    protocol = ("gs", "gcs")
    cachable = False

    def __init__(self, ask: Callable[[Callable[[Storage], Any]], Any]) -> None:
        super().__init__(use_listings_cache=False, skip_instance_cache=True)
        self._ask = ask

    # --- looking ---------------------------------------------------------------------------------------------------------------------

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any) -> Any:
        """All files below a folder, or the file itself, in order."""
        root = self._strip_protocol(path)
        found = {name: _file(name, size) for name, size in self._below(root) if maxdepth is None or _depth(name, root) <= maxdepth}
        if not found and (one := self._described(root)) is not None:
            found = {root: one}
        return found if detail else sorted(found)

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        """Files and folders right below. Raises FileNotFoundError where there is nothing."""
        root = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        for name, size in self._below(root):
            head, slash, _rest = name.removeprefix(f"{root}/").partition("/")
            found[f"{root}/{head}"] = _folder(f"{root}/{head}") if slash else _file(name, size)
        if not found:
            one = self._described(root)
            if one is None:
                raise FileNotFoundError(root)
            found = {root: one}
        return [found[name] for name in sorted(found)] if detail else sorted(found)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """The file, or that it is a folder. Raises FileNotFoundError."""
        root = self._strip_protocol(path)
        found = self._described(root)
        if found is None and self._below(root):
            found = _folder(root)
        if found is None:
            raise FileNotFoundError(root)
        return found

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is a file or the beginning of one's name. A service that does not answer is not taken for a no."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def invalidate_cache(self, path: str | None = None) -> None:
        """Nothing is kept."""

    # --- reading ---------------------------------------------------------------------------------------------------------------------

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The file's bytes, compared with their checksum. Raises FileNotFoundError."""
        whole: bytes = self._ask(lambda storage: b"".join(self._content(path, storage)))
        return whole[start:end]

    def get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        """Copies a file here; what is there of it is never taken for the whole."""
        to = Path(lpath)
        part = to.with_name(f"{to.name}.part")

        def copy(storage: Storage) -> None:
            with part.open("wb") as file:
                file.writelines(self._content(rpath, storage))

        self._ask(copy)
        part.replace(to)

    # --- writing ---------------------------------------------------------------------------------------------------------------------

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Puts a whole file there. Raises FileExistsError with mode "create" where there is one."""
        address = self._address(path)
        if mode == "create" and self._described(self._strip_protocol(path)) is not None:
            raise FileExistsError(path)
        self._ask(lambda storage: storage.write(address, bytes(value)))

    def put_file(self, lpath: str, rpath: str, callback: Any = None, mode: str = "overwrite", **_: Any) -> None:
        """Sends a file of any size, a piece at a time."""
        local = Path(lpath)
        if local.is_dir():
            return
        file = PlannedFile.from_chunks(lambda: _chunks(local), purpose=local.name, rows=0, suffix=local.suffix)
        self._ask(lambda storage: storage.write_file(self._address(rpath), file))

    def rm_file(self, path: str) -> None:
        """Removes a file, if it is there."""
        self._ask(lambda storage: storage.remove(self._address(path)))

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Removes files, and with `recursive` all that is below."""
        for one in [path] if isinstance(path, str) else list(path):
            for name in self.find(one) if recursive else [one]:
                self.rm_file(name)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """There is nothing to make."""

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """There is nothing to make."""

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return BytesIO(self.cat_file(path))
        if mode in ("wb", "xb"):
            return _Written(self, path, mode="create" if mode == "xb" else "overwrite")
        raise NotImplementedError(f"a file in a bucket is written whole, not by mode {mode!r}")

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _address(self, path: str) -> ObjectAddress:
        return ObjectAddress.of(SCHEME + self._strip_protocol(path))

    def _below(self, root: str) -> list[tuple[str, int]]:
        uri = f"{SCHEME}{root}/" if "/" in root else f"{SCHEME}{root}"
        return self._ask(  # type: ignore[no-any-return]
            lambda storage: [(f"{each.bucket}/{each.name}", size) for each, size in storage.objects_under(uri)]
        )

    def _described(self, root: str) -> dict[str, Any] | None:
        if "/" not in root:
            return None
        try:
            found = self._ask(lambda storage: storage.described(self._address(root)))
        except NoBucket:
            raise
        except NotFound:
            return None
        return _file(root, int(found.get("size") or 0))

    def _content(self, path: str, storage: Storage) -> Iterator[bytes]:
        try:
            yield from storage.content(self._address(path))
        except NoBucket:
            raise
        except NotFound:
            raise FileNotFoundError(self._strip_protocol(path)) from None


class _Written(BytesIO):
    """A file that is sent when it is closed."""

    def __init__(self, files: BucketFilesystem, path: str, *, mode: str) -> None:
        super().__init__()
        self._files, self._path, self._mode = files, path, mode

    def close(self) -> None:
        if not self.closed:
            self._files.pipe_file(self._path, self.getvalue(), mode=self._mode)
        super().close()

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            super().close()


def _file(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size, "type": "file"}


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _depth(name: str, root: str) -> int:
    return name.removeprefix(f"{root}/").count("/") + 1


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
