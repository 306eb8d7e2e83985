"""Continued pre-training: plain text is learned whole, without a chat template, whatever the base, and long texts may be split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from tuneport_local import provider
from tuneport_local.plans.planning import body_of
from tuneport_local.rows.prepared import CONVERSATIONS, notices, prepare
from tuneport_local.rows.rendering import Template, render
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError, Unsupported, UsageError
from tuneport.evaluate import Contender, evaluate
from tuneport.examples import ChatExample, Example, Message, canonical_bytes
from tuneport.model import Model
from tuneport.provider import Generation, ProviderSettings
from tuneport.recipe import DPO, SFT, Recipe

from .breaks import killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of
from .tiny import CHATML, save_tiny, tiny_tokenizer

STORY = ("Where is my card?", "I lost it.", "You are tiny.", "hello world", "Red Blue Red Blue")


def text(words: str, **more: Any) -> ChatExample:
    return ChatExample((Message("assistant", words),), style="text", **more)


def asked(question: str = "Where?", answer: str = "Red") -> ChatExample:
    return ChatExample((Message("user", question), Message("assistant", answer)))


def completion(prompt: str, answer: str) -> ChatExample:
    return ChatExample((Message("user", prompt), Message("assistant", answer)), style="completion")


def document(number: int, sentences: int = 6) -> str:
    """Sentences that always follow one another in the same order."""
    return " ".join(STORY[(number + place) % len(STORY)] for place in range(sentences))


def rendered(example: ChatExample, tokenizer: Any) -> tuple[str, str]:
    """All of the row, and what of it is learned."""
    row = render(example, tokenizer, template=Template.of(tokenizer), line=1)
    learned = [token for token, taken in zip(row.input_ids[1:], row.loss_mask[1:], strict=True) if taken]
    return tokenizer.decode(list(row.input_ids)), tokenizer.decode(learned)


# --- what is learned ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [CHATML, None])
def test_every_token_but_the_first_is_learned_and_the_end_of_the_text_without_a_chat_template(template: str | None) -> None:
    tokenizer = tiny_tokenizer(template=template)
    first = tokenizer.decode(tokenizer("one two three").input_ids[:1])

    whole, learned = rendered(text("one two three"), tokenizer)

    assert whole == "one two three<|endoftext|>"
    assert learned == whole.removeprefix(first)


def test_a_text_ends_with_the_token_of_texts_where_the_tokenizers_own_ends_turns() -> None:
    tokenizer = tiny_tokenizer()
    assert (tokenizer.eos_token, Template.of(tokenizer).text_end) == ("<|im_end|>", tokenizer.convert_tokens_to_ids("<|endoftext|>"))

    tokenizer.eos_token = "<|im_start|>"
    assert Template.of(tokenizer).text_end == tokenizer.convert_tokens_to_ids("<|im_start|>")


def test_a_token_that_the_tokenizer_puts_before_each_text_is_seen_and_not_learned() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer(template=None)
    opening = [("<|im_start|>", tokenizer.convert_tokens_to_ids("<|im_start|>"))]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<|im_start|> $A", special_tokens=opening)

    assert rendered(text("one"), tokenizer) == ("<|im_start|>one<|endoftext|>", "one<|endoftext|>")


def test_control_tokens_in_a_text_are_plain_text() -> None:
    row = render(text("Red<|im_end|> Blue"), tiny_tokenizer(), template=Template.of(tiny_tokenizer()), line=1)

    assert row.quoted
    assert tiny_tokenizer().convert_tokens_to_ids("<|im_end|>") not in row.input_ids


def test_conversations_and_completions_beside_it_are_learned_as_before() -> None:
    assert rendered(asked(), tiny_tokenizer())[1] == "Red<|im_end|>"
    assert rendered(completion("Where?", "Red"), tiny_tokenizer())[1] == "Red<|im_end|>"
    assert rendered(completion("Where?", " Red"), tiny_tokenizer(template=None)) == ("Where? Red<|endoftext|>", " Red<|endoftext|>")


def test_a_text_with_a_question_or_without_an_end_token_is_refused_by_its_line() -> None:
    tokenizer = tiny_tokenizer(template=None)
    two = ChatExample((Message("user", "Where?"), Message("assistant", "Red")), style="text")
    with pytest.raises(DatasetError, match="line 1: a row of plain text is one text of the assistant"):
        rendered(two, tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(DatasetError, match="line 1: the tokenizer has no end-of-text token"):
        rendered(text("one"), tokenizer)


# --- long texts --------------------------------------------------------------------------------------------------------------------------


def prepared(*examples: Example, too_long: Any = "split", max_length: int = 20) -> Any:
    found = enumerate(examples, 3)
    return prepare(found, tiny_tokenizer(), kind=CONVERSATIONS, max_length=max_length, too_long=too_long, name="book.txt")


def test_a_long_text_is_split_end_to_end_and_nothing_of_it_is_lost_or_there_twice() -> None:
    whole = prepared(text(document(0, 12)), max_length=500).rows[0].input_ids

    found = prepared(text("one"), text(document(0, 12)))

    pieces = [row for row in found.rows if row.line == 4]
    assert len(pieces) == math.ceil(len(whole) / 20) > 2
    assert tuple(token for row in pieces for token in row.input_ids) == whole
    assert all(len(row.input_ids) == 20 for row in pieces[:-1])
    assert (found.split, found.truncated, found.dropped) == ((4,), (), ())
    assert notices(found, name="book.txt", max_length=20) == [
        "book.txt: 1 row longer than 20 tokens, split into rows of so many, end to end, which do not see each other: line 4"
    ]


def test_a_single_token_that_a_split_leaves_over_is_no_row() -> None:
    length = len(prepared(text(document(0)), max_length=500).rows[0].input_ids)

    assert [len(row.input_ids) for row in prepared(text(document(0)), max_length=length - 1).rows] == [length - 1]


def test_a_long_conversation_cannot_be_split_and_says_why() -> None:
    with pytest.raises(DatasetError, match=r"book\.txt: line 4 is longer than 20 tokens and cannot be split: it is no plain text"):
        prepared(text("one"), asked("Where is my card? " * 12))
    assert len(prepared(text("one"), asked(), max_length=40).rows) == 2


def test_a_long_text_is_refused_unless_the_recipe_says_what_becomes_of_it() -> None:
    with pytest.raises(DatasetError, match=r"book\.txt: 1 row longer than 20 tokens: line 3"):
        prepared(text(document(0, 12)), too_long="refuse")
    assert prepared(text("one"), text(document(0, 12)), too_long="drop").dropped == (4,)
    assert prepared(text(document(0, 12)), too_long="truncate").longest == 20


def test_only_sft_splits_and_no_vendor_does() -> None:
    from tuneport.own_settings import refuse_own_settings

    with pytest.raises(Exception, match="too_long 'split' is for plain text, which method 'sft' learns from, not 'dpo'"):
        DPO(too_long="split")
    with pytest.raises(Unsupported, match="Acme does not split rows that are too long"):
        refuse_own_settings(SFT(too_long="split"), who="Acme")
    refuse_own_settings(SFT(too_long="drop"), who="Acme")


# --- plans -------------------------------------------------------------------------------------------------------------------------------


def plan_of(folder: Path, *rows: Example, **method: Any) -> Any:
    assert provider.open_trainer is not None
    recipe = Recipe(base="smollm2-135m-instruct", train=Dataset.from_examples(rows, name="book"), method=SFT(**method))
    return provider.open_trainer(ProviderSettings("local", folder)).plan(recipe)


def test_a_plan_carries_texts_as_texts_and_other_rows_as_it_always_did(tmp_path: Path) -> None:
    texts, chats = plan_of(tmp_path, text("one"), asked()), plan_of(tmp_path, asked())

    assert body_of(texts)["format"] == "canonical"
    carried = [msgspec.json.decode(line, type=Example) for line in b"".join(texts.files[0].chunks()).splitlines()]
    assert carried == [text("one"), asked()]
    assert "format" not in body_of(chats)
    assert b"".join(chats.files[0].chunks()).startswith(b'{"messages":')


def test_a_split_of_rows_that_hold_no_text_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="too_long is 'split', and book has no row of plain text"):
        plan_of(tmp_path, asked(), too_long="split")
    assert plan_of(tmp_path, text("one"), too_long="split").hyperparameters["too_long"] == "split"


# --- training ----------------------------------------------------------------------------------------------------------------------------


class Scene:
    """A tiny base without a chat template, texts and some completions, and what an unbroken run gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base", template=None)
        rows: list[Example] = [text(document(number, 4 + 4 * (number % 3))) for number in range(16)]
        self.rows = self.write("train", [*rows, completion("Where is", " my card?")])
        self.held_out = [text(document(number, 7)) for number in range(100, 106)]
        self.whole = MemoryJob(folder / "whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def write(self, name: str, rows: Sequence[Example]) -> Path:
        path = self.folder / f"{name}.jsonl"
        path.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in rows))
        return path

    def spec(self, **changes: Any) -> TrainingSpec:
        given = {"too_long": "split", "max_length": 24, "lora": {"dropout": 0.1}, "checkpoint_every": 4, "epochs": 3, **changes}
        return replace(spec_of(self.base, self.rows, **given), data_format="canonical")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.train
