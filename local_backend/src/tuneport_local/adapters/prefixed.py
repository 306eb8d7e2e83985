"""A model with learned tokens before every prompt, for answering: what it keeps of them is computed once, and stands before each row.

peft puts them before whatever it is given, so it cannot be asked for a token at a time with a memory that is kept outside of it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch


class Prefixed(torch.nn.Module):  # type: ignore[misc]
    """Answers as the model does behind `virtual_tokens` learned tokens. Masks, positions and memories are given and told without them,
    but that a memory holds them from its first use on."""

    def __init__(self, model: Any, memory: Any) -> None:
        super().__init__()
        self.model = model
        self.config = model.config
        self.generation_config = model.generation_config
        self.dtype = model.dtype
        self._memory = memory
        self.virtual_tokens = int(memory.get_seq_length())

    def forward(
        self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, past_key_values: Any = None, **more: Any
    ) -> Any:
        """input_ids: (rows, tokens); attention_mask: (rows, tokens seen so far); the rest as the model takes it."""
        rows, tokens = input_ids.shape
        memory = past_key_values
        if memory is None or memory.get_seq_length() == 0:
            memory = copy.deepcopy(self._memory)
            memory.batch_repeat_interleave(rows)
        if position_ids is None:
            before = memory.get_seq_length()
            position_ids = torch.arange(before, before + tokens, device=input_ids.device)[None]
        else:
            position_ids = position_ids + self.virtual_tokens
        if attention_mask is not None:
            attention_mask = torch.cat([attention_mask.new_ones(rows, self.virtual_tokens), attention_mask], 1)
        return self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=memory, **more)


def prefixed(model: Any, adapter: Path, *, device: str) -> Prefixed:
    """`model`, whose adapters are off, behind the tokens in that folder. Raises whatever peft raises for one that does not fit."""
    from peft import PeftModel

    tuned: Any = PeftModel.from_pretrained(model, str(adapter), torch_device=device)
    with torch.no_grad():
        learned = tuned.get_prompt(1)
        if tuned.active_peft_config.peft_type == "PREFIX_TUNING":
            return Prefixed(model, learned)
        return Prefixed(model, model(inputs_embeds=learned.to(model.dtype), use_cache=True).past_key_values)
