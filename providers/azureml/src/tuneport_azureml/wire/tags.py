"""What is written on a job and on a data asset, so that they can be found again and known for whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.plan import Plan, PlannedFile
from tuneport.replies import object_in, text_in

OURS = "tuneport_"
CLIENT, PLAN, RECIPE, DATA = f"{OURS}client_id", f"{OURS}plan", f"{OURS}recipe", f"{OURS}dataset"
METHOD, BASE, SUFFIX = f"{OURS}method", f"{OURS}base", f"{OURS}suffix"
SHA256, BYTES = f"{OURS}sha256", f"{OURS}bytes"


def tags_of_job(plan: Plan, *, client_id: str) -> dict[str, str]:
    """Those that Tuneport writes on a job of `plan`."""
    found = {
        CLIENT: client_id,
        PLAN: plan.fingerprint,
        RECIPE: plan.recipe_fingerprint,
        DATA: plan.dataset_fingerprint,
        METHOD: plan.method,
        BASE: plan.base,
    }
    return found | ({SUFFIX: plan.suffix} if plan.suffix else {})


def tags_of_file(file: PlannedFile) -> dict[str, str]:
    return {SHA256: file.sha256, BYTES: str(file.size_bytes)}


def tags_in(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tags of a resource of the management plane."""
    return object_in(object_in(resource, "properties"), "tags")


def tags_of_resource(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tags of an endpoint, which lie beside its properties."""
    return object_in(resource, "tags")


def carries(job: Mapping[str, Any], client_id: str) -> bool:
    """Whether that client id is written on the job."""
    return text_in(tags_in(job), CLIENT) == client_id


def is_of_file(asset: Mapping[str, Any], file: PlannedFile) -> bool:
    """Whether a data asset says that it holds those very bytes."""
    tags = tags_in(asset)
    return text_in(tags, SHA256) == file.sha256 and text_in(tags, BYTES) == str(file.size_bytes)


def sha256_of(asset: Mapping[str, Any]) -> str | None:
    """The digest that a data asset of ours was registered with."""
    return text_in(tags_in(asset), SHA256)


def problem(tags: Mapping[str, str]) -> str | None:
    """Why we do not take these tags of a user's; None where they are fine."""
    wrong = next((key for key in tags if key.startswith(OURS)), None)
    return None if wrong is None else f"the tag {wrong!r} is Tuneport's own"
