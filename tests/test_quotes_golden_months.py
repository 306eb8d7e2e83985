"""What a tuned model costs while it answers, computed by hand; each with its source and its arithmetic. A month has 730 hours."""

from __future__ import annotations

from decimal import Decimal

from quoted_jobs import a_job, quoted, rows, the_line, usd

from tuneport.quote import Usage

SMALL = rows({100: 10})
NOBODY_ASKS = Usage(requests=0, months=12)


# --- paid by the token -------------------------------------------------------------------------------------------------------------------


def test_openai_answers_are_paid_by_the_token() -> None:
    """platform.openai.com/docs/pricing (2025-07-01), tuned gpt-4.1-mini: 0.80 in, 3.20 out for 1M.  10,000 requests of 500 and 100:
    5M x 0.80 + 1M x 3.20 = 7.20 a month;  1,000 requests 0.72;  12 months 86.40, and training 1,000 tokens x 5.00 / 1M = 0.005"""
    quote = quoted(a_job(SMALL, base="gpt-4.1-mini", usage=Usage(10_000, 500, 100, 12)), "openai")
    assert (usd(quote.monthly), usd(quote.thousand_requests), usd(quote.standing)) == ("7.2", "0.72", "0")
    assert usd(quote.total) == "86.405"


def test_vertex_translation_example_costs_so_much_a_sentence() -> None:
    """A user's worked example (2026): (117 x 0.375 + 13.4 x 2.25) / 1M = 0.0000740 a sentence (tuned gemini-3.1-flash-lite).
    Ten sentences: (1,170 x 0.375 + 134 x 2.25) / 1M = 0.00074025;  1,000 times 0.74025"""
    quote = quoted(a_job(SMALL, base="gemini-3.1-flash-lite", usage=Usage(1_000, 1_170, 134, 1)), "vertex")
    assert usd(quote.thousand_requests) == "0.74025"
    assert usd(quote.monthly) == "0.74025"


def test_tinker_answers_are_paid_by_the_token() -> None:
    """tinker-docs.thinkingmachines.ai (September 2026): gpt-oss-120b 0.33, 0.84.  (1,000 x 0.33 + 200 x 0.84) / 1M x 1,000 = 0.498"""
    quote = quoted(a_job(SMALL, base="openai/gpt-oss-120b", usage=Usage(1, 1_000, 200, 1)), "tinker")
    assert usd(quote.thousand_requests) == "0.498"


# --- paid by the token and by the hour ---------------------------------------------------------------------------------------------------


def test_azure_hosting_is_paid_all_hours_of_the_month() -> None:
    """learn.microsoft.com, Cost management for fine-tuning (2026-03-19): 1.70 an hour, used or not.  1.70 x 730 = 1,241"""
    quote = quoted(a_job(SMALL, base="gpt-4.1-mini", usage=NOBODY_ASKS), "azure", tier="global")
    assert (usd(quote.monthly), usd(quote.standing)) == ("1241", "1241")


def test_azure_example_of_a_month() -> None:
    """The same page: o4-mini for a month of 30 days, 20M tokens in and 40M out: 1.70 x 24 x 30 + 20 x 1.10 + 40 x 4.40 = 1,422.00.
    Our month has 10 hours more: 1,422.00 + 17.00 = 1,439.00.  20,000 requests of 1,000 and 2,000"""
    job = a_job(SMALL, base="o4-mini", method="grpo", hours="4", usage=Usage(20_000, 1_000, 2_000, 1))
    quote = quoted(job, "azure")
    assert (usd(quote.monthly), usd(quote.total)) == ("1439", "1839")
    assert usd(the_line(quote, "output").cost) == "176"


# --- paid by the month -------------------------------------------------------------------------------------------------------------------


def test_bedrock_keeps_a_model_for_a_fee_by_the_month() -> None:
    """docs.aws.amazon.com and the Price List API of 2026-08-02: 1.95 a month for a kept model.  12 x 1.95 = 23.40;  requests of 1,000 and
    100 tokens at 0.30 and 2.50: 0.00055 each, 1,000 a month for a year 6.60;  30.00 beside the training"""
    job = a_job(rows({25_924: 1}), base="nova-2-lite", usage=Usage(1_000, 1_000, 100, 12))
    quote = quoted(job, "bedrock")
    assert usd(quote.standing) == "1.95"
    assert quote.total_usd == Decimal("0.09799272") + Decimal("30")


def test_bedrock_fees_that_contradict_each_other_make_a_range() -> None:
    """Copies of aws.amazon.com/bedrock/pricing (2026-09-02): 1.95 and 1.75 a month for Nova Micro, whose training has no known price."""
    quote = quoted(a_job(SMALL, base="nova-micro", usage=NOBODY_ASKS), "bedrock")
    assert usd(quote.standing) == ("1.75", "1.95", "1.95")
    assert (quote.once, quote.total, quote.total_usd) == (None, None, None)


# --- paid by GPU hours -------------------------------------------------------------------------------------------------------------------


