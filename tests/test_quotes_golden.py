"""What training costs, computed by hand from the billing rules that vendors document; each with its source and its arithmetic.

Where the vendor's example has a price that the book has not (any more), a row of one's own gives it.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from quoted_jobs import a_job, all_quoted, own_row, pairs, quoted, rows, the_line, usd

from tuneport import Client
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock

# --- OpenAI: tokens of the file times epochs; rows are cut at the longest that a row may be ----------------------------------------------


def test_openai_bills_the_tokens_of_the_file_once_an_epoch() -> None:
    """platform.openai.com, guide Fine-tuning, estimate costs: a file of 100,000 tokens over 3 epochs costs about 0.90 USD with
    gpt-4o-mini at 3.00 USD for 1M.  100,000 x 3 = 300,000;  0.3 x 3.00 = 0.90"""
    quote = quoted(a_job(rows({1_000: 100}), base="gpt-4o-mini", epochs=3), "openai")
    assert usd(quote.once) == "0.9"


def test_openai_cookbook_counts_a_long_row_up_to_the_limit() -> None:
    """openai/openai-cookbook, Chat_finetuning_data_prep.ipynb (2023-08-22): 5 rows, of which one of 8,032 tokens is cut at the limit of
    that day, 4,096: 4,306 tokens in all, 20 epochs, 86,120 tokens.  The other four have 4,306 - 4,096 = 210.
    Today's limit is 65,536, so the same file with a row beyond it: 65,536 + 210 = 65,746;  x 20 = 1,314,920;  x 25.00 / 1M = 32.873"""
    measure = rows({70_000: 1, 50: 2, 55: 2})
    quote = quoted(a_job(measure, base="gpt-4.1", epochs=20), "openai")
    assert usd(the_line(quote, "training").amount) == "1.31492"
    assert usd(quote.once) == "32.873"
    assert "1 row is cut at the limit" in the_line(quote, "training").note


def test_openai_cookbook_file_as_it_was_cut_then() -> None:
    """The same notebook: 4,306 tokens x 20 epochs = 86,120;  x 3.00 / 1M (gpt-4o-mini) = 0.25836"""
    quote = quoted(a_job(rows({4_096: 1, 50: 2, 55: 2}), base="gpt-4o-mini", epochs=20), "openai")
    assert usd(the_line(quote, "training").amount) == "0.08612"
    assert usd(quote.once) == "0.25836"


def test_a_row_of_exactly_the_limit_is_whole_and_one_more_token_is_free() -> None:
    """developers.openai.com, Fine-tuning best practices: longer than 65,536 tokens is cut.  65,536 x 5.00 / 1M = 0.32768"""
    found = [quoted(a_job(rows({size: 1}), base="gpt-4.1-mini"), "openai") for size in (65_535, 65_536, 65_537)]
    assert [usd(quote.once) for quote in found] == ["0.327675", "0.32768", "0.32768"]
    assert ["cut at the limit" in the_line(quote, "training").note for quote in found] == [False, False, True]


def test_openai_bills_a_preference_row_by_its_tokens_in_the_file() -> None:
    """help.openai.com 11323177: preference tuning is billed by the tokens of the training dataset, so a prompt counts once.
    100 rows of 200 + 50 + 50 = 300 tokens;  30,000 x 2 epochs = 60,000;  x 25.00 / 1M = 1.50"""
    quote = quoted(a_job(pairs(100, prompt=200, answers=100), base="gpt-4.1", method="dpo", epochs=2), "openai")
    assert usd(quote.once) == "1.5"


def test_openai_bills_reinforcement_by_the_hour() -> None:
    """help.openai.com 11323177: 100 USD an hour of the core training loop, two decimals on the invoice, such as 2.55 hours.
    2.55 x 100 = 255"""
    quote = quoted(a_job(rows({100: 10}, kind="prompt"), base="o4-mini", method="grpo", hours="2.55"), "openai")
    assert usd(quote.once) == "255"
    assert (quote.availability, quote.epochs_assumed) == ("closed", False)


