"""A container for emulated machines: a Python of its own that sees what is installed here, without anything of ours."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path

_OURS = ("tuneport", "_editable_impl_tuneport", "__editable__")


def container(folder: Path) -> Path:
    """Its interpreter. What it sees are links, so that nothing of here can be changed by installing there."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    here = Path(sysconfig.get_path("purelib"))
    there = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    for path in here.iterdir():
        if not path.name.startswith(_OURS) and path.suffix != ".pth" and path.name != "__pycache__":
            (there / path.name).symlink_to(path)
    return folder / "bin" / "python3"
