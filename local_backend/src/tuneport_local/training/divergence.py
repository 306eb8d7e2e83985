"""A training that has run away: its loss is far above where it began, or comes back above that, and stays there."""

from __future__ import annotations

from tuneport_local.training.course import WINDOW, Course

_FAR = 2.0
"""Of a loss per token, in nats: seven times less likely. The losses of preferences, labels and scores begin near 1."""
_CLEARLY = 0.2


def diverged(course: Course, *, beginning: int) -> str:
    """What the loss did, in words; '' while nothing is wrong. `beginning`: the steps whose highest loss is that of the beginning.

    What three of four of the last steps were above is looked at, which a few bad rows do not move. Far is 2 more than, and twice, what it
    was at the beginning; for a run that had come down, more than at the beginning and as far above what three of four steps were below.
    """
    if len(course.recent) < WINDOW or course.lowest is None:
        return ""
    began, now = max(course.first[:beginning]), sorted(course.recent)[WINDOW // 4]
    if now > began + max(_FAR, abs(began)):
        return f"the loss rose from {began:.4g} at the beginning to above {now:.4g} in the last {WINDOW} steps"
    if now > max(began, course.lowest + max(_FAR, abs(course.lowest))):
        return f"the loss had come down from {began:.4g} to {course.lowest:.4g} and is above {now:.4g} in the last {WINDOW} steps"
    return ""


def ended_higher(course: Course, *, beginning: int) -> str:
    """A sentence for a run that was not stopped and yet is worse on its own rows than the untouched model was; '' for others."""
    if len(course.recent) < WINDOW:
        return ""
    began, now = max(course.first[:beginning]), sorted(course.recent)[WINDOW // 4]
    if began <= 0 or now < began * (1 + _CLEARLY):
        return ""
    return (
        f"the training loss began at {began:.4g} and was above {now:.4g} in most of the last {WINDOW} steps: nothing was gained on the "
        "training rows themselves; the likely cause is the learning rate, so lower it"
    )
