"""Conversations with pictures: shown to bases that see, learned on the assistant's words alone, carried in the job's own rows."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local import provider
from tuneport_local.bases.loading import load_tokenizer
from tuneport_local.bases.seeing import FAMILIES, picture_tokens, why_blind
from tuneport_local.plans.planning import body_of
from tuneport_local.rows.eyes import Album, Eyes, processor_of
from tuneport_local.rows.prepared import Conversations, prepare
from tuneport_local.rows.rendering import RenderedRow, Template, render, render_prompt
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, DatasetError, RecipeError, Unsupported
from tuneport.examples import ChatExample, Example, ImagePart, Message, TextPart, canonical_bytes
from tuneport.model import Model
from tuneport.provider import Capability, Generation, ProviderSettings
from tuneport.recipe import DPO, SFT, Recipe

from .breaks import killed, metric_at
from .joblog import Killed, MemoryJob, same_weights, spec_of, weights
from .tiny import save_tiny
from .tiny_eyes import address, picture, save_seeing

BOTH = frozenset({"text", "log_probabilities"})
SHORT = Generation(max_tokens=6)


def said_of(number: int) -> str:
    """What is answered to the picture of that number: words of a single token, one for red pictures and one for blue."""
    return ("You", "No")[number % 2]


def shade(number: int) -> bytes:
    """A red or a blue that is no other's."""
    chance = random.Random(number)
    light, dark = 200 + chance.randrange(55), (chance.randrange(40), chance.randrange(40))
    return picture((light, *dark) if number % 2 == 0 else (*dark, light))


def looked_at(url: str, answer: str = "Red", *, number: int = 0) -> ChatExample:
    return ChatExample((Message("user", (TextPart("Where is "), ImagePart(url), TextPart(f" {number}?"))), Message("assistant", answer)))


def asked(question: str = "one", answer: str = "two") -> ChatExample:
    return ChatExample((Message("user", question), Message("assistant", answer)))


