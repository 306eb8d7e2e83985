"""What a deployed open model costs for each hour that it stands, and on which machine. Pure, over the price book and the catalogue.

Tuned Gemini models cost nothing while nobody asks them (older guide of Google's, third-party copies of 2026): here are the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from tuneport.catalogue import Base, catalogue
from tuneport.errors import RecipeError
from tuneport.nearest import did_you_mean
from tuneport.prices import Price, PriceBook
from tuneport.quote import QuoteLine
from tuneport.quoting.rules import machines
from tuneport.quoting.serving import machines_for
from tuneport.span import Span
from tuneport_vertex.wire.bases import short_base

ACCELERATORS = {
    "L4 24GB": "NVIDIA_L4",
    "RTX PRO 6000 96GB": "NVIDIA_RTX_PRO_6000",
    "A100 40GB SXM": "NVIDIA_TESLA_A100",
    "A100 80GB SXM": "NVIDIA_A100_80GB",
    "H100 80GB SXM": "NVIDIA_H100_80GB",
    "H200 141GB": "NVIDIA_H200_141GB",
}
"""AcceleratorType of each GPU that machines of Google's have (google.cloud.aiplatform_v1beta1 of 2.7.0)."""


@dataclass(frozen=True, slots=True)
class Rented:
    """A machine with its GPUs, as the API names them; `why` says why this one."""

    machine: str
    gpu: str
    accelerator: str
    count: int
    why: str


def known_base(name: str | None) -> Base | None:
    """The base of the catalogue, also by the long form in which the service names it (`publishers/google/models/gemma3@…`)."""
    return catalogue().find(short_base(name), provider="vertex") if name else None


def machine_for(base: str | None, *, asked: str | None = None) -> Rented:
    """The machine that was asked for, else the cheapest one that holds the base. Raises RecipeError where there is no such machine, or
    nobody knows which would do."""
    if asked is not None:
        return replace(_machine(asked), why="as asked")
    found = known_base(base)
    fitting = [] if found is None else [each.rows[0].tier for each in machines_for(found, PriceBook.load()) if each.rows[0].tier]
    if found is None or not fitting:
        raise RecipeError(
            f"which machine {base or 'a model of unknown base'} needs is not known.",
            remedy=f"Name it: --set machine={_names()[0]}; known are {', '.join(_names())}.",
        )
    size = "as Google's page deploys it" if found.serving_gpu else f"{found.parameters_b} billion weights in bf16"
    return replace(_machine(fitting[0]), why=f"the cheapest that holds it ({size})")


def costs(rented: Rented, base: str | None, *, region: str, replicas: int, on: date) -> tuple[QuoteLine, ...]:
    """What an hour costs, asked or not."""
    model, book = short_base(base) if base else "*@*", PriceBook.load()
    rows = book.prices("vertex", model, "hosting hour", tier=rented.machine, region=region)
    elsewhere = () if rows else _elsewhere(book, model, rented.machine)
    if not (rows or elsewhere):
        note = f"what an hour of {rented.machine} in {region} costs is not known"
        return (QuoteLine("hosting", Span.exactly(replicas), "hosting hour", None, note=note),)
    first = (rows or elsewhere)[0]
    there = () if rows else (f"price of {first.region}",)
    times = f"{replicas} x " if replicas > 1 else ""
    return (
        QuoteLine(
            "hosting",
            Span.exactly(1),
            "hosting hour",
            first.price * replicas,
            currency=first.currency,
            as_of=first.as_of.isoformat(),
            source=first.source,
            confidence=first.confidence,
            doubts=(*first.doubts(on=on), *there),
            note=f"{times}{rented.machine} with {rented.count} x {rented.gpu}",
        ),
    )


def rules(rented: Rented, *, least: int, most: int, weights: str) -> tuple[str, ...]:
    """What to know before it stands, a sentence each."""
    grows = f" It may grow to {most} machines, each of which costs as much." if most > least else ""
    return (
        f"It runs on {rented.machine} with {rented.count} x {rented.gpu}: {rented.why}.{grows}",
        "Every hour is billed from when the machine runs until it is ended, asked or not; nothing ends it by itself.",
        "Answers cost nothing besides. It takes 15 to 45 minutes until it answers.",
        f"It is made from {weights}; ending it deletes the endpoint and its copy in the model registry, and leaves those files.",
    )


def _machine(name: str) -> Rented:
    for each in machines():
        if each.provider == "vertex" and name in each.counts:
            return Rented(name, each.gpu, ACCELERATORS[each.gpu], each.counts[name], "")
    raise RecipeError(f"machine is {name!r}; {did_you_mean(name, _names())}")


def _names() -> list[str]:
    return [name for each in machines() if each.provider == "vertex" for name in each.counts]


def _elsewhere(book: PriceBook, model: str, tier: str) -> tuple[Price, ...]:
    """The rows of another region, where there are none of that one."""
    return tuple(row for row in book.of("vertex") if row.unit == "hosting hour" and row.tier == tier and row.holds_for(model))[:1]
