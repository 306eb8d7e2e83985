"""What differs between those who speak OpenAI's API, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuneport.job import JobState

STATES: Mapping[str, JobState] = {
    "validating_files": JobState.VALIDATING,
    "queued": JobState.QUEUED,
    "running": JobState.RUNNING,
    "paused": JobState.PAUSED,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}
"""OpenAI's words: those of the SDK's type (openai 3.52.0) and `paused`, which the specification's example of a paused job has."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to speak the API.

    limits         whose rows of limits.toml and whose catalogue hold; None: nothing is known, and any base is taken
    bom            whether files begin with a byte order mark
    states         words beside OpenAI's own
    nested_method  whether a job has a `method`; else supervised hyperparameters stand beside the files, as OpenAI had it before
    most_tokens    what chat completions call the most tokens of an answer
    """

    name: str
    limits: str | None = None
    bom: bool = False
    states: Mapping[str, JobState] = field(default_factory=dict)
    nested_method: bool = True
    most_tokens: str = "max_completion_tokens"

    def state_of(self, word: str) -> JobState:
        """`unknown` for a word that nobody has told us."""
        return self.states.get(word) or STATES.get(word, JobState.UNKNOWN)


OPENAI = Dialect("OpenAI", limits="openai")


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a service does with files, where it is not what OpenAI does.

    listed_whole  its list knows no pages, unless it says that there are more, and comes in no order
    sized_later   a file has no size until the vendor has looked at it
    life_s        how long a file is asked to be kept, in seconds; None: nothing is asked
    """

    listed_whole: bool = False
    sized_later: bool = False
    life_s: int | None = None


def compatible(name: str) -> Dialect:
    """An endpoint that speaks OpenAI's API. What is known of a provider of that name, its bases and limits, holds for it."""
    from tuneport.catalogue import catalogue
    from tuneport.limits import providers

    known = name in providers() and name in catalogue().providers()
    return Dialect(name, limits=name if known else None, nested_method=False, most_tokens="max_tokens")
