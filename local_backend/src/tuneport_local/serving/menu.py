"""The models that are served: loaded once, found by name, and what each makes of a conversation before its network sees it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tuneport.errors import UsageError
from tuneport.examples import Message, Tool
from tuneport.serving import Served
from tuneport.template_messages import tool_as_dict
from tuneport_local.bases.generation import context_tokens, end_tokens
from tuneport_local.bases.residents import Residents
from tuneport_local.rows.rendering import Template, render_prompt
from tuneport_local.serving.calls import Speech, speech_of
from tuneport_local.serving.engine import Voice
from tuneport_local.serving.request import Refusal
from tuneport_local.serving.words import silent_tokens


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation as the network gets it. `text` is the same for people and parsers, `room` how many tokens the answer may have."""

    tokens: tuple[int, ...]
    text: str
    room: int


@dataclass(frozen=True, slots=True)
class Offer:
    """One model on the menu. `tokenizer` is not the engine's: it is used by one other thread."""

    served: Served
    created: int
    tokenizer: Any
    template: Template
    speech: Speech
    context: int

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Prompt:
        """Raises Refusal for what the model cannot be asked."""
        self._refuse_tools(messages, tools)
        try:
            tokens = render_prompt(messages, self.tokenizer, tools=tools, template=self.template)
        except UsageError as error:
            raise Refusal(f"Invalid request: {error}", param="messages", code="invalid_value") from None
        if len(tokens) >= self.context:
            raise Refusal(
                f"This model's maximum context length is {self.context} tokens. However, your messages resulted in {len(tokens)} tokens. "
                "Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        return Prompt(tuple(tokens), text, self.context - len(tokens))

    def _refuse_tools(self, messages: Sequence[Message], tools: Sequence[Tool]) -> None:
        used = any(message.tool_calls or message.role == "tool" for message in messages)
        if (tools or used) and not self.speech.tools:
            raise Refusal(
                f"The model {self.served.name!r} knows no tools: its chat template has no place for them.",
                param="tools" if tools else "messages",
                code="unsupported_value",
            )


def tools_for(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as parsers of answers know them."""
    return [tool_as_dict(tool) for tool in tools]


class Menu:
    """What clients can order, by name. A model also answers to its URI and its id, where no other is called so."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.offers = tuple(offers)
        self._by_name: dict[str, Offer] = {offer.served.name: offer for offer in self.offers}
        for offer in self.offers:
            self._by_name.setdefault(offer.served.model.uri, offer)
            self._by_name.setdefault(offer.served.model.id, offer)

    def find(self, name: str) -> Offer:
        """Raises Refusal where nothing is called so."""
        if (offer := self._by_name.get(name)) is None:
            raise Refusal(
                f"The model `{name[:200]}` does not exist or you do not have access to it. This server has: "
                + ", ".join(f"`{each.served.name}`" for each in self.offers),
                status=404,
                param="model",
                code="model_not_found",
            )
        return offer


def load(models: Sequence[Served], residents: Residents, *, now: float) -> tuple[Menu, Mapping[str, Voice]]:
    """Everything in memory, for the front and for the engine. Raises UnknownModel, Unreachable, ConfigError."""
    offers, voices = [], {}
    for served in models:
        loaded = residents.loaded(served.model)
        template = Template.of(loaded.tokenizer)
        with residents.answering(served.model) as network:
            speech = speech_of(loaded.tokenizer, str(network.config.model_type), ends=template.end_tokens)
            context, ends = context_tokens(network), end_tokens(network, loaded.tokenizer)
        silent = silent_tokens(loaded.tokenizer, spoken=speech.marks)
        made = served.model.created_at
        created = int(made.timestamp() if made is not None else now)
        offers.append(Offer(served, created, copy.deepcopy(loaded.tokenizer), template, speech, context))
        voices[served.name] = Voice(partial(residents.answering, served.model), loaded.tokenizer, ends, silent)
    return Menu(offers), voices
