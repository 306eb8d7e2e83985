"""Rows into tokens, with the mask of what is learned: the assistant's words and its end of turn, nothing else.

The chat template is run over the conversation once, and a second time with a marker in place of every answer; the second shows where the
answers lie in the first. That is linear in the number of turns and asks nothing of the template. Where a template treats an answer so that
the marker does not show it (it strips a part, or writes tool calls), the turn is found by rendering the conversation up to it and up to its
end. Either way the pieces must add up to the very text of the first rendering, or the row is refused.

An answer is tokenised by itself and not together with what stands before it, because that is how the model meets it when it answers:
the prompt's tokens are fixed before it writes its first. Control tokens in the row's own words are plain text (`control`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuneport.errors import DatasetError, UsageError
from tuneport.examples import ChatExample, Message
from tuneport_local.rows.control import Control, guard_for, not_plain
from tuneport_local.rows.template import Template, Tokenizer, applied
from tuneport_local.rows.turns import Span, answer_spans, as_dicts, as_tool_dicts, words_of

if TYPE_CHECKING:
    from tuneport_local.rows.eyes import Eyes

__all__ = ["RenderedRow", "Template", "render", "render_prompt"]


@dataclass(frozen=True, slots=True)
class RenderedRow:
    """One row as the model sees it. `loss_mask` is True where a token is learned; `line` is the row's line in its file.

    `quoted`: its words hold control tokens of the model, which were read as plain text. `text`: it is plain text and no conversation.
    `pictures` are their digests in their order, `pictures_end` the place behind the last token that stands for one.
    """

    input_ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    line: int
    quoted: bool = False
    text: bool = False
    pictures: tuple[str, ...] = ()
    pictures_end: int = 0

    @property
    def trained_tokens(self) -> int:
        """How many tokens are learned. The first token of a row has nothing before it and can never be."""
        return sum(self.loss_mask[1:])

    @property
    def sequences(self) -> tuple[RenderedRow, ...]:
        """What of the row goes through the model: itself."""
        return (self,)

    @property
    def beside(self) -> bytes:
        """What it is beside its tokens: its pictures."""
        return "".join(self.pictures).encode()

    @property
    def teaches(self) -> bool:
        """Whether anything in it is learned."""
        return any(self.loss_mask[1:])

    def cut(self, tokens: int) -> RenderedRow:
        """Its first `tokens` tokens. Nothing is learned of a row that would lose a part of a picture."""
        if tokens < self.pictures_end:
            return replace(self, loss_mask=(False,) * len(self.loss_mask))
        return replace(self, input_ids=self.input_ids[:tokens], loss_mask=self.loss_mask[:tokens])

    def split(self, tokens: int) -> tuple[RenderedRow, ...]:
        """Plain text end to end in pieces of `tokens` tokens. A single token at the end is left out: nothing stands before it."""
        starts = range(0, len(self.input_ids), tokens)
        pieces = (replace(self, input_ids=self.input_ids[at : at + tokens], loss_mask=self.loss_mask[at : at + tokens]) for at in starts)
        return tuple(piece for piece in pieces if piece.teaches)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """Messages and tools as the chat template gets them; their control tokens are broken by `guard`, '' where there are none."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    guard: str

    @classmethod
    def of(cls, messages: Sequence[Message], tools: Sequence[Any], template: Template, *, pictures: bool = False) -> _Conversation:
        plain = [as_dicts(messages, knows_developer=template.knows_developer, pictures=pictures), as_tool_dicts(tools)]
        guard = guard_for(plain) if template.control.stands_in(plain) else ""
        said, offered = template.control.guarded(plain, guard) if guard else plain
        return cls(said, offered, guard)


