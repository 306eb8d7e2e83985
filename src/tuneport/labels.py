"""What a label looks like: the one rule by which an answer is taken for a label or for free text."""

from __future__ import annotations

MOST_CHARS = 64
MOST_WORDS = 6


def label_like(text: str) -> bool:
    """Whether an answer looks like a label: something is said, on one line, in at most 64 characters and 6 words.

    64 characters hold the names that label sets in use have (the longest of Banking77 has 48) and bound scripts that put no spaces between
    words; 6 words let `transfer not received by recipient` pass and keep a sentence out. How often an answer comes again is asked of the
    data set, not of the text.
    """
    said = text.strip()
    return 0 < len(said) <= MOST_CHARS and len(said.splitlines()) == 1 and len(said.split()) <= MOST_WORDS
