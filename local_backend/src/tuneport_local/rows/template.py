"""What of a model's tokenizer decides how conversations become text: its chat template, and the tokens that end a turn and a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.errors import UsageError
from tuneport_local.rows.control import Control

Tokenizer = Any
_TEXT_ENDS = ("<|endoftext|>", "<|end_of_text|>")
_USUAL_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|return|>", "<|call|>")


@dataclass(frozen=True, slots=True)
class Template:
    """What of a tokenizer decides the rendering. After any of `ends` (ids; `end_tokens` are their texts) the assistant has finished;
    `text_end` is the id that stands behind a plain text, None where the tokenizer has none. `parts`: it takes the content of a message as a
    list of parts only, as the templates of models that see do."""

    chat: bool
    end_tokens: tuple[str, ...]
    ends: frozenset[int]
    knows_developer: bool
    knows_tools: bool
    control: Control
    text_end: int | None
    parts: bool

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Template:
        """The facts of one tokenizer."""
        source = tokenizer.chat_template
        text = source if isinstance(source, str) else "".join(source.values()) if isinstance(source, dict) else ""
        known, parts = tokenizer.get_added_vocab(), bool(text) and _takes_parts_only(tokenizer)
        tokens = {token for token in _USUAL_ENDS if token in text and token in known}
        tokens |= {token for token in (tokenizer.eos_token, _probed_end(tokenizer, parts=parts) if text else None) if token}
        return cls(
            chat=bool(text),
            end_tokens=tuple(sorted(tokens, key=len, reverse=True)),
            ends=frozenset(int(tokenizer.convert_tokens_to_ids(token)) for token in tokens),
            knows_developer="developer" in text,
            knows_tools="tool" in text,
            control=Control.of(tokenizer, also=sorted(tokens)),
            text_end=_text_end(tokenizer),
            parts=parts,
        )


def applied(
    messages: Sequence[dict[str, Any]], tokenizer: Tokenizer, *, tools: list[dict[str, Any]], prompt: bool, parts: bool = False
) -> str:
    """Runs the chat template. Its own refusals (roles that do not alternate …) become UsageError, without the row's words."""
    from jinja2.exceptions import TemplateError

    try:
        given = [_in_parts(message) for message in messages] if parts else list(messages)
        return str(tokenizer.apply_chat_template(given, tools=tools or None, tokenize=False, add_generation_prompt=prompt))
    except (TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
        reason = str(error) if isinstance(error, TemplateError) else type(error).__name__
        raise UsageError(f"the model's chat template refuses the conversation ({reason[:120]}).") from None


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else message


def _text_end(tokenizer: Tokenizer) -> int | None:
    """What ends a text: the tokenizer's end token, or, where that one ends turns, the one that its base was trained with before."""
    known, end = tokenizer.get_added_vocab(), tokenizer.eos_token
    if end in _USUAL_ENDS:
        end = next((token for token in _TEXT_ENDS if token in known), end)
    return None if end is None else int(tokenizer.convert_tokens_to_ids(end))


def _takes_parts_only(tokenizer: Tokenizer) -> bool:
    """Whether the words of a message are lost unless they stand in a list of parts."""
    words = "TUNEPORTxWORDSx"

    def shows(parts: bool) -> bool:
        try:
            return words in applied([{"role": "user", "content": words}], tokenizer, tools=[], prompt=False, parts=parts)
        except UsageError:
            return False

    return not shows(False) and shows(True)


def _probed_end(tokenizer: Tokenizer, *, parts: bool) -> str | None:
    """The special token that the chat template puts after the last answer, or None."""
    words = "TUNEPORTxENDx"
    try:
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": words}]
        after = applied(messages, tokenizer, tools=[], prompt=False, parts=parts).rpartition(words)[2].lstrip()
    except UsageError:
        return None
    special = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True)
    return next((token for token in special if after.startswith(token)), None)
