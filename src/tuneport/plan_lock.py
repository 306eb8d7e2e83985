"""The lock of a plan: any number of processes on one registry, one of them at a time submitting or settling a plan."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from tuneport.errors import RegistryError
from tuneport.registry import JobRegistry


@contextmanager
def submitting(scope: str, plan_fingerprint: str, registry: JobRegistry) -> Iterator[bool]:
    """Holds the lock of one plan in one scope; yields False when another process holds it. A killed holder lets go by itself."""
    folder = registry.home / "locks"
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}\n{plan_fingerprint}").hex
    lock = FileLock(folder / f"{name}.lock", timeout=0, is_singleton=False)
    try:
        folder.mkdir(exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        message = f"a submit cannot be locked in {folder}: {error.strerror or error}."
        raise RegistryError(message, remedy="Give yourself rights there, or move it away.") from None
    try:
        yield True
    finally:
        lock.release()
