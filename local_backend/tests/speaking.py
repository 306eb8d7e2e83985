"""Tiny models that say something: taught a few answers by heart in a second, or never coming to an end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneport_local.quiet import quiet
from tuneport_local.rows.rendering import Template, render

from tuneport.examples import ChatExample, Message, Tool, ToolCall

from .tiny import CHATML_WITH_TOOLS, tiny_model, tiny_tokenizer

TOOL = Tool("find_card", "Finds a card.", {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]})
QUESTION, ANSWER = "Where is my card?", "Your card is late. Red one."
ARGUMENTS = '{"colour": "Red"}'
TAUGHT = (
    ChatExample((Message("user", QUESTION), Message("assistant", ANSWER))),
    ChatExample((Message("user", "I lost it."), Message("assistant", "", (ToolCall("find_card", ARGUMENTS, "call_1"),))), tools=(TOOL,)),
)


def save_taught(folder: Path, rows: Sequence[ChatExample] = TAUGHT, *, template: str = CHATML_WITH_TOOLS) -> Path:
    """A base that answers the rows' questions with the rows' answers."""
    tokenizer, network = tiny_tokenizer(template=template), tiny_model()
    _teach(network, tokenizer, rows)
    return _saved(network, tokenizer, folder)


def save_tune(base: Path, folder: Path, answer: str) -> None:
    """An adapter with which the base gives this answer to the question. It must be in words that the base was taught."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet():
        network: Any = AutoModelForCausalLM.from_pretrained(base)
        tuned: Any = get_peft_model(network, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
        _teach(tuned, AutoTokenizer.from_pretrained(base), [ChatExample((Message("user", QUESTION), Message("assistant", answer)))])
        tuned.save_pretrained(folder, save_embedding_layers=False)


def _teach(network: Any, tokenizer: Any, rows: Sequence[ChatExample]) -> None:
    import torch

    shape = Template.of(tokenizer)
    rendered = [render(row, tokenizer, template=shape, line=number) for number, row in enumerate(rows, 1)]
    steps = torch.optim.AdamW([weights for weights in network.parameters() if weights.requires_grad], lr=0.01)
    network.train()
    for _ in range(400):
        losses = [_loss(network, row.input_ids, row.loss_mask) for row in rendered]
        if max(float(loss.detach()) for loss in losses) < 0.005:
            break
        steps.zero_grad()
        sum(losses).backward()
        steps.step()
    network.eval()


def save_endless(folder: Path, *, layers: int = 12) -> Path:
    """A base that never ends its turn, takes a while for each token, and sees 4,096 of them."""
    import torch

    network = tiny_model(layers=layers)
    network.config.max_position_embeddings = 4096
    with torch.no_grad():
        network.get_input_embeddings().weight[:3] = 0  # the control tokens, of which no other token is less likely
    return _saved(network, tiny_tokenizer(template=CHATML_WITH_TOOLS), folder)


def _loss(network: Any, ids: Sequence[int], learned: Sequence[bool]) -> Any:
    import torch

    labels = [token if taken else -100 for token, taken in zip(ids, learned, strict=True)]
    return network(input_ids=torch.tensor([list(ids)]), labels=torch.tensor([labels])).loss


def _saved(network: Any, tokenizer: Any, folder: Path) -> Path:
    with quiet():
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
