"""The kit's rules about what a trainer says before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal

from tuneport.errors import CheckFailed, RecipeError, UnknownModel, Unsupported
from tuneport.finding import Finding
from tuneport.plan import Plan
from tuneport.provider import PLUGIN_API, Provider, Trainer
from tuneport.quote import QuoteLine
from tuneport.recipe import SFT, LoRA, Recipe
from tuneport.testing.kit import TrainerKit, expect, expect_error

Count = Callable[[], int] | None


def with_more_epochs(recipe: Recipe) -> Recipe:
    """The recipe with one epoch more."""
    epochs = recipe.method.epochs
    return recipe.model_copy(update={"method": recipe.method.model_copy(update={"epochs": 2 if epochs == "auto" else epochs + 1})})


def with_each_setting_changed(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """The name of a setting, and the recipe with a value of it that it did not have."""
    method = recipe.method
    values = {
        "batch_size": 3 if method.batch_size != 3 else 5,
        "warmup_ratio": method.warmup_ratio / 2 + 0.03,
        "schedule": "constant" if method.schedule != "constant" else "cosine",
        "weight_decay": method.weight_decay / 2 + 0.01,
        "max_grad_norm": method.max_grad_norm / 2,
        "lora": LoRA(rank=4 if method.lora.rank != 4 else 6),
    }
    changes = [{name: value} for name, value in values.items()]
    rate = 1.5e-4 if method.learning_rate != 1.5e-4 else 2.5e-4
    changes.append({"learning_rate": rate, "learning_rate_multiplier": "auto"})
    for change in changes:
        yield next(iter(change)), recipe.model_copy(update={"method": method.model_copy(update=change)})
    yield "seed", recipe.model_copy(update={"seed": recipe.seed + 1})


class PlanRules(TrainerKit):
    """A plan is pure, exact and comparable."""

    def test_the_provider_value_says_what_it_is(self, provider: Provider) -> None:
        expect(isinstance(provider, Provider), "the entry point to name a tuneport.provider.Provider", provider)
        expect(bool(re.fullmatch(r"[a-z][a-z0-9_-]*", provider.name)), "a name in lower case, to begin URIs with", provider.name)
        expect(provider.plugin_api == PLUGIN_API, f"plugin_api {PLUGIN_API}", provider.plugin_api)
        expect(bool(provider.summary.strip()), "a summary for `tuneport providers`", provider.summary)
        expect(callable(provider.open_trainer), "open_trainer to be callable", provider.open_trainer)

    def test_the_trainer_has_every_method_of_the_contract(self, trainer: Trainer) -> None:
        expect(isinstance(trainer, Trainer), "every method and attribute of tuneport.provider.Trainer", type(trainer))
        low, high = trainer.poll_interval_s
        expect(0 < low <= high, "poll_interval_s as (shortest, longest) in seconds", trainer.poll_interval_s)

    def test_the_scope_is_stable_printable_and_without_secrets(self, trainer: Trainer, secrets: tuple[str, ...]) -> None:
        scope = trainer.scope()
        expect(bool(scope.strip()) and scope.isprintable(), "a printable scope", scope)
        expect(trainer.scope() == scope, f"the scope to stay {scope!r}", trainer.scope())
        expect(not any(secret in scope for secret in secrets), "a scope without secrets", "one of them is in it")

    def test_the_check_of_a_working_provider_has_no_errors(self, trainer: Trainer, secrets: tuple[str, ...]) -> None:
        findings = list(trainer.check())
        expect(not any(secret in repr(findings) for secret in secrets), "findings without secrets", "one of them is in it")
        expect(all(isinstance(finding, Finding) for finding in findings), "check() to give Findings", findings)
        errors = [finding.message for finding in findings if finding.severity == "error"]
        expect(not errors, "no finding of severity 'error'", errors)

    def test_the_catalogue_names_each_base_once_with_its_methods(self, trainer: Trainer) -> None:
        bases = list(trainer.catalogue())
        expect(bool(bases), "a catalogue with at least one base", bases)
        ids = [base.id for base in bases]
        expect(len(ids) == len(set(ids)), "each base once in the catalogue", ids)
        expect(all(base.methods for base in bases), "every base to name the methods it can be tuned with", bases)

    def test_two_plans_of_one_recipe_are_equal(self, trainer: Trainer, recipe: Recipe) -> None:
        first, second = trainer.plan(recipe), trainer.plan(recipe)
        expect(first.fingerprint == second.fingerprint, f"fingerprint {first.fingerprint}", second.fingerprint)
        expect(first.to_dict() == second.to_dict(), f"the same plan twice, {first.to_dict()}", second.to_dict())

    def test_planning_sends_nothing_and_creates_nothing(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        jobs, sent = len(list(trainer.list())), request_count() if request_count else 0
        trainer.plan(recipe)
        if request_count:
            expect(request_count() == sent, "plan() to send no request", f"{request_count() - sent} requests")
        expect(len(list(trainer.list())) == jobs, f"still {jobs} jobs after plan()", len(list(trainer.list())))

    def test_other_data_and_other_hyperparameters_make_another_plan(self, trainer: Trainer, recipe: Recipe, other_recipe: Recipe) -> None:
        plan = trainer.plan(recipe)
        expect(trainer.plan(other_recipe).fingerprint != plan.fingerprint, "another fingerprint for other rows", plan.fingerprint)
        longer = trainer.plan(with_more_epochs(recipe))
        expect(longer.fingerprint != plan.fingerprint, "another fingerprint for one epoch more", plan.fingerprint)

    def test_no_setting_disappears(self, trainer: Trainer, recipe: Recipe) -> None:
        """Another value makes another plan, or is refused, or the plan's notes name the setting that is not used."""
        plan = trainer.plan(recipe)
        for name, changed in with_each_setting_changed(recipe):
            try:
                other = trainer.plan(changed)
            except (Unsupported, RecipeError, CheckFailed):
                continue
            said = other.fingerprint != plan.fingerprint or any(name in note for note in other.notes)
            expect(said, f"another plan for another {name}, a refusal, or a note that names it", other.notes)

    def test_a_plan_says_what_would_be_done(self, trainer: Trainer, recipe: Recipe) -> None:
        plan = trainer.plan(recipe)
        expect(plan.scope == trainer.scope(), f"the plan's scope to be {trainer.scope()!r}", plan.scope)
        expect(plan.method == recipe.method.kind, f"the plan's method to be {recipe.method.kind!r}", plan.method)
        expect(bool(plan.base), "the plan to name its base", plan.base)
        expect(bool(plan.requests), "the plan to hold the exact requests", plan.requests)
        expect(plan.recipe_fingerprint == recipe.fingerprint, f"recipe_fingerprint {recipe.fingerprint}", plan.recipe_fingerprint)
        rows = recipe.train.fingerprint
        expect(plan.dataset_fingerprint == rows, f"dataset_fingerprint {rows}", plan.dataset_fingerprint)

    def test_a_plan_survives_being_written_down(self, trainer: Trainer, recipe: Recipe, secrets: tuple[str, ...]) -> None:
        plan = trainer.plan(recipe)
        text = json.dumps(plan.to_dict(), default=str)
        expect(not any(secret in text for secret in secrets), "a plan without secrets", "one of them is in it")
        again = Plan.from_dict(json.loads(text))
        expect(again.fingerprint == plan.fingerprint, f"fingerprint {plan.fingerprint} after writing and reading", again.fingerprint)

    def test_planned_files_can_be_read_twice_and_are_what_they_say(self, trainer: Trainer, recipe: Recipe) -> None:
        for file in trainer.plan(recipe).files:
            for _ in range(2):
                again = type(file).from_chunks(file.chunks, purpose=file.purpose, rows=file.rows, suffix=file.suffix)
                said, found = (file.sha256, file.size_bytes), (again.sha256, again.size_bytes)
                expect(found == said, f"the {file.purpose} file's bytes to have sha256 and size {said}", found)

    def test_an_unknown_base_is_refused_by_name(self, trainer: Trainer, recipe: Recipe) -> None:
        name = "no-such-model-anywhere"
        error = expect_error(
            lambda: trainer.plan(recipe.model_copy(update={"base": name})), UnknownModel, when="plan() of a base that does not exist"
        )
        expect(name in str(error), f"a message that names {name!r}", str(error))

    def test_an_unsupported_method_is_refused_before_any_request(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        sent = request_count() if request_count else 0
        strange = SFT.model_construct(**{**recipe.method.model_dump(), "kind": "divination"})
        expect_error(
            lambda: trainer.plan(recipe.model_copy(update={"method": strange})), Unsupported, when="plan() of the method 'divination'"
        )
        if request_count:
            expect(request_count() == sent, "no request for an unsupported method", f"{request_count() - sent} requests")

    def test_an_impossible_option_of_the_provider_is_refused(self, trainer: Trainer, recipe: Recipe, provider: Provider) -> None:
        strange = recipe.model_copy(update={"options": {provider.name: {"no_such_option_anywhere": 1}}})
        expect_error(lambda: trainer.plan(strange), RecipeError, Unsupported, CheckFailed, when="plan() with an option nobody knows")

    def test_an_estimate_is_of_this_recipe_in_exact_money(self, trainer: Trainer, recipe: Recipe) -> None:
        quote, plan = trainer.estimate(recipe), trainer.plan(recipe)
        expect((quote.provider, quote.base) == (plan.provider, plan.base), f"a quote for {plan.base} at {plan.provider}", quote)
        expect(bool(quote.lines), "an estimate with at least one line", quote)
        for line in quote.lines:
            _adds_up(line)


def _adds_up(line: QuoteLine) -> None:
    expect(isinstance(line.price, Decimal | None), "every price a Decimal, or None if unknown", line.price)
    expect(line.amount is None or line.amount.high > 0, f"an amount of {line.item}", line.amount)
    if line.price is not None:
        expect(line.price >= 0, f"no price of {line.item} below 0", line.price)
        expect(bool(line.source and line.as_of), f"the source of the price of {line.item} and the day it was read", line)