def test_openai_does_not_say_whether_validation_is_billed_so_the_upper_bound_has_it() -> None:
    """No statement found in the guides (read 2026-09-01).  Training 100,000 x 3 x 5.00 / 1M = 1.50;
    validation, if it is billed like training, 10,000 x 3 x 5.00 / 1M = 0.15"""
    job = a_job(rows({1_000: 100}), base="gpt-4.1-mini", epochs=3, validation=rows({1_000: 10}))
    assert usd(quoted(job, "openai").once) == ("1.5", "1.5", "1.65")


def test_a_file_is_quoted_by_the_tokens_of_its_rows(tmp_path: Path) -> None:
    """OpenAI cookbook, How to count tokens with tiktoken: 3 for the reply, 3 and the role for each message. tiktoken 0.14 counts 16 and 31
    tokens of the two texts under o200k_base (see test_tokens.py).  3 + (4 + 16) + (4 + 31) = 58;  x 50 rows x 4 epochs = 11,600;
    x 5.00 / 1M = 0.058"""
    asked = "Die Überweisung ist noch nicht da, obwohl der Betrag abgebucht wurde."
    said = "def f(x):\n    return {'a': x ** 2, \"b\": [1, 2, 3]}  # \t ok\n"
    row = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 50, encoding="utf-8")
    client = Client(settings=Settings(home=tmp_path / "home"), clock=SimulatedClock())
    (quote,) = client.quote(path, base="gpt-4.1-mini", epochs=4, providers=["openai"])
    assert usd(quote.once) == "0.058"
    assert quote.total_usd == Decimal("0.058")


# --- Azure: the same rule; validation is free --------------------------------------------------------------------------------------------


def test_azure_example_of_supervised_tuning() -> None:
    """learn.microsoft.com, Cost management for fine-tuning (2026-03-19): 1M training and 40,000 validation tokens, 2 epochs, 2 USD for 1M:
    4 USD; the validation is not billed.  1 x 2 x 2.00 = 4"""
    price = own_row("azure", "gpt-4.1-2025-04-14", "1M training tokens", "2.00", tier="global")
    job = a_job(rows({1_000: 1_000}), base="gpt-4.1", epochs=2, validation=rows({1_000: 40}))
    quote = quoted(job, "azure", price, tier="global")
    assert usd(quote.once) == "4"
    assert usd(the_line(quote, "validation").cost) == "0"


def test_azure_prices_that_contradict_each_other_make_a_range() -> None:
    """The same example at the two prices that are known for gpt-4.1 by global training, 3.00 (copy of February 2026) and 2.00 (the example
    of 2026-03-19).  1M x 2 epochs: 4 to 6"""
    quote = quoted(a_job(rows({1_000: 1_000}), base="gpt-4.1", epochs=2), "azure", tier="global")
    assert usd(quote.once) == ("4", "6", "6")
    assert "contradicted" in the_line(quote, "training").doubts


def test_azure_example_of_reinforcement() -> None:
    """The same page: 4 hours at 100 USD are 400 USD. A model that grades adds its tokens (5M x 1.10 + 4.9M x 4.40 = 27.06, 427.06 in all),
    which are not known before and which the quote says it leaves out."""
    quote = quoted(a_job(rows({100: 10}, kind="prompt"), base="o4-mini", method="grpo", hours="4"), "azure")
    assert usd(quote.once) == "400"
    assert any("tokens of model graders are billed beside the hours" in note for note in quote.notes)


def test_azure_price_tiers_are_quoted_side_by_side() -> None:
    """Prices of gpt-4.1-mini by global and by developer training (copy of February 2026): 0.60 and 0.40 for 1M, half a million tokens."""
    found = all_quoted(a_job(rows({500: 1_000}), base="gpt-4.1-mini"), "azure")
    assert {quote.tier: usd(quote.once) for quote in found} == {"global": "0.3", "developer": "0.2"}


# --- Vertex: tokens of the dataset times epochs; a preference row has its prompt twice ---------------------------------------------------


