"""Trains the job at a place: `python -m tuneport_local.remote <place> --launch <name>`, as the bundle's start.py calls it."""

from __future__ import annotations

import argparse
import os
import sys

from tuneport_local.remote.work import worked
from tuneport_local.storage.place import Place


def main(arguments: list[str] | None = None) -> int:
    """0 when the job ended as it should, was paused or cancelled; 1 when it failed, 143 when the machine is taken away."""
    parser = argparse.ArgumentParser(prog="python -m tuneport_local.remote", description="Trains the job whose folder lies at a place.")
    parser.add_argument("place", help="a folder that is mounted here, or an fsspec URL")
    parser.add_argument("--launch", default="job", help="the name of this launch")
    given = parser.parse_args(arguments)
    return worked(Place(given.place), launch=given.launch)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