def test_together_serves_on_as_many_gpus_as_it_publishes() -> None:
    """docs.together.ai, dedicated endpoints: Qwen3.5-9B on 1 H100 (read 2026-08-09), 5.49 an hour (2026-09-09).  5.49 x 730 = 4,007.70;
    10.98 with twice as many"""
    quote = quoted(a_job(SMALL, base="Qwen/Qwen3.5-9B", usage=Usage(10_000, 500, 100, 12)), "together")
    assert usd(quote.monthly) == "4007.7"
    assert "1 x H100 80GB SXM all month, as published" in the_line(quote, "hosting").note
    assert usd(quote.thousand_requests) == "0"
    assert usd(quote.total) == "48096.4"  # 12 x 4,007.70 and the 4.00 that a job costs at least


def test_together_serves_on_what_it_publishes_even_where_fewer_gpus_would_hold_the_model() -> None:
    """The same page: Llama 3.3 70B on 4 H100.  4 x 5.49 x 730 = 16,030.80;  one B200 would hold its 169 GB for 8.99 an hour."""
    quote = quoted(a_job(SMALL, base="meta-llama/Llama-3.3-70B-Instruct-Reference", usage=NOBODY_ASKS), "together")
    assert usd(quote.monthly) == "16030.8"


def test_together_serves_a_large_model_on_the_cheapest_gpus_that_hold_it() -> None:
    """Prices of 2026-09-09: H100 80 GB 5.49, B200 180 GB 8.99 an hour.  Qwen3-235B in bf16 and a fifth: 235 x 2 x 1.2 = 564 GB:
    8 x 5.49 = 43.92 or 4 x 8.99 = 35.96;  35.96 x 730 = 26,250.80"""
    quote = quoted(a_job(SMALL, base="Qwen/Qwen3-235B-A22B", usage=NOBODY_ASKS), "together")
    assert usd(quote.monthly) == "26250.8"
    assert usd(the_line(quote, "hosting").amount) == "2920"
    assert "4 x B200 180GB all month, for 235 billion weights in bf16" in the_line(quote, "hosting").note


def test_nebius_serves_on_two_small_gpus_where_they_are_cheaper_than_a_large_one() -> None:
    """Prices page of Nebius' console (2026-09-24): L40S 48 GB 2.00, H100 80 GB 4.05.  gpt-oss-20b: 21 x 2 x 1.2 = 50.4 GB:
    2 x 2.00 = 4.00 or 1 x 4.05;  4.00 x 730 = 2,920"""
    quote = quoted(a_job(SMALL, base="unsloth/gpt-oss-20b-BF16", usage=NOBODY_ASKS), "nebius")
    assert usd(quote.monthly) == "2920"
    assert "2 x L40S 48GB" in the_line(quote, "hosting").note


def test_fireworks_serves_a_small_model_on_one_gpu() -> None:
    """fireworks.ai/pricing (2026-10-07): H100 8.00 an hour.  Qwen3 8B: 8.19 x 2 x 1.2 = 19.7 GB, one GPU;  8.00 x 730 = 5,840"""
    quote = quoted(a_job(SMALL, base="accounts/fireworks/models/qwen3-8b", usage=NOBODY_ASKS), "fireworks")
    assert usd(quote.monthly) == "5840"


def test_vertex_serves_an_open_model_on_the_machine_of_the_deploy_example() -> None:
    """docs.cloud.google.com, open model tuning: Llama 3.1 8B on g2-standard-12, one L4; 1.1507 an hour in us-central1 (2026-07-08).
    1.1507 x 730 = 840.011"""
    quote = quoted(a_job(SMALL, base="llama-3.1-8b-instruct", usage=NOBODY_ASKS), "vertex")
    assert usd(quote.monthly) == "840.011"


def test_vertex_serves_a_large_open_model_on_the_cheapest_machine_with_enough_gpus() -> None:
    """The same table.  Llama 3.3 70B: 70.6 x 2 x 1.2 = 169.4 GB: 8 L4 of 24 GB (9.2055), 4 A100 of 80 GB (23.1274), 4 H100 (50.5037; 2 are
    160 GB), and one machine of 8 H200 (96.0156).  9.2055 x 730 = 6,720.015"""
    quote = quoted(a_job(SMALL, base="llama-3.3-70b-instruct", usage=NOBODY_ASKS), "vertex")
    assert usd(quote.monthly) == "6720.015"
    assert "8 x L4 24GB" in the_line(quote, "hosting").note


def test_a_model_that_cannot_be_served_where_it_is_tuned_has_no_total() -> None:
    """docs.together.ai (read 2026-08-09): no certified configuration of Qwen3-14B. Its training has a price, its answers do not."""
    quote = quoted(a_job(SMALL, base="Qwen/Qwen3-14B", usage=Usage(10_000, 500, 100, 12)), "together")
    assert usd(quote.once) == "4"
    assert (quote.monthly, quote.total, quote.thousand_requests) == (None, None, None)
