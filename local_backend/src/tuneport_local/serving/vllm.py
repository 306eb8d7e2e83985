"""The same models handed to vLLM, where it is installed: a base with the adapters on it, answered by vLLM's own OpenAI server.

vLLM takes the place of this process, so that a signal reaches it and nothing is left behind when it is killed. The key goes by the
environment, where `ps` does not show it. Options: https://docs.vllm.ai/en/latest/cli/serve/ and …/features/lora, read on 2026-11-21.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneport.errors import ConfigError, Unsupported
from tuneport.serving import Open, Served, Service, url_at
from tuneport_local.bases import weights
from tuneport_local.jobs.trained import has_adapter, stands_on
from tuneport_local.serving.address import bound

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank takes (vllm.config.lora of 0.14, read on 2026-11-21)."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How vLLM is started. `environ` holds the key."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    url: str


def program() -> str | None:
    """vLLM's command: beside this Python, else on the path."""
    beside = Path(sys.executable).with_name("vllm")
    return str(beside) if beside.is_file() else shutil.which("vllm")


def launch(models: Sequence[Served], service: Service, *, home: Path, environ: Mapping[str, str], command: str) -> Launch:
    """What serves these models. Raises Unsupported for models that one vLLM cannot serve together."""
    bases = {stands_on(served.model) for served in models}
    if len(bases) > 1:
        raise Unsupported(
            f"vLLM serves one base at a time, and these models stand on {', '.join(sorted(bases))}.",
            remedy="Serve them apart, or with --engine torch.",
        )
    if service.port == 0:
        raise ConfigError("vLLM takes no free port by itself.", remedy="Give one with --port.")
    (base,) = bases
    found = weights.fetch(weights.resolve(base, home=home), home=home)
    tuned = [served for served in models if has_adapter(served.model)]
    plain = [served.name for served in models if not has_adapter(served.model)]
    argv = [command, "serve", found.location, "--host", service.host, "--port", str(service.port)]
    argv += ["--served-model-name", *(plain or [base]), "--generation-config", "vllm"]
    argv += _adapters(tuned) if tuned else []
    argv += ["--trust-remote-code"] if any(served.model.details.get("trust_remote_code") for served in models) else []
    argv += _tools(Path(found.location))
    return Launch(tuple(argv), {**environ, "VLLM_API_KEY": service.key, "VLLM_NO_USAGE_STATS": "1"}, url_at(service.host, service.port))


def serve(models: Sequence[Served], service: Service, *, home: Path, ready: Callable[[Open], object]) -> None:
    """Becomes vLLM. Raises Unsupported where it is not installed, ConfigError for an address that cannot be had."""
    command = program()
    if command is None:
        raise Unsupported("vLLM is not installed.", remedy="Install it (pip install vllm), or serve with --engine torch.")
    with bound(service):
        pass  # vLLM takes the address itself, after it has loaded for minutes: better to know now
    start = launch(models, service, home=home, environ=os.environ, command=command)
    ready(Open(start.url, "vllm"))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command, list(start.argv), dict(start.environ))


def _adapters(tuned: Sequence[Served]) -> list[str]:
    """Every adapter by its name, and room for the largest."""
    wanted = max(_rank(served) for served in tuned)
    rank = next((size for size in _RANKS if size >= wanted), None)
    if rank is None:
        raise Unsupported(
            f"vLLM takes adapters up to rank {_RANKS[-1]}, and one here has {wanted}.", remedy="Serve it with --engine torch."
        )
    modules = [json.dumps({"name": served.name, "path": served.model.path}) for served in tuned]
    return ["--enable-lora", "--max-loras", str(len(tuned)), "--max-lora-rank", str(rank), "--lora-modules", *modules]


def _rank(served: Served) -> int:
    """The largest rank in the adapter. Raises Unsupported for an adapter of a kind that vLLM does not read."""
    config = json.loads((Path(served.model.path or "") / "adapter_config.json").read_text(encoding="utf-8"))
    odd = [name for name in ("use_dora", "modules_to_save", "trainable_token_indices") if config.get(name)]
    odd += ["bias"] if config.get("bias", "none") != "none" else []
    if config.get("peft_type") != "LORA" or odd:
        raise Unsupported(f"vLLM does not read the adapter of {served.name} ({', '.join(odd) or config.get('peft_type')}).")
    return max([int(config["r"]), *map(int, (config.get("rank_pattern") or {}).values())])


def _tools(folder: Path) -> list[str]:
    """Tool calls, where the chat template writes them in a way that vLLM has a reader for under one name: JSON in <tool_call> marks."""
    from tuneport_local.bases.loading import load_tokenizer
    from tuneport_local.rows.rendering import Template
    from tuneport_local.serving.calls import speech_of

    tokenizer = load_tokenizer(folder)
    marks = speech_of(tokenizer, "", ends=Template.of(tokenizer).end_tokens).json_marks
    return ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"] if marks == ("<tool_call>", "</tool_call>") else []
