"""The catalogue: which base can be tuned where and until when, and which stands in for which; dated, sourced, and known to the limits."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.catalogue import Base, Catalogue, catalogue, nearest
from tuneport.catalogue.book_check import RULES, check_book, outliving, without_base, without_price
from tuneport.catalogue.entry import SOON_DAYS
from tuneport.catalogue.nearest_bases import Group, groups, tiers, usual
from tuneport.errors import UnknownModel
from tuneport.limits import target
from tuneport.prices import Price
from tuneport.prices.book import shipped

TODAY = date(2026, 11, 21)
"""The day on which the catalogue was put together."""

BASES = st.sampled_from(catalogue().bases)
DAYS = st.dates(date(2025, 1, 1), date(2029, 1, 1))


def base(**values: Any) -> Base:
    """A base of a made-up provider."""
    usual = {"provider": "acme", "id": "m-2026", "methods": ("sft",), "as_of": TODAY, "source": "acme.example", "confidence": "vendor page"}
    return Base(**{**usual, **values})


def price(**values: Any) -> Price:
    """A price of that base."""
    usual = {"provider": "acme", "model": "m-2026", "unit": "1M training tokens", "price": Decimal(1), "as_of": TODAY}
    return Price(**{**usual, "source": "acme.example", "confidence": "vendor page", **values})


# --- the bases that come with it --------------------------------------------------------------------------------------------------------


def test_every_base_has_a_source_a_day_that_is_not_to_come_and_somebody_who_says_it() -> None:
    wrong = [
        each.uri
        for each in catalogue().bases
        if len(each.source) < 8 or not date(2023, 1, 1) < each.as_of <= date.today() or each.confidence == "yours" or not each.methods
    ]
    assert wrong == []
    assert len(catalogue().bases) > 150


def test_no_name_means_two_bases_of_one_provider() -> None:
    taken: dict[tuple[str, str], str] = {}
    for each in catalogue().bases:
        for name in {word.casefold() for word in (each.id, *each.names)}:
            assert taken.setdefault((each.provider, name), each.id) == each.id, name


def test_dates_of_a_base_come_in_their_order() -> None:
    for each in catalogue().bases:
        days = [day for day in (each.closed_to_new_since, each.training_ends, each.serving_ends) if day is not None]
        assert days == sorted(days), each.uri


def test_sizes_are_those_of_models_and_active_weights_are_fewer() -> None:
    for each in catalogue().bases:
        if each.parameters_b is not None:
            assert Decimal("0.01") < each.parameters_b < 5000, each.uri
            assert each.active_b is None or each.active_b < each.parameters_b, each.uri


@pytest.mark.parametrize("provider", ["openai", "azure", "vertex", "together", "fireworks", "bedrock"])
def test_the_limits_know_every_base_with_every_method(provider: str) -> None:
    aims = [target(each.uri, method=method) for each in catalogue().of(provider) for method in each.methods]
    assert len(aims) >= 5
    assert [aim.unknown for aim in aims if not aim.known] == []


# --- finding one ------------------------------------------------------------------------------------------------------------------------


def test_a_base_is_found_by_its_id_its_other_names_and_with_its_provider() -> None:
    known = catalogue()
    wanted = known.demand("gpt-4.1-mini-2025-04-14", provider="openai")
    assert known.find("openai:GPT-4.1-mini") == known.find("gpt-4.1-mini", provider="openai") == wanted
    found = known.find("gpt-4.1-mini")
    assert found is not None
    assert found.id == wanted.id
    assert known.demand("azure:gpt-4.1-mini").provider == "azure"
    assert known.find("openai:gpt-4.1-mini", provider="azure") is None


def test_a_name_with_colons_of_its_own_is_found() -> None:
    assert catalogue().demand("bedrock:amazon.nova-micro-v1:0:128k").id == "amazon.nova-micro-v1:0:128k"
    assert catalogue().demand("amazon.nova-micro-v1:0:128k").provider == "bedrock"


def test_an_unknown_base_gets_the_nearest_name_of_that_provider() -> None:
    with pytest.raises(UnknownModel, match=r"no base of azure is called 'gpt-4.1-mni' in the catalogue; did you mean 'gpt-4.1-mini'\?"):
        catalogue().demand("gpt-4.1-mni", provider="azure")


# --- availability -------------------------------------------------------------------------------------------------------------------------


def test_the_last_day_itself_still_counts() -> None:
    ends = date(2027, 1, 6)
    each = base(training_ends=ends, serving_ends=ends + timedelta(days=8))
    assert each.availability(on=ends).word == "closing"
    after = each.availability(on=ends + timedelta(days=1))
    assert (after.word, after.ends) == ("closed", ends)
    assert after.sentence == "no new jobs since 2027-01-06; tuned models answer until 2027-01-14"
    assert each.availability(on=date(2027, 1, 14)).word == "closed"
    assert each.availability(on=date(2027, 1, 15)).sentence == "tuned models stopped answering on 2027-01-14"


def test_an_end_is_near_from_180_days_on() -> None:
    each = base(serving_ends=TODAY + timedelta(days=SOON_DAYS))
    assert each.availability(on=TODAY).word == "available"
    near = each.availability(on=TODAY + timedelta(days=1))
    assert (near.word, near.ends) == ("closing", each.serving_ends)


def test_a_base_that_turns_new_customers_away_is_closing_without_any_end() -> None:
    found = base(closed_to_new_since=date(2026, 5, 7)).availability(on=TODAY)
    assert (found.word, found.ends, found.sentence) == ("closing", None, "closed to new customers since 2026-05-07")


def test_a_day_that_is_only_promised_not_to_come_sooner_closes_nothing() -> None:
    each = base(serving_ends=date(2026, 1, 1), earliest=("serving",))
    found = each.availability(on=TODAY)
    assert (found.word, found.ends) == ("available", None)
    assert found.sentence == "tuned models answer until at least 2026-01-01"


def test_a_base_without_any_date_is_available() -> None:
    assert base().availability(on=TODAY).word == "available"


@given(each=BASES, first=DAYS, second=DAYS)
def test_a_base_never_opens_again(each: Base, first: date, second: date) -> None:
    order = ["available", "closing", "closed"]
    earlier, later = sorted((first, second))
    assert order.index(each.availability(on=earlier).word) <= order.index(each.availability(on=later).word)


@pytest.mark.parametrize(
    ("uri", "day", "word"),
    [
        ("openai:gpt-4.1-mini", "2026-11-21", "closing"),
        ("openai:gpt-4.1-mini", "2027-01-06", "closing"),
        ("openai:gpt-4.1-mini", "2027-01-07", "closed"),
        ("openai:gpt-4.1-nano", "2026-10-23", "closing"),
        ("openai:gpt-4.1-nano", "2026-10-24", "closed"),
        ("azure:gpt-4.1-mini", "2026-11-21", "available"),
        ("tinker:Qwen/Qwen3-32B", "2026-11-21", "closed"),
        ("tinker:Qwen/Qwen3.6-27B", "2026-09-03", "closed"),
        ("together:Qwen/Qwen3.5-9B", "2026-11-21", "available"),
    ],
)
def test_what_the_vendors_announced_is_what_the_catalogue_says(uri: str, day: str, word: str) -> None:
    assert catalogue().demand(uri).availability(on=date.fromisoformat(day)).word == word


# --- nearest bases ------------------------------------------------------------------------------------------------------------------------


def test_every_base_that_the_mapping_names_is_in_the_catalogue_under_that_very_id() -> None:
    known = {each.uri for each in catalogue().bases}
    assert [uri for group in groups() for uri in group.bases if uri not in known] == []


def test_every_group_has_a_reason_a_source_and_a_day_and_names_no_base_twice() -> None:
    for group in groups():
        assert group.reason
        assert group.source
        assert date(2023, 1, 1) < group.as_of <= date.today()
        assert len(group.bases) == len(set(group.bases)) > 1
        assert len({uri.partition(":")[0] for uri in group.bases}) > 1


def test_no_base_is_of_two_groups_of_the_same_weights() -> None:
    uris = [uri for group in groups() if not group.name for uri in group.bases]
    assert len(uris) == len(set(uris))


def standing_in(group: Group) -> dict[str, list[Base]]:
    """The group's bases by provider, in their order."""
    found: dict[str, list[Base]] = {}
    for uri in group.bases:
        found.setdefault(uri.partition(":")[0], []).append(catalogue().demand(uri))
    return found


