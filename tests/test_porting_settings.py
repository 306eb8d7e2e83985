"""What becomes of a training's settings and base at another provider: stated rules, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tuneport.client import Client
from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, Unsupported, UsageError
from tuneport.examples import ChatExample, Message
from tuneport.formats.known import named
from tuneport.methods import METHOD_CLASSES, SFT
from tuneport.porting.bases import choose_base
from tuneport.porting.converting import converted
from tuneport.porting.destinations import destination_of, destinations
from tuneport.porting.journal import Journal
from tuneport.porting.mapping import mapped
from tuneport.porting.settings import RULES, Change, Terms, in_our_words, translated
from tuneport.porting.source import Source
from tuneport.porting.wishes import Wishes
from tuneport.porting.work import Work
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock


def terms(to: str, *, before: str = "openai", same: bool = False, chosen: bool = True) -> Terms:
    return Terms(destinations().get(to), destinations().get(before), same, chosen)


def changes(values: Mapping[str, Any], how: Terms, *, method: str = "sft") -> dict[str, Change]:
    return {change.setting: change for change in translated(values, method=method, terms=how)[1]}


def test_every_setting_of_every_method_has_a_rule() -> None:
    settings = {name for method in METHOD_CLASSES.values() for name in method.model_fields} - {"kind"}
    assert settings == set(RULES)


def test_epochs_are_kept_and_cut_to_the_most_that_is_taken() -> None:
    values, _ = translated({"epochs": 4}, method="sft", terms=terms("local"))
    assert values == {"epochs": 4}
    assert changes({"epochs": 80}, terms("azure", before="local"))["epochs"].becomes == 50


def test_what_is_left_to_the_provider_stays_left_to_it() -> None:
    everything = SFT().model_dump(mode="json")
    assert translated(everything, method="sft", terms=terms("azure")) == ({}, ())


def test_a_multiplier_that_somebody_chose_stays_a_multiple_of_the_usual_rate() -> None:
    for to in ("azure", "vertex", "local"):
        values, _ = translated({"learning_rate_multiplier": 0.5}, method="sft", terms=terms(to))
        assert values == {"learning_rate_multiplier": 0.5}


def test_what_the_old_provider_chose_for_itself_is_left_to_the_new_one() -> None:
    used = {"epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.8}
    values, said = translated(used, method="sft", terms=terms("azure", chosen=False))
    assert values == {"epochs": 3}
    assert all(change.why for change in said)


def test_an_absolute_rate_becomes_a_multiple_of_the_rate_that_was_usual_before() -> None:
    values, _ = translated({"learning_rate": 1e-3}, method="sft", terms=terms("azure", before="local"))
    assert values == {"learning_rate_multiplier": 2.0}
    assert "2 times the usual rate of local" in changes({"learning_rate": 1e-3}, terms("azure", before="local"))["learning_rate"].why


def test_a_method_has_a_usual_rate_of_its_own_and_losses_that_the_destination_has_not_are_dropped() -> None:
    given = {"learning_rate": 1e-4, "beta": 0.2, "loss": "hinge"}
    values, said = translated(given, method="dpo", terms=terms("azure", before="local"))
    assert values == {"beta": 0.2, "learning_rate_multiplier": 2.0}
    assert {change.setting: change.becomes for change in said}["loss"] is None
    assert translated(given, method="dpo", terms=terms("local", before="azure"))[0] == {"beta": 0.2, "loss": "hinge"}


def test_an_absolute_rate_is_kept_for_the_same_weights_alone() -> None:
    same = translated({"learning_rate": 1e-4}, method="sft", terms=terms("local", before="local", same=True))[0]
    other = translated({"learning_rate": 1e-4}, method="sft", terms=terms("local", before="local"))[0]
    assert (same, other) == ({"learning_rate": 1e-4}, {})


@pytest.mark.parametrize(("rank", "size"), [(8, 8), (12, 16), (64, 16)])
def test_a_rank_becomes_the_nearest_adapter_size_that_is_no_smaller(rank: int, size: int) -> None:
    values, _ = translated({"lora": {"rank": rank}}, method="sft", terms=terms("vertex", before="local"))
    assert values["lora"] == {"rank": size}


def test_what_a_destination_decides_by_itself_is_said_to_be_dropped() -> None:
    given = {"warmup_ratio": 0.2, "lora": {"rank": 64}}
    values, said = translated(given, method="sft", terms=terms("openai", before="local"))
    assert values == {}
    assert {change.setting: change.becomes for change in said} == {"warmup_ratio": None, "lora": None}
    assert all("openai decides" in change.why for change in said)


def test_a_destination_of_which_nothing_is_known_gets_what_was_given() -> None:
    given = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-4, "warmup_ratio": 0.1, "lora": {"rank": 4}}
    assert translated(given, method="sft", terms=terms("nobody"))[0] == given


@pytest.mark.parametrize(
    ("used", "ours"),
    [
        ({"n_epochs": 3, "batch_size": "auto"}, {"epochs": 3, "batch_size": "auto"}),
        ({"n_epochs": "4", "learning_rate_multiplier": 2.0}, {"epochs": 4, "learning_rate_multiplier": 2}),
        ({"epochCount": "5", "adapterSize": "ADAPTER_SIZE_FOUR"}, {"epochs": 5, "lora": {"rank": 4}}),
        ({"adapter_size": "8", "unheard_of": 1}, {"lora": {"rank": 8}}),
        ({"n_epochs": -1, "batch_size": -1, "learning_rate_multiplier": 1}, {"learning_rate_multiplier": 1}),
    ],
)
def test_providers_words_are_read_as_ours(used: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    assert in_our_words(used, method="sft") == ours


def test_the_table_of_destinations_names_formats_that_there_are_and_the_local_backends_own_default() -> None:
    for there in destinations().values():
        assert all(named(format).name == format for format in there.formats.values())
    planning = pytest.importorskip("tuneport_local.plans.planning")
    for method, defaults in planning.DEFAULTS.items():
        assert float(destinations()["local"].rate_of(method) or 0) == defaults.learning_rate


# --- bases ---------------------------------------------------------------------------------------------------------------------------


def work(
    folder: Path,
    *,
    to: str,
    base: str | None = None,
    on: str = "2026-11-21",
    environ: Mapping[str, str] | None = None,
    epochs: int | None = None,
) -> Work:
    clock = SimulatedClock(datetime.fromisoformat(f"{on}T09:00:00").replace(tzinfo=UTC))
    client = Client(settings=Settings(home=folder, environ=environ or {}), clock=clock)
    wishes = Wishes(to=to, base=base, epochs=epochs)
    return Work(client, Journal(folder, about={}, now=clock.now), wishes, print, print, lambda job: job)


def tune(base: str, *, provider: str = "openai") -> Source:
    return Source(f"{provider}:job", provider, base=base)


def test_the_same_weights_come_before_a_base_of_the_same_tier(tmp_path: Path) -> None:
    found = choose_base(tune("gpt-4.1-mini-2025-04-14"), method="sft", work=work(tmp_path, to="azure"))
    assert (found.id, found.same) == ("gpt-4.1-mini-2025-04-14", True)


def test_without_the_same_weights_the_tier_gives_the_base_and_the_others(tmp_path: Path) -> None:
    found = choose_base(tune("gpt-4.1-nano-2025-04-14"), method="sft", work=work(tmp_path, to="local"))
    assert (found.id, found.same) == ("smollm2-135m-instruct", False)
    assert "Qwen/Qwen3-0.6B" in found.others
    assert "tiny" in found.why


def test_a_base_that_is_closed_by_then_is_passed_over(tmp_path: Path) -> None:
    late = work(tmp_path, to="openai", on="2027-02-01")
    with pytest.raises(Unsupported, match=r"no new jobs since|stopped answering") as refused:
        choose_base(tune("gpt-4.1-mini-2025-04-14", provider="azure"), method="sft", work=late)
    assert "--base MODEL" in refused.value.remedy


def test_a_base_that_does_not_take_the_method_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="not by grpo"):
        choose_base(tune("gpt-4.1-nano-2025-04-14"), method="grpo", work=work(tmp_path, to="local"))


def test_a_base_that_is_named_is_taken_at_its_word(tmp_path: Path) -> None:
    found = choose_base(tune("gpt-4.1-mini"), method="sft", work=work(tmp_path, to="local", base="my/model"))
    assert (found.id, found.same) == ("my/model", False)


def test_a_base_that_nobody_knows_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises((UsageError, Unsupported), match="not known") as unknown:
        choose_base(tune("a-model-of-mine"), method="sft", work=work(tmp_path, to="local"))
    assert "--base MODEL" in unknown.value.remedy


def test_more_epochs_than_the_destination_takes_are_cut_and_not_refused_as_submitted_before(tmp_path: Path) -> None:
    pytest.importorskip("tuneport_openai")
    rows = Dataset.from_examples(ChatExample((Message("user", f"question {n}"), Message("assistant", f"answer {n}"))) for n in range(20))
    found = work(tmp_path, to="openai", base="gpt-4.1-mini-2025-04-14", environ={"OPENAI_API_KEY": "none"}, epochs=80)
    assert mapped(tune("gpt-4.1-mini-2025-04-14", provider="azure"), rows, work=found).recipe.method.epochs == 50


def test_rows_that_are_too_few_for_want_of_those_that_are_compared_on_are_said_to_be(tmp_path: Path) -> None:
    pytest.importorskip("tuneport_openai")
    rows = Dataset.from_examples(ChatExample((Message("user", f"question {n}"), Message("assistant", f"answer {n}"))) for n in range(11))
    found = work(tmp_path, to="openai", base="gpt-4.1-mini-2025-04-14", environ={"OPENAI_API_KEY": "none"})
    with pytest.raises(CheckFailed, match="at least 10") as refused:
        converted(mapped(tune("gpt-4.1-mini-2025-04-14", provider="azure"), rows, work=found), work=found)
    assert "2 rows to compare on are left out of the training; to train on all: --test FILE, or --hold-out 0." in refused.value.remedy


def test_what_holds_of_some_bases_of_a_provider_only_wins_over_what_holds_in_general() -> None:
    gemini, llama = destination_of("vertex", "gemini-3.5-flash"), destination_of("vertex", "meta/llama3_1@llama-3.1-8b")
    assert gemini is destinations()["vertex"] is destination_of("vertex")
    assert llama is not None
    assert (llama.rates, llama.formats["sft"]) == (("absolute",), "chat")
    assert destination_of("nowhere", "gemini-3.5-flash") is None
