"""How much memory this process may use, by the machine and by the control group it runs in (containers, systemd). Linux's files are read;
where there are none, the machine's own memory counts. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
_NO_LIMIT = 1 << 60


def total_bytes(*, root: Path = ROOT) -> int:
    """The machine's memory, or the limit of the group where that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for limit, _ in _limits(root))])


def free_bytes(*, root: Path = ROOT) -> int:
    """What is left of it now. What the system keeps of files for convenience counts as free."""
    import psutil

    return max(0, min([int(psutil.virtual_memory().available), *(limit - used for limit, used in _limits(root))]))


def killed_for_memory(*, root: Path = ROOT) -> int | None:
    """How many processes the system has ended for want of memory since it was started; None where it does not say."""
    for line in _text(root / "proc/vmstat").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdecimal():
            return int(value)
    return None


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, used) of our group and of those around it, in bytes, where they have a limit."""
    for folder, names in _groups(root):
        limit, used = (_number(folder / name) for name in names[:2])
        if limit is not None and used is not None and limit < _NO_LIMIT:
            kept = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line).get(names[2], "0")
            yield limit, used - (int(kept) if kept.isdecimal() else 0)


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        newer = controllers == ""
        top = root / "sys/fs/cgroup" / ("" if newer else "memory")
        files = ("memory.max", "memory.current", "inactive_file") if newer else _OLDER
        here = top / path.lstrip("/")
        for folder in (here, *here.parents):
            if folder.is_relative_to(top):
                yield folder, files


_OLDER = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
