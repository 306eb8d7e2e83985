"""What Optuna decides, as pure functions of the trials so far: the next values to try, and whether a trial is not worth finishing.

Optuna keeps nothing here: its study is made anew from the journal each time, so that a sweep that was killed goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import Unsupported
from tuneport.sweeping.measured import Direction
from tuneport.sweeping.space import Dimension, Range, Space, all_values, combinations
from tuneport.sweeping.trial import LIVE, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

STUDY = "study.log"
_AT_RANDOM = 6
"""So many trials are drawn at random before the better of them are believed."""
_DRAWS = 10
_FINISHED_BEFORE_PRUNING = 3


def demand_optuna() -> None:
    """Raises Unsupported where it is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise Unsupported("a sweep needs Optuna, which is not installed.", remedy="pip install 'tuneport[sweep]'") from None


def suggest(
    trials: Sequence[Trial], space: Space, *, direction: Direction, seed: int, refused: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any] | None:
    """Values that no trial has had and that are not among `refused`; None where there are none left.

    The same trials, space and seed give the same values.
    """
    had = {_words(each.values) for each in trials} | {_words(each) for each in refused}
    number = len(trials) + len(refused)
    for values in _drawn(trials, space, direction=direction, seed=_seed(seed, number)):
        if _words(values) not in had:
            return values
    if combinations(space) is None:
        return None
    left = [values for values in all_values(space) if _words(values) not in had]
    return random.Random(_seed(seed, number)).choice(left) if left else None


def _drawn(trials: Sequence[Trial], space: Space, *, direction: Direction, seed: int) -> Iterator[dict[str, Any]]:
    """Values in the order in which they are to be tried. Each counts for the next as one that is being tried."""
    import optuna

    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM, multivariate=True)
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.add_trials([found for each in trials if (found := _frozen(each, space)) is not None])
        wanted = {name: _distribution(each) for name, each in space.items()}
        for _ in range(_DRAWS):
            drawn = study.ask(fixed_distributions=wanted).params
            yield {name: _told(drawn[name], each) for name, each in space.items()}


def not_worth_it(trial: Trial, trials: Sequence[Trial], space: Space, *, direction: Direction) -> bool:
    """Whether it is worse at its last step than half of the finished ones were there. Never before a quarter of the longest one's steps."""
    import optuna

    longest = max((each.curve[-1][0] for each in trials if each.state == "succeeded" and each.curve), default=0)
    if not trial.curve or not trial.curve[-1][0] < longest:
        return False
    with _quiet():
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_FINISHED_BEFORE_PRUNING, n_warmup_steps=longest // 4)
        study = optuna.create_study(direction=direction, pruner=pruner)
        study.add_trials([found for each in trials if each.state == "succeeded" and (found := _frozen(each, space)) is not None])
        frozen = _frozen(trial, space)
        return frozen is not None and pruner.prune(study, frozen)


def write_study(folder: Path, trials: Sequence[Trial], space: Space, *, direction: Direction, name: str) -> Path:
    """The trials as a study in a journal file of Optuna's, for tools of its own such as optuna-dashboard."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path, part = folder / STUDY, folder / f".{STUDY}.part"
    part.unlink(missing_ok=True)
    with _quiet():
        study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(part))), study_name=name, direction=direction)
        study.add_trials([found for each in trials if (found := _frozen(each, space)) is not None])
    return part.replace(path)


def _frozen(trial: Trial, space: Space) -> optuna.trial.FrozenTrial | None:
    """The trial as Optuna has it; None for one that has nothing to say of its own."""
    import optuna
    from optuna.trial import TrialState

    if trial.state == "same" or set(trial.values) != set(space):
        return None
    measured = trial.state == "succeeded" and trial.value is not None
    state = TrialState.COMPLETE if measured else TrialState.RUNNING if trial.state in LIVE else TrialState.FAIL
    if trial.state == "pruned":
        state = TrialState.PRUNED
    return optuna.trial.create_trial(
        state=state,
        value=trial.value if measured else None,
        params={name: _asked(trial.values[name], each) for name, each in space.items()},
        distributions={name: _distribution(each) for name, each in space.items()},
        intermediate_values=dict(trial.curve),
        user_attrs={"job": trial.job or ""},
    )


def _distribution(each: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(each, Range):
        return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in each.values])
    if each.whole:
        return IntDistribution(int(each.low), int(each.high), log=each.log)
    return FloatDistribution(each.low, each.high, log=each.log)


def _asked(value: Any, each: Dimension) -> Any:
    return value if isinstance(each, Range) else json.dumps(value, sort_keys=True)


def _told(value: Any, each: Dimension) -> Any:
    return each.nearest(value) if isinstance(each, Range) else json.loads(value)


def _words(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:4], "big")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's own log on the terminal, and without its remarks about what may change in it."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
