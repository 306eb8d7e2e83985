"""What looks like a key never appears: not in a message, not in the registry."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"""
      \b(?:sk|rk|pk)-[A-Za-z0-9_\-]{8,}            # OpenAI and its kin
    | \bAIza[A-Za-z0-9_\-]{20,}                    # Google API keys
    | \bya29\.[A-Za-z0-9_\-.]+                     # Google access tokens
    | \b1//0[A-Za-z0-9_\-]{16,}                    # and what renews them
    | \bGOCSPX-[A-Za-z0-9_\-]{10,}
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | \b(?:hf|gh[opsu]|glpat|xox[abp])[_\-][A-Za-z0-9\-]{10,}
    | \bAKIA[A-Z0-9]{12,}
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]+    # JSON web tokens
    | (?:(?<=bearer\ )|(?<=basic\ ))[A-Za-z0-9_\-.=+/]{8,}
    | (?:(?<=[?&]sig=)|(?<=[?&]upload_id=)|(?<=[?&]X-Goog-Signature=)|(?<=[?&]X-Amz-Signature=))[^&\s'"]+  # signed URLs
    | (?:(?<=key=)|(?<=key:\ )|(?<=token=)|(?<=token:\ )|(?<=secret=)|(?<=password=))[^\s'",;&]{6,}
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def without_secrets(text: str) -> str:
    """The text with everything that looks like a key, token or signature blanked out."""
    return _SECRETS.sub("[hidden]", text)


def warn(message: str) -> None:
    """A warning in the log `tuneport`, without secrets."""
    import logging

    logging.getLogger("tuneport").warning("%s", without_secrets(message))
