"""Every kind of loss that reading, recasting and writing tell, with what it means. `*` stands for the name of a key."""

from __future__ import annotations

LOSS_KINDS: dict[str, str] = {
    "answers.earlier": "answers before the last one are no longer learned",
    "completions": "completions between the best and the worst are left out",
    "completions.*": "a key beside a completion and its score",
    "content.*": "a key of a turn beside its role and parts",
    "desirable": "the mark that an answer is wanted",
    "extra.*": "a key of the row whose name means something else here",
    "file.*": "a key of an attached file",
    "file.keys": "what stands beside the list of rows in a JSON file",
    "functionCall.*": "a key of a function call",
    "functionResponse.*": "a key of a function's answer",
    "image.detail": "how closely a picture is to be looked at",
    "image.mime_type": "the type of a picture, where its address does not tell it",
    "image.path": "the name of the file whose bytes a row holds as a picture",
    "image_url.*": "a key of a picture",
    "input.*": "a key of the input beside messages and tools",
    "input_audio.*": "a key of a recording",
    "message.*": "a key of a message",
    "message.name": "the name of who speaks",
    "message.parts": "where one part of a text ends and the next begins",
    "message.tool_call_id": "the id of a call on a turn that answers none",
    "message.weight": "whether a turn is learned",
    "parallel_tool_calls": "whether tools may be called at once",
    "part.*": "a part of a turn, or a key of one",
    "part.image": "a picture",
    "part.media": "a recording, film or document",
    "part.order": "text after a call stands before it",
    "part.thought": "the model's thoughts",
    "prompt.boundary": "where the prompt ends and the answer begins",
    "rejected": "the worse answer",
    "role.developer": "that instructions are a developer's; they become the system's",
    "score.spelling": "how a number was written",
    "scores": "the scores of better and worse",
    "style": "that texts are to be used without a chat template, or with one",
    "system": "what the system says",
    "system.position": "where in the conversation the system speaks; it comes first",
    "system.turns": "that the system speaks more than once; it is one turn",
    "tool.*": "a key of a tool, or a tool that is no function",
    "tool.null": "null under a key of a tool's schema",
    "tool.order": "the order of answers; they follow the calls",
    "tool.pairing": "which call an answer answers",
    "tool.spelling": "how the JSON of a tool's answer was written",
    "tool.strict": "that a tool's schema is to be kept strictly",
    "tool_call.*": "a key of a call",
    "tool_call.id": "the ids of calls; their order tells them apart",
    "tool_call.null": "null under a key of a call's arguments",
    "tool_call.parallel": "that tools are called at once; they are called one after another",
    "tool_call.text": "what the assistant says beside a call",
    "tools": "the tools that may be called",
    "turn.*": "a key of a turn",
}


def meaning_of(kind: str) -> str:
    """What is lost. Raises KeyError for a kind that nothing tells."""
    if kind in LOSS_KINDS:
        return LOSS_KINDS[kind]
    return LOSS_KINDS[f"{kind.partition('.')[0]}.*"]
