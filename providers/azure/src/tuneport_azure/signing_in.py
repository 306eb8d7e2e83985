"""The pages that azure-identity writes when there is no token, in a sentence."""

from __future__ import annotations

import re

_TRIED = re.compile(r"^\t(\w+?)(?:Credential)?: (.*(?:\n(?!\t).*)*)", re.MULTILINE)
_ABSENT = re.compile(r"unavailable|not (?:found|installed|be found|configured)|requires? the|no accounts", re.IGNORECASE)
_ADVICE = re.compile(
    r"\s*(?:Visit https?:|See the troubleshooting|To mitigate this|Trace ID:|Correlation ID:|Timestamp:|Content: ).*", re.DOTALL
)
_OBJECT = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>:? ?")
_POOL = re.compile(r"\w+Pool\(host='([^']+)', port=(\d+)\): .*?(?:Caused by \w+\([\"']?(.*?)[\"']?\)\)?$|$)", re.DOTALL)
MOST = 300
"""Characters of what one credential says."""


def shortened(text: str) -> str:
    """What happened, without advice, traces and addresses of objects.

    Of a whole chain of credentials: which were tried, and what those said that were there at all.
    """
    tried = _TRIED.findall(text)
    if not tried:
        return _said(text)
    there = [f"{name} said: {_said(words)}" for name, words in tried if not _ABSENT.search(words)]
    return "; ".join((f"tried {', '.join(name for name, _ in tried)}", *there))


def _said(text: str) -> str:
    plain = _POOL.sub(lambda found: f"{found[1]}:{found[2]}: {found[3] or 'no connection'}", _OBJECT.sub("", text))
    return " ".join(_ADVICE.sub("", plain).split())[:MOST].rstrip(" .")
