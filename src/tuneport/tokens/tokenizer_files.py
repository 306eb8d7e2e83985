"""The files of a Hugging Face tokenizer: in a folder, or on the hub and from there in its cache."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.errors import Unreachable, Unsupported, UsageError

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_PROBE_S = 3.0
_FILES = ("tokenizer_config.json", "chat_template.jinja", "chat_template.json")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """A tokenizer.json with what lies beside it. `name` is what the user called it."""

    name: str
    path: Path

    @classmethod
    def find(cls, place: str | Path) -> TokenizerFiles:
        """A folder, a tokenizer.json, or else a name on the hub, which is asked first; without a connection its cache has to do.

        Raises UsageError for what is neither, Unreachable for what is not in the cache, Unsupported without the package.
        """
        path = Path(place).expanduser()
        if path.is_dir():
            path /= "tokenizer.json"
        if path.is_file():
            return cls(str(place), path)
        if path.name == "tokenizer.json" or not _HUB_NAME.fullmatch(str(place)):
            raise UsageError(
                f"there is no tokenizer.json in {str(place)!r}.",
                remedy="Load the tokenizer with transformers and save it with save_pretrained(FOLDER), which writes one.",
            )
        return cls(str(place), _from_hub(str(place)))

    def tokenizer(self) -> Any:
        """The tokenizer of the package tokenizers, without padding and truncation. Raises UsageError, Unsupported."""
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise _missing("tokenizers") from None
        try:
            tokenizer = Tokenizer.from_file(str(self.path))
        except Exception as error:  # tokenizers raises plain Exception for a file it cannot read
            raise UsageError(f"{self.path} cannot be read as a tokenizer: {str(error)[:120]}.") from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @property
    def special_tokens(self) -> dict[str, str]:
        """The tokens with a role that chat templates may name, by that role."""
        named = {key: value for key, value in self._json("tokenizer_config.json").items() if key.endswith("_token")}
        texts = {name: token.get("content") if isinstance(token, dict) else token for name, token in named.items()}
        return {name: text for name, text in texts.items() if isinstance(text, str)}

    @property
    def chat_templates(self) -> dict[str, str]:
        """The chat templates by name; the usual one is `default`. Those in files of their own win over those in the configuration."""
        found: dict[str, str] = {}
        for source in (self._json("tokenizer_config.json"), self._json("chat_template.json")):
            given = source.get("chat_template")
            if isinstance(given, list):
                found |= {
                    each["name"]: each["template"] for each in given if isinstance(each, dict) and {"name", "template"} <= each.keys()
                }
            elif isinstance(given, str):
                found["default"] = given
        path = self.path.with_name("chat_template.jinja")
        if path.is_file():
            found["default"] = path.read_text(encoding="utf-8")
        extra = self.path.parent / "additional_chat_templates"
        return found | {each.stem: each.read_text(encoding="utf-8") for each in sorted(extra.glob("*.jinja"))}

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path.with_name(name)
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UsageError(f"{path} cannot be read: {type(error).__name__}.") from None
        return found if isinstance(found, dict) else {}


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise _missing("huggingface_hub") from None
    offline = not _hub_answers()
    try:
        path = Path(hf_hub_download(name, "tokenizer.json", local_files_only=offline))
    except LocalEntryNotFoundError:
        raise Unreachable(
            f"{name!r} is no folder here, and the hub that might have it does not answer.",
            remedy="Connect and try again, or give a folder with a tokenizer.json.",
        ) from None
    except RepositoryNotFoundError:
        raise UsageError(f"{name!r} is no folder here and not on the hub, or not shown without a token.") from None
    except EntryNotFoundError:
        raise UsageError(f"{name!r} has no tokenizer.json there.", remedy="Give a folder to which transformers saved it.") from None
    except (HfHubHTTPError, OSError) as error:
        raise Unreachable(f"the hub did not send the tokenizer of {name!r}: {type(error).__name__}.", remedy="Try again.") from None
    for beside in _FILES:
        try:
            hf_hub_download(name, beside, local_files_only=offline)
        except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError):
            continue
    return path


def _hub_answers() -> bool:
    """One short question: the hub's own client would try again for half a minute."""
    if any(os.environ.get(name, "").lower() in {"1", "on", "yes", "true"} for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        return False
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PROBE_S):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _missing(package: str) -> Unsupported:
    return Unsupported(
        f"counting by a tokenizer needs the package {package}, which is not installed.", remedy="pip install 'tuneport[tokens]'"
    )