RED = address(picture("red"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {family: save_seeing(folder / family, family=family) for family in FAMILIES}


def eyes_of(base: Path) -> Eyes:
    return Eyes(processor_of(base), Album())


def rendered(example: ChatExample, base: Path, *, eyes: Eyes | None = None) -> RenderedRow:
    tokenizer = load_tokenizer(base)
    return render(example, tokenizer, template=Template.of(tokenizer), line=1, eyes=eyes or eyes_of(base))


def learned_of(row: RenderedRow, base: Path) -> str:
    tokens = [token for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken]
    return str(load_tokenizer(base).decode(tokens))


# --- what is learned ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_assistants_words_are_learned_and_never_a_picture(bases: dict[str, Path], family: str) -> None:
    base = bases[family]
    shown = {token for token in processor_of(base).image_token_ids if token is not None}
    two = (Message("user", (ImagePart(RED), TextPart("one"))), Message("assistant", "Red"))
    many = ChatExample((*two, Message("user", (TextPart("two"), ImagePart(address(picture("blue"))))), Message("assistant", "Blue")))

    row, words = rendered(many, base), rendered(asked(), base)

    assert learned_of(row, base) == "Red<|im_end|>Blue<|im_end|>"
    assert sum(token in shown for token in row.input_ids) >= 8
    assert not any(token in shown for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken)
    assert len(set(row.pictures)) == 2
    assert (learned_of(words, base), words.pictures) == ("two<|im_end|>", ())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_and_its_prompt_are_what_the_familys_own_processor_makes_of_the_conversation(bases: dict[str, Path], family: str) -> None:
    base = bases[family]
    tokenizer, eyes, example = load_tokenizer(base), eyes_of(base), looked_at(RED)
    parts = [{"type": "text", "text": "Where is "}, {"type": "image"}, {"type": "text", "text": " 0?"}]
    text = eyes.processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    from tuneport_local.rows.pictures import bytes_of, opened

    expected = eyes.processor(text=[text], images=[[opened(bytes_of(RED))]], add_special_tokens=False, return_tensors="pt")

    prompt = render_prompt(example.messages[:1], tokenizer, eyes=eyes)
    inputs = eyes.inputs(eyes.look(example.messages), dtype=torch.float32)
    given = {**inputs, **eyes.kinds(expected["input_ids"])}

    assert prompt == expected["input_ids"][0].tolist()
    assert list(rendered(example, base).input_ids[: len(prompt)]) == prompt
    assert given.keys() == expected.keys() - {"input_ids", "attention_mask"}
    assert all(torch.equal(given[name], expected[name]) for name in given)


def test_a_row_is_not_cut_inside_a_picture(bases: dict[str, Path]) -> None:
    base = bases["idefics3"]
    tokenizer, row = load_tokenizer(base), rendered(looked_at(RED), base)
    rows = enumerate([looked_at(RED), looked_at(RED, "Red " * 40), asked()], 1)
    before = len(render_prompt([Message("user", "Where is ")], tokenizer)) + 2

    assert not row.cut(row.pictures_end - 1).teaches
    assert not row.cut(row.pictures_end).teaches  # nothing of the answer is left
    kind = Conversations(eyes_of(base))
    cut = prepare(rows, tokenizer, kind=kind, max_length=len(row.input_ids) + 5, too_long="truncate", name="rows")
    none = prepare(enumerate([looked_at(RED), asked()], 1), tokenizer, kind=kind, max_length=before, too_long="truncate", name="rows")
    assert (cut.truncated, cut.pictured, len(cut.rows)) == ((2,), 2, 3)
    assert (none.dropped, none.pictured) == ((1,), 0)


def test_words_that_are_the_models_mark_for_a_picture_are_refused_beside_a_picture_and_text_elsewhere(bases: dict[str, Path]) -> None:
    base = bases["idefics3"]
    with pytest.raises(DatasetError, match="line 1: the conversation has pictures, and words in it are control tokens"):
        rendered(ChatExample((Message("user", (ImagePart(RED), TextPart("<image>"))), Message("assistant", "Red"))), base)
    assert processor_of(base).image_token_id not in rendered(asked("<image>"), base).input_ids


def test_a_picture_in_the_assistants_words_and_other_media_are_refused(bases: dict[str, Path]) -> None:
    from tuneport.examples import MediaPart

    base = bases["idefics3"]
    with pytest.raises(DatasetError, match="line 1: a message has images or other media where this model is shown none"):
        rendered(ChatExample((Message("user", "one"), Message("assistant", (ImagePart(RED),)))), base)
    with pytest.raises(DatasetError, match="line 1: a message has images or other media where this model is shown none"):
        rendered(ChatExample((Message("user", (MediaPart("a.wav", "audio/wav"),)), Message("assistant", "Red"))), base)


# --- which bases, which data -------------------------------------------------------------------------------------------------------------


def test_bases_that_see_are_told_from_those_that_do_not_and_from_kinds_that_nobody_tried(tmp_path: Path, bases: dict[str, Path]) -> None:
    blind, other = save_tiny(tmp_path / "blind"), tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "smolvlm", "vision_config": {}}')
    shutil.copytree(bases["llava"], tmp_path / "bare")
    (tmp_path / "bare" / "processor_config.json").unlink()
    trainer = provider.open_trainer(ProviderSettings("local", tmp_path))

    assert [why_blind(base) for base in bases.values()] == [""] * len(FAMILIES)
    assert why_blind(blind) == "it has no part that sees"
    assert why_blind(other).startswith("models of the kind 'smolvlm' have not been tried with pictures here")
    assert why_blind(tmp_path / "bare") == "there is no processor_config.json beside its weights"
    assert trainer.support(Capability.IMAGES, base=str(bases["llava"]))
    assert trainer.support(Capability.IMAGES, base=str(blind)).reason == f"{blind} is shown no images: it has no part that sees"
    assert not trainer.support(Capability.IMAGES, base=str(bases["llava"]), method="dpo")


def plan_of(home: Path, base: Path, data: Dataset, method: Any = None) -> Any:
    return provider.open_trainer(ProviderSettings("local", home)).plan(Recipe(base=str(base), train=data, method=method or SFT()))


def test_pictures_are_read_when_the_job_is_planned_and_travel_in_its_rows(tmp_path: Path, bases: dict[str, Path]) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "red.png").write_bytes(picture("red"))
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(canonical_bytes(looked_at("seen/red.png")) + b"\n" + canonical_bytes(asked()) + b"\n")

    made = plan_of(tmp_path / "home", bases["idefics3"], Dataset.read(rows))
    (tmp_path / "carried.jsonl").write_bytes(b"".join(made.files[0].chunks()))
    carried = list(Dataset.read(tmp_path / "carried.jsonl", format=body_of(made)["format"]))
    (tmp_path / "seen" / "red.png").write_bytes(picture("blue"))

    assert carried == [looked_at(RED), asked()]
    assert plan_of(tmp_path / "home", bases["idefics3"], Dataset.read(rows)).fingerprint != made.fingerprint


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gone.png", "line 2: its picture 'gone.png' cannot be read: No such file or directory"),
        ("cut.png", "line 2: what is named as a picture is damaged or cut off"),
        ("words.png", "line 2: what is named as a picture is none in PNG, JPEG"),
        ("large.png", r"line 2: a picture has 9000 x 8000 pixels; at most 64,000,000 are taken"),
        ("https://example.org/cat.png", "line 2: a picture's address begins with https:, and nothing is fetched for a job here"),
        ("data:image/png;base64,@@", "line 2: a picture's data: address is not base64"),
        ("data:image/png,abc", "line 2: a picture's address is not `data:` with base64"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_named_by_its_line_before_anything_is_written(
    tmp_path: Path, bases: dict[str, Path], url: str, says: str
) -> None:
    from PIL import Image

    (tmp_path / "cut.png").write_bytes(picture("red", side=200)[:150])
    (tmp_path / "words.png").write_bytes(b"no picture at all")
    Image.new("1", (9000, 8000)).save(tmp_path / "large.png")
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in (looked_at(RED), looked_at(url), asked())))

    with pytest.raises(CheckFailed, match=says):
        plan_of(tmp_path / "home", bases["idefics3"], Dataset.read(rows))
    assert not (tmp_path / "home").exists()


