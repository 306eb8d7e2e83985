"""Files in a cloud's own storage, such as gs://BUCKET/rows.jsonl: copied here once, through the provider that can read them.

Which provider that is, its plug-in says. It is signed in as its profile says; a scheme that nobody reads is refused by name.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from tuneport import plugins
from tuneport.errors import DatasetError, NotFound, PluginError

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, RemoteFile, RemoteFiles
    from tuneport.settings import Settings

BROUGHT_BY = {"gs": "vertex"}
"""The schemes that this project's own plug-ins read, for the sentence that says what to install."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://([^/].*)", re.DOTALL)
_COLLAPSED = re.compile(rf"({'|'.join(BROUGHT_BY)}):/([^/].*)", re.DOTALL)
"""What becomes of an address that went through a Path."""


class LocalCopy:
    """The bytes of one version of a remote file, in a folder of their own that goes when nobody holds this any more."""

    def __init__(self, file: RemoteFile, folder: Path) -> None:
        self.file = file
        self.path = folder / (file.address.rpartition("/")[2][-100:] or "file")
        weakref.finalize(self, shutil.rmtree, str(folder), ignore_errors=True)


_copies: WeakValueDictionary[tuple[str, str], LocalCopy] = WeakValueDictionary()


def address_in(path: str | Path) -> str | None:
    """The address that a path is, such as gs://bucket/rows.jsonl; None for one on this machine."""
    if found := _ADDRESS.fullmatch(str(path)):
        return str(path)
    found = _COLLAPSED.fullmatch(str(path))
    return f"{found[1]}://{found[2]}" if found else None


def local_copy(address: str, *, settings: Settings | None = None) -> LocalCopy:
    """The file at that address, copied here unless this process still holds a copy of the same version.

    Raises DatasetError for a file that is not there and for a scheme that nobody reads, and what the provider's refusal or silence is.
    """
    from tuneport.settings import load_settings

    files = _reader(address.partition("://")[0], settings or load_settings())
    try:
        file = files.look(address)
        held = _copies.get((file.address, file.version))
        return held if held is not None else _copied(files, file)
    except NotFound as error:
        raise DatasetError(f"{address}: no such file.", remedy=error.remedy) from None


def _copied(files: RemoteFiles, file: RemoteFile) -> LocalCopy:
    copy = LocalCopy(file, Path(tempfile.mkdtemp(prefix="tuneport-remote-")))
    with copy.path.open("wb") as here:
        here.writelines(files.content(file))
    if copy.path.stat().st_size != file.size_bytes:
        raise DatasetError(f"{file.address}: {copy.path.stat().st_size:,} of {file.size_bytes:,} bytes arrived.", remedy="Read it again.")
    _copies[file.address, file.version] = copy
    return copy


def _reader(scheme: str, settings: Settings) -> RemoteFiles:
    """What reads files of that scheme. Raises DatasetError where no installed plug-in does."""
    for name, plugin in plugins.installed().items():
        try:
            opening = plugin.load().reads.get(scheme)
        except PluginError:
            continue  # one that does not load reads nothing; `tuneport providers` tells of it
        if opening is not None:
            return opening(_settings_of(name, settings))
    known = BROUGHT_BY.get(scheme)
    if known is not None:
        raise DatasetError(
            f"{scheme}:// files are read by the provider {known}, which is not installed.",
            remedy=f"Install it: pip install {plugins.KNOWN[known]}",
        )
    raise DatasetError(
        f"{scheme}:// files cannot be read from here; {', '.join(f'{each}://' for each in BROUGHT_BY)} can.",
        remedy="Download the file first.",
    )


def _settings_of(plugin: str, settings: Settings) -> ProviderSettings:
    """As the profile of the plug-in's own name has it, or the first that is one of its."""
    from tuneport.provider import ProviderSettings

    tables: Mapping[str, Mapping[str, object]] = settings.providers
    profiles = [name for name, table in tables.items() if table.get("provider", name) == plugin]
    name = plugin if plugin in profiles or not profiles else profiles[0]
    return ProviderSettings(name=name, home=settings.home, environ=settings.environ, profile=tables.get(name, {}))