def render(
    example: ChatExample,
    tokenizer: Tokenizer,
    *,
    template: Template,
    line: int,
    last_turn_only: bool = False,
    eyes: Eyes | None = None,
) -> RenderedRow:
    """The row's tokens and mask. `last_turn_only` masks in only the last answer: for measuring it, not for training. `eyes` are those of a
    model that sees.

    Raises DatasetError naming the line when the template has no place for the row, or hides where its answers are.
    """
    try:
        if example.style == "text":
            return _text(example, tokenizer, template, line=line)
        if not template.chat:
            return _plain(example, tokenizer, template, line=line)
        conversation = _Conversation.of(example.messages, example.tools, template, pictures=eyes is not None)
        text, spans = _rendered(example, conversation, tokenizer, template)
        learned = [span for span in spans if span.learned]
        taken = learned[-1:] if last_turn_only else learned
        if eyes is not None and (pictures := eyes.look(example.messages)):
            _refuse_guarded(conversation)
            return eyes.row(_cut(text, taken), pictures, line=line)
        if conversation.guard:
            return _tokenised_guarded(text, taken, tokenizer, control=template.control, guard=conversation.guard, line=line)
        return _tokenised(text, taken, tokenizer, line=line)
    except UsageError as error:
        raise DatasetError(f"line {line}: {error.message}", line=line, remedy=error.remedy) from None


def _refuse_guarded(conversation: _Conversation) -> None:
    if conversation.guard:
        raise UsageError(
            "the conversation has pictures, and words in it are control tokens of the model, such as its mark for a picture.",
            remedy="Take these words out of the row.",
        )


def render_prompt(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    *,
    tools: Sequence[Any] = (),
    template: Template | None = None,
    eyes: Eyes | None = None,
) -> list[int]:
    """The tokens after which the model answers: the conversation and the beginning of the assistant's turn.

    Raises UsageError for a conversation when the tokenizer has no chat template.
    """
    template = template or Template.of(tokenizer)
    if not template.chat:
        ids: list[int] = tokenizer(_plain_prompt(messages), split_special_tokens=True).input_ids
        return ids
    conversation = _Conversation.of(messages, tools, template, pictures=eyes is not None)
    text = applied(conversation.messages, tokenizer, tools=conversation.tools, prompt=True, parts=template.parts)
    if eyes is not None and (pictures := eyes.look(messages)):
        _refuse_guarded(conversation)
        return eyes.tokens(text, pictures)
    if conversation.guard:
        return template.control.encode([text], tokenizer, guard=conversation.guard)[0]
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _rendered(example: ChatExample, conversation: _Conversation, tokenizer: Tokenizer, template: Template) -> tuple[str, list[Span]]:
    """The text of the whole row, and where its answers and their ends are in it."""
    messages, tools = conversation.messages, conversation.tools
    calls = [call["function"]["name"] for message in messages for call in message.get("tool_calls", ())]
    if (tools or calls) and not template.knows_tools:
        raise _no_place("tools")
    learned = [message.role == "assistant" and message.weight != 0 for message in example.messages]

    def apply(part: Sequence[dict[str, Any]], prompt: bool) -> str:
        return applied(part, tokenizer, tools=tools, prompt=prompt, parts=template.parts)

    text, spans = answer_spans(messages, learned, apply=apply, end_tokens=template.end_tokens)
    if any(tool["function"]["name"] not in text for tool in tools):
        raise _no_place("a description of tools")
    if any(name not in "".join(text[span.start : span.stop] for span in spans) for name in calls):
        raise _no_place("tool calls")
    return text, spans


def _no_place(what: str) -> UsageError:
    return UsageError(f"the row has {what}, and the model's chat template has no place for them.", remedy="Choose a base that knows tools.")


def _tokenised(text: str, learned: Sequence[Span], tokenizer: Tokenizer, *, line: int) -> RenderedRow:
    """Tokenises the pieces between the edges of the learned spans one by one."""
    pieces = _cut(text, learned)
    row = _joined(_pieces(pieces, tokenizer), line=line)
    expected = "".join(pieces[1::2])
    if _decoded(row.input_ids, tokenizer) == text and _decoded(_learned_ids(row), tokenizer) == expected:
        return row
    return _by_offsets(text, learned, tokenizer, line=line)


def _tokenised_guarded(text: str, learned: Sequence[Span], tokenizer: Tokenizer, *, control: Control, guard: str, line: int) -> RenderedRow:
    """The same for a text with guards in it. A tokenizer that needs the text in one is refused by UsageError."""
    pieces = _cut(text, learned)
    encoded = control.encode(pieces, tokenizer, guard=guard)
    row = replace(_joined(encoded, line=line), quoted=True)
    if _decoded(row.input_ids, tokenizer) != text.replace(guard, ""):
        raise not_plain()
    return row


