"""Rules about what texts say, looked at by `tuneport.marks`, `repeats` and `near_duplicates` over many rows at once."""

from __future__ import annotations

from tuneport.rules.rule import Rule

RULES = (
    Rule("no-credential", "warning", "No text holds what looks like a key, token or password.", "Take it out; revoke it if it is real."),
    Rule("no-card-number", "warning", "No text holds what looks like the number of a payment card.", "Take it out."),
    Rule("token-allowed", "error", "No text holds a special token that the provider refuses.", "Take it out."),
    Rule("no-special-token", "warning", "No text holds a special token such as <|im_end|>: templates put them in.", "Take it out."),
    Rule("encoding-right", "warning", "Texts have no traces of a wrong encoding, and no NUL.", "Read the source in its own encoding."),
    Rule("row-not-repeated", "warning", "No row repeats another.", "Keep one; --fix does."),
    Rule("row-not-alike", "warning", "No row repeats another but for white space, letter case and punctuation.", "Keep one."),
    Rule("row-not-near", "warning", "No row shares most of its phrases with another (by default in files of up to 10 MB).", "Keep one."),
    Rule("test-apart", "warning", "No question of the test rows stands in the training rows.", "Remove it from one of the two."),
    Rule(
        "test-not-near",
        "warning",
        "No test row shares most of its phrases with a training row (by default in files of up to 10 MB).",
        "Remove one.",
    ),
    Rule("test-rows", "error", "There are no more test rows than the provider takes.", "Leave some out."),
)
