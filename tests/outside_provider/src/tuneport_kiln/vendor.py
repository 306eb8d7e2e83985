"""The vendor: a training service that exists in a folder. In a real plug-in this module is the vendor's SDK.

Jobs are JSON files, and how far one has come is told by its age: two seconds of loading, four of firing, then it is fired. Like other
services this one names jobs itself, keeps a few labels on them, and raises one exception class with an HTTP status.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

LOADING_S, FIRING_S = 2, 4
BASES = ("clay-small", "clay-large")

Answer = dict[str, Any]


class KilnError(Exception):
    """What the service answers when it does not do as asked."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class Kiln:
    """The service's API. `now` is its clock."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now

    def post_file(self, name: str, chunks: Iterable[bytes]) -> Answer:
        answer = {"id": f"file-{uuid.uuid4().hex[:12]}", "name": name, "bytes": sum(map(len, chunks))}
        return self._write("files", answer)

    def files(self) -> list[Answer]:
        return self._all("files")

    def file(self, file_id: str) -> Answer:
        return self._read("files", file_id)

    def post_job(self, base: str, *, settings: Answer, files: dict[str, str], labels: dict[str, str]) -> Answer:
        if base not in BASES:
            raise KilnError(400, f"there is no base {base}")
        for file_id in files.values():
            self._read("files", file_id)
        job = {"id": f"firing-{uuid.uuid4().hex[:12]}", "base": base, "settings": settings, "files": files, "labels": labels}
        return self._shown(self._write("jobs", {**job, "created": self._now().isoformat(), "stopped": None}))

    def job(self, job_id: str) -> Answer:
        return self._shown(self._read("jobs", job_id))

    def jobs(self) -> list[Answer]:
        """Newest first."""
        return sorted(map(self._shown, self._all("jobs")), key=lambda job: str(job["created"]), reverse=True)

    def stop(self, job_id: str) -> Answer:
        job = self.job(job_id)
        if job["status"] not in ("loading", "firing"):
            raise KilnError(400, f"the job is {job['status']}")
        return self._shown(self._write("jobs", {**self._read("jobs", job_id), "stopped": self._now().isoformat()}))

    def delete(self, job_id: str) -> None:
        self._read("jobs", job_id)
        (self._folder / "jobs" / f"{job_id}.json").unlink()

    def _shown(self, job: Answer) -> Answer:
        created = datetime.fromisoformat(job["created"])
        end = datetime.fromisoformat(job["stopped"]) if job["stopped"] else self._now()
        age_s = (end - created).total_seconds()
        steps = int(min(max(age_s - LOADING_S, 0), FIRING_S))
        running = "loading" if age_s < LOADING_S else "firing" if age_s < LOADING_S + FIRING_S else "fired"
        status = "stopped" if job["stopped"] else running
        fired = created + timedelta(seconds=LOADING_S + FIRING_S) if status == "fired" else None
        losses = [2 / (step + 1) for step in range(1, steps + 1)]
        return {**job, "status": status, "finished": job["stopped"] or (fired and fired.isoformat()), "losses": losses}

    def _all(self, kind: str) -> list[Answer]:
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((self._folder / kind).glob("*.json"))]

    def _read(self, kind: str, name: str) -> Answer:
        path = self._folder / kind / f"{name}.json"
        if not path.is_file():
            raise KilnError(404, f"there is no {kind.removesuffix('s')} {name}")
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def _write(self, kind: str, answer: Answer) -> Answer:
        path = self._folder / kind / f"{answer['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(json.dumps(answer), encoding="utf-8")
        path.with_suffix(".part").replace(path)
        return answer