def _cut(text: str, learned: Sequence[Span]) -> list[str]:
    """The pieces between the edges of the learned spans; every second one is learned."""
    edges = [0, *itertools.chain.from_iterable((span.start, span.stop) for span in learned), len(text)]
    return [text[start:stop] for start, stop in itertools.pairwise(edges)]


def _joined(encoded: Sequence[Sequence[int]], *, line: int) -> RenderedRow:
    mask = itertools.chain.from_iterable([place % 2 == 1] * len(piece) for place, piece in enumerate(encoded))
    return RenderedRow(tuple(itertools.chain.from_iterable(encoded)), tuple(mask), line)


def _pieces(pieces: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    whole = [piece for piece in pieces if piece]
    found = iter(tokenizer(whole, add_special_tokens=False).input_ids if whole else [])
    return [next(found) if piece else [] for piece in pieces]


def _by_offsets(text: str, learned: Sequence[Span], tokenizer: Tokenizer, *, line: int) -> RenderedRow:
    """For tokenizers that mark the beginning of a text (SentencePiece): the whole text at once, the mask from the tokens' offsets."""
    refused = UsageError(
        "the model's tokenizer does not show where the assistant's words begin, so nothing can be trained on this row.",
        remedy="Choose another base model.",
    )
    if not tokenizer.is_fast:
        raise refused
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    mask = [any(start < span.stop and stop > span.start for span in learned) for start, stop in encoded.offset_mapping]
    covered = {place for (start, stop), taken in zip(encoded.offset_mapping, mask, strict=True) if taken for place in range(start, stop)}
    wanted = {place for span in learned for place in range(span.start, span.stop)}
    if not wanted <= covered or any(not text[place].isspace() for place in covered - wanted):
        raise refused
    return RenderedRow(tuple(encoded.input_ids), tuple(mask), line)


def _learned_ids(row: RenderedRow) -> list[int]:
    return [token for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken]


def _decoded(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _plain(example: ChatExample, tokenizer: Tokenizer, template: Template, *, line: int) -> RenderedRow:
    """Prompt, completion, end of text: for a base without a chat template."""
    if tokenizer.eos_token_id is None:
        raise UsageError("the tokenizer has no end-of-text token, so the model could not learn to stop.")
    answer = example.messages[-1]
    words, said = _plain_prompt(example.messages[:-1]), words_of(answer)
    prompt = tokenizer(words, split_special_tokens=True).input_ids
    quoted = template.control.stands_in([words, said])
    if answer.role != "assistant" or answer.weight == 0:
        return RenderedRow(tuple(prompt), (False,) * len(prompt), line, quoted)
    completion = [*tokenizer(said, add_special_tokens=False, split_special_tokens=True).input_ids, tokenizer.eos_token_id]
    return RenderedRow((*prompt, *completion), (False,) * len(prompt) + (True,) * len(completion), line, quoted)


def _text(example: ChatExample, tokenizer: Tokenizer, template: Template, *, line: int) -> RenderedRow:
    """The words as they are and the end of text, all learned: no chat template, no question."""
    if len(example.messages) != 1 or example.messages[0].role != "assistant" or example.tools:
        raise UsageError("a row of plain text is one text of the assistant, without a question, an instruction or tools.")
    if template.text_end is None:
        raise UsageError("the tokenizer has no end-of-text token, so texts could not be told apart.", remedy="Choose another base model.")
    words = words_of(example.messages[0])
    ids = list(tokenizer(words, split_special_tokens=True).input_ids)
    if ids[-1:] != [template.text_end]:
        ids.append(template.text_end)
    learned = example.messages[0].weight != 0 and bool(words)
    return RenderedRow(tuple(ids), (learned,) * len(ids), line, template.control.stands_in(words), text=True)


def _plain_prompt(messages: Sequence[Message]) -> str:
    if len(messages) != 1 or messages[0].role != "user":
        raise UsageError(
            "the base model has no chat template, so it can only learn from and answer single prompts.",
            remedy="Use prompt/completion rows, or choose an instruct model.",
        )
    return words_of(messages[0])
