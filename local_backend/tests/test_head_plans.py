"""Before a head is trained: what a plan takes and refuses, how its rows travel, and what a quote says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.plans.token_count import count_tokens

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed
from tuneport.examples import ChatExample, Example, LabelledExample, Message
from tuneport.plan import Plan
from tuneport.provider import Capability, ProviderSettings
from tuneport.recipe import Classify, Recipe, Regress

from .tiny_headed import picture, pictures, save_bert, save_vit, texts

CPU = {"local": {"device": "cpu"}}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("vit"))


def trainer(home: Path, **profile: Any) -> LocalTrainer:
    opened = provider.open_trainer(ProviderSettings("local", home, profile={"calibrate": False, **profile}))
    assert isinstance(opened, LocalTrainer)
    return opened


def planned(home: Path, base: Path, train: Any, *, validation: Any = None, method: Any = None) -> Plan:
    data = [train if not isinstance(train, list) else Dataset.from_examples(train), validation]
    held_out = Dataset.from_examples(validation) if isinstance(validation, list) else data[1]
    return trainer(home).plan(Recipe(base=str(base), method=method or Classify(), train=data[0], validation=held_out, options=CPU))


def rows_in(plan: Plan) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(plan.files[0].chunks()).splitlines()]


def test_both_methods_can_be_trained_and_a_plan_says_what_auto_means(bert: Path, tmp_path: Path) -> None:
    plan = planned(tmp_path, bert, texts(9), validation=texts(3))

    assert all(trainer(tmp_path).support(Capability.TRAIN, method=method) for method in ("classify", "regress"))
    assert plan.hyperparameters["label_weights"] == "equal"
    assert any("taken where the recipe says auto: epochs" in note for note in plan.notes)
    assert [row["label"] for row in rows_in(plan)] == [row.label for row in texts(9)]


def test_conversations_of_one_question_and_one_answer_are_texts_with_labels(bert: Path, tmp_path: Path) -> None:
    chats = [ChatExample((Message("user", row.text), Message("assistant", row.label))) for row in texts(6)]

    assert rows_in(planned(tmp_path, bert, chats)) == rows_in(planned(tmp_path, bert, texts(6)))


def test_labels_that_are_numbers_are_scores_for_regression_and_other_words_are_refused(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "stars.csv").write_text("text,label\n" + "".join(f"Where is it {n},{n % 5}\n" for n in range(10)))

    rows = rows_in(planned(tmp_path, bert, Dataset.read(tmp_path / "stars.csv"), method=Regress()))
    assert [row["score"] for row in rows] == [float(n % 5) for n in range(10)]
    with pytest.raises(CheckFailed, match="line 1: the row has no score, and its label or answer is no number"):
        planned(tmp_path, bert, texts(6), method=Regress())


@pytest.mark.parametrize(
    ("train", "validation", "words"),
    [
        (texts(9), [LabelledExample("Hello", label="Green")], "line 1: the label of the row does not stand in the training rows"),
        ([LabelledExample(f"Where {n}", label="Red") for n in range(5)], None, "all 5 rows have the same label or score"),
        ([*texts(3), LabelledExample(" ", label="Red")], None, "line 4: the text is empty"),
        ([*texts(3), LabelledExample("one", label="")], None, "line 4: the row has no label"),
    ],
)
def test_what_a_head_cannot_learn_is_refused_before_anything_is_sent(
    bert: Path, tmp_path: Path, train: list[Example], validation: list[Example] | None, words: str
) -> None:
    with pytest.raises(CheckFailed, match=words):
        planned(tmp_path, bert, train, validation=validation)


def test_scores_that_are_no_finite_numbers_are_refused(bert: Path, tmp_path: Path) -> None:
    rows = [*texts(4, scored=True), LabelledExample("one", score=float("inf"))]

    with pytest.raises(CheckFailed, match="line 5: the score is not a finite number"):
        planned(tmp_path, bert, rows, method=Regress())


def save_pictures(folder: Path, rows: int) -> Path:
    for number in range(rows):
        label = ("Blue", "Red", "late")[number % 3]
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number:02}.png").write_bytes(picture(number, label))
    return folder


def test_a_folder_of_images_travels_in_the_rows_of_its_job(vit: Path, tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "cards", 9)
    plan = planned(tmp_path, vit, Dataset.read(folder))
    before = plan.fingerprint
    (folder / "Red" / "01.png").write_bytes(picture(4, "Red"))

    assert [row["label"] for row in rows_in(planned(tmp_path, vit, Dataset.read(folder)))] == ["Blue"] * 3 + ["Red"] * 3 + ["late"] * 3
    assert all(row["image"].startswith("data:image/png;base64,") for row in rows_in(planned(tmp_path, vit, Dataset.read(folder))))
    assert planned(tmp_path, vit, Dataset.read(folder)).fingerprint != before


def test_images_named_by_their_paths_are_read_from_beside_their_file(vit: Path, tmp_path: Path) -> None:
    save_pictures(tmp_path, 6)
    rows = [{"kind": "labelled", "image": f"{label}/{n:02}.png", "label": label} for n, label in enumerate(("Blue", "Red", "late") * 2)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    found = rows_in(planned(tmp_path, vit, Dataset.read(tmp_path / "rows.jsonl")))
    assert [row["image"] for row in found] == [row.image for row in pictures(6)]
    (tmp_path / "late" / "02.png").unlink()
    with pytest.raises(CheckFailed, match=r"line 3: its picture '02\.png' cannot be read"):
        planned(tmp_path, vit, Dataset.read(tmp_path / "rows.jsonl"))


def tokens_of(tokenizer: Any, rows: Iterable[LabelledExample]) -> int:
    return sum(len(tokenizer(row.text).input_ids) for row in rows)


def test_a_quote_counts_the_tokens_of_texts_as_the_trainer_does_and_images_as_images(bert: Path, vit: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    counted = count_tokens(Dataset.from_examples(texts(20)), base=str(bert), home=tmp_path, method="classify")
    assert (int(counted.tokens.likely), counted.how) == (tokens_of(AutoTokenizer.from_pretrained(bert), texts(20)), "exact")

    recipe = Recipe(base=str(vit), method=Classify(epochs=2), train=Dataset.from_examples(pictures(9)), options=CPU)
    quote = trainer(tmp_path, calibrate=True).estimate(recipe)
    assert quote.lines[0].amount is None
    assert "2 epochs of 9 images; speeds here are those of tokens, so the time is not known" in quote.lines[0].note


@pytest.mark.train
@pytest.mark.parametrize("method", [Regress(epochs=2)])
def test_a_quote_measures_how_fast_a_head_is_trained_here(bert: Path, tmp_path: Path, method: Any) -> None:
    rows = texts(20, scored=method.kind == "regress")
    recipe = Recipe(base=str(bert), method=method, train=Dataset.from_examples(rows), options=CPU)

    quote = trainer(tmp_path, calibrate=True).estimate(recipe)
    assert quote.lines[0].amount is not None
    assert "(calibration)" in quote.lines[0].note
