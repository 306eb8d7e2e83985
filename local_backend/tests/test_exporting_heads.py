"""Exports of models that give labels or scores: PEFT's folder or plain transformers' weights, asked on rows like the model itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.heads.head import Head
from tuneport_local.server import LocalServer

from tuneport.errors import Unsupported
from tuneport.examples import LabelledExample
from tuneport.exporting import Export, Exported
from tuneport.model import Model
from tuneport.provider import ProviderSettings

from .tiny import save_tiny
from .tiny_headed import LABELS, pictures, save_bert, save_vit, texts

pytestmark = pytest.mark.train


def tuned(folder: Path, save: Callable[[Path], Path], head: Head) -> Model:
    """A base with a head and an adapter that both say something of their own."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tuneport_local.heads.loading import load_headed
    from tuneport_local.quiet import quiet

    base, to = save(folder / "base"), folder / "tune"
    padding = 0 if head.medium == "text" else None
    headed = load_headed(base, head, dtype="fp32", device="cpu", padding=padding)
    with quiet():
        task: dict[str, Any] = {"task_type": "SEQ_CLS"} if head.medium == "text" else {}
        config = LoraConfig(
            r=4, target_modules="all-linear", exclude_modules=list(headed.modules), modules_to_save=list(headed.modules), **task
        )
        network: Any = get_peft_model(headed.model, config)
        torch.manual_seed(1)
        for weights in network.parameters():
            if weights.requires_grad:
                weights.data.add_(torch.randn_like(weights), alpha=0.3)
        network.save_pretrained(to, save_embedding_layers=False)
    head.write(to)
    return Model(uri="local:tune", provider="local", id="tune", base=str(base), path=str(to))


def exported(model: Model, folder: Path, form: str, rows: list[LabelledExample], **more: Any) -> Exported:
    server = LocalServer(ProviderSettings("local", folder / "home"))
    wish = Export(form=form, to=folder / form, prompts=tuple(rows), **more)  # type: ignore[arg-type]
    return server.export(model, wish, hear=lambda words: None)


def test_labels_of_texts_are_the_same_from_the_adapter_and_from_merged_weights(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = tuned(tmp_path, save_bert, Head("classify", "text", labels=LABELS))
    for form in ("adapter", "merged"):
        done = exported(model, tmp_path, form, texts(9))
        assert done.ok, done.check
        assert done.check.figures["equal_labels"] == 9
        assert (done.folder / "head.json").is_file()
    network: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    (row,) = texts(1)
    found = network(**tokenizer(row.text, return_tensors="pt")).logits.argmax(-1).item()
    server = LocalServer(ProviderSettings("local", tmp_path / "home"))
    (said,) = server.predict(model, [row], generation=None, needs=frozenset({"labels"}))  # type: ignore[arg-type]
    assert network.config.id2label[found] == said.label


def test_scores_and_pictures_are_exported_too(tmp_path: Path) -> None:
    scores = exported(tuned(tmp_path / "a", save_tiny, Head("regress", "text", centre=2.0, spread=3.0)), tmp_path / "a", "merged", texts(4))
    assert scores.ok, scores.check
    assert float(scores.check.figures["largest_score_difference_in_spreads"] or 0) < 1e-3
    images = exported(tuned(tmp_path / "b", save_vit, Head("classify", "image", labels=LABELS)), tmp_path / "b", "merged", pictures(4))
    assert images.ok, images.check
    assert (images.folder / "preprocessor_config.json").is_file()


@pytest.mark.parametrize("form", ["gguf", "ollama"])
def test_a_model_that_gives_labels_is_no_model_that_writes(tmp_path: Path, form: str) -> None:
    model = tuned(tmp_path, save_bert, Head("classify", "text", labels=LABELS))
    with pytest.raises(Unsupported, match="gives labels or scores and no words"):
        exported(model, tmp_path, form, texts(2))
