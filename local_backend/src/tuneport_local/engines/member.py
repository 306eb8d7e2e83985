"""One of the processes that train a job together: `python -m tuneport_local.engines.member <folder>`, started by an engine.

It ends with its launcher, whose lock on the job it waits for all its life: once the lock is free the launcher is gone.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import traceback
from pathlib import Path

from tuneport_local.engines.reports import Report, introduced
from tuneport_local.jobs.devices import device_of
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.machine.threads import share_cores


def main(arguments: list[str] | None = None) -> int:
    """Trains this member's share. Exit code 0 when it has said how it ended and nobody has to begin again."""
    (path,) = arguments if arguments is not None else sys.argv[1:]
    folder = JobFolder(Path(path))
    return 1 if take_part(folder, rank=int(os.environ["RANK"])).begins_again else 0


def take_part(folder: JobFolder, *, rank: int) -> Report:
    """Trains, and leaves how it ended for the launcher."""
    threading.Thread(target=end_with_launcher, args=(folder.lock,), name="launcher-watch", daemon=True).start()
    introduced(folder.path, rank=rank)
    share_cores()
    report = trained(folder, rank=rank)
    report.write(folder.path)
    return report


def trained(folder: JobFolder, *, rank: int) -> Report:
    """Trains, and says how it ended."""
    from tuneport_local.engines import process
    from tuneport_local.engines.processes import connected
    from tuneport_local.training.spec import TrainingSpec

    try:
        spec = TrainingSpec.from_dict(folder.recipe())
        group = connected(gpus=device_of(spec.device).startswith("cuda"))
        return Report(rank, process.run(folder, spec, group))
    except Exception as error:  # whatever a library raises: the launcher decides what it means for the job
        traceback.print_exc()
        return Report.of(rank, error)


def end_with_launcher(lock: Path) -> None:
    """Waits for the launcher's end; a process that trains on without it could write beside the next one."""
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
