"""A llama of some thousand weights with a tokenizer and a chat template, made in a second, for tests that train and generate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are tiny.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATML_WITH_TOOLS = (
    "{% if tools %}<|im_start|>system\n<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools><|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }} {{ call.function.arguments | tojson }}</tool_call>"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WORDS = "You are tiny. Where is my card? I lost it. Yes No Red Blue one two three card lost late hello world 0 1 2 3 4 5 6 7 8 9 "


def tiny_tokenizer(*, template: str | None = CHATML) -> Any:
    """A byte-level BPE tokenizer, trained here on two sentences, that splits digits as SmolLM2's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator([WORDS] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=SPECIAL[1], eos_token=SPECIAL[2] if template else SPECIAL[0], pad_token=SPECIAL[0]
    )
    tokenizer.model_max_length = 512
    tokenizer.chat_template = template
    return tokenizer


def tiny_model(*, layers: int = 2, seed: int = 0, vocabulary: int = 320) -> Any:
    """A llama with grouped-query attention: hidden 32, four heads, two key/value heads."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def save_tiny(folder: Path, *, template: str | None = CHATML, layers: int = 2) -> Path:
    """Saves model and tokenizer in `folder`, as a base that `weights.load` takes by its path."""
    from tuneport_local.quiet import quiet

    with quiet():
        tiny_model(layers=layers).save_pretrained(folder)
        tiny_tokenizer(template=template).save_pretrained(folder)
    return folder


def write_chats(path: Path, rows: int = 24) -> Path:
    """A file of short chats of different lengths."""
    colours = ("Red", "Blue", "one two three", "late")
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            question = " ".join(["Where is my card?"] * (1 + number % 3)) + f" {number}"
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": colours[number % len(colours)]}]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def write_pairs(path: Path, rows: int = 24, *, first: int = 0) -> Path:
    """A file of pairs in which the answer with a colour is the better one; `first` is the number of its first question."""
    from tuneport.examples import Message, PreferenceExample, canonical_bytes

    colours, others = ("Red", "Blue", "Red Blue"), ("one two three", "late", "No card")
    with path.open("wb") as file:
        for number in range(first, first + rows):
            asked = Message("user", " ".join(["Where is my card?"] * (1 + number % 3)) + f" {number}")
            better, worse = (Message("assistant", words[number % len(words)]) for words in (colours, others))
            file.write(canonical_bytes(PreferenceExample((asked,), (better,), (worse,))) + b"\n")
    return path


def write_answers(path: Path, rows: int = 24, *, first: int = 0) -> Path:
    """A file of single answers, of which those with a colour are wanted, two in three of them; the last two rows are pairs."""
    from tuneport.examples import ChatExample, Message, PreferenceExample, canonical_bytes

    said = ("Red", "one two three", "Red Blue")
    with path.open("wb") as file:
        for number in range(first, first + rows):
            asked = Message("user", " ".join(["Where is my card?"] * (1 + number % 3)) + f" {number}")
            if number >= first + rows - 2:
                row: Any = PreferenceExample((asked,), (Message("assistant", "Blue"),), (Message("assistant", "late"),))
            else:
                row = ChatExample((asked, Message("assistant", said[number % 3])), desirable=number % 3 != 1)
            file.write(canonical_bytes(row) + b"\n")
    return path
