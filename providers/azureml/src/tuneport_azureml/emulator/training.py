"""What a job reads of its data, and what a run measures and writes as its training goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tuneport_azureml.emulator.job_requests import asset_of, batch_of, epochs_of
from tuneport_azureml.emulator.world import Job, World

ROLES = frozenset({"system", "user", "assistant"})
EVERY_STEPS = 5


def rows_of(details: dict[str, Any], world: World) -> tuple[int, str]:
    """How many rows there are to train on, and what is wrong with them, if anything is."""
    asset = asset_of(details["trainingData"]["uri"], world)
    assert asset is not None
    path = asset.properties["dataUri"].partition("/paths/")[2]
    blob = world.blobs.get(path)
    if blob is None:
        return 0, f"The path {path} of the training data does not exist."
    rows = blob.read().splitlines()
    values = details.get("hyperParameters") or {}
    for number, line in enumerate(rows, 1):
        try:
            row = json.loads(line)
        except ValueError:
            return len(rows), f"Line {number} of the training data is not JSON."
        if wrong := _wrong(row, details["taskType"], values):
            return len(rows), f"Line {number} of the training data: {wrong}."
    return len(rows), "" if rows else "The training data are empty."


def steps_of(rows: int, details: dict[str, Any]) -> int:
    return max(1, math.ceil(rows / batch_of(details)) * epochs_of(details))


def measured(job: Job, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The metrics so far, by name. A loss that falls from the step, which stands for no model."""
    at = job.started_at(now)
    done = int(job.steps * job.share(now))
    found: dict[str, list[dict[str, Any]]] = {}
    for step in range(min(EVERY_STEPS, job.steps), done + 1, EVERY_STEPS) if at else ():
        seconds = job.course.running_s * step / job.steps
        stamp = int((at + timedelta(seconds=seconds)).timestamp() * 1000) if at else 0
        loss = 0.4 + 2.0 * math.exp(-3 * step / job.steps)
        for name, value in (("train_loss", loss), ("learning_rate", 2e-5 * (1 - step / (job.steps + 1)))):
            found.setdefault(name, []).append({"key": name, "value": value, "timestamp": stamp, "step": step})
    return found


def log_lines(job: Job, now: datetime) -> Iterator[str]:
    """What the trainer has written so far."""
    if job.started_at(now) is None:
        return
    yield f"Training {job.rows} rows, {job.steps} steps"
    for row in measured(job, now).get("train_loss", ()):
        yield f"{{'loss': {row['value']:.4f}, 'step': {row['step']}}}"


def _wrong(row: Any, task: str, values: dict[str, Any]) -> str:
    if not isinstance(row, dict):
        return "it is no object"
    if task == "ChatCompletion":
        return _wrong_chat(row.get("messages"))
    if task == "QuestionAnswering":
        return _wrong_answer(row, values)
    keys = {
        "TextClassification": ("sentence1_key", "label_key"),
        "TextSummarization": ("document_key", "summary_key"),
    }.get(task, ())
    for key in keys:
        if key not in values:
            return f"the hyperparameter {key} is missing"
        if not isinstance(row.get(values[key]), str):
            return f"the key {values[key]} holds no text"
    return ""


def _wrong_answer(row: dict[str, Any], values: dict[str, Any]) -> str:
    """An answer is text that stands in the context where its start says."""
    names = ("question_key", "context_key", "answers_key", "answer_start_key", "answer_text_key")
    if (missing := next((name for name in names if name not in values), None)) is not None:
        return f"the hyperparameter {missing} is missing"
    question, context, answers = (row.get(values[name]) for name in names[:3])
    if not isinstance(question, str) or not isinstance(context, str) or not isinstance(answers, dict):
        return "it has no question, no context or no answers"
    starts, texts = (answers.get(values[name]) for name in names[3:])
    if not isinstance(starts, list) or not isinstance(texts, list) or len(starts) != len(texts) or not texts:
        return "its answers are no lists of one length"
    wrong = any(context[start : start + len(text)] != text for start, text in zip(starts, texts, strict=True))
    return "an answer does not stand where its start says" if wrong else ""


def _wrong_chat(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        return "it has no messages"
    for message in messages:
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return "a message has other keys than role and content"
        if message["role"] not in ROLES or not isinstance(message["content"], str):
            return "a message has another role, or no text"
    return "" if messages[-1]["role"] == "assistant" else "the last message is not the assistant's"
