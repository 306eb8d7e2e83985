"""What Ollama reads: which file, how a conversation is written, where an answer ends, whose licence applies."""

from __future__ import annotations

from collections.abc import Iterable

from tuneport_local.exporting.chat_pieces import OllamaTemplate

FILE = "model.gguf"


def modelfile(template: OllamaTemplate, *, stops: Iterable[str], licence: str) -> str:
    """After https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx, read on 2026-11-21."""
    lines = [f"FROM ./{FILE}", f'TEMPLATE """{template.text}"""']
    lines += [f'SYSTEM """{template.system}"""'] if template.system else []
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    lines += [f'LICENSE """{licence}: the licence of the base, which applies to this model too."""'] if licence else []
    return "\n".join(lines) + "\n"
