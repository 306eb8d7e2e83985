"""Measures how fast this machine trains a base: `python -m tuneport_local.calibrate <base> --home <home>`. A few steps on made-up rows.

It trains a throw-away job folder with the trainer that real jobs use, so that the number means what a job's own readings mean.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from tuneport.dataset import Dataset
from tuneport.errors import TuneportError
from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample, PromptExample
from tuneport.job import JobState
from tuneport_local.adapters.tuned_kinds import work_of
from tuneport_local.jobs.devices import DeviceQueue, device_of
from tuneport_local.jobs.home import Jobs
from tuneport_local.machine import throughput
from tuneport_local.methods.objectives import METHODS, OBJECTIVES

_BATCH = 8
_STEPS = 6
_PLAIN: Mapping[str, Any] = MappingProxyType({})
_ENOUGH_S = 25.0
_QUESTION = "My parcel with the blue lamp was to come on Tuesday and the tracking page has not moved since. Where is it? Reference {}."


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when a measurement was kept, 1 when none could be taken."""
    parser = argparse.ArgumentParser(prog="python -m tuneport_local.calibrate")
    parser.add_argument("base")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--method", default="sft", choices=METHODS)
    parser.add_argument("--trained", type=json.loads, default={}, help="what is trained: the method's weights and lora, in JSON")
    given = parser.parse_args(arguments)
    try:
        measured = calibrate(given.base, home=given.home, device=given.device, method=given.method, trained=given.trained)
        return 0 if measured else 1
    except TuneportError as error:
        print(error, file=sys.stderr)
        return 1


def calibrate(base: str, *, home: Path, device: str, method: str = "sft", trained: Mapping[str, Any] = _PLAIN) -> bool:
    """Whether it could be measured. False at once while a job has the device: both would be slowed, and the number be wrong. `trained`:
    the method's `weights` and `lora`, where they are not the usual ones."""
    queue = DeviceQueue(home / "local" / "devices", device_of(device))
    queue.lock.parent.mkdir(parents=True, exist_ok=True)
    if not queue.take():
        return False
    try:
        with tempfile.TemporaryDirectory(prefix="tuneport-calibration-") as folder:
            recipe = _recipe(base, device=device, home=home, method=method, trained=trained)
            measured = _measure(recipe, home=home, folder=Path(folder))
    finally:
        queue.give_back()
    if measured is not None:
        work = work_of(method, trained.get("weights"), trained.get("lora"))
        throughput.remember(home / "local", measured, base=base, hardware=throughput.hardware_of(device), method=work)
    return measured is not None


def _measure(recipe: dict[str, Any], *, home: Path, folder: Path) -> throughput.Throughput | None:
    data, method = folder / "rows.jsonl", recipe["method"]
    rows = Dataset.from_examples([_ROWS[method](number) for number in range(_BATCH * _STEPS)], name="calibration")
    data.write_bytes(b"".join(rows.chunks(format=OBJECTIVES[method].format)))
    job, _ = Jobs(folder).make("calibration", recipe, {"train": data})
    job.phase(JobState.STARTING)
    from tuneport_local.training.train import TrainingSpec, train

    enough = threading.Timer(_ENOUGH_S, job.ask, args=("cancel",))
    enough.daemon = True
    enough.start()
    train(job, spec=TrainingSpec.from_dict(job.recipe()), home=home)
    enough.cancel()
    return throughput.measured_by(job, source="calibration")


def _chat(number: int) -> ChatExample:
    return ChatExample((Message("user", _QUESTION.format(number)), Message("assistant", "delivery_status")))


def _pair(number: int) -> PreferenceExample:
    better, worse = (Message("assistant", text) for text in ("delivery_status", "card_arrival"))
    return PreferenceExample((Message("user", _QUESTION.format(number)),), (better,), (worse,))


def _prompt(number: int) -> PromptExample:
    return PromptExample((Message("user", _QUESTION.format(number)),), "delivery_status")


def _judged(number: int) -> ChatExample:
    return msgspec.structs.replace(_chat(number), desirable=number % 2 == 0)


def _label(number: int) -> LabelledExample:
    return LabelledExample(_QUESTION.format(number), label=("delivery_status", "card_arrival")[number % 2])


def _score(number: int) -> LabelledExample:
    return LabelledExample(_QUESTION.format(number), score=float(number))


_ROWS: dict[str, Callable[[int], Example]] = {
    "sft": _chat,
    "dpo": _pair,
    "orpo": _pair,
    "kto": _judged,
    "grpo": _prompt,
    "reward": _pair,
    "classify": _label,
    "regress": _score,
}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {"grpo": {"grader": {"kind": "string_check"}, "samples_per_prompt": 4, "max_tokens": 24}}
"""What a method cannot do without, and what keeps a measurement short."""


def _recipe(base: str, *, device: str, home: Path, method: str, trained: Mapping[str, Any]) -> dict[str, Any]:
    from tuneport.methods import METHOD_CLASSES
    from tuneport_local.plans.planning import LocalOptions, resolved

    long: dict[str, Any] = {"too_long": "truncate"} if OBJECTIVES[method].headed else {}  # an encoder may see a few tokens only
    said = {"epochs": 1, "batch_size": _BATCH, **long, **_SETTINGS.get(method, {}), **trained}
    settings = METHOD_CLASSES[method].model_validate(said)
    values = resolved(settings, LocalOptions(device=device, checkpoint_every=10**6), seed=0)
    return {"base": base, "method": method, "recipe": {}, "hyperparameters": values, "client_id": "calibration", "home": str(home)}


if __name__ == "__main__":
    sys.exit(main())