def test_pictures_for_a_base_that_does_not_see_or_a_method_that_shows_none_are_refused_with_the_reason(
    tmp_path: Path, bases: dict[str, Path]
) -> None:
    data = Dataset.from_examples([asked(), looked_at(RED)], name="rows")
    blind = save_tiny(tmp_path / "blind")

    with pytest.raises(CheckFailed, match="line 2: the row has an image") as refused:
        plan_of(tmp_path, blind, data)
    assert refused.value.remedy is not None
    assert f"{blind} is shown no images: it has no part that sees." in refused.value.remedy
    with pytest.raises(CheckFailed) as refused:
        plan_of(tmp_path, bases["llava"], data, DPO())
    assert "not trained on by method dpo locally yet" in str(refused.value.remedy)
    with pytest.raises(Unsupported, match="rows with images are trained with LoRA only so far, not with weights 'full'"):
        plan_of(tmp_path, bases["llava"], data, SFT(weights="full"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_of_a_picture_are_known_from_the_settings_beside_the_weights(bases: dict[str, Path], family: str) -> None:
    shown = {token for token in processor_of(bases[family]).image_token_ids if token is not None}
    counted = sum(token in shown for token in rendered(looked_at(RED), bases[family]).input_ids)

    assert picture_tokens(bases[family]) == (counted,) * 3


def test_a_quote_counts_pictures_by_what_the_base_makes_of_them(tmp_path: Path, bases: dict[str, Path]) -> None:
    from tuneport_local.plans.token_count import count_tokens

    rows, plain = [looked_at(RED), looked_at(RED)], [asked("Where is 0?", "Red")] * 2
    found, without = (
        count_tokens(Dataset.from_examples(each), base=str(bases["llava"]), home=tmp_path, method="sft").tokens for each in (rows, plain)
    )

    assert 32 <= found.low <= found.likely <= found.high
    assert found.likely > without.likely


# --- training ----------------------------------------------------------------------------------------------------------------------------


class Scene:
    """A tiny base that sees, rows with red and blue pictures among rows without any, and what an unbroken run gives."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder = folder
        self.base = base
        rows: list[Example] = [looked_at(address(shade(number)), said_of(number), number=number) for number in range(20)]
        self.rows = folder / "train.jsonl"
        self.rows.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in [*rows, *(asked(f"one {n}") for n in range(4))]))
        self.whole = MemoryJob(folder / "whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)
        server = provider.open_server(ProviderSettings("local", folder))
        self.server = server
        self.tuned = Model(uri="local:t", provider="local", id="t", base=str(base), path=str(self.whole.adapter))

    def spec(self, **changes: Any) -> TrainingSpec:
        given = {"lora": {"rank": 8, "alpha": 16.0}, "epochs": 6, "checkpoint_every": 10, "validation": self.rows, **changes}
        return replace(spec_of(self.base, self.rows, **given), data_format="canonical")

    def held_out(self) -> Sequence[ChatExample]:
        return [looked_at(address(shade(number)), said_of(number), number=number) for number in range(100, 106)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, bases: dict[str, Path]) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"), bases["idefics3"])


@pytest.mark.train
def test_a_model_learns_to_tell_red_pictures_from_blue_ones_it_never_saw(scene: Scene) -> None:
    losses = scene.whole.losses()

    answers = list(scene.server.predict(scene.tuned, scene.held_out(), generation=SHORT, needs=BOTH))

    assert scene.outcome == "succeeded"
    assert not (scene.whole.path / "pictures").exists()
    assert losses[36, "eval_loss"] < losses[6, "eval_loss"] / 2
    assert [answer.text for answer in answers] == ["You", "No"] * 3
    streamed = scene.server.chat(scene.tuned, scene.held_out()[1].messages[:1], generation=SHORT)
    assert "".join(streamed) == "No"
    words = list(scene.server.predict(scene.tuned, [asked()], generation=SHORT, needs=BOTH))
    assert words[0].text == "two"


@pytest.mark.train
def test_an_answer_does_not_depend_on_the_pictures_that_are_asked_about_beside_it(scene: Scene) -> None:
    rows = [*scene.held_out()[:3], asked(), scene.held_out()[3]]
    together = list(scene.server.predict(scene.tuned, rows, generation=SHORT, needs=BOTH))
    alone = [next(iter(scene.server.predict(scene.tuned, [row], generation=SHORT, needs=BOTH))) for row in rows]

    assert [each.text for each in together] == [each.text for each in alone]
    measured = [[each.log_probability for each in answers] for answers in (together, alone)]
    assert measured[0] == pytest.approx(measured[1], abs=0.1)


@pytest.mark.train
def test_the_adapter_is_on_the_language_part_and_the_tower_that_sees_stays_as_it_was(scene: Scene) -> None:
    names = weights(scene.whole)

    assert names
    assert all(".text_model.layers." in name for name in names)
    assert scene.whole.said("batches padded to their longest row: some rows have pictures")


@pytest.mark.train
def test_the_loss_is_that_of_the_answers_alone_as_plain_transformers_measures_it(scene: Scene) -> None:
    from tuneport_local.bases import weights as store
    from tuneport_local.methods.batches import EpochOrder

    loaded, eyes = store.load(str(scene.base), home=scene.folder), eyes_of(scene.base)
    every = [row for row in Dataset.read(scene.rows) if isinstance(row, ChatExample)]
    total, tokens = 0.0, 0
    for place in list(EpochOrder(24, seed=1))[:4]:
        row = rendered(every[place], scene.base, eyes=eyes)
        ids, seen = torch.tensor([row.input_ids]), eyes.inputs(row.pictures, dtype=torch.float32)
        with torch.no_grad():
            logs = loaded.model(input_ids=ids, **seen).logits[0, :-1].log_softmax(-1)
        taken = logs.gather(1, ids[0, 1:, None])[:, 0][torch.tensor(row.loss_mask[1:])]
        total, tokens = total - float(taken.sum()), tokens + len(taken)

    assert scene.whole.losses()[1, "loss"] == pytest.approx(total / tokens, rel=1e-4)


@pytest.mark.train
def test_a_killed_run_goes_on_with_the_losses_of_an_unbroken_one_and_only_with_the_same_pictures(scene: Scene, tmp_path: Path) -> None:
    job = MemoryJob(scene.folder / "killed")

    killed(job, scene.spec(), scene.folder, at=metric_at(13))
    shutil.copytree(job.path, tmp_path / "other")

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.said("resuming at step 10")
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)

    words, other = scene.rows.read_bytes(), MemoryJob(tmp_path / "other")
    (tmp_path / "rows.jsonl").write_bytes(words.replace(address(shade(3)).encode(), address(shade(5)).encode()))
    other.after = lambda kind, what: (_ for _ in ()).throw(Killed()) if kind == "phase" and str(what) == "running" else None
    with pytest.raises(Killed):
        train(other, spec=replace(scene.spec(), train_file=tmp_path / "rows.jsonl"), home=scene.folder)
    assert not other.said("resuming at step")


@pytest.mark.train
@pytest.mark.parametrize("family", ["llava", "gemma3"])
def test_other_families_learn_too(family: str, bases: dict[str, Path], scene: Scene, tmp_path: Path) -> None:
    job = MemoryJob(tmp_path / "job")
    train(job, spec=replace(scene.spec(epochs=6, validation=None), base=str(bases[family])), home=tmp_path)
    tuned = Model(uri=f"local:{family}", provider="local", id=family, base=str(bases[family]), path=str(job.adapter))

    def likelihoods(word: str) -> list[float]:
        """Of the word as the answer to a red picture, and to a blue one."""
        asks = [looked_at(address(picture(colour)), word) for colour in ("red", "blue")]
        said = scene.server.predict(tuned, asks, generation=SHORT, needs=BOTH)
        return [each.log_probability or -math.inf for each in said]

    assert job.losses()[36, "loss"] < job.losses()[1, "loss"] / 2
    assert likelihoods("You")[0] > likelihoods("You")[1] + 0.5
    assert likelihoods("No")[1] > likelihoods("No")[0] + 0.5


@pytest.mark.train
@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"precision": "bf16"}])
def test_the_settings_of_a_run_are_followed(scene: Scene, changes: dict[str, Any]) -> None:
    job = MemoryJob(scene.folder / f"with {next(iter(changes))}")

    assert train(job, spec=scene.spec(**changes, epochs=1, validation=None), home=scene.folder) == "succeeded"
    assert job.losses()[6, "loss"] == pytest.approx(scene.whole.losses()[6, "loss"], rel=0.3)


@pytest.mark.train
def test_rows_with_pictures_for_a_base_that_turns_out_not_to_see_fail_in_validating(scene: Scene, tmp_path: Path) -> None:
    blind = save_tiny(tmp_path / "blind")
    with pytest.raises(DatasetError, match="train data: line 1: a message has images or other media where this model is shown none"):
        train(MemoryJob(tmp_path / "job"), spec=replace(scene.spec(), base=str(blind)), home=tmp_path)


@pytest.mark.train
def test_a_base_that_sees_is_trained_by_adapters_of_low_rank_alone_whatever_its_rows(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="weights 'full' have not been tried on models that see"):
        train(MemoryJob(tmp_path / "job"), spec=scene.spec(weights={"kind": "full"}), home=tmp_path)