def test_vertex_translation_example() -> None:
    """A user's worked example (2026): 130 tokens a sentence, 100,000 sentences, 3 epochs are 39.0M tokens, x 3.00 = 117.00.
    Gemini counts about a token for 4 characters: 520 x 0.25 = 130. An estimate: a fifth to either side, 93.60 to 140.40"""
    quote = quoted(a_job(rows({130: 100_000}, {520: 100_000}), base="gemini-3.1-flash-lite", epochs=3), "vertex")
    assert usd(quote.once) == ("93.6", "117", "140.4")


def test_vertex_long_training_example() -> None:
    """A user's worked example: 0.45M tokens x 15 epochs x 5.00 = 33.75 (gemini-2.5-flash, which can be tuned no longer)."""
    quote = quoted(a_job(rows({450: 1_000}), base="gemini-2.5-flash", epochs=15), "vertex")
    assert quote.once is not None
    assert (quote.once.likely, quote.availability) == (Decimal("33.75"), "closed")


@pytest.mark.parametrize(
    ("base", "cost"), [("gemini-2.5-flash-lite", 9), ("gemini-2.5-flash", 30), ("gemini-3.5-flash", 60), ("gemini-2.5-pro", 150)]
)
def test_vertex_six_million_tokens(base: str, cost: int) -> None:
    """A comparison of Vertex prices (2026): 6M tokens cost 9, 30, 60 and 150 USD.  6 x 1.50, 5.00, 10.00, 25.00"""
    assert quoted(a_job(rows({6_000: 1_000}), base=base), "vertex").total_usd == cost


def test_vertex_bills_a_preference_row_with_its_prompt_twice() -> None:
    """Vertex AI documentation, preference tuning: 2 x prompt + completions.  A row of 400 characters asked and 2 x 200 answered has
    2 x 100 + 50 + 50 = 300 tokens;  x 1,000 rows x 5.00 / 1M = 1.50"""
    measure = pairs(1_000, prompt=100, answers=100, characters=(400, 400))
    quote = quoted(a_job(measure, base="gemini-2.5-flash", method="dpo"), "vertex")
    assert quote.total_usd == Decimal("1.5")


def test_vertex_open_models_are_billed_by_their_own_tokens_for_a_character() -> None:
    """google/skills, agent-platform-tuning, calculate_cost.py (2026-08-19): Llama 3.1 8B, 0.247 tokens a character, 0.67 USD for 1M.
    1,000,000 characters x 0.247 = 247,000;  x 2 epochs x 0.67 / 1M = 0.33098"""
    measure = rows({250: 1_000}, {1_000: 1_000})
    assert quoted(a_job(measure, base="llama-3.1-8b-instruct", epochs=2), "vertex").total_usd == Decimal("0.33098")


def test_vertex_long_rows_are_estimated_up_to_the_limit() -> None:
    """Vertex AI documentation, supervised tuning: 131,072 tokens a row at most.  800,000 characters x 0.25 = 200,000, of which 131,072
    count;  x 10.00 / 1M = 1.31072;  a fifth to either side, 104,858 (rounded up) and 157,287 tokens"""
    quote = quoted(a_job(rows({200_000: 1}), base="gemini-3.5-flash"), "vertex")
    assert usd(quote.once) == ("1.04858", "1.31072", "1.57287")


# --- Bedrock -----------------------------------------------------------------------------------------------------------------------------


def test_bedrock_bills_tokens_times_epochs() -> None:
    """A user's bill for Nova 2 Lite (2026): 25,924 tokens x 0.00378 USD / 1,000 = 0.098.  103,696 characters x 0.25 = 25,924 tokens"""
    quote = quoted(a_job(rows({25_924: 1}), base="nova-2-lite"), "bedrock")
    assert quote.total_usd == Decimal("0.09799272")


def test_bedrock_example_of_the_price_page() -> None:
    """aws.amazon.com/bedrock/pricing by a third party: 6M tokens on Llama 2 70B at 7.99 for 1M are 47.94. That model cannot be tuned any
    more; the rule is the same for the others, here at a price of one's own."""
    price = own_row("bedrock", "amazon.nova-pro-v1:0:300k", "1M training tokens", "7.99")
    assert quoted(a_job(rows({6_000: 1_000}), base="nova-pro"), "bedrock", price).total_usd == Decimal("47.94")