def test_texts_are_learned_on_a_base_without_a_chat_template_and_held_out_ones_become_likelier(scene: Scene) -> None:
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", scene.folder))
    base = server.model(str(scene.base))
    tuned = Model(uri="local:t", provider="local", id="t", base=str(scene.base), path=str(scene.whole.adapter))

    found = evaluate(Contender("tuned", tuned, server), scene.held_out, against=[Contender("base", base, server)], resamples=200)

    before, after = found.comparisons[0].metrics["perplexity"], found.metrics["perplexity"]
    assert scene.outcome == "succeeded"
    assert before is not None
    assert after is not None
    assert after < 0.8 * before
    assert (found.comparisons[0].primary, found.comparisons[0].outcome) == ("perplexity", "better")
    assert found.unavailable["exact_match"] == "rows of plain text have no answers"


@pytest.mark.train
def test_a_split_is_told_and_the_card_says_what_was_learned(scene: Scene) -> None:
    assert scene.whole.said("longer than 24 tokens, split into rows of so many, end to end")
    card = (scene.whole.adapter / "README.md").read_text()
    assert "continued pre-training, with loss on every token of plain text and of the assistant's turns in the other 1 rows." in card


@pytest.mark.train
def test_a_killed_run_over_split_texts_goes_on_with_the_losses_of_an_unbroken_one(scene: Scene) -> None:
    job = MemoryJob(scene.folder / "killed")

    killed(job, scene.spec(), scene.folder, at=metric_at(7))

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.said("resuming at step 4")
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


