"""What is written on a job so that it can be found again and known for whose it is.

Values of labels are lower-case letters, digits, `_` and `-`, 63 at most: a sha256 in base32 fits, in hexadecimal it would not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from tuneport.plan import Plan

OURS = "tuneport-"
CLIENT = f"{OURS}client"
PLAN = f"{OURS}plan"
RECIPE = f"{OURS}recipe"
DATA = f"{OURS}data"
MOST = 64
"""Labels of one resource; four of them are ours."""

_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def labels_of(plan: Plan, *, client_id: str) -> dict[str, str]:
    """The four that Tuneport writes on a job of `plan`."""
    return {
        CLIENT: client_id,
        PLAN: packed(plan.fingerprint),
        RECIPE: packed(plan.recipe_fingerprint),
        DATA: packed(plan.dataset_fingerprint),
    }


def packed(fingerprint: str) -> str:
    """64 hexadecimal digits in 52 characters; anything else as it is, as far as it fits."""
    try:
        return base64.b32encode(bytes.fromhex(fingerprint)).decode().rstrip("=").lower()[:63]
    except ValueError:
        return fingerprint.lower()[:63]


def unpacked(value: Any) -> str | None:
    """The fingerprint in a label; None where there is none that we wrote."""
    if not isinstance(value, str) or len(value) != 52:
        return None
    try:
        return base64.b32decode(value.upper() + "====").hex()
    except binascii.Error:
        return None


def carries(job: Mapping[str, Any], client_id: str) -> bool:
    """Whether that client id is written on the job."""
    labels = job.get("labels")
    return isinstance(labels, Mapping) and labels.get(CLIENT) == client_id


def problem(labels: Mapping[str, str]) -> str | None:
    """Why the service, or we, would not take these labels of a user's; None where they are fine."""
    for key, value in labels.items():
        if key.startswith(OURS):
            return f"the label {key!r} is Tuneport's own"
        if not _KEY.fullmatch(key):
            return f"the label {key!r}: keys are lower-case letters, digits, _ and -, begin with a letter, and have at most 63 characters"
        if not _VALUE.fullmatch(value):
            return f"the label {key!r}: values are lower-case letters, digits, _ and -, at most 63 of them"
    if len(labels) > MOST - 4:
        return f"{len(labels)} labels; the service takes {MOST}, and 4 of them are Tuneport's"
    return None
