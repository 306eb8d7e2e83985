"""Every error Tuneport raises, in one tree.

    TuneportError
    |-- UsageError                 2   the caller asked for something impossible
    |   |-- RecipeError, DatasetError, ConfigError, UnknownJob, UnknownModel, UnknownProvider
    |   |-- Unsupported                refused before any request: the vendor cannot, or we have not yet
    |   |-- DuplicateSubmit            this very plan already runs
    |   `-- RegistryError              the job registry cannot be used (and was left untouched)
    |-- PluginError                2   a provider plug-in does not load
    |-- CheckFailed                1   data or provider checks found errors
    |-- JobFailed                  1   a job ended failed, cancelled or expired
    |-- GraderFailed               1   a grader gave anything but a score
    |-- Refused                    3   the provider said no, and nothing was created
    |   |-- CredentialsRefused, QuotaExceeded, PlatformClosed, FileGone, NotFound
    |-- Unreachable                4   no answer, or none that can be read
    |   |-- RateLimited                not done: come back after `retry_after_s`
    |   `-- Ambiguous                  the request may have taken effect
    |-- Uncertain                  4   a submit whose outcome is not known; never repeated by itself
    |-- WaitTimeout                4   the budget of a wait is used up; the job goes on
    `-- Detached                 130   the user stopped following; the job goes on

The number is the exit code of the command line. A message says what happened, with which value, and what to do. Keys, headers
and row contents never appear in one.
"""

from __future__ import annotations

from collections.abc import Iterable


class TuneportError(Exception):
    """Base of every error of this package. `remedy` is a sentence or command that helps, or ''."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class UsageError(TuneportError, ValueError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe does not parse, has unknown keys or impossible values."""


class DatasetError(UsageError):
    """A dataset cannot be read. `line` is 1-based, or None when the whole file is meant."""

    def __init__(self, message: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.line = line


class ConfigError(UsageError):
    """A setting, profile or folder is unusable."""


class UnknownJob(UsageError, LookupError):
    """No job of that URI, here or at the provider."""


class UnknownModel(UsageError, LookupError):
    """No model of that name at that provider."""


class UnknownProvider(UsageError, LookupError):
    """No provider or profile of that name is installed."""


class Unsupported(UsageError, NotImplementedError):
    """Refused before any request. The message says whether the vendor cannot or Tuneport has not yet."""


class DuplicateSubmit(UsageError):
    """The same plan already runs. `job_uri` names it."""

    def __init__(self, message: str, *, job_uri: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.job_uri = job_uri


class RegistryError(UsageError, RuntimeError):
    """The registry is unreadable, newer than this version, or its folder cannot be written."""


class PluginError(TuneportError, ImportError):
    """A provider plug-in does not load or speaks another PLUGIN_API."""

    exit_code = 2


class CheckFailed(TuneportError):
    """A check found errors."""


class JobFailed(TuneportError):
    """A job ended in a state other than succeeded."""


class GraderFailed(TuneportError):
    """A grader raised, hung, died or gave what is no number. Says which and how, never what the row or the answer holds."""


class Refused(TuneportError, PermissionError):
    """The provider refused: nothing was created. `reason` holds the provider's own words."""

    exit_code = 3

    def __init__(self, message: str, *, reason: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class CredentialsRefused(Refused):
    """Missing, wrong or expired credentials, or a role that may not do this."""


class QuotaExceeded(Refused):
    """A limit of the account is reached. `concurrent`: one of jobs that run at the same time, so that waiting for one to end helps."""

    def __init__(self, message: str, *, reason: str = "", remedy: str = "", concurrent: bool = False) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.concurrent = concurrent


class PlatformClosed(Refused):
    """The provider no longer takes such jobs."""


class FileGone(Refused):
    """A file the job refers to is no longer at the provider."""


class NotFound(Refused, LookupError):
    """The provider does not know that job, model or file."""


class Unreachable(TuneportError, ConnectionError):
    """The provider gave no answer or none that can be read. Says nothing about the state of anything there."""

    exit_code = 4


class RateLimited(Unreachable):
    """429: the request was not carried out. `retry_after_s` is None when the provider did not say."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Ambiguous(Unreachable):
    """The request may or may not have taken effect: time-out, reset, 408, 409, 5xx, an unreadable 2xx."""


class Uncertain(TuneportError):
    """A submit whose outcome is not known. `client_id` names the intent that `jobs sync` follows."""

    exit_code = 4

    def __init__(self, message: str, *, client_id: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.client_id = client_id


class WaitTimeout(TuneportError, TimeoutError):
    """The time or request budget of a wait is used up. The job itself is untouched."""

    exit_code = 4


class Detached(TuneportError):
    """The user stopped following (Ctrl-C). The job itself is untouched."""

    exit_code = 130


_WORST_FIRST = (3, 4, 1)


def worst_exit_code(codes: Iterable[int]) -> int:
    """The exit code of a command that touched several jobs: the highest of 3, 4, 1 in this order, else 0."""
    seen = set(codes)
    return next((code for code in _WORST_FIRST if code in seen), max(seen, default=0))
