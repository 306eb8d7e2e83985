"""Chat templates in Ollama's language: the same prompt, word for word, or a refusal."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.exporting.chat_pieces import OllamaTemplate, for_ollama, translated
from tuneport_local.exporting.go_template import rendered
from tuneport_local.exporting.modelfile import modelfile

from tuneport.errors import Unsupported

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_DEFAULT = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nYou are small.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
DATED = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set said = messages[0].content %}{% set rest = messages[1:] %}{% else %}"
    "{% set said = '' %}{% set rest = messages %}{% endif %}<|start_header_id|>system<|end_header_id|>\n\nKnown until 2023.\n\n{{ said }}"
    "<|eot_id|>{% for m in rest %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
TURNS = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for m in messages %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INSTRUCTIONS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% elif m.role == 'assistant' %}"
    "{{ ' ' + m.content + eos_token }}{% else %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
)
LABELLED = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
KNOWN = {
    "ChatML": CHATML,
    "ChatML with a system message of its own": WITH_DEFAULT,
    "headers": HEADERS,
    "headers, the system's with words of its own": DATED,
    "turns without a system": TURNS,
    "instructions": INSTRUCTIONS,
    "labels": LABELLED,
}
CONTROL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "</s>",
)

ODD = {
    "a number for every turn": "{% for m in messages %}<{{ loop.index }}:{{ m.role }}>{{ m.content }}{% endfor %}",
    "the system in the last turn": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.last and messages[0].role == 'system' %}"
        "{{ messages[0].content }}\n{% endif %}{{ m.content }}[/INST]"
        "{% elif m.role == 'assistant' %}{{ m.content }}</s>{% endif %}{% endfor %}"
    ),
    "only the last turn": "{{ messages[-1].content }}",
    "braces": "{% for m in messages %}{{ '{{' }}{{ m.role }}{{ '}}' }}{{ m.content }}\n{% endfor %}",
    "words in capitals": "{% for m in messages %}<|im_start|>{{ m.content | upper }}<|im_end|>{% endfor %}",
}


class Speaker:
    """What transformers does with a chat template, without a tokenizer."""

    bos_token, eos_token = "<s>", "</s>"

    def __init__(self, template: str | None) -> None:
        self.chat_template = template

    def get_added_vocab(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(CONTROL)}

    def apply_chat_template(self, turns: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        texts, _ = render_jinja_template([turns], chat_template=self.chat_template, add_generation_prompt=add_generation_prompt, **tokens)
        return str(texts[0])


ASKED = (
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello\nthere"}],
    [{"role": "user", "content": "A"}, {"role": "assistant", "content": 'B, "C"'}, {"role": "user", "content": "D"}],
)


def asked(found: OllamaTemplate) -> list[list[dict[str, str]]]:
    return [turns for turns in ASKED if found.takes_system or turns[0]["role"] != "system"]


@pytest.mark.parametrize("name", KNOWN)
def test_a_translated_template_writes_every_conversation_as_the_model_s_own_does(name: str) -> None:
    speaker = Speaker(KNOWN[name])
    found = for_ollama(speaker, begins=False)
    for turns in asked(found):
        assert found.write(turns) == speaker.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def test_a_system_message_of_the_template_s_own_becomes_the_modelfile_s() -> None:
    found = for_ollama(Speaker(WITH_DEFAULT), begins=False)
    assert found.system == "You are small."
    assert "You are small" not in found.text
    assert 'SYSTEM """You are small."""' in modelfile(found, stops=["<|im_end|>"], licence="Apache-2.0")


def test_chatml_comes_out_as_one_would_write_it() -> None:
    found = for_ollama(Speaker(CHATML), begins=False)
    assert found.text == (
        '{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n'
    )


def test_the_beginning_token_is_left_to_whoever_puts_it_there() -> None:
    kept, left = (for_ollama(Speaker(HEADERS), begins=begins) for begins in (False, True))
    assert kept.text.startswith("<s>")
    assert "<s>" not in left.text


def test_a_model_without_a_place_for_the_system_is_known_as_such() -> None:
    assert not for_ollama(Speaker(TURNS), begins=False).takes_system


@pytest.mark.parametrize("name", ODD)
def test_a_template_that_cannot_be_said_so_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(Unsupported, match="--as gguf"):
        for_ollama(Speaker(ODD[name]), begins=False)


def test_a_model_without_a_chat_template_is_refused() -> None:
    with pytest.raises(Unsupported, match="has no chat template"):
        for_ollama(Speaker(None), begins=False)


def test_a_modelfile_names_file_template_stops_and_licence() -> None:
    found = OllamaTemplate("{{ range .Messages }}{{ .Content }}{{ end }}", "", takes_system=True)
    assert modelfile(found, stops=["</s>"], licence="Apache-2.0").splitlines() == [
        "FROM ./model.gguf",
        'TEMPLATE """{{ range .Messages }}{{ .Content }}{{ end }}"""',
        'PARAMETER stop "</s>"',
        'LICENSE """Apache-2.0: the licence of the base, which applies to this model too."""',
    ]


def test_neighbours_of_one_role_are_joined_as_ollama_joins_them() -> None:
    template = '{{ range .Messages }}{{ if eq .Role "user" }}<{{ .Content }}>{{ else }}({{ .Content }}){{ end }}{{ end }}'
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]
    assert rendered(template, turns) == "<a\n\nb>(c)"


def test_an_action_that_is_not_understood_is_no_text() -> None:
    with pytest.raises(ValueError, match="is not understood"):
        rendered("{{ json .Tools }}", [])


GO = """package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct{ Role, Content string }
type Case struct {
	Template string
	Turns    []Message
}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	var found []string
	for _, c := range cases {
		var system []string
		for _, m := range c.Turns {
			if m.Role == "system" {
				system = append(system, m.Content)
			}
		}
		var b strings.Builder
		t := template.Must(template.New("").Option("missingkey=zero").Parse(c.Template))
		values := map[string]any{"System": strings.Join(system, "\\n\\n"), "Messages": c.Turns}
		if err := t.Execute(&b, values); err != nil {
			panic(err)
		}
		found = append(found, b.String())
	}
	json.NewEncoder(os.Stdout).Encode(found)
}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed here")
def test_gos_own_template_package_writes_the_same(tmp_path: Path) -> None:
    cases, expected = [], []
    for template in KNOWN.values():
        found = for_ollama(Speaker(template), begins=False)
        for turns in asked(found):
            brought = turns[0]["role"] == "system" or not found.system
            sent = turns if brought else [{"role": "system", "content": found.system}, *turns]
            cases.append({"Template": found.text, "Turns": [{"Role": turn["role"], "Content": turn["content"]} for turn in sent]})
            expected.append(found.write(turns))
    program = tmp_path / "main.go"
    program.write_text(GO, encoding="utf-8")
    done = subprocess.run(["go", "run", str(program)], input=json.dumps(cases), capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout) == expected
    assert len(expected) > 15


def test_nothing_is_found_for_a_template_that_refuses_even_one_message() -> None:
    def refuse(turns: Any) -> str:
        raise ValueError("no")

    assert translated(refuse) is None
