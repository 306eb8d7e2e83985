"""A base that a method cannot train is told in a sentence, before the first step: no causal model, no chat template, or a useless one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.training.train import train

from tuneport.errors import TuneportError
from tuneport.examples import Message, PreferenceExample, canonical_bytes

from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, tiny_tokenizer

pytestmark = pytest.mark.train
OWN: dict[str, dict[str, Any]] = {
    "sft": {},
    "dpo": {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0},
    "orpo": {"beta": 0.1},
    "kto": {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
}


def encoder(folder: Path) -> Path:
    """What says of a word what the words after it allow."""
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertForMaskedLM(BertConfig(vocab_size=320, max_position_embeddings=512, **sizes)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def conversations(path: Path, method: str) -> Path:
    """With a system message: without a template there is no way to write one."""
    asked = (Message("system", "Be late."), Message("user", "Where is my card?"))
    good, bad = (Message("assistant", words) for words in ("Red", "No card"))
    messages = [{"role": each.role, "content": each.content} for each in (*asked, good)]
    chat, pair = json.dumps({"messages": messages}).encode(), canonical_bytes(PreferenceExample(asked, (good,), (bad,)))
    line = chat if method == "sft" else pair
    path.write_bytes(line + b"\n")
    return path


BASES = {
    "an encoder": (encoder, "holds no causal language model"),
    "no template": (lambda folder: save_tiny(folder, template=None), "no chat template"),
    "a template without the words": (lambda folder: save_tiny(folder, template="<|im_start|>hello<|im_end|>"), "does not show where"),
}


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("kind", BASES)
def test_it_is_told_before_the_first_step(kind: str, method: str, tmp_path: Path) -> None:
    make, words = BASES[kind]
    base, job = make(tmp_path / "base"), MemoryJob(tmp_path / "job")

    with pytest.raises(TuneportError) as caught:
        train(job, spec=spec_of(base, conversations(tmp_path / "rows.jsonl", method), method=method, **OWN[method]), home=tmp_path)
    assert words in str(caught.value)
    assert job.metrics == []
    assert not job.adapter.exists()
