"""When deployments were last asked, from Azure Monitor: neither plane says it itself.

The metric AzureOpenAIRequests of the account, split by ModelDeploymentName (Microsoft's monitoring reference). It takes a role that may
read metrics; where that is missing, or the account has no such metric at all, nothing is known, which is not the same as never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tuneport.errors import Refused, Unreachable
from tuneport.replies import Json, objects_in, time_in
from tuneport_azure.adapter.management import Management, Row

VERSION = "2023-10-01"
METRIC = "AzureOpenAIRequests"
LOOKED_BACK = timedelta(days=30)
"""Twice as long as what an idle deployment is given; Azure Monitor keeps 93 days."""


@dataclass(frozen=True, slots=True)
class LastUse:
    """`at` is the beginning of the hour; None where it was not asked in the days that were looked at. With `unknown` nobody can say."""

    at: datetime | None = None
    unknown: str = ""


def last_uses(management: Management) -> Mapping[str, LastUse] | str:
    """By deployment, in small letters; those that were not asked are absent. A sentence where it is not known, with the reason."""
    until = management.clock.now().astimezone(UTC).replace(microsecond=0)
    params = {
        "api-version": VERSION,
        "metricnames": METRIC,
        "timespan": f"{_iso(until - LOOKED_BACK)}/{_iso(until)}",
        "interval": "PT1H",
        "aggregation": "Total",
        "$filter": "ModelDeploymentName eq '*'",
    }
    try:
        found = management.get("reading metrics", f"{management.account.id}/providers/Microsoft.Insights/metrics", params=params)
    except (Refused, Unreachable) as error:
        return f"when it was last asked is not known: {error.message}"
    if not any(objects_in(metric, "timeseries") for metric in objects_in(found, "value")):
        return f"when it was last asked is not known: Azure Monitor has no {METRIC} of this account"
    return dict(_series(found))


def use_of(name: str, uses: Mapping[str, LastUse] | str) -> LastUse:
    """Of one deployment."""
    return LastUse(unknown=uses) if isinstance(uses, str) else uses.get(name.casefold(), LastUse())


def _series(answer: Row) -> Iterable[tuple[str, LastUse]]:
    for metric in objects_in(answer, "value"):
        for series in objects_in(metric, "timeseries"):
            name = next((_value(each) for each in objects_in(series, "metadatavalues") if _named(each) == "modeldeploymentname"), "")
            hours = [time_in(point, "timeStamp") for point in objects_in(series, "data") if _is_some(point.get("total"))]
            last = max((hour for hour in hours if hour is not None), default=None)
            if name and last is not None:
                yield name.casefold(), LastUse(last)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_some(total: Any) -> bool:
    return isinstance(total, int | float) and total > 0


def _value(metadata: Json) -> str:
    return str(metadata.get("value") or "")


def _named(metadata: Json) -> str:
    name = metadata.get("name")
    return str(name.get("value") if isinstance(name, dict) else name).casefold()
