"""Rules about what is learned by other methods than imitation: better and worse answers, references, labels and scores."""

from __future__ import annotations

from math import isfinite

from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample, PromptExample
from tuneport.limits import Target
from tuneport.rules.conversation import says_something
from tuneport.rules.rule import Rule


def both_answer(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample):
        return None
    for name, side in (("better", example.chosen), ("worse", example.rejected)):
        if not side or side[-1].role != "assistant":
            return f"the {name} answer does not end with an assistant message."
    return None


def one_answer(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample) or not target.limits.one_answer:
        return None
    for name, side in (("better", example.chosen), ("worse", example.rejected)):
        if len(side) != 1 or side[0].role != "assistant":
            return f"the {name} answer has {len(side)} messages; it must be exactly one, from the assistant."
    return None


def answers_differ(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample) or not example.chosen or example.chosen != example.rejected:
        return None
    return "the better and the worse answer are the same."


def scores_in_order(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample):
        return None
    better, worse = example.chosen_score, example.rejected_score
    if better is None and worse is None:
        return None
    if better is None or worse is None:
        return "only one of its two answers has a score."
    return None if better > worse else "the better answer's score is not above the worse one's."


def text_only(example: Example, target: Target) -> str | None:
    if not isinstance(example, PreferenceExample) or not target.limits.text_only:
        return None
    messages = example.prompt + example.chosen + example.rejected
    return "the row holds more than text." if any(_has_media(message) for message in messages) else None


def _has_media(message: Message) -> bool:
    return isinstance(message.content, tuple) and any(part.__struct_config__.tag != "text" for part in message.content)


def reference_there(example: Example, target: Target) -> str | None:
    if not isinstance(example, PromptExample) or example.reference is not None or example.extra:
        return None
    return "the row has nothing beside the prompt that a grader could compare an answer with."


def wish_there(example: Example, target: Target) -> str | None:
    if target.method != "kto" or not isinstance(example, ChatExample) or example.desirable is not None:
        return None
    return "the row does not say whether its answer is a wanted one."


def label_there(example: Example, target: Target) -> str | None:
    if not isinstance(example, LabelledExample):
        return None
    if target.method == "regress":
        return "the row has no score." if example.score is None else None
    return "the row has no label." if target.method == "classify" and not (example.label or "").strip() else None


def score_finite(example: Example, target: Target) -> str | None:
    if not isinstance(example, LabelledExample) or example.score is None or isfinite(example.score):
        return None
    return "the score is not a finite number."


def input_there(example: Example, target: Target) -> str | None:
    if not isinstance(example, LabelledExample) or (example.text or "").strip() or example.image:
        return None
    return "the text is empty."


def prompt_says_something(example: Example, target: Target) -> str | None:
    if not isinstance(example, PromptExample) or not example.messages or any(map(says_something, example.messages)):
        return None
    return "the prompt says nothing."


RULES = (
    Rule("preference-answers", "error", "The better and the worse answer end with an assistant message.", "Add the answers.", both_answer),
    Rule("preference-one-answer", "error", "Each answer is one message where that is asked for.", "Leave the last only.", one_answer),
    Rule("preference-differs", "error", "The better answer is not the worse one.", "Remove the row.", answers_differ),
    Rule("preference-scores", "error", "The better answer's score is above the worse one's.", "Swap the answers.", scores_in_order),
    Rule("preference-text-only", "error", "Preference rows hold text only where that is asked for.", "Remove the rest.", text_only),
    Rule("prompt-has-reference", "warning", "A grader has something to compare with.", "Add a reference, or more keys.", reference_there),
    Rule("prompt-says-something", "error", "A prompt has text.", "Write it or remove the row.", prompt_says_something),
    Rule("wish-there", "error", "A row for KTO says whether its answer is a wanted one.", 'Add "label": true or false.', wish_there),
    Rule("label-there", "error", "A row has the label, or the score, that is to be learned.", "Add it or remove the row.", label_there),
    Rule("score-finite", "error", "Scores are finite numbers.", "Correct them.", score_finite),
    Rule("input-there", "error", "A labelled row has a text or an image.", "Add it or remove the row.", input_there),
)
