"""What POST /v1/fine_tuning/jobs accepts, and what it refuses before there is a job.

Ranges: OpenAPI description (copy of 2026), as in the SDK's types: n_epochs 1-50, batch_size 1-256, learning_rate_multiplier > 0,
beta (0, 2], compute_multiplier (0.00001, 10], eval_interval and eval_samples >= 1, suffix <= 64 characters, 16 pairs of metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.testing.emulator import Fields
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.bases import DPO, REINFORCEMENT, SUPERVISED
from tuneport_openai.emulator.graders import Grader, read_grader

METHODS = (SUPERVISED, DPO, REINFORCEMENT)
EFFORTS = ("default", "low", "medium", "high")
AUTO = "auto"
LARGEST_SEED = 2_147_483_647
Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request that can become a job. `settings` are the hyperparameters, `auto` where the vendor is to choose."""

    model: str
    training_file: str
    validation_file: str | None
    method: str
    settings: Settings
    raw_grader: Mapping[str, Any] | None
    grader: Grader | None
    suffix: str | None
    seed: int | None
    metadata: Mapping[str, str] | None
    integrations: tuple[Mapping[str, Any], ...]


def read_job(said: Fields, *, extra: frozenset[str] = frozenset()) -> JobRequest:
    """Raises the API's refusal. `extra`: fields that are accepted and forgotten."""
    for name in extra:
        said.raw(name)
    model = said.text("model", required=True) or ""
    training_file = said.text("training_file", required=True) or ""
    method, settings, raw_grader, grader = _method(said)
    request = JobRequest(
        model=model,
        training_file=training_file,
        validation_file=said.text("validation_file", nullable=True),
        method=method,
        settings=settings,
        raw_grader=raw_grader,
        grader=grader,
        suffix=said.text("suffix", nullable=True, longest=64),
        seed=said.whole("seed", nullable=True, least=0, most=LARGEST_SEED),
        metadata=said.strings("metadata", pairs=16, longest_name=64, longest_value=512),
        integrations=tuple(_integration(one) for one in said.objects("integrations", nullable=True) or []),
    )
    said.done()
    if method == REINFORCEMENT and request.validation_file is None:
        raise refusals.refusal(400, "A validation file is required for reinforcement fine-tuning.", param="validation_file")
    return request


def _method(said: Fields) -> tuple[str, Settings, Mapping[str, Any] | None, Grader | None]:
    old = said.nested("hyperparameters", nullable=True)
    method = said.nested("method", nullable=True)
    if method is None:
        return SUPERVISED, _settings(old, SUPERVISED), None, None
    if old is not None:
        raise refusals.refusal(400, "Specify hyperparameters in 'method' only, not at the top level as well.", param="hyperparameters")
    kind = method.text("type", required=True, words=METHODS) or ""
    own = method.nested(kind, required=kind == REINFORCEMENT, nullable=True)
    for other in METHODS:
        if other != kind and method.nested(other, nullable=True) is not None:
            raise refusals.refusal(400, f"Unknown parameter: 'method.{other}'.", param=f"method.{other}", code="unknown_parameter")
    method.done()
    if own is None:
        return kind, _settings(None, kind), None, None
    return kind, *_own(own, kind)


def _own(own: Fields, kind: str) -> tuple[Settings, Mapping[str, Any] | None, Grader | None]:
    settings = _settings(own.nested("hyperparameters", nullable=True), kind)
    raw = grader = None
    if kind == REINFORCEMENT:
        raw = own.raw("grader", required=True)
        grader = read_grader(Fields(raw, refuse=own.refuse, path=own.at("grader")))
        own.nested("response_format", nullable=True)
    own.done()
    return settings, raw, grader


def _settings(said: Fields | None, kind: str) -> Settings:
    """Every hyperparameter of the method, `auto` where nothing was asked for."""
    if said is None:
        said = Fields({}, refuse=refusals.refuse)
    settings: Settings = {
        "n_epochs": _whole(said, "n_epochs", most=50),
        "batch_size": _whole(said, "batch_size", most=256),
        "learning_rate_multiplier": _number(said, "learning_rate_multiplier"),
    }
    if kind == DPO:
        settings["beta"] = _number(said, "beta", most=2)
    if kind == REINFORCEMENT:
        settings["compute_multiplier"] = _number(said, "compute_multiplier", above=0.00001, most=10)
        settings["eval_interval"] = _whole(said, "eval_interval")
        settings["eval_samples"] = _whole(said, "eval_samples")
        settings["reasoning_effort"] = said.text("reasoning_effort", words=EFFORTS) or "default"
    said.done()
    return settings


def _whole(said: Fields, name: str, *, most: int | None = None) -> int | str:
    if said.says(name, AUTO):
        return AUTO
    value = said.whole(name, least=1, most=most)
    return AUTO if value is None else value


def _number(said: Fields, name: str, *, above: float = 0, most: float | None = None) -> float | str:
    if said.says(name, AUTO):
        return AUTO
    value = said.number(name, above=above, most=most)
    return AUTO if value is None else value


def _integration(said: Fields) -> Mapping[str, Any]:
    said.text("type", required=True, words=("wandb",))
    wandb = said.nested("wandb", required=True)
    assert wandb is not None
    told = {
        "project": wandb.text("project", required=True),
        "entity": wandb.text("entity", nullable=True),
        "name": wandb.text("name", nullable=True),
        "tags": wandb.items("tags"),
    }
    wandb.done()
    said.done()
    return {"type": "wandb", "wandb": {name: value for name, value in told.items() if value is not None}}
