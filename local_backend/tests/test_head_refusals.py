"""What no head can be trained on, told before the first step; and what becomes of a head that a base has already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.heads.head import Head
from tuneport_local.heads.loading import load_headed
from tuneport_local.training.train import train

from tuneport.errors import DatasetError, RecipeError, UnknownModel
from tuneport.examples import ChatExample, LabelledExample, Message
from tuneport.job import JobState

from .joblog import MemoryJob, spec_of
from .tiny_headed import LABELS, pictures, save_bert, save_resnet, save_vit, texts, write_rows

CLASSIFY: dict[str, Any] = {"method": "classify", "label_weights": "equal"}
REGRESS: dict[str, Any] = {"method": "regress"}


def refused(base: Path, rows: Sequence[Any], tmp_path: Path, *, validation: Sequence[Any] | None = None, **given: Any) -> str:
    """The sentence with which a training ends before its first step."""
    job = MemoryJob(tmp_path / "refused")
    held_out = write_rows(tmp_path / "held-out.jsonl", list(validation)) if validation is not None else None
    given = REGRESS | given if given.get("method") == "regress" else CLASSIFY | given
    spec = spec_of(base, write_rows(tmp_path / "rows.jsonl", list(rows)), validation=held_out, **given)
    with pytest.raises((DatasetError, UnknownModel, RecipeError)) as error:
        train(job, spec=spec, home=tmp_path)
    assert JobState.RUNNING not in job.phases
    return str(error.value)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("vit"))


def test_labels_that_only_validation_has_are_refused_with_their_lines(bert: Path, tmp_path: Path) -> None:
    strange = [*texts(3), LabelledExample("Hello", label="Green"), LabelledExample("world", label="Green")]

    sentence = refused(bert, texts(9), tmp_path, validation=strange)
    assert "validation data: 1 label stands in none of the training rows: lines 4, 5" in sentence
    assert "Green" not in sentence


def test_rows_with_nothing_to_tell_apart_are_refused(bert: Path, tmp_path: Path) -> None:
    alike = [LabelledExample(f"Where {number}", label="Red") for number in range(4)]
    level = [LabelledExample(f"Where {number}", score=2.0) for number in range(4)]

    assert "train data: all 4 rows have the same label" in refused(bert, alike, tmp_path)
    assert "train data: all 4 rows have the same score" in refused(bert, level, tmp_path, method="regress")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (LabelledExample("  ", label="Red"), "train data: line 4: the text is empty"),
        (LabelledExample("Where", score=math.nan), "train data: line 4: the row has no label and no finite score"),
        (
            ChatExample((Message("user", "one"), Message("assistant", "Red"))),
            "train data: line 4: a chat row; a head needs texts or images",
        ),
        (LabelledExample("one " * 200, label="Red"), "train data: 1 row longer than 64 tokens: line 4"),
        (pictures(1)[0], "line 1 is a text and line 4 an image"),
    ],
)
def test_a_row_that_no_head_can_learn_from_is_refused_by_its_line(bert: Path, tmp_path: Path, row: Any, words: str) -> None:
    assert words in refused(bert, [*texts(3), row], tmp_path)


def test_a_damaged_picture_is_refused_by_its_line(vit: Path, tmp_path: Path) -> None:
    assert "train data: line 4: " in refused(
        vit, [*pictures(3), LabelledExample(image="data:image/png;base64,AAAA", label="Red")], tmp_path
    )


def test_texts_for_a_base_of_pictures_and_pictures_for_a_base_of_texts_are_refused(bert: Path, vit: Path, tmp_path: Path) -> None:
    assert "is a vit, and there is no head for texts on top of one. It takes images." in refused(vit, texts(6), tmp_path)
    assert "is a bert, and there is no head for images on top of one. It takes texts." in refused(bert, pictures(6), tmp_path)


def test_a_base_that_lacks_more_than_its_head_is_refused(bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    broken.mkdir()
    for file in bert.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    kept = {name: value for name, value in load_file(bert / "model.safetensors").items() if "layer.1." not in name}
    save_file(kept, broken / "model.safetensors", metadata={"format": "pt"})

    assert "holds no whole model: it lacks bert.encoder.layer.1" in refused(broken, texts(6), tmp_path)


def test_adapters_on_a_model_that_keeps_statistics_of_its_batches_are_refused(tmp_path: Path) -> None:
    sentence = refused(save_resnet(tmp_path / "resnet"), pictures(6), tmp_path)

    assert "keeps statistics of its batches (BatchNorm2d)" in sentence
    assert "weights = 'full'" in sentence


# --- heads that a base has already ------------------------------------------------------------------------------------------------------


def test_the_head_of_a_base_is_kept_for_the_same_labels_and_made_anew_for_others(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from tuneport_local.quiet import quiet

    made = load_headed(bert, Head("classify", "text", LABELS), dtype="fp32", device="cpu", seed=5)
    with quiet():
        made.model.save_pretrained(tmp_path / "headed")
        AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "headed")
    kept = load_headed(tmp_path / "headed", Head("classify", "text", LABELS), dtype="fp32", device="cpu")
    renamed = load_headed(tmp_path / "headed", Head("classify", "text", ("a", "b", "c")), dtype="fp32", device="cpu")
    fewer = load_headed(tmp_path / "headed", Head("classify", "text", ("Blue", "Red")), dtype="fp32", device="cpu")

    assert (made.new, kept.new, renamed.new, fewer.new) == (True, False, True, True)
    assert torch.equal(kept.model.classifier.weight, made.model.classifier.weight)
    assert not torch.equal(renamed.model.classifier.weight, made.model.classifier.weight)
    assert fewer.model.classifier.weight.shape == (2, 32)
    assert kept.model.config.id2label == dict(enumerate(LABELS))
