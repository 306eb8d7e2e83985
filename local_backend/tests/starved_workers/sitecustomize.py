"""Found by processes whose PYTHONPATH begins with this folder: in the second member of a group one allocation fails, as torch's fail.

STARVED is a file: where it exists nothing happens any more.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_STEPS_BEFORE = 4
_TOO_MUCH = 1 << 60


def _starve(marker: Path) -> None:
    seen: list[int] = []

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if name == "import" and arguments[0] == "trl.trainer.sft_trainer" and not seen:
            seen.append(0)
            torch = sys.modules["torch"]
            backward = torch.Tensor.backward

            def starving(self: object, *given: object, **named: object) -> object:
                seen[0] += 1
                if seen[0] == _STEPS_BEFORE and not marker.exists():
                    marker.touch()
                    torch.empty(_TOO_MUCH, dtype=torch.uint8)
                return backward(self, *given, **named)

            torch.Tensor.backward = starving

    sys.addaudithook(hook)


if os.environ.get("STARVED") and os.environ.get("RANK") == "1":
    _starve(Path(os.environ["STARVED"]))
