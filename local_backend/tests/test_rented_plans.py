"""Recipes whose machine is rented: what is read, refused, planned and quoted before anything is launched."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.adapter import LocalTrainer
from tuneport_local.engines.engine import ENGINES
from tuneport_local.jobs.home import Jobs
from tuneport_local.machine import throughput
from tuneport_local.machine.throughput import Throughput
from tuneport_local.plans import planning

from tuneport.dataset import Dataset
from tuneport.errors import RecipeError, Refused, TuneportError, Unsupported
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.provider import Capability, ProviderSettings
from tuneport.recipe import Recipe
from tuneport.settings import Settings

from .renting import fault, launches, vendor
from .workers import open_trainer

__all__ = ["vendor"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def a_recipe(
    base: Path | str, vendor: Path | None, *, method: Any = "sft", machine: Mapping[str, Any] | None = None, **options: Any
) -> Recipe:
    rows = Dataset.from_examples([ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)])
    table = {"acme": {**({"vendor": str(vendor)} if vendor else {}), **(machine or {})}}
    return Recipe(base=str(base), method=method, train=rows, options={"local": {"engine": "acme", **table, **options}})


def values_of(recipe: Recipe, **profiles: Any) -> dict[str, Any]:
    return planning.hyperparameters(recipe, provider="local", configuration=Settings(Path("/nowhere"), providers=profiles))


def test_a_plan_holds_what_the_launcher_has_read_and_says_that_it_is_billed(vendor: Path, base: Path) -> None:
    plan = planning.plan(a_recipe(base, vendor), provider="local", scope="here", base=str(base))
    assert plan.hyperparameters["engine"] == "acme"
    assert plan.hyperparameters["rented"]["vendor"] == str(vendor)
    assert (plan.hyperparameters["device"], plan.hyperparameters["workers"]) == ("cpu", 1)
    assert plan.billed
    assert "a machine that engine 'acme' rents trains it, which its vendor bills" in plan.notes


def test_a_recipe_that_rents_nothing_is_planned_as_it_was(base: Path, vendor: Path) -> None:
    recipe = a_recipe(base, vendor).model_copy(update={"options": {}})
    plan = planning.plan(recipe, provider="local", scope="here", base=str(base))
    assert not {"engine", "workers", "rented"} & plan.hyperparameters.keys()
    assert not plan.billed


def test_a_profile_of_the_configuration_says_what_the_table_does_not(vendor: Path, base: Path) -> None:
    assert values_of(a_recipe(base, None), acme={"vendor": "/from/profile"})["rented"]["vendor"] == "/from/profile"
    named = a_recipe(base, None, machine={"profile": "second"})
    assert values_of(named, acme={}, second={"vendor": "/second"})["rented"]["vendor"] == "/second"
    with pytest.raises(RecipeError, match=r"options\.local\.acme: vendor is missing"):
        values_of(a_recipe(base, None))


def test_the_trainer_reads_the_profiles_that_it_was_opened_with(vendor: Path, base: Path, tmp_path: Path) -> None:
    trainer = LocalTrainer(ProviderSettings("local", tmp_path / "home", profiles={"acme": {"vendor": "/from/profile"}}))
    plan = trainer.plan(a_recipe(base, None))
    assert plan.hyperparameters["rented"]["vendor"] == "/from/profile"


@pytest.mark.parametrize(
    ("gpus", "options", "means"),
    [
        (1, {}, ("cuda", 1)),
        (4, {}, ("cuda", 4)),
        (4, {"workers": 2}, ("cuda", 2)),
        (4, {"device": "cpu"}, ("cpu", 1)),
        (0, {"workers": 2}, ("cpu", 2)),
    ],
)
def test_auto_means_what_the_machine_there_has(
    vendor: Path, base: Path, gpus: int, options: dict[str, Any], means: tuple[str, int]
) -> None:
    values = values_of(a_recipe(base, vendor, machine={"gpus": gpus}, **options))
    assert (values["device"], values["workers"]) == means


@pytest.mark.parametrize(
    ("machine", "options", "sentence"),
    [
        ({"gpus": 2}, {"workers": 4}, r"workers = 4, and the machine that engine 'acme' is to rent has 2 GPUs\. Ask for 2"),
        ({}, {"device": "cuda"}, "device is 'cuda', and the machine that engine 'acme' is to rent has no GPU"),
        ({"gpus": 1}, {"device": "cuda:1"}, "device 'cuda:1' is one of this machine, and engine 'acme' rents another"),
        ({"gpu": 1}, {}, r"options\.local\.acme: unknown key 'gpu'"),
        ({}, {"address": "http://ray:8265", "storage": "/s"}, r"options\.local\.address is of a Ray cluster, and engine is 'acme'"),
        ({}, {"engine": "acne"}, r"options\.local\.engine must be one of .*acme.*, not 'acne'\. did you mean 'acme'"),
        ({}, {"engine": "process"}, r"options\.local\.acme is the table of engine 'acme', and engine is 'process'"),
        ({}, {"rented": {}}, r"unknown key 'rented'"),
        ({"gpus": 2}, {"method": {"kind": "sft", "batch_size": 3}}, "batch_size 3 cannot be divided evenly among 2 workers"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    vendor: Path, base: Path, machine: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    given = dict(options)
    method = given.pop("method", "sft")
    with pytest.raises(RecipeError, match=sentence):
        planning.plan(a_recipe(base, vendor, machine=machine, method=method, **given), provider="local", scope="here", base=str(base))


def test_several_workers_there_take_what_several_workers_take_and_one_takes_all(vendor: Path, base: Path) -> None:
    two, one = (a_recipe(base, vendor, machine={"gpus": gpus}, share_beginning=True) for gpus in (2, 1))
    with pytest.raises(Unsupported, match=r"share_beginning has not been tried with several workers.* Set options\.local\.workers = 1"):
        planning.plan(two, provider="local", scope="here", base=str(base))
    assert planning.plan(one, provider="local", scope="here", base=str(base)).hyperparameters["share_beginning"]


def test_an_engine_whose_distribution_is_not_installed_says_which_to_install(base: Path) -> None:
    recipe = a_recipe(base, None).model_copy(update={"options": {"local": {"engine": "acme"}}})
    with pytest.raises(RecipeError, match=r"options\.local\.engine must be one of"):
        values_of(recipe)


def test_support_knows_the_engines_that_are_installed(vendor: Path, tmp_path: Path) -> None:
    trainer = open_trainer(tmp_path)
    for method in ("sft", "kto", "grpo", "classify"):
        assert trainer.support(Capability.TRAIN, method=method, engine="acme")
    assert "acme" in trainer.support(Capability.TRAIN, engine="deepspeed").reason
    assert "acme" not in ENGINES


def test_memory_and_disk_of_this_machine_are_no_matter(vendor: Path, tmp_path: Path) -> None:
    trainer = open_trainer(tmp_path / "home")
    huge = tmp_path / "huge"
    huge.mkdir()
    (huge / "config.json").write_text("{}")
    with (huge / "model.safetensors").open("wb") as file:
        file.truncate(2 * 10**12)
    with pytest.raises(Refused, match="does not fit into memory here"):
        trainer.plan(a_recipe(huge, vendor).model_copy(update={"options": {}}))
    assert trainer.plan(a_recipe(huge, vendor)).billed


def test_what_stands_in_the_way_at_the_vendor_is_told_before_a_job_is_made(vendor: Path, base: Path, tmp_path: Path) -> None:
    trainer = open_trainer(tmp_path / "home")
    plan = trainer.plan(a_recipe(base, vendor))
    fault(vendor, "quota")
    with pytest.raises(Refused, match=r"engine 'acme' cannot launch the job: the quota of acme is 0\."):
        trainer.create(plan, "one", {file.purpose: trainer.upload(file) for file in plan.files})
    assert list(Jobs(tmp_path / "home").all()) == []
    assert launches(vendor) == []


def test_the_check_of_this_provider_names_the_engines_and_what_is_in_their_way(
    vendor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**profiles: Any) -> tuple[str, str]:
        settings = ProviderSettings("local", tmp_path, profiles=profiles)
        return next((each.severity, each.message) for each in LocalTrainer(settings).check() if each.rule == "engine-acme")

    assert found()[0] == "info"
    assert "[options.local.acme]: options.local.acme: vendor is missing" in found()[1]
    assert found(acme={"vendor": str(vendor)}) == ("info", "engine 'acme' can rent machines: options.local.engine = 'acme'.")
    fault(vendor, "quota")
    assert found(acme={"vendor": str(vendor)}) == ("warning", "engine 'acme' cannot launch anything now: the quota of acme is 0")
    fault(vendor, "login")
    assert found(acme={"vendor": str(vendor)}) == ("warning", "engine 'acme': the login at acme has expired.")


def test_a_quote_says_honestly_what_is_not_known_and_that_a_bill_comes(vendor: Path, base: Path, tmp_path: Path) -> None:
    trainer = open_trainer(tmp_path / "home")
    quote = trainer.estimate(a_recipe(base, vendor))
    (line,) = quote.lines
    assert quote.billed
    assert (line.item, line.price, line.cost) == ("machine time", None, None)
    assert "its vendor bills the machine, and what an hour costs is not known here" in line.note
    assert "no machine of engine 'acme' has trained" in line.note


def test_a_quote_takes_the_launchers_price_and_the_speed_of_an_earlier_job_there(vendor: Path, base: Path, tmp_path: Path) -> None:
    trainer = open_trainer(tmp_path / "home")
    recipe = a_recipe(base, vendor, machine={"price": "3.60"})
    (line,) = trainer.estimate(recipe).lines
    assert (line.price, line.source, line.as_of, line.amount) == (Decimal("3.60"), "acme's list", "2026-11-22", None)
    values = values_of(recipe)
    seen = Throughput(100.0, 60.0, "2026-11-22", "job 1234")
    throughput.remember(tmp_path / "home" / "local", seen, base=str(base), hardware=throughput.all_of(values))
    (line,) = trainer.estimate(recipe).lines
    assert line.amount is not None
    assert line.cost is not None
    other = a_recipe(base, vendor, machine={"price": "3.60", "gpus": 1})
    assert trainer.estimate(other).lines[0].amount is None


def test_a_job_whose_follower_is_gone_waits_to_be_followed_again(vendor: Path, base: Path, tmp_path: Path) -> None:
    from tuneport_local.jobs.lifecycle import Lifecycle

    trainer = open_trainer(tmp_path / "home")
    plan = trainer.plan(a_recipe(base, vendor))
    data = tmp_path / "train.jsonl"
    data.write_bytes(b"".join(plan.files[0].chunks()))
    folder, _ = Jobs(tmp_path / "home").make("one", {**planning.body_of(plan), "home": str(tmp_path / "home")}, {"train": data})
    assert folder.status().device == "cluster-one"
    folder.phase(JobState.RUNNING, "step 1")
    status = Lifecycle(environ={}).look(folder)
    assert (status.state, "resume follows it again" in status.detail) == (JobState.PAUSED, True)


def test_an_error_of_the_vendor_while_checking_is_left_to_the_worker(vendor: Path, base: Path, tmp_path: Path) -> None:
    from tuneport_local.plans.machines import refuse_unlaunchable

    values = values_of(a_recipe(base, vendor))
    fault(vendor, "down")
    refuse_unlaunchable(values, configuration=Settings(tmp_path))
    fault(vendor, "login")
    fault(vendor, "down", on=False)
    with pytest.raises(TuneportError, match="login at acme has expired"):
        refuse_unlaunchable(values, configuration=Settings(tmp_path))
