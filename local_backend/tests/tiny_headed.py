"""Tiny encoders of texts and of pictures, and labelled rows that they can learn in some steps."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from tuneport.examples import LabelledExample, canonical_bytes

from .tiny import SPECIAL, tiny_tokenizer

LABELS = ("Blue", "Red", "late")
WORDS = {"Blue": "Where is my Blue card?", "Red": "I lost the Red one.", "late": "Yes it is late, hello world."}


def save_bert(folder: Path, *, dropout: float = 0.1) -> Path:
    """An encoder as pretraining leaves one: without a head and without a pooler. Its tokenizer puts marks around texts."""
    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel
    from tuneport_local.quiet import quiet

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        hidden_dropout_prob=dropout,
        initializer_range=0.15,
        attention_probs_dropout_prob=dropout,
    )
    tokenizer = tiny_tokenizer(template=None)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{SPECIAL[1]} $A {SPECIAL[2]}", special_tokens=[(SPECIAL[1], 1), (SPECIAL[2], 2)]
    )
    tokenizer.model_max_length = 64
    with quiet():
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def save_vit(folder: Path) -> Path:
    """A vision transformer over pictures of 8 x 8."""
    import torch
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    from tuneport_local.quiet import quiet

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=8,
        patch_size=4,
        hidden_dropout_prob=0.1,
        initializer_range=0.1,
    )
    with quiet():
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


def save_resnet(folder: Path) -> Path:
    """A convolutional network, which keeps statistics of its batches."""
    import torch
    from transformers import ResNetConfig, ResNetModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    from tuneport_local.quiet import quiet

    torch.manual_seed(0)
    with quiet():
        ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")).save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def texts(rows: int, *, first: int = 0, scored: bool = False) -> list[LabelledExample]:
    """Texts of different lengths whose label, or most of their score, a word of theirs tells."""
    found = []
    for number in range(first, first + rows):
        label = LABELS[number % 3]
        times = 1 + number % 4
        text = " ".join([WORDS[label]] * times) + f" {number}"
        found.append(LabelledExample(text, score=4.0 * LABELS.index(label) + times / 4) if scored else LabelledExample(text, label=label))
    return found


def pictures(rows: int, *, first: int = 0, scored: bool = False) -> list[LabelledExample]:
    """Pictures that are dark, or bright on the left, or bright on the right; or with a score, which the brightness is."""
    found = []
    for number in range(first, first + rows):
        label = LABELS[number % 3]
        image = f"data:image/png;base64,{base64.b64encode(picture(number, label)).decode()}"
        found.append(LabelledExample(image=image, score=number % 5 * 10.0) if scored else LabelledExample(image=image, label=label))
    return found


def picture(number: int, label: str) -> bytes:
    """A PNG of 8 x 8 in grey."""
    import numpy as np
    from PIL import Image

    values = np.full((8, 8), 20 + number % 5 * 10, dtype=np.uint8)
    if label != "late":
        values[:, :4] = 220 if label == "Blue" else 40
        values[:, 4:] = 40 if label == "Blue" else 220
    values[number % 8, number % 7] = 120
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def write_rows(path: Path, rows: list[Any]) -> Path:
    """The rows as a job's folder has them."""
    path.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in rows))
    return path
