"""What GPUs can do: the dated, sourced table gpus.toml."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from tuneport.errors import UsageError
from tuneport.nearest import did_you_mean
from tuneport.prices.book import read_row, tables
from tuneport.prices.price import Confidence


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of GPU.

    names         what else it is called; `name` is what the price book calls it
    memory_gb     as sold
    watts         of the board at most; None where not published
    bf16_tflops   10^12 operations a second on bf16 matrices, without sparsity; None where not published, or where it has no bf16
    """

    name: str
    memory_gb: int
    source: str
    as_of: date
    confidence: Confidence
    names: tuple[str, ...] = ()
    watts: int | None = None
    bf16_tflops: float | None = None

    def goes_by(self, name: str) -> bool:
        """Whether that is its name or one of its names; letter case aside."""
        return name.casefold() in {each.casefold() for each in (self.name, *self.names)}


@cache
def gpus() -> tuple[Gpu, ...]:
    """All that are known, in the order of the table."""
    text = files("tuneport.prices").joinpath("gpus.toml").read_text(encoding="utf-8")
    rows = tables(text, "gpus", place="gpus.toml")
    return tuple(read_row(row, Gpu, place=f"gpus.toml: row {number}") for number, row in enumerate(rows, start=1))


def find_gpu(name: str) -> Gpu | None:
    """The GPU that goes by that name, or None."""
    return next((each for each in gpus() if each.goes_by(name)), None)


def gpu(name: str) -> Gpu:
    """Likewise. Raises UsageError with the nearest name."""
    found = find_gpu(name)
    if found is None:
        raise UsageError(
            f"no GPU is called {name!r} here; {did_you_mean(name, [word for each in gpus() for word in (each.name, *each.names)])}"
        )
    return found
