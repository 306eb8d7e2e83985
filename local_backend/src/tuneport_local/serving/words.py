"""Tokens into text, piece by piece: only what later tokens cannot change, and nothing from a stop string on."""

from __future__ import annotations

from typing import Any

from tuneport_local.bases.generation import certain, cut_at


class Words:
    """The text of one answer as it grows. The pieces add up to the text of all its tokens, without those of `silent`.

    Only the last few tokens are decoded anew each time; one before them decides whether a blank stands in front.
    """

    def __init__(self, tokenizer: Any, *, stop: tuple[str, ...] = (), silent: frozenset[int] = frozenset()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._silent = silent
        self._window: list[int] = []
        self._told = 0
        self._held = ""
        self.stopped = False
        """Whether a stop string has come; then there is no more to say."""

    def add(self, token: int) -> str:
        """What is certain with this token and was not before."""
        if token in self._silent or self.stopped:
            return ""
        self._window.append(token)
        text = self._text(self._window)
        if text.endswith("\ufffd"):  # a character whose other bytes are still to come
            return ""
        new = text[len(self._text(self._window[: self._told])) :]
        self._window = self._window[self._told :]
        self._told = len(self._window)
        return self._through(new)

    def rest(self) -> str:
        """What was held back; for the end of the answer."""
        if self.stopped:
            return ""
        unfinished = self._text(self._window)[len(self._text(self._window[: self._told])) :]
        self._told = len(self._window)
        text, self.stopped = cut_at(self._held + unfinished, self._stop)
        self._held = ""
        return text

    def _through(self, new: str) -> str:
        text, self.stopped = cut_at(self._held + new, self._stop)
        ready = text if self.stopped or not self._stop else certain(text, self._stop)
        self._held = "" if self.stopped else text[len(ready) :]
        return ready

    def _text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)) if tokens else ""


def silent_tokens(tokenizer: Any, *, spoken: str = "") -> frozenset[int]:
    """The ids of control tokens, which are no part of an answer's words; but for those that stand in `spoken`."""
    special = {int(number): str(token.content) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= {int(tokenizer.convert_tokens_to_ids(token)): token for token in tokenizer.all_special_tokens}
    return frozenset(number for number, text in special.items() if text not in spoken)
