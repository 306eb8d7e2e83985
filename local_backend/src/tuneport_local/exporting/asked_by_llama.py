"""Run by the interpreter of our environment: asks a GGUF file with llama.cpp's library. Uses nothing of Tuneport's.

Arguments: a file with what to ask, and one for the answers.

    in   {"model", "answer_tokens", "prompts": [{"text", "tokens", "answer", "places": [[token]]}]}
    out  {"metadata", "prompts": [{"tokens", "logs", "choices", "answer", "ended"}]}

`tokens` of the answer are the text in the file's own tokens, the rest is what `figures.Heard` holds.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


class Asked:
    """The file in memory."""

    def __init__(self, model: str, context: int) -> None:
        self._library = importlib.import_module("llama_cpp")
        self._arrays = importlib.import_module("numpy")
        threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        self._llama = self._library.Llama(model, n_ctx=context, n_gpu_layers=0, n_threads=threads, n_threads_batch=threads, verbose=False)
        self._vocabulary = self._llama.n_vocab()
        self.metadata = dict(self._llama.metadata)

    def tokens(self, text: str) -> list[int]:
        """The text in the file's tokens, control tokens as such."""
        return [int(token) for token in self._llama.tokenize(text.encode(), add_bos=False, special=True)]

    def ends(self, token: int) -> bool:
        """Whether llama.cpp stops at it."""
        return bool(self._library.llama_vocab_is_eog(self._library.llama_model_get_vocab(self._llama.model), token))

    def start(self, tokens: list[int]) -> Any:
        """Log-probabilities after the tokens, with nothing before them."""
        self._llama.reset()
        self._llama._ctx.kv_cache_clear()
        return self.follow(tokens)

    def follow(self, tokens: list[int]) -> Any:
        """Log-probabilities after those tokens, behind what was evaluated before."""
        self._llama.eval(tokens)
        pointer = self._library.llama_get_logits_ith(self._llama.ctx, -1)
        logits = self._arrays.ctypeslib.as_array(pointer, shape=(self._vocabulary,)).astype("float64")
        logits -= logits.max()
        return logits - self._arrays.log(self._arrays.exp(logits).sum())


def ask(asked: Asked, prompt: dict[str, Any], most: int) -> dict[str, Any]:
    """What the file makes of one prompt and the original's answer to it."""
    answer, logs, choices = prompt["answer"], [], []
    found = asked.start(prompt["tokens"])
    for place, token in zip(prompt["places"], answer, strict=True):
        logs.append([float(found[each]) for each in place])
        choices.append(int(found.argmax()))
        if len(logs) < len(answer):
            found = asked.follow([token])
    own = _own(asked, prompt["tokens"], answer, choices, most)
    text = prompt["text"]
    return {
        "tokens": None if text is None else asked.tokens(text),
        "logs": logs,
        "choices": choices,
        "answer": own,
        "ended": asked.ends(own[-1]),
    }


def _own(asked: Asked, prompt: list[int], answer: list[int], choices: list[int], most: int) -> list[int]:
    """The file's own greedy answer. It goes with the original's up to where it would say something else."""
    apart = next((place for place, (one, other) in enumerate(zip(answer, choices, strict=True)) if one != other), None)
    if apart is None:
        own = list(answer)
        if len(own) == most or asked.ends(own[-1]):
            return own
        found = asked.follow([own[-1]])
    else:
        own = [*answer[:apart], choices[apart]]
        if asked.ends(own[-1]):
            return own
        found = asked.start([*prompt, *own])
    while len(own) < most:
        own.append(int(found.argmax()))
        if asked.ends(own[-1]):
            break
        found = asked.follow([own[-1]])
    return own


def main(question: str, reply: str) -> int:
    """0 when the reply is written."""
    wanted = json.loads(Path(question).read_text(encoding="utf-8"))
    prompts, most = wanted["prompts"], int(wanted["answer_tokens"])
    longest = max(len(prompt["tokens"]) for prompt in prompts)
    asked = Asked(wanted["model"], longest + most + 8)
    document = {"metadata": asked.metadata, "prompts": [ask(asked, prompt, most) for prompt in prompts]}
    Path(reply).write_text(json.dumps(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
