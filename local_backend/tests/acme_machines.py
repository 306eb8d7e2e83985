"""A vendor of rented machines for tests: jobs are files in a folder, a machine is a process that runs the bundle's start.py in a clean
environment, with the packages that are installed here as its container's. `python acme_machines.py <vendor> <name>` is one job's host.

Options of `[options.local.acme]`: vendor (its folder), gpus, container (an interpreter), price. A file `fault-<what>` in that folder
makes it misbehave: down, lost (the launch is made and its answer lost), unmade (lost, and nothing made), hidden, refused, quota, login.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

GRACE_S = 20.0


class Acme:
    """The launcher."""

    def __init__(self, configuration: Any) -> None:
        self.configuration = configuration

    def read(self, options: Mapping[str, Any]) -> dict[str, Any]:
        from tuneport.errors import RecipeError

        if unknown := sorted(set(options) - {"vendor", "gpus", "container", "price", "profile"}):
            raise RecipeError(f"options.local.acme: unknown key {unknown[0]!r}.")
        profile = self.configuration.providers.get(options.get("profile", "acme"), {})
        if not (vendor := options.get("vendor") or profile.get("vendor")):
            raise RecipeError("options.local.acme: vendor is missing.")
        return {"vendor": str(vendor), "gpus": options.get("gpus", 0), "container": options.get("container", sys.executable)} | (
            {"price": options["price"]} if "price" in options else {}
        )

    def gpus(self, settings: Mapping[str, Any]) -> int:
        return int(settings["gpus"])

    def price(self, settings: Mapping[str, Any]) -> Any:
        from tuneport_local.engines.launcher import HourlyPrice

        return HourlyPrice(Decimal(settings["price"]), "acme's list", date(2026, 11, 22)) if "price" in settings else None

    def check(self, settings: Mapping[str, Any]) -> list[str]:
        self._answers(settings)
        return ["the quota of acme is 0"] if self._fault(settings, "quota") else []

    def place(self, settings: Mapping[str, Any], job_id: str) -> Any:
        from tuneport_local.engines.launcher import Place

        return Place(self.place_there(settings, job_id))

    def place_there(self, settings: Mapping[str, Any], job_id: str) -> str:
        return str(Path(settings["vendor"]) / "storage" / job_id)

    def find(self, order: Any) -> Any:
        from tuneport_local.engines.launcher import Rented

        self._answers(order.settings)
        there = _job(Path(order.settings["vendor"]), order.name).is_file() and not self._fault(order.settings, "hidden")
        return Rented(order.name, f"https://acme.example/{order.name}") if there else None

    def launch(self, order: Any) -> Any:
        from tuneport_local.engines.launcher import Rented

        from tuneport.errors import Ambiguous, QuotaExceeded, Refused

        self._answers(order.settings)
        if self._fault(order.settings, "refused"):
            raise Refused("acme has no such machine.", reason="no such machine")
        if self._fault(order.settings, "quota"):
            raise QuotaExceeded("the quota of acme is 0.")
        if not self._fault(order.settings, "unmade"):
            launched(order, self.place_there(order.settings, order.job_id))
        if self._fault(order.settings, "lost") or self._fault(order.settings, "unmade"):
            raise Ambiguous("acme did not answer in time.")
        return Rented(order.name, f"https://acme.example/{order.name}")

    def look(self, rented: Any, settings: Mapping[str, Any]) -> Any:
        from tuneport_local.engines.launcher import Seen

        from tuneport.errors import NotFound

        self._answers(settings)
        if not (path := _job(Path(settings["vendor"]), rented.id)).is_file():
            raise NotFound(f"acme knows no job {rented.id}.")
        return Seen(**json.loads(path.read_text())["seen"])

    def cancel(self, rented: Any, settings: Mapping[str, Any]) -> None:
        self._answers(settings)
        (Path(settings["vendor"]) / f"{rented.id}.cancel").touch()
        if "host" not in (job := json.loads(_job(Path(settings["vendor"]), rented.id).read_text())):
            put(Path(settings["vendor"]), rented.id, {**job, "seen": {"state": "cancelled", "word": "CANCELLED"}})

    def log(self, rented: Any, settings: Mapping[str, Any]) -> str:
        log = Path(settings["vendor"]) / f"{rented.id}.log"
        return log.read_text()[-4000:] if log.is_file() else ""

    def _answers(self, settings: Mapping[str, Any]) -> None:
        from tuneport.errors import CredentialsRefused, Unreachable

        if self._fault(settings, "down"):
            raise Unreachable("acme does not answer.")
        if self._fault(settings, "login"):
            raise CredentialsRefused("the login at acme has expired.", remedy="Run: acme login")

    def _fault(self, settings: Mapping[str, Any], what: str) -> bool:
        return (Path(settings["vendor"]) / f"fault-{what}").exists()


def launched(order: Any, there: str) -> None:
    """A job at the vendor, and its host; without a host where a test plays it."""
    vendor = Path(order.settings["vendor"])
    job: dict[str, Any] = {"seen": {"state": "waiting", "word": "PENDING"}, "there": there, "command": list(order.command(there))}
    job |= {"bundle": str(order.bundle), "container": order.settings["container"], "labels": dict(order.labels)}
    if (vendor / "no-hosts").exists():
        put(vendor, order.name, job)
        return
    put(vendor, order.name, {**job, "host": 0})
    with (vendor / "hosts.log").open("ab") as log:
        subprocess.Popen([sys.executable, __file__, str(vendor), order.name], stdout=log, stderr=log, start_new_session=True)


def put(vendor: Path, name: str, job: Mapping[str, Any]) -> None:
    path = _job(vendor, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".part").write_text(json.dumps(job))
    path.with_suffix(".part").replace(path)


def get(vendor: Path, name: str) -> dict[str, Any]:
    return dict(json.loads(_job(vendor, name).read_text()))


def _job(vendor: Path, name: str) -> Path:
    return vendor / "jobs" / f"{name}.json"


# --- the host of one job, a process of its own ------------------------------------------------------------------------------------------


def host(vendor: Path, name: str) -> None:
    """Runs the job on one machine after another: a file `<name>.preempt` takes one away, gently, or at once where it says `kill`."""
    job = {**get(vendor, name), "host": os.getpid()}
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    environment |= {"TMPDIR": str(vendor / "tmp"), "TUNEPORT_ENVIRONMENTS": str(vendor / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    (vendor / "tmp").mkdir(exist_ok=True)
    while True:
        put(vendor, name, {**job, "seen": {"state": "running", "word": "RUNNING"}})
        with (vendor / f"{name}.log").open("ab") as log:
            command = [job["container"], *job["command"][1:]]
            machine = subprocess.Popen(command, cwd=job["bundle"], env=environment, stdout=log, stderr=log)
        how = _until_over(machine, vendor, name)
        if how != "preempted":
            word = {"succeeded": "DONE", "failed": "FAILED", "cancelled": "CANCELLED"}[how]
            put(vendor, name, {**job, "seen": {"state": how, "word": word, "reason": f"exit code {machine.returncode}"}})
            return
        put(vendor, name, {**job, "seen": {"state": "waiting", "word": "PREEMPTED"}, "exit": machine.returncode})
        while not (vendor / f"{name}.again").exists():
            time.sleep(0.05)
        (vendor / f"{name}.again").unlink()


def _until_over(machine: subprocess.Popen[bytes], vendor: Path, name: str) -> str:
    while machine.poll() is None:
        if (vendor / f"{name}.cancel").exists():
            _end(machine)
            return "cancelled"
        if (taken := vendor / f"{name}.preempt").exists():
            at_once = taken.read_text() == "kill"
            taken.unlink()
            machine.kill() if at_once else _end(machine)
            machine.wait()
            return "preempted"
        time.sleep(0.05)
    return "failed" if machine.returncode else "succeeded"


def _end(machine: subprocess.Popen[bytes]) -> None:
    machine.send_signal(signal.SIGTERM)
    try:
        machine.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        machine.kill()


if __name__ == "__main__":
    host(Path(sys.argv[1]), sys.argv[2])