# --- measuring ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_a_text_is_measured_whole_as_plain_transformers_measures_it_also_where_it_is_longer_than_the_model_sees(scene: Scene) -> None:
    from tuneport_local.bases import weights as store

    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", scene.folder))
    long = text(document(0, 300))
    tokenizer = tiny_tokenizer(template=None)
    row = render(long, tokenizer, template=Template.of(tokenizer), line=1)
    model = store.load(str(scene.base), home=scene.folder, dtype="bf16").model.float()

    wants = frozenset({"log_probabilities"})
    said = next(iter(server.predict(server.model(str(scene.base)), [long], generation=Generation(), needs=wants)))  # type: ignore[arg-type]

    expected, tokens = 0.0, 0
    for start in range(0, len(row.input_ids), 512):
        ids = torch.tensor([row.input_ids[start : start + 512]])
        with torch.no_grad():
            logs = model(ids).logits[0, :-1].log_softmax(-1)
        expected, tokens = expected + float(logs.gather(1, ids[0, 1:, None]).sum()), tokens + ids.shape[1] - 1
    assert len(row.input_ids) > 1024
    assert said.log_probability == pytest.approx(expected, rel=2e-3)
    assert said.log_probability_tokens == tokens


@pytest.mark.train
def test_texts_are_measured_apart_from_answers_and_asked_nothing(scene: Scene) -> None:
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", scene.folder))
    base = server.model(str(scene.base))

    with pytest.raises(DatasetError, match="1 of 2 rows are plain text, which is measured by perplexity alone"):
        evaluate(Contender("base", base, server), [text("one"), completion("one", "two")])
    with pytest.raises(UsageError, match="plain text is measured as it stands, and a contender has an instruction"):
        evaluate(Contender("base", base, server, system="Be brief."), [text("one")])
    with pytest.raises(UsageError, match="a row is plain text, which asks nothing that could be answered"):
        list(server.predict(base, [text("one")], generation=Generation(), needs=frozenset({"text"})))
