"""A model folder's tokenizer without transformers and without torch: enough of it to render and count rows exactly as the trainer does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tuneport.errors import UsageError


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one text, or of each of several."""

    input_ids: Any


class FileTokenizer:
    """What `rendering` asks of a tokenizer, answered from tokenizer.json, tokenizer_config.json and chat_template.jinja."""

    is_fast = False
    """No offsets are given here, so rows that need them are refused by `rendering` and estimated by whoever counts."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._backend.no_truncation()  # files of encoders often ask for both
        self._backend.no_padding()
        self._config: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.chat_template: str | None = _template(folder, self._config)

    def __call__(self, text: str | Sequence[str], *, add_special_tokens: bool = True, split_special_tokens: bool = False) -> Encoded:
        self._backend.encode_special_tokens = split_special_tokens
        if isinstance(text, str):
            return Encoded(self._backend.encode(text, add_special_tokens=add_special_tokens).ids)
        return Encoded([each.ids for each in self._backend.encode_batch(list(text), add_special_tokens=add_special_tokens)])

    def apply_chat_template(
        self, messages: Sequence[dict[str, Any]], *, tools: Any = None, tokenize: bool = False, add_generation_prompt: bool = False
    ) -> str:
        """The conversation as text. Raises jinja2's TemplateError where the template refuses it."""
        return str(self._compiled.render(messages=messages, tools=tools, add_generation_prompt=add_generation_prompt, **self._special))

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False) -> str:
        """The text of the ids."""
        return str(self._backend.decode(list(ids), skip_special_tokens=skip_special_tokens))

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """The tokens that were added to the vocabulary by id, each with its `content` and whether it is `special`."""
        return dict(self._backend.get_added_tokens_decoder())

    def get_added_vocab(self) -> dict[str, int]:
        """The tokens that were added to the vocabulary, with their ids."""
        return {token.content: number for number, token in self._backend.get_added_tokens_decoder().items()}

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """The id of a token."""
        number: int | None = self._backend.token_to_id(token)
        return number

    @property
    def eos_token(self) -> str | None:
        """The text of the end token."""
        return self._special.get("eos_token")

    @property
    def eos_token_id(self) -> int | None:
        """Its id."""
        return None if self.eos_token is None else self.convert_tokens_to_ids(self.eos_token)

    @property
    def all_special_tokens(self) -> list[str]:
        """The texts of the tokens that have a role."""
        return list(dict.fromkeys(self._special.values()))

    @cached_property
    def _special(self) -> dict[str, str]:
        named = {name: self._config.get(name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
        return {name: str(token["content"] if isinstance(token, dict) else token) for name, token in named.items() if token}

    @cached_property
    def _compiled(self) -> Any:
        """Compiled as transformers does it: sandboxed, blocks trimmed, `raise_exception` and `tojson` at hand."""
        from jinja2.exceptions import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
        environment.globals["raise_exception"] = refuse
        return environment.from_string(self.chat_template or "")


def template_knows_tools(folder: Path) -> bool:
    """False when the folder's chat template has no place for tools, or there is none. What only transformers can tell counts as yes."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        return "tool" in (_template(folder, config) or "")
    except (OSError, ValueError):
        return True


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    text = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if text is not None and not isinstance(text, str):
        raise UsageError(f"{folder} has several chat templates; which one applies is only known to transformers.")
    return text
