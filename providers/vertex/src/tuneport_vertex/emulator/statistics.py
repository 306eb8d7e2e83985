"""tuningDataStats: what the service says of the data it has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport_vertex.emulator.bases import DISTILLATION, PREFERENCE, REINFORCEMENT
from tuneport_vertex.emulator.dataset import Contents
from tuneport_vertex.emulator.training import Training
from tuneport_vertex.emulator.tuning_requests import TuningRequest

BUCKETS = 5
SAMPLED = 10


def data_stats(request: TuningRequest, contents: Contents, plan: Training) -> dict[str, Any]:
    """By the kind of tuning; 64-bit numbers are strings. Of what was dropped it shows the first ten."""
    dropped = contents.dropped[:SAMPLED]
    numbers, reasons = [str(number) for number, _ in dropped], [reason for _, reason in dropped]
    counts = _said(
        {
            "tuningDatasetExampleCount": str(contents.rows + len(contents.dropped)),
            "totalTuningCharacterCount": str(contents.characters),
            "totalBillableCharacterCount": str(contents.characters),
            "totalBillableTokenCount": str(contents.tokens),
            "tuningStepCount": str(plan.steps),
        }
    )
    spread = {
        "userInputTokenDistribution": _distribution(contents.input_tokens),
        "userOutputTokenDistribution": _distribution(contents.output_tokens),
    }
    turns = {"userMessagePerExampleDistribution": _distribution(contents.turns)}
    samples = {"userDatasetExamples": contents.samples} if contents.samples else {}
    if request.method == PREFERENCE:
        return {"preferenceOptimizationDataStats": _preference(contents, counts, spread, numbers, reasons)}
    if request.method in (DISTILLATION, REINFORCEMENT):
        stats = {**counts, **_plain(spread | turns), **samples, **_dropped("droppedExampleIndices", numbers, reasons)}
        if request.method == DISTILLATION:
            stats.pop("totalBillableTokenCount", None)
            return {"distillationDataStats": {"trainingDatasetStats": stats}}
        stats.pop("userDatasetExamples", None)
        return {"reinforcementTuningDataStats": stats}
    lost = {"totalTruncatedExampleCount": str(len(contents.dropped))} if dropped else {}
    told = _dropped("truncatedExampleIndices", numbers, reasons)
    return {"supervisedTuningDataStats": {**counts, **spread, **turns, **samples, **lost, **told}}


def _preference(contents: Contents, counts: dict[str, str], spread: dict[str, Any], numbers: list[str], reasons: list[str]) -> Any:
    kept = {key: inner for key, inner in counts.items() if "Character" not in key}
    scores = {"scoresDistribution": _distribution(contents.scores)}
    return {**kept, **_plain(spread | scores), **_dropped("droppedExampleIndices", numbers, reasons)}


def _dropped(where: str, numbers: list[str], reasons: list[str]) -> dict[str, Any]:
    return {where: numbers, "droppedExampleReasons": reasons} if numbers else {}


def _plain(distributions: dict[str, Any]) -> dict[str, Any]:
    """DatasetDistribution: as the supervised one, less `billableSum`; its sum is a decimal, and the counts of its buckets are whole."""
    return {name: _plain_one(value) for name, value in distributions.items()}


def _plain_one(value: dict[str, Any]) -> dict[str, Any]:
    result = {key: inner for key, inner in value.items() if key != "billableSum"}
    if "sum" in result:
        result["sum"] = float(result["sum"])
    result["buckets"] = [one | ({"count": str(int(one["count"]))} if "count" in one else {}) for one in value["buckets"]]
    return result


def _distribution(values: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(values) or [0]
    total = sum(ordered)
    value = {
        "sum": str(int(total)),
        "billableSum": str(int(total)),
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "mean": total / len(ordered),
        "median": float(ordered[len(ordered) // 2]),
        "p5": float(ordered[int(len(ordered) * 0.05)]),
        "p95": float(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]),
    }
    return _said(value) | {"buckets": _buckets(ordered)}


def _said(value: dict[str, Any]) -> dict[str, Any]:
    """Without what is 0, which protobuf's JSON leaves out."""
    return {key: inner for key, inner in value.items() if inner not in (0, "0")}


def _buckets(ordered: Sequence[float]) -> list[dict[str, Any]]:
    low, high = float(ordered[0]), float(ordered[-1])
    width = (high - low) / BUCKETS or 1.0
    counts = [0] * BUCKETS
    for value in ordered:
        counts[min(BUCKETS - 1, int((value - low) / width))] += 1
    return [_said({"count": float(count), "left": low + n * width, "right": low + (n + 1) * width}) for n, count in enumerate(counts)]