def test_no_closed_base_stands_before_an_open_one_of_its_provider() -> None:
    for group in groups():
        for bases in standing_in(group).values():
            closed = [each.availability(on=group.as_of).word == "closed" for each in bases]
            assert closed == sorted(closed), (group.name, [each.uri for each in bases])


def test_every_group_leads_to_a_base_that_was_open_on_the_day_of_the_mapping() -> None:
    for group in groups():
        assert [uri for uri in group.bases if catalogue().demand(uri).availability(on=group.as_of).word != "closed"], group


def test_the_same_weights_come_before_those_of_the_same_tier_and_alone() -> None:
    (found,) = nearest(catalogue().demand("openai:gpt-4.1-mini"), "azure")
    assert (found.base.uri, found.same) == ("azure:gpt-4.1-mini-2025-04-14", True)
    assert found.source
    assert found.as_of == date(2026, 10, 6)
    of_tier = nearest(catalogue().demand("openai:gpt-4.1-mini"), "vertex")
    assert of_tier
    assert not any(each.same for each in of_tier)
    assert of_tier[0].reason.startswith("small: ")


def test_at_its_own_provider_a_base_is_nearest_to_itself() -> None:
    wanted = catalogue().demand("openai:gpt-4.1-mini")
    (found,) = nearest(wanted, "openai")
    assert (found.base, found.same) == (wanted, True)


