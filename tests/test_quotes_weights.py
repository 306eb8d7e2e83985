"""Which weights a recipe trains, and at whom that is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuneport as tp
from tuneport.settings import Settings

ROWS = tp.Dataset.from_examples([tp.ChatExample((tp.Message("user", f"{n}?"), tp.Message("assistant", "yes"))) for n in range(12)])


@pytest.fixture
def client(tmp_path: Path) -> tp.Client:
    return tp.Client(settings=Settings(home=tmp_path, providers={"local": {"calibrate": False}}))


def words(client: tp.Client, method: tp.SFT, provider: str, weights: str | None = None) -> set[tuple[str, str]]:
    recipe = tp.Recipe(base="any", method=method, train=ROWS)
    base = {"openai": "gpt-4.1-mini", "together": "Qwen/Qwen3.5-9B"}[provider]
    quotes = client.quote(recipe, base=base, providers=[provider], weights=weights)  # type: ignore[arg-type]
    return {(quote.availability, quote.why) for quote in quotes}


def test_a_recipe_for_all_weights_is_quoted_where_a_vendor_says_that_it_trains_them(client: tp.Client) -> None:
    assert {word for word, _ in words(client, tp.SFT(weights="full"), "together")} == {"available"}
    ((word, why),) = words(client, tp.SFT(weights="full"), "openai")
    assert (word, "lora only" in why) == ("unavailable", True)


def test_what_is_said_beside_a_recipe_wins_over_it(client: tp.Client) -> None:
    assert {word for word, _ in words(client, tp.SFT(weights="full"), "openai", weights="lora")} == {"closing"}


@pytest.mark.parametrize(
    ("method", "setting"),
    [
        (tp.SFT(lora=tp.LoRA(variant="dora")), "lora.variant"),
        (tp.SFT(weights="ia3"), "weights"),
        (tp.SFT(keep="best"), "keep"),
        (tp.SFT(weights=tp.Full(freeze=2)), "weights"),
    ],
)
def test_a_recipe_with_a_setting_that_no_vendor_has_is_quoted_at_none(client: tp.Client, method: tp.SFT, setting: str) -> None:
    assert words(client, method, "together") == {("unavailable", f"together has no place for {setting}")}


def test_settings_of_a_recipe_reach_a_plug_in_as_they_are_written(client: tp.Client) -> None:
    recipe = tp.Recipe(base="smollm2-135m-instruct", method=tp.SFT(epochs=2, lora=tp.LoRA(rank=4, alpha=4)), train=ROWS)
    (quote,) = client.quote(recipe, providers=["local"])

    assert "2 epochs" in quote.lines[0].note
