"""The kit's rules about what a recipe may ask for: tools and images in the rows, going on from a tuned model. Declared, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, DatasetError, UnknownModel, Unsupported
from tuneport.examples import ChatExample, ImagePart, Message, TextPart, Tool, ToolCall
from tuneport.plan import Plan
from tuneport.provider import Capability, Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import Made, TrainerKit, expect, expect_discreet, expect_error, support_of, texts_of

Count = Callable[[], int] | None

TOOL = Tool("kit_look_up", "Looks an order up.", {"type": "object", "properties": {}})


def offering(question: str) -> ChatExample:
    """A row in which a tool could be called."""
    return ChatExample((Message("user", question), Message("assistant", "It is on its way to you.")), tools=(TOOL,))


def calling(question: str) -> ChatExample:
    """A row in which the assistant calls it."""
    call = Message("assistant", None, tool_calls=(ToolCall(TOOL.name, "{}", id="call_1"),))
    return ChatExample((Message("user", question), call), tools=(TOOL,))


def picturing(question: str) -> ChatExample:
    """A row with an image."""
    seen = (TextPart(question), ImagePart("https://example.org/parcel.png"))
    return ChatExample((Message("user", seen), Message("assistant", "A parcel, and a cat on it.")))


class UndeclaredRules(TrainerKit):
    """What is declared can be planned; what is not is refused by plan(), before anything is uploaded or paid for."""

    def test_rows_that_offer_tools(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        _planned_or_refused(trainer, _with_rows(recipe, offering), Capability.TOOLS, count=request_count)

    def test_rows_that_call_tools(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        _planned_or_refused(trainer, _with_rows(recipe, calling), Capability.TOOLS, count=request_count)

    def test_rows_with_images(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        _planned_or_refused(trainer, _with_rows(recipe, picturing), Capability.IMAGES, count=request_count)

    def test_going_on_from_a_tuned_model(self, trainer: Trainer, recipe: Recipe, ended: Made) -> None:
        tuned = recipe.model_copy(update={"base": trainer.result(ended.id).id})
        if support := support_of(trainer, Capability.CONTINUE):
            expect(trainer.plan(tuned).fingerprint != ended.plan.fingerprint, "another plan for another base", tuned.base)
        else:
            what = f"plan() with a tuned model as its base, which is declared as not supported ({support.reason})"
            expect_error(lambda: trainer.plan(tuned), Unsupported, UnknownModel, CheckFailed, when=what)


def _with_rows(recipe: Recipe, row: Callable[[str], ChatExample]) -> Recipe:
    """The recipe over as many rows of another kind."""
    rows = [row(f"Where is my parcel number {number}?") for number in range(recipe.train.count())]
    return recipe.model_copy(update={"train": Dataset.from_examples(rows, name="kit-rows")})


def _planned_or_refused(trainer: Trainer, recipe: Recipe, capability: Capability, *, count: Count) -> None:
    if support := support_of(trainer, capability):
        try:
            plan = trainer.plan(recipe)
        except (Unsupported, CheckFailed) as refusal:
            pytest.skip(f"{capability} are declared, and refused for this recipe's base, so they were not tried: {refusal}")
        expect(plan.dataset_fingerprint == recipe.train.fingerprint, f"a plan for rows with {capability}", plan.dataset_fingerprint)
        _nothing_is_dropped(plan, capability)
        return
    sent = count() if count else 0
    what = f"plan() of rows with {capability}, which is declared as not supported ({support.reason})"
    error = expect_error(lambda: trainer.plan(recipe), Unsupported, CheckFailed, DatasetError, when=what)
    expect_discreet(error, texts_of(recipe.train), when=what)
    if count:
        expect(count() == sent, f"no request for rows with {capability}", f"{count() - sent} requests")


def _nothing_is_dropped(plan: Plan, capability: Capability) -> None:
    """A tool's name is in the file that would be uploaded. (Images may be sent apart.)"""
    for file in plan.files[:1] if capability is Capability.TOOLS else ():
        expect(TOOL.name.encode() in b"".join(file.chunks()), f"the tool {TOOL.name} in the {file.purpose} file", "a file without it")
