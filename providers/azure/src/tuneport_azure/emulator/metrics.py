"""Azure Monitor: how often each deployment was asked (the metric AzureOpenAIRequests, by ModelDeploymentName)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from tuneport.testing.emulator import Answer, Request, json_answer
from tuneport_azure.emulator.arm import ACCOUNT, ArmRoutes, account_of, error
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.world import AzureWorld

METRIC, DIMENSION = "AzureOpenAIRequests", "ModelDeploymentName"
INTERVALS: Final = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT1H": timedelta(hours=1),
    "PT6H": timedelta(hours=6),
    "P1D": timedelta(days=1),
}
KEPT = timedelta(days=93)
FILTER = re.compile(r"(\w+)\s+eq\s+'([^']*)'", re.IGNORECASE)


class Metrics:
    """Serves Microsoft.Insights/metrics of an account."""

    def __init__(self, world: AzureWorld, routes: ArmRoutes) -> None:
        self._world = world
        routes.add(f"GET {ACCOUNT}/providers/Microsoft.Insights/metrics", self.read, action="Microsoft.Insights/metrics/read")

    def read(self, request: Request) -> Answer:
        resource, asked = account_of(request, self._world), dict(request.query)
        if asked.get("metricnames") != METRIC:
            raise _bad(
                f"Failed to find metric configuration for provider: Microsoft.CognitiveServices, metric: {asked.get('metricnames')}."
            )
        if asked.get("aggregation", "Total").lower() not in ("total", "count"):
            raise _bad(f"The aggregation {asked['aggregation']} is not supported by this metric.")
        begin, end = _timespan(asked.get("timespan"), self._world.now())
        interval = INTERVALS.get(asked.get("interval", "PT1M"))
        if interval is None:
            raise _bad(f"The interval {asked.get('interval')} is not supported.")
        series = [
            {"metadatavalues": _metadata(name), "data": list(self._points(resource, name, begin=begin, end=end, interval=interval))}
            for name in _names(asked.get("$filter"), resource)
        ]
        value = {"id": f"{resource.arm_id}/providers/Microsoft.Insights/metrics/{METRIC}", "type": "Microsoft.Insights/metrics"}
        value |= {"unit": "Count", "errorCode": "Success"}
        named = {"name": {"value": METRIC, "localizedValue": "Azure OpenAI Requests"}, "timeseries": series}
        return json_answer(
            {"timespan": f"{_time(begin)}/{_time(end)}", "interval": asked.get("interval", "PT1M"), "value": [value | named]}
        )

    def _points(self, resource: Resource, name: str, *, begin: datetime, end: datetime, interval: timedelta) -> Iterator[dict[str, Any]]:
        """The intervals in which something was asked, and the first one; the newest requests are not known yet."""
        known = min(end, self._world.now() - timedelta(seconds=self._world.habits.metrics_lag_s))
        counts: dict[datetime, int] = {begin: 0}
        for at in resource.requests.get(name, []):
            if begin <= at < known:
                start = begin + (at - begin) // interval * interval
                counts[start] = counts.get(start, 0) + 1
        yield from ({"timeStamp": _time(start), "total": float(count)} for start, count in sorted(counts.items()))


def _names(said: str | None, resource: Resource) -> list[str]:
    """The deployments that the filter asks for; without one, all in one series is not offered here."""
    found = FILTER.fullmatch((said or "").strip())
    if found is None or found[1].lower() != DIMENSION.lower():
        raise _bad(f"The filter '{said}' is not understood: expected {DIMENSION} eq '…'.")
    asked = sorted(resource.requests)
    return [name for name in asked if found[2] in ("*", name)]


def _metadata(name: str) -> list[dict[str, Any]]:
    return [{"name": {"value": DIMENSION.lower(), "localizedValue": DIMENSION.lower()}, "value": name}]


def _timespan(said: str | None, now: datetime) -> tuple[datetime, datetime]:
    try:
        begin, end = (datetime.fromisoformat(part) for part in (said or "").split("/"))
        if begin.tzinfo is None or end.tzinfo is None or begin >= end:
            raise ValueError
    except ValueError:
        raise _bad(f"The timespan '{said}' is not two times in ISO 8601 with a slash between them.") from None
    if begin < now - KEPT:
        raise _bad("The start time is out of the range for which metrics are kept (93 days).")
    return begin, end


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bad(message: str) -> Exception:
    return error(400, "BadRequest", message)