def test_a_base_that_no_group_names_has_nothing_near() -> None:
    assert nearest(base(), "openai") == ()


@given(one=BASES, provider=st.sampled_from(catalogue().providers()))
def test_bases_of_the_same_weights_are_nearest_to_each_other_both_ways(one: Base, provider: str) -> None:
    for found in nearest(one, provider):
        assert found.base.provider == provider
        if found.same:
            assert any(back.same and back.base == one for back in nearest(found.base, one.provider))


def test_each_providers_usual_bases_are_the_first_of_each_tier_that_is_trained_so_smallest_first() -> None:
    assert [group.name for group in tiers()][:3] == ["tiny", "small", "large"]
    found = usual("openai", method="sft", weights="lora")
    assert [each.base.uri for each in found][:2] == ["openai:gpt-4.1-nano-2025-04-14", "openai:gpt-4.1-mini-2025-04-14"]
    assert all("grpo" in each.base.methods for each in usual("azure", method="grpo", weights="lora"))
    assert usual("nobody", method="sft", weights="lora") == ()


# --- the catalogue beside the price book -------------------------------------------------------------------------------------------------


WITHOUT_A_BASE = {
    "fireworks": {"accounts/fireworks/models/deepseek-v4-flash-0731"},  # its id is not published, only the model's name
    "together": {  # families of a price list of February 2026 that the list of models no longer has
        *(f"deepseek-ai/DeepSeek-{name}" for name in ("R1", "V3", "V3-0324", "V3.1-Base")),
        *(f"moonshotai/Kimi-K2-{name}" for name in ("Thinking", "Instruct-0905", "Instruct", "Base")),
        *(f"meta-llama/Llama-4-{name}" for name in ("Maverick-17B-128E", "Scout-17B-16E")),
    },
}
"""Models with prices that the catalogue does not have."""


def test_every_price_that_can_be_paid_is_of_a_base_of_the_catalogue_but_for_those_known_not_to_be() -> None:
    lost = {(row.provider, row.model) for row in shipped() if list(without_base([row], catalogue()))}
    assert lost == {(provider, model) for provider, models in WITHOUT_A_BASE.items() for model in models}


def test_no_price_outlives_its_base() -> None:
    assert [found.message for found in outliving(shipped(), catalogue(), on=TODAY)] == []


def test_a_price_under_another_name_of_its_base_is_told_the_name_that_counts() -> None:
    known = Catalogue((base(names=("m",)),))
    (found,) = without_base([price(model="m")], known)
    assert found.severity == "warning"
    assert "no base of acme is called 'm' here; it is called 'm-2026'." in found.message
    assert list(without_base([price(), price(model="m-*"), price(model="*", up_to_b=Decimal(1))], known)) == []
    (gpu,) = without_base([price(model="H100", unit="GPU hour")], known)
    assert "no GPU is called 'H100' here; it is called 'H100 80GB SXM'." in gpu.message


def test_a_model_with_several_prices_and_no_base_is_told_once() -> None:
    rows = [price(model="x"), price(model="x", unit="1M input tokens"), price(model="y", status="retired")]
    assert len(list(without_base(rows, Catalogue((base(),))))) == 1


def test_a_base_whose_training_has_no_price_is_told_unless_it_is_closed_or_nothing_of_its_provider_is_priced() -> None:
    known = Catalogue((base(), base(id="gone", training_ends=date(2026, 1, 1)), base(provider="own-machine")))
    assert [found.message for found in without_price([price(unit="1M input tokens")], known, on=TODAY)] == [
        "acme:m-2026: what its training costs is not known."
    ]
    assert list(without_price([price()], known, on=TODAY)) == []


def test_a_price_is_outlived_from_the_day_after_the_last() -> None:
    known = Catalogue((base(training_ends=date(2026, 11, 20), serving_ends=date(2026, 12, 1)),))
    rows = [price(), price(unit="1M input tokens"), price(status="retired")]
    assert [found.rule for found in outliving(rows, known, on=date(2026, 11, 20))] == []
    (training,) = outliving(rows, known, on=TODAY)
    assert training.message == "acme:m-2026, 1M training tokens: is active in the book, but ended on 2026-11-20."
    assert len(list(outliving(rows, known, on=date(2026, 12, 2)))) == 2


def test_the_whole_check_finds_no_error_in_what_comes_with_this_version() -> None:
    found = check_book(on=TODAY)
    assert found.ok
    assert found.rows == len(shipped())
    assert set(found.counts) <= RULES.keys()
    assert sum(found.counts.values()) == len(found.findings)
