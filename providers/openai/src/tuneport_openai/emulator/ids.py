"""Ids as OpenAI makes them: a prefix and letters by chance, here decided by the emulator's seed."""

from __future__ import annotations

import hashlib
import random
import string

LETTERS = string.ascii_letters + string.digits


class Ids:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"openai emulator {seed}")

    def new(self, prefix: str, length: int = 24) -> str:
        return prefix + "".join(self.chance.choices(LETTERS, k=length))


def derived(prefix: str, *origin: object, length: int = 24) -> str:
    """The id of something that is made anew whenever it is asked for: the same origin, the same id."""
    return prefix + hashlib.sha256(repr(origin).encode()).hexdigest()[:length]
