"""The Hugging Face hub: what of it is already on this disk, and whether the rest can be reached. Without torch."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.parse
from pathlib import Path

from tuneport.errors import TuneportError, Unreachable
from tuneport.files import write_text

_PROBE_S = 1.5
_REMEMBERED_S = 300.0
_ENDPOINT = "https://huggingface.co"
_TRUE = frozenset({"1", "on", "yes", "true"})


def offline() -> bool:
    """Whether the user has switched the hub off with HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def endpoint() -> str:
    """The hub's address; HF_ENDPOINT moves it."""
    return os.environ.get("HF_ENDPOINT", _ENDPOINT).rstrip("/")


def shown_endpoint() -> str:
    """The hub's address without a user or password in it: for messages and files."""
    address = urllib.parse.urlsplit(endpoint())
    return urllib.parse.urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2]))


def cached(repository: str) -> Path | None:
    """The folder of a repository that is in the hub's own cache whole (weights, configuration, tokenizer), or None: a download that broke
    off is taken up again."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repository, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if _has_weights(folder) and any(folder.glob("tokenizer*")) else None


def _has_weights(folder: Path) -> bool:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    try:
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return all((folder / part).is_file() for part in parts)


def reachable(home: Path) -> bool:
    """Whether the hub answers, asked for `_PROBE_S` seconds at most. A no is remembered for five minutes in `home`."""
    if offline() or _refused_lately(home / "models" / "hub.json"):
        return False
    answers = _answers()
    if not answers:
        _remember_refusal(home / "models" / "hub.json")
    return answers


def exists(repository: str) -> bool:
    """Whether the hub, which has answered just now, shows us that repository. Raises Unreachable when it stops answering."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        return bool(HfApi(endpoint=endpoint()).repo_exists(repository))
    except HFValidationError:
        return False
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise Unreachable(f"the hub did not say whether it has {repository!r}: {type(error).__name__}.", remedy="Try again.") from None


def _answers() -> bool:
    """In a thread of its own, because looking up a name has no time limit."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(_head(endpoint())), daemon=True, name="hub-probe")
    thread.start()
    thread.join(_PROBE_S)
    return bool(found and found[0])


def _head(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_PROBE_S):
            return True
    except urllib.error.HTTPError as error:
        return error.code in (401, 404, 405, 429)
    except (OSError, ValueError):
        return False


def _refused_lately(path: Path) -> bool:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return bool(said["endpoint"] == shown_endpoint() and 0 <= time.time() - float(said["at"]) < _REMEMBERED_S)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remember_refusal(path: Path) -> None:
    try:
        write_text(path, json.dumps({"endpoint": shown_endpoint(), "at": time.time()}) + "\n")
    except (OSError, TuneportError):
        return  # a memory only; whoever needs the folder says what is wrong with it