def test_bedrock_reinforcement_by_the_hour() -> None:
    """aws.amazon.com/bedrock/pricing (copy of 2026-09-02): gpt-oss-20b, 80.00 USD an hour.  2.5 x 80 = 200"""
    quote = quoted(a_job(rows({100: 10}, kind="prompt"), base="gpt-oss-20b", method="grpo", hours="2.5"), "bedrock")
    assert usd(quote.once) == "200"


# --- Together: epochs of training and evaluations of validation tokens, and the least a job costs ----------------------------------------


def test_together_example_of_training_and_evaluations() -> None:
    """docs.together.ai/docs/fine-tuning-pricing: 65,536,000 training tokens and 10 evaluations of 1M validation tokens are 75,536,000.
    Evaluated once an epoch: 10 epochs of 6,553,600.  gpt-oss-20b, LoRA, over 16B: 1.50 for 1M;  65.536 + 10 = 75.536;  x 1.50 = 113.304"""
    job = a_job(rows({65_536: 100}), base="openai/gpt-oss-20b", epochs=10, validation=rows({1_000: 1_000}))
    quote = quoted(job, "together")
    amounts = [the_line(quote, item).amount for item in ("training", "validation")]
    assert [amount.likely for amount in amounts if amount] == [Decimal("65.536"), Decimal("10")]
    assert quote.total_usd == Decimal("113.304")


def test_together_job_below_the_minimum_costs_the_minimum() -> None:
    """A user's bill of 2026-09-09: 6,762,939 tokens x 0.48 / 1M = 3.246, billed 4.00.  27,491,621 characters x 0.246 = 6,762,938.8,
    rounded up 6,762,939; the upper bound of the estimate, 8,115,526 tokens or 3.895 USD, is below the minimum too."""
    quote = quoted(a_job(rows({6_762_939: 1}, {27_491_621: 1}), base="Qwen/Qwen3.5-9B"), "together")
    training = the_line(quote, "training").cost
    assert training is not None
    assert training.likely == Decimal("3.24621072")
    assert usd(quote.once) == "4"


def test_together_small_job_costs_the_minimum() -> None:
    """A user's bill of 2026-08-09: a small LoRA job of Qwen3-14B, billed 4.00."""
    assert usd(quoted(a_job(rows({1_000: 100}), base="Qwen/Qwen3-14B", epochs=3), "together").once) == "4"


def test_together_bills_a_mixture_of_experts_by_all_its_parameters() -> None:
    """A user's note of 2026-03-05: Mixtral 8x7B is billed as 46.7B, not by the 12.9B that work on a token: 1.50 and not 0.48 for 1M.
    40M characters x 0.25 = 10M tokens;  x 1.50 = 15"""
    assert quoted(a_job(rows({10_000: 1_000}), base="mistralai/Mixtral-8x7B-Instruct-v0.1"), "together").total_usd == 15


def test_together_does_not_say_how_pairs_count_so_the_lower_bound_has_the_prompt_once() -> None:
    """docs.together.ai says nothing of pairs.  gpt-oss-20b by DPO over 16B: 3.75 for 1M; 10,000 rows of 1,000 + 2 x 500 tokens.
    Prompts once, a fifth less: 20M x 0.8 x 3.75 = 60;  twice: 30M x 3.75 = 112.50;  twice, a fifth more: 135"""
    measure = pairs(10_000, prompt=1_000, answers=1_000)
    quote = quoted(a_job(measure, base="openai/gpt-oss-20b", method="dpo"), "together")
    assert usd(quote.once) == ("60", "112.5", "135")


# --- Fireworks: by size; pairs with the prompt twice -------------------------------------------------------------------------------------


