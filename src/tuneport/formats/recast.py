"""From one kind of Example to another, where there is a meaning to keep: what a format does with rows that are not of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    Kind,
    LabelledExample,
    Message,
    PreferenceExample,
    PromptExample,
    kind_of_example,
)
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.turns import exchange, lose_labels, plain_text


def as_chat(example: Example, lose: Lose) -> ChatExample:
    """The row as a conversation to learn from. Raises BadRow for one whose answer is unknown or unwanted."""
    if isinstance(example, ChatExample):
        if example.desirable is None:
            return example
        if not example.desirable:
            raise BadRow("the row's answer is marked as unwanted, and a conversation would teach it.")
        lose("desirable")
        return ChatExample(example.messages, example.tools, example.parallel_tool_calls, example.style, None, example.extra)
    if isinstance(example, LabelledExample):
        return ChatExample((_question(example), Message("assistant", _label(example))), extra=example.extra)
    if isinstance(example, PreferenceExample):
        lose("rejected")
        lose_scores(example, lose)
        return ChatExample(
            example.prompt + example.chosen, example.tools, example.parallel_tool_calls, style=example.style, extra=example.extra
        )
    if example.reference is None:
        raise BadRow("the row is a prompt without a reference answer, so there is nothing to learn from it.")
    answered = (*example.messages, Message("assistant", example.reference))
    return ChatExample(answered, example.tools, example.parallel_tool_calls, style=example.style, extra=example.extra)


def as_prompt(example: Example, lose: Lose) -> PromptExample:
    """The row as a prompt with a reference answer. Raises BadRow for an answer that is not text."""
    if isinstance(example, PromptExample):
        return example
    chat = as_chat(example, lose)
    if chat.style == "text":
        raise BadRow("the row is raw text, which has no prompt.")
    if not chat.messages or chat.messages[-1].role != "assistant":
        return PromptExample(chat.messages, None, chat.tools, chat.parallel_tool_calls, chat.style, chat.extra)
    last = chat.messages[-1]
    if last.tool_calls:
        raise BadRow("the row's answer calls a tool, so it cannot be a reference.")
    lose_labels(last, lose)
    lose_earlier(chat.messages[:-1], lose)
    return PromptExample(chat.messages[:-1], plain_text(last.content, lose), chat.tools, chat.parallel_tool_calls, chat.style, chat.extra)


def lose_earlier(messages: Sequence[Message], lose: Lose) -> None:
    """Answers that were to be learned and are not, because only the last one is."""
    if any(message.role == "assistant" and message.weight != 0 for message in messages):
        lose("answers.earlier")


def as_preference(example: Example) -> PreferenceExample:
    """The row itself. Raises BadRow for any other kind: a worse answer cannot be made up."""
    if isinstance(example, PreferenceExample):
        return example
    raise BadRow(f"a {kind_of_example(example)} row has no better and worse answer.")


def as_labelled(example: Example, lose: Lose) -> LabelledExample:
    """The row as a text with its label. Raises BadRow for a conversation of more than one text and one answer."""
    if isinstance(example, LabelledExample):
        return example
    chat = as_chat(example, lose)
    image = _image_alone(chat.messages, lose)
    if image is not None:
        return LabelledExample(image=image, label=chat.messages[-1].text, extra=chat.extra)
    system, text, label = exchange(chat, lose)
    if system is not None:
        lose("system")
    if chat.style != "chat":
        lose("style")
    return LabelledExample(text, label=label, extra=chat.extra)


def _image_alone(messages: Sequence[Message], lose: Lose) -> str | None:
    """The address of an image that is all the user sends, before an answer in text."""
    if len(messages) != 2 or messages[1] != Message("assistant", messages[1].text) or messages[0].role != "user":
        return None
    content = messages[0].content
    if not isinstance(content, tuple) or len(content) != 1 or not isinstance(content[0], ImagePart):
        return None
    lose_labels(messages[0], lose)
    if content[0].detail is not None:
        lose("image.detail")
    if content[0].mime_type is not None:
        lose("image.mime_type")
    return content[0].url


def lose_scores(example: PreferenceExample, lose: Lose) -> None:
    """Tells the scores of better and worse, if there are any."""
    if example.chosen_score is not None or example.rejected_score is not None:
        lose("scores")


def _question(example: LabelledExample) -> Message:
    if example.text is not None:
        return Message("user", example.text)
    if example.image is None:
        raise BadRow("the row has neither text nor image.")
    return Message("user", (ImagePart(example.image),))


def _label(example: LabelledExample) -> str:
    if example.label is not None:
        return example.label
    if example.score is None:
        raise BadRow("the row has neither label nor score.")
    return number_text(example.score)


def number_text(score: float) -> str:
    """The shortest text that is the number again; whole ones without a point."""
    return f"{score:.0f}" if score.is_integer() and abs(score) < 1e15 else repr(score)


_AS: dict[str, Callable[[Example, Lose], Example]] = {"chat": as_chat, "prompt": as_prompt, "labelled": as_labelled}


def recast(example: Example, kind: Kind, lose: Lose) -> Example:
    """The row as one of `kind`. Raises BadRow where that has no meaning."""
    return as_preference(example) if kind == "preference" else _AS[kind](example, lose)
