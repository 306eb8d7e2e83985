"""The worker trains by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuneport_local.tracking.tracked import tracked
from tuneport_local.training.group import ALONE

if TYPE_CHECKING:
    from tuneport_local.engines.engine import Outcome
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.group import Group
    from tuneport_local.training.spec import TrainingSpec


def run(folder: JobFolder, spec: TrainingSpec, group: Group = ALONE) -> Outcome:
    """Trains in this process, whose readings are told where the job asks for it."""
    from tuneport_local.training.train import train

    home = Path(folder.recipe()["home"])
    if group.rank:
        return train(folder, spec=spec, home=home, group=group)
    with tracked(folder) as tracking:
        outcome = train(folder, spec=spec, home=home, group=group)
        tracking.ended(outcome)
    return outcome
