"""What POST /fine_tuning/jobs accepts at Azure: the sister's request, with a training type, and a stricter suffix.

trainingType is an enumeration that is read whatever its capitals, or as a number; spellings: Microsoft's recorded tests and public reports
(read 2026-11-21). The suffix: at most 18 characters, no dots (Microsoft's fine-tuning guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tuneport_openai.emulator.bases import DPO
from tuneport_openai.emulator.job_requests import JobRequest, read_job
from tuneport_openai.emulator.refusals import refuse

from tuneport.testing.emulator import Fields, Request
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.bases import DEVELOPER, GLOBAL, STANDARD
from tuneport_azure.emulator.versions import Api

WORDS: Final[Mapping[object, str]] = {"standard": STANDARD, "globalstandard": GLOBAL, "developertier": DEVELOPER, 0: STANDARD, 1: GLOBAL}
LATER: Final = ("method", "trainingType", "integrations", "metadata")
"""Fields that an older version does not know, and passes over."""
SUFFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,18}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can become a job, and the training type that it is for."""

    job: JobRequest
    training_type: str


def read(request: Request, api: Api) -> Asked:
    """Raises a Refusal for what the API does not take."""
    said = request.json(refuse=refuse)
    if not isinstance(said, dict):
        raise refusals.unreadable_job()
    body = dict(said)
    if not api.methods:
        for name in LATER:
            body.pop(name, None)
    training_type = _training_type(body.pop("trainingType", None))
    _check_suffix(body.get("suffix"))
    method = body.get("method")
    if body.get("hyperparameters") and isinstance(method, dict) and method.get("type") == DPO:
        raise refusals.invalid("Hyperparameters of direct preference optimization belong into 'method.dpo.hyperparameters'.")
    return Asked(read_job(Fields(_without_prompt_loss(body), refuse=refuse)), training_type)


def _training_type(said: Any) -> str:
    """A body without one is for the Standard tier."""
    if said is None:
        return STANDARD
    key = said.lower() if isinstance(said, str) else said
    if isinstance(said, bool) or not isinstance(said, str | int) or key not in WORDS:
        raise refusals.unreadable_job()
    return WORDS[key]


def _check_suffix(suffix: Any) -> None:
    if suffix is not None and not (isinstance(suffix, str) and SUFFIX.fullmatch(suffix)):
        raise refusals.invalid("The suffix must have at most 18 characters, each a letter, a digit, a hyphen or an underscore.")


def _without_prompt_loss(body: Mapping[str, Any]) -> dict[str, Any]:
    """prompt_loss_weight is accepted at the top level, and shows nowhere."""
    settings = body.get("hyperparameters")
    if not isinstance(settings, dict):
        return dict(body)
    kept = {name: value for name, value in settings.items() if name != "prompt_loss_weight"}
    return {**body, "hyperparameters": kept} if kept else {name: value for name, value in body.items() if name != "hyperparameters"}
