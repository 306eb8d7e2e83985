"""Examples that say much, one sort of thing each: what the table of pairs is made from."""

from __future__ import annotations

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
)

_FIND = Tool(
    "find_order", "Finds an order.", {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}, True
)
_ASKED = Message("user", "Where is my order?", name="anna")
_SHORT = Message("system", "Be brief.")
_CALLS = (ToolCall("find_order", '{"number":"7"}', "c7"), ToolCall("find_order", '{"number":"8"}', "c8"))
_FOUND = (Message("tool", '{"state": "sent"}', (), "c7"), Message("tool", "lost", (), "c8"))
_LOOK = Message("user", (TextPart("What is this?"), ImagePart("https://example.com/a.png", "low")))
_SUM = (Message("user", "2+2="),)
_BETTER, _WORSE = (Message("assistant", "On its way."),), (Message("assistant", "No idea."),)

RICH_ROWS: dict[str, Example] = {
    "one exchange": ChatExample((_SHORT, Message("user", "Where is my order?"), Message("assistant", "On its way.")), extra={"id": 7}),
    "several turns": ChatExample(
        (_SHORT, _ASKED, Message("assistant", "Which?", weight=0), Message("user", "The last."), Message("assistant", "On its way."))
    ),
    "instructions": ChatExample(
        (Message("developer", "Be brief."), _ASKED, Message("system", "Be kind."), Message("assistant", "On its way, dear."))
    ),
    "calls of tools": ChatExample(
        (_ASKED, Message("assistant", "Let me see.", _CALLS), *_FOUND, Message("assistant", "On its way.")), (_FIND,), True
    ),
    "pictures": ChatExample((_LOOK, Message("assistant", "A parcel."))),
    "film": ChatExample(
        (Message("user", (TextPart("What is this?"), MediaPart("gs://b/a.mp4", "video/mp4"))), Message("assistant", "A van."))
    ),
    "prompt and completion": ChatExample((Message("user", "2+2="), Message("assistant", "4")), style="completion"),
    "raw text": ChatExample((Message("assistant", "Once upon a time."),), style="text"),
    "wanted answer": ChatExample((Message("user", "Where is my order?"), *_BETTER), desirable=True),
    "unwanted answer": ChatExample((Message("user", "Where is my order?"), *_WORSE), desirable=False),
    "preference": PreferenceExample((_SHORT, _ASKED), _BETTER, _WORSE, (_FIND,), False, 0.9, 0.2),
    "preference in texts": PreferenceExample(
        (Message("user", "2+2="),), (Message("assistant", "4"),), (Message("assistant", "5"),), style="completion"
    ),
    "prompt with reference": PromptExample((_SHORT, _ASKED), "On its way.", (_FIND,)),
    "prompt in text": PromptExample(_SUM, style="completion"),
    "label": LabelledExample("Where is my order?", label="order_status"),
    "labelled picture": LabelledExample(image="https://example.com/a.png", label="parcel"),
    "score": LabelledExample("Where is my order?", score=0.5),
}
