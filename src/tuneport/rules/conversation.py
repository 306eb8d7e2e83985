"""Rules about who speaks when, and what is learned of it."""

from __future__ import annotations

from collections.abc import Sequence

from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample, PromptExample, TextPart
from tuneport.limits import Target
from tuneport.rules.rule import Rule, sides, turns


def ends_with_assistant(example: Example, target: Target) -> str | None:
    if not isinstance(example, ChatExample) or (example.messages and example.messages[-1].role == "assistant"):
        return None
    return f'the last message is from "{example.messages[-1].role}"; it must be from "assistant".' if example.messages else "no messages."


def prompt_ends_with_user(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample | PromptExample):
        return None
    prompt = example.prompt if isinstance(example, PreferenceExample) else example.messages
    if prompt and prompt[-1].role in ("user", "tool"):
        return None
    if not prompt:
        return "the prompt has no messages."
    return f'the prompt ends with a message from "{prompt[-1].role}"; it must end with one from "user" or "tool".'


def roles_taken(example: Example, target: Target) -> str | None:
    taken = target.limits.roles
    refused = sorted({message.role for message in turns(example)} - taken)
    return f"the role {refused[0]!r} is not taken here; {', '.join(sorted(taken))} are." if refused else None


def roles_in_order(example: Example, target: Target) -> str | None:
    if isinstance(example, LabelledExample) or example.style == "text":
        return None
    roles = [message.role for message in turns(example)]
    start = _after_instructions(roles)
    late = next((place for place in range(start, len(roles)) if roles[place] in ("system", "developer")), None)
    if late is not None:
        return f"messages[{late}] is a {roles[late]} message in the middle of the conversation; many models know one at the start only."
    if roles[start:] and roles[start] != "user" and target.limits.first_role is None:
        return f"the conversation begins with {roles[start]!r}; most models expect the user to begin."
    return None


def first_role_right(example: Example, target: Target) -> str | None:
    wanted = target.limits.first_role
    roles = [message.role for message in turns(example)]
    first = roles[_after_instructions(roles) :][:1]
    if wanted is None or not first or first[0] == wanted:
        return None
    return f"the conversation begins with {first[0]!r}; it must begin with {wanted!r}."


def _after_instructions(roles: Sequence[str]) -> int:
    return next((place for place, role in enumerate(roles) if role not in ("system", "developer")), len(roles))


def something_to_learn(example: Example, target: Target) -> str | None:
    if not isinstance(example, ChatExample):
        return None
    learned = [message for message in example.messages if message.role == "assistant"]
    return "every assistant message has weight 0, so nothing is learned." if learned and all(m.weight == 0 for m in learned) else None


def weights_right(example: Example, target: Target) -> str | None:
    for place, message in enumerate(turns(example)):
        if message.weight is not None and message.role != "assistant":
            return f"messages[{place}] is from {message.role!r} and has a weight; only assistant messages have one."
        if message.weight not in (None, 0, 1):
            return f"messages[{place}] has a weight other than 0 and 1."
    return None


def weights_taken(example: Example, target: Target) -> str | None:
    if target.limits.weights is not False or all(message.weight is None for message in turns(example)):
        return None
    return f"a message has a weight, which {target.provider} does not take."


def answer_not_empty(example: Example, target: Target) -> str | None:
    empty = {id(m) for side in sides(example) for m in side if m.role == "assistant" and not m.tool_calls and not says_something(m)}
    return f"{len(empty)} of its assistant messages say nothing." if empty else None


def prompt_not_empty(example: Example, target: Target) -> str | None:
    empty = sum(message.role == "user" and not says_something(message) for message in turns(example))
    return f"{empty} of its user messages say nothing." if empty else None


def says_something(message: Message) -> bool:
    """Whether there is text other than white space, or a picture or the like."""
    media = isinstance(message.content, tuple) and any(not isinstance(part, TextPart) for part in message.content)
    return media or bool(message.text.strip())


RULES = (
    Rule(
        "chat-ends-with-assistant",
        "error",
        "A conversation ends with the assistant's answer, which is what is learned.",
        "Add the answer, or remove the messages after the last one.",
        row=ends_with_assistant,
        sees="roles",
    ),
    Rule(
        "prompt-ends-with-user",
        "error",
        "A prompt ends with a message that asks for an answer.",
        "Remove what follows the last question.",
        row=prompt_ends_with_user,
        sees="roles",
    ),
    Rule(
        "role-taken",
        "error",
        "Only roles that the provider knows occur.",
        "Rename or remove the messages.",
        row=roles_taken,
        sees="roles",
    ),
    Rule(
        "roles-in-order",
        "warning",
        "System messages stand first; then the user begins.",
        "Reorder the messages.",
        row=roles_in_order,
        sees="roles",
    ),
    Rule(
        "first-role-right",
        "error",
        "The conversation begins with the role that the provider asks for.",
        "Remove the messages before it.",
        row=first_role_right,
        sees="roles",
    ),
    Rule(
        "chat-teaches",
        "error",
        "At least one assistant message has a weight other than 0.",
        "Set a weight to 1.",
        something_to_learn,
        "weights",
    ),
    Rule(
        "weight-right",
        "error",
        "Weights are 0 or 1, and of assistant messages.",
        "Set them to 0 or 1, or remove them.",
        weights_right,
        "weights",
    ),
    Rule("weight-taken", "error", "Messages have weights only where the provider takes them.", "Remove them.", weights_taken, "weights"),
    Rule(
        "answer-not-empty",
        "error",
        "An assistant message has text or calls a tool.",
        "Write it or remove the row.",
        row=answer_not_empty,
        sees="words",
    ),
    Rule(
        "prompt-not-empty",
        "warning",
        "A user message says something.",
        "Write it or remove the row.",
        row=prompt_not_empty,
        sees="words",
    ),
)