def test_fireworks_bills_pairs_by_both_sequences() -> None:
    """fw-ai's cookbook, cost-estimation.md (September 2026): N x E x (2P + C + R).  Qwen3 8B by DPO, up to 16B: 1.00 for 1M.
    1,000 and 2 x 500 characters x 0.246: P = 246, C = R = 123;  2 x 246 + 246 = 738;  x 1,000 rows x 2 epochs x 1.00 / 1M = 1.476"""
    measure = pairs(1_000, prompt=250, answers=250, characters=(1_000, 1_000))
    quote = quoted(a_job(measure, base="accounts/fireworks/models/qwen3-8b", method="dpo", epochs=2), "fireworks")
    assert quote.total_usd == Decimal("1.476")


@pytest.mark.parametrize(
    ("base", "weights", "cost"), [("qwen3-8b", "lora", "0.123"), ("qwen3p5-9b", "full", "0.246"), ("qwen3-32b", "lora", "0.738")]
)
def test_fireworks_bills_by_size_and_full_weights_at_twice_the_price(base: str, weights: str, cost: str) -> None:
    """fireworks.ai/pricing (2026-10-08): up to 16B 0.50, with full weights 1.00; over 16B to 80B 3.00.
    1,000,000 characters x 0.246 = 246,000 tokens, x 0.50, 1.00, 3.00 / 1M"""
    job = a_job(rows({250: 1_000}, {1_000: 1_000}), base=f"accounts/fireworks/models/{base}", weights=weights)
    assert quoted(job, "fireworks").total_usd == Decimal(cost)


# --- Tinker: training and forward passes -------------------------------------------------------------------------------------------------


def test_tinker_bills_every_trained_token() -> None:
    """A user's log of 2026-09-09: 6,762,939 tokens x 0.737 / 1M = 4.984286043 (gpt-oss-120b; no minimum)."""
    assert quoted(a_job(rows({6_762_939: 1}), base="openai/gpt-oss-120b"), "tinker").total_usd == Decimal("4.984286043")


def test_tinker_bills_each_epoch() -> None:
    """A user's log of 2026-09-14: 2,339 tokens x 4 epochs = 9,356;  x 0.737 / 1M = 0.006895372"""
    assert quoted(a_job(rows({2_339: 1}), base="openai/gpt-oss-120b", epochs=4), "tinker").total_usd == Decimal("0.006895372")


def test_tinker_bills_validation_as_input() -> None:
    """tinker-docs.thinkingmachines.ai, Models and pricing: a forward pass costs what a prompt does.  gpt-oss-120b: 0.737 and 0.33.
    1M x 2 x 0.737 = 1.474;  validation 100,000 x 2 x 0.33 / 1M = 0.066"""
    job = a_job(rows({1_000: 1_000}), base="openai/gpt-oss-120b", epochs=2, validation=rows({1_000: 100}))
    quote = quoted(job, "tinker")
    assert (the_line(quote, "validation").unit, quote.total_usd) == ("1M input tokens", Decimal("1.54"))


def test_tinker_preference_tuning_has_a_pass_for_the_reference_answers() -> None:
    """The same page: reference log-probabilities are a forward pass.  1,000 rows of 2 x 100 + 100 = 300 tokens (a prompt goes with each
    answer), 3 epochs: 0.9M x 0.737 = 0.6633;  one pass of 0.3M x 0.33 = 0.099;  0.7623 in all"""
    quote = quoted(a_job(pairs(1_000, prompt=100, answers=100), base="openai/gpt-oss-120b", method="dpo", epochs=3), "tinker")
    assert quote.total_usd == Decimal("0.7623")


# --- Nebius ------------------------------------------------------------------------------------------------------------------------------


def test_nebius_bill_of_one_job() -> None:
    """A user's bill of 2026-09-24: 52,877 tokens x 2.00 / 1M = 0.105754 (gpt-oss-20b). Its template is not ours to count: a fifth to
    either side, 42,302 (rounded up) and 63,453 tokens"""
    quote = quoted(a_job(rows({52_877: 1}, {190_000: 1}), base="unsloth/gpt-oss-20b-BF16"), "nebius")
    assert usd(quote.once) == ("0.084604", "0.105754", "0.126906")
