"""A transport that answers from lists in small pages, and counts. For what an emulator would need thousands of jobs to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from tuneport_openai.adapter.trainer import OpenAITrainer

from tuneport.provider import ProviderSettings
from tuneport.testing import SimulatedClock

BEGAN = 1_760_000_000


def job(number: int, **changes: Any) -> dict[str, Any]:
    """The `number`th job of an account, a minute younger than the one before."""
    return {
        "id": f"ftjob-{number:05d}",
        "object": "fine_tuning.job",
        "created_at": BEGAN + 60 * number,
        "status": "running",
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": "file-1",
        "metadata": {},
        "error": {},
    } | changes


@dataclass
class Canned:
    """`lists` by path, in the order in which they are listed; anything listed can be asked for by its id.

    `page` jobs make a page, 0 as many as are asked for.
    `says_more` False leaves out `has_more`; `knows_cursors` False answers every page with the first.
    """

    lists: Mapping[str, Sequence[dict[str, Any]]]
    page: int = 0
    says_more: bool = True
    knows_cursors: bool = True
    calls: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/v1")
        self.calls[f"{request.method} {path}"] += 1
        if path in self.lists:
            return httpx2.Response(200, json=self._listed(self.lists[path], request.url.params))
        parent, _, name = path.rpartition("/")
        row = next((row for row in self.lists.get(parent, ()) if row.get("id") == name), None)
        missing = {"error": {"message": f"No such thing: {name}", "type": "invalid_request_error", "param": "id", "code": None}}
        return httpx2.Response(404, json=missing) if row is None else httpx2.Response(200, json=row)

    def _listed(self, rows: Sequence[dict[str, Any]], asked: Mapping[str, str]) -> dict[str, Any]:
        cursor = asked.get("after") if self.knows_cursors else None
        start = next((n + 1 for n, row in enumerate(rows) if row.get("id") == cursor and cursor), 0)
        size = self.page or int(asked.get("limit", 20))
        more = {"has_more": start + size < len(rows)} if self.says_more else {}
        return {"object": "list", "data": rows[start : start + size], **more}

    def trainer(self, home: Path, **profile: Any) -> OpenAITrainer:
        settings = ProviderSettings(
            name="openai", home=home, environ={"OPENAI_API_KEY": "sk-canned-key"}, profile=profile, clock=SimulatedClock()
        )
        return OpenAITrainer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(self)))
