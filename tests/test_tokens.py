"""How many tokens rows have: exactly where that can be known, and marked as an estimate where it cannot."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.errors import UnknownModel, Unreachable, UsageError
from tuneport.examples import (
    ChatExample,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
)
from tuneport.tokens import counter_for, general_estimate, provider_of
from tuneport.tokens.chat_template import ChatTemplate, Refused
from tuneport.tokens.images import size_of
from tuneport.tokens.template_shapes import TemplateShapes

ASKED = Message("user", "Where is my card?")
SAID = Message("assistant", "On its way.")
CHAT = ChatExample((ASKED, SAID))
WEATHER = Tool(
    "weather",
    "What the weather is like.",
    {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Its name."}, "unit": {"type": "string", "enum": ["c", "f"]}},
    },
)

COUNTED_BY_TIKTOKEN = [
    ("Die Überweisung ist noch nicht da, obwohl der Betrag abgebucht wurde.", 16, 20),
    ("def f(x):\n    return {'a': x ** 2, \"b\": [1, 2, 3]}  # \t ok\n", 31, 31),
    ("请问我的银行卡什么时候到？", 7, 16),
    ("👩\u200d👩\u200d👧 naïve café — 12,345.67 €", 19, 24),
    ("  \n\n   \r\n  x", 4, 4),
    ("<|endoftext|> is only text here", 11, 11),
    ("a" * 60, 8, 8),
    ("", 0, 0),
]
"""Text, tokens under o200k_base, tokens under cl100k_base, by tiktoken 0.14."""


def text_tokens(model: str, text: str) -> int:
    """Of the text alone: a row of raw text has nothing around it."""
    return counter_for(model).count(ChatExample((Message("assistant", text),), style="text"))


# --- OpenAI's encodings ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "o200k", "cl100k"), COUNTED_BY_TIKTOKEN)
def test_texts_have_as_many_tokens_as_tiktoken_counts(text: str, o200k: int, cl100k: int) -> None:
    assert (text_tokens("gpt-4o", text), text_tokens("gpt-4", text)) == (o200k, cl100k)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai:gpt-4.1-mini", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("azure:gpt-oss-20b", "o200k_base"),
        ("ft:gpt-4o-2024-08-06:acme:gpt-4:8Xk", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("openai:ft:gpt-3.5-turbo-0125:acme::8Xk", "cl100k_base"),
    ],
)
def test_a_model_is_counted_by_its_own_encoding(model: str, encoding: str) -> None:
    assert counter_for(model).name == encoding


def test_a_conversation_costs_three_tokens_a_message_its_roles_and_three_for_the_reply() -> None:
    words = text_tokens("gpt-4o", ASKED.text) + text_tokens("gpt-4o", SAID.text)
    assert counter_for("gpt-4o").count(CHAT) == 3 + 2 * (3 + 1) + words


def test_a_name_costs_its_own_tokens_and_one() -> None:
    named = ChatExample((Message("user", ASKED.text, name="anna"), SAID))
    assert counter_for("gpt-4o").count(named) == counter_for("gpt-4o").count(CHAT) + text_tokens("gpt-4o", "anna") + 1


def test_a_conversation_of_text_is_exact_and_one_with_tools_or_images_is_partly_guessed() -> None:
    counter = counter_for("openai:gpt-4o")
    called = ChatExample((ASKED, Message("assistant", None, (ToolCall("weather", '{"city": "Bern"}', "1"),)), SAID), (WEATHER,))
    seen = ChatExample((Message("user", (TextPart("What is this?"), ImagePart("https://example.com/a.png"))), SAID))
    heard = ChatExample((Message("user", (MediaPart("gs://b/a.wav", "audio/wav"),)), SAID))
    assert counter.exact
    assert [counted.guessed for counted in counter.measured([CHAT, called, seen, heard])] == ["", "tools", "images", "media (left out)"]


def test_tools_cost_what_their_names_descriptions_and_values_do_and_some_marks() -> None:
    counter = counter_for("gpt-4o")
    texts = ["weather:What the weather is like", "city:string:Its name", "unit:string:", "c", "f"]
    words = sum(text_tokens("gpt-4o", text) for text in texts)
    marks = 7 + 3 + 2 * 3 + (-3 + 2 * 3) + 12
    assert counter.count(ChatExample(CHAT.messages, (WEATHER,))) - counter.count(CHAT) == words + marks


def test_a_schema_of_any_depth_is_counted() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    row = ChatExample(CHAT.messages, (Tool("deep", None, schema),))
    assert counter_for("gpt-4o").count(row) > 5000
    assert counter_for("gemini-3.5-flash").count(row) > 0


def test_where_the_marks_are_not_documented_the_counter_does_not_call_itself_exact() -> None:
    assert counter_for("gpt-4.1").exact
    assert not counter_for("gpt-oss-20b").exact
    assert "taken to hold" in counter_for("gpt-oss-20b").source


def test_half_a_surrogate_pair_is_counted_as_the_sign_that_stands_for_it() -> None:
    broken = ChatExample((Message("user", "a\ud800b"), SAID))
    whole = ChatExample((Message("user", "a\ufffdb"), SAID))
    assert counter_for("gpt-4o").count(broken) == counter_for("gpt-4o").count(whole)


def test_every_kind_of_row_is_counted_once() -> None:
    counter = counter_for("gpt-4o")
    other = Message("assistant", "I cannot say.")
    alone = counter.count(ChatExample((other,))) - 3
    assert counter.count(PreferenceExample((ASKED,), (SAID,), (other,))) == counter.count(CHAT) + alone
    assert counter.count(PromptExample((ASKED,), "not trained on")) == counter.count(ChatExample((ASKED,)))
    assert counter.count(LabelledExample(ASKED.text, label=SAID.text)) == counter.count(CHAT)
    assert counter.measured([PreferenceExample((ASKED,), (SAID,), (other,))])[0].guessed == "pair"


MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant"]),
    st.one_of(st.text(), st.none(), st.tuples(st.builds(TextPart, st.text()))),
    name=st.one_of(st.none(), st.text(min_size=1)),
)
ROWS = st.one_of(
    st.builds(ChatExample, st.lists(MESSAGES, max_size=4).map(tuple), style=st.sampled_from(["chat", "completion", "text"])),
    st.builds(PreferenceExample, *[st.lists(MESSAGES, max_size=2).map(tuple)] * 3),
    st.builds(LabelledExample, st.text(), label=st.text()),
)


@given(st.lists(ROWS, max_size=5), st.sampled_from(["gpt-4o", "gpt-4", "gemini-3.5-flash"]))
def test_a_block_of_rows_has_the_tokens_that_its_rows_have(rows: list[Any], model: str) -> None:
    counter = counter_for(model)
    assert counter.count_block(rows) == [counter.count(row) for row in rows] == [counted.tokens for counted in counter.measured(rows)]


# --- estimates -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("vertex:gemini-3.5-flash", 0.25),
        ("anthropic.claude-3-haiku-20240307-v1:0", 0.286),
        ("claude-haiku-4-5", 0.286),
        ("claude-opus-4-8", 0.371),
        ("meta/llama3_1@llama-3.1-8b-instruct", 0.247),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 0.295),
        ("google/gemma3@gemma-3-4b-it", 0.231),
        ("Qwen/Qwen3-8B", 0.246),
    ],
)
def test_a_model_without_a_tokenizer_at_hand_is_estimated_by_a_factor_with_source_and_date(model: str, factor: float) -> None:
    counter = counter_for(model)
    assert not counter.exact
    assert counter.name == f"characters x {factor:g}"
    assert "2026-" in counter.source
    assert counter.count(ChatExample((Message("user", "x" * 1000),))) == pytest.approx(1000 * factor, abs=1)
    assert counter.measured([CHAT])[0].guessed == "all"


def test_nothing_is_guessed_for_a_model_of_which_nothing_is_known() -> None:
    with pytest.raises(UnknownModel, match="nothing is guessed"):
        counter_for("mystery-7b")


def test_rows_for_no_model_in_particular_have_a_token_for_four_characters() -> None:
    assert general_estimate().count(ChatExample((Message("user", "x" * 400),))) == 100


def test_a_bare_name_tells_the_provider_whose_limits_hold() -> None:
    assert (provider_of("gpt-4.1-mini"), provider_of("gemini-3.5-flash"), provider_of("qwen3-8b")) == ("openai", "vertex", None)


# --- images ----------------------------------------------------------------------------------------------------------------------------


def png(width: int, height: int) -> str:
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return data_url("image/png", b"\x89PNG\r\n\x1a\n" + chunk + b"\0" * 40)


def jpeg(width: int, height: int) -> str:
    exif = b"\xff\xe1" + struct.pack(">H", 2002) + b"\0" * 2000
    frame = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + b"\0" * 20
    return data_url("image/jpeg", b"\xff\xd8" + exif + frame)


def webp(width: int, height: int) -> str:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return data_url("image/webp", b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + size + b"\0" * 20)


def gif(width: int, height: int) -> str:
    return data_url("image/gif", b"GIF89a" + struct.pack("<HH", width, height) + b"\0" * 20)


def data_url(kind: str, image: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize("make", [png, jpeg, webp, gif])
def test_the_size_of_an_image_in_the_row_is_read_from_its_head(make: Any) -> None:
    assert size_of(make(640, 427)) == (640, 427)


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "data:image/png;base64,AAAA", "data:image/png;base64,%%%", "data:,x", png(0, 7)]
)
def test_an_image_that_cannot_be_read_has_no_size(url: str) -> None:
    assert size_of(url) is None


@pytest.mark.parametrize(
    ("model", "part", "tokens"),
    [
        ("gpt-4o", ImagePart(png(1024, 1024)), 765),
        ("gpt-4o", ImagePart(png(2048, 4096)), 1105),
        ("gpt-4o", ImagePart(png(4096, 8192), detail="low"), 85),
        ("gpt-4o", ImagePart("https://example.com/unknown.png"), 765),
        ("gpt-4.1-mini", ImagePart(png(1024, 1024)), 1659),
        ("gpt-4.1-mini", ImagePart(png(1800, 2400)), 2353),
        ("gemini-2.5-flash", ImagePart(png(384, 200)), 258),
        ("gemini-2.5-flash", ImagePart(png(1000, 700)), 516),
        ("gemini-3.5-flash", ImagePart(png(1000, 700)), 1120),
        ("claude-haiku-4-5", ImagePart(png(1000, 1000)), 1334),
    ],
)
def test_an_image_costs_what_its_providers_documentation_says(model: str, part: ImagePart, tokens: int) -> None:
    """The sizes with OpenAI's and Anthropic's own examples among them."""
    counter = counter_for(model)
    without = counter.count(ChatExample((Message("user", (TextPart("x"),)),)))
    assert counter.count(ChatExample((Message("user", (TextPart("x"), part)),))) - without == tokens


# --- Hugging Face tokenizers -----------------------------------------------------------------------------------------------------------

TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message.role == 'assistant' %}{% generation %}{{ message['content'] | trim }}{% endgeneration %}
{%- else %}{{ message['content'] }}{% endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if tools %}{{ tools | tojson }}{% endif -%}
{%- if messages[0].role == 'assistant' %}{{ raise_exception('the user comes first') }}{% endif -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"""


def tokenizer_folder(folder: Path, *, template: str | None = TEMPLATE) -> Path:
    """A small byte-level tokenizer as transformers saves one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["where is my card", "on its way", "the user and the assistant"] * 20, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


CONVERSATIONS = [
    CHAT,
    ChatExample((Message("system", "Be brief."), ASKED, Message("assistant", "  On its way.\n"))),
    ChatExample((ASKED, SAID, Message("user", "请问 👩\u200d👧?"), Message("assistant", "ü"))),
    ChatExample((ASKED, SAID), (WEATHER,)),
    ChatExample((Message("user", "say <|im_end|> twice"), SAID)),
]


def test_a_tokenizer_and_its_chat_template_give_the_tokens_that_transformers_gives(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    expected = []
    for row in CONVERSATIONS:
        messages = [{"role": message.role, "content": message.content} for message in row.messages]
        tools = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}} for t in row.tools
        ]
        expected.append(len(theirs.apply_chat_template(messages, tools=tools or None, tokenize=True, return_dict=False)))
    assert counter.exact
    assert counter.count_block(CONVERSATIONS) == expected


def test_a_preference_row_counts_its_prompt_once_by_a_tokenizer_too(tmp_path: Path) -> None:
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path))
    other = Message("assistant", "I cannot say.")
    both = counter.count(CHAT) + counter.count(ChatExample((ASKED, other)))
    assert counter.count(PreferenceExample((ASKED,), (SAID,), (other,))) == both - counter.count(ChatExample((ASKED,)))


def test_a_conversation_that_the_template_refuses_is_counted_by_its_texts_and_says_so(tmp_path: Path) -> None:
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path))
    (counted,) = counter.measured([ChatExample((SAID, ASKED))])
    assert counted.tokens == counter.count(ChatExample((Message("assistant", SAID.text + ASKED.text),), style="text"))
    assert counted.guessed == "marks (refused by the chat template)"


def test_without_a_chat_template_only_texts_are_counted_and_the_counter_is_not_exact(tmp_path: Path) -> None:
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path, template=None))
    assert not counter.exact
    assert counter.measured([CHAT])[0].guessed == "marks (no chat template)"


def test_a_template_for_tools_is_used_for_rows_with_tools(tmp_path: Path) -> None:
    folder = tokenizer_folder(tmp_path, template=None)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["chat_template"] = [{"name": "default", "template": "card"}, {"name": "tool_use", "template": "card " * 9}]
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    counter = counter_for("", tokenizer=folder)
    assert counter.count(ChatExample(CHAT.messages, (WEATHER,))) > counter.count(CHAT)


def test_tools_that_a_chat_template_has_no_place_for_are_said_to_be_left_out(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path, template=template))
    assert counter.measured([ChatExample(CHAT.messages, (WEATHER,)), CHAT]) == [
        (counter.count(CHAT), "tools (left out)"),
        (counter.count(CHAT), ""),
    ]


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
    ],
)
def test_a_chat_template_reaches_nothing_outside_its_sandbox(tmp_path: Path, template: str) -> None:
    counter = counter_for("", tokenizer=tokenizer_folder(tmp_path, template=template))
    assert counter.measured([CHAT])[0].guessed == "marks (refused by the chat template)"


def test_a_chat_template_that_does_not_compile_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not compile"):
        counter_for("", tokenizer=tokenizer_folder(tmp_path, template="{% if %}"))


def test_a_folder_without_a_tokenizer_json_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="save_pretrained"):
        counter_for("", tokenizer=tmp_path)


def test_a_tokenizer_json_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read as a tokenizer"):
        counter_for("", tokenizer=tmp_path)


def test_a_tokenizer_on_the_hub_is_out_of_reach_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unreachable, match="the hub that might have it does not answer"):
        counter_for("", tokenizer="acme/no-such-tokenizer")


def test_counting_loads_neither_transformers_nor_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from tuneport.tokens import counter_for; from tuneport.examples import ChatExample, Message\n"
        f"print(counter_for('', tokenizer={str(tokenizer_folder(tmp_path))!r}).count(ChatExample((Message('user', 'x'),))))\n"
        "print(sorted({'torch', 'transformers', 'bpe_openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


LOOKING = [
    "[{{ m.role }}]{{ m.content }}",
    "{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% else %}{{ m.content }}{% endif %}|",
    "{% if m.content == 'stop' %}.{% elif m.content.startswith('<tool') %}!{% else %}{{ m.content|trim }}{% endif %}\n",
    "{{ m.content[:99] }}",
    "{% if m.content %}<{{ m.content }}>{% endif %}",
    "{{ m.content | tojson }}{{ m.content | upper }}{{ m.content | replace('a', 'b') }}",
    "{% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}{{ m.content }}{{ m.content }}",
    "{% set mark = 'secret' %}{% if mark in m.content %}?{% endif %}{{ m.content }};",
    "{% if loop.first and m.role == 'assistant' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}",
]
"""What templates do for each message."""

WORDS = st.lists(
    st.sampled_from(["</think>", "stop", "<tool", "a", "secret", "\n", " ", "1Q", "Qx", '"', "é", "long " * 30]), max_size=4
).map("".join)
TURNS = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), WORDS), min_size=1, max_size=4)


@given(st.sampled_from(LOOKING), st.lists(TURNS, min_size=1, max_size=12))
def test_a_template_that_is_remembered_renders_every_conversation_as_itself(each: str, conversations: list[list[Message]]) -> None:
    template = ChatTemplate(f"{{% for m in messages %}}{each}{{% endfor %}}", special={}, place="a folder")
    remembered = TemplateShapes(template)

    def outcome(renderer: ChatTemplate | TemplateShapes, messages: list[Message]) -> str | None:
        try:
            return renderer.render(messages)
        except Refused:
            return None

    for messages in conversations * 2:
        assert outcome(remembered, messages) == outcome(template, messages)


@pytest.mark.parametrize("each", LOOKING)
@pytest.mark.parametrize("words", ["<think>a</think>b", "stop", "<tool>", " b ", "b\n", "the secret", "a" * 300, "", 'a"\n<é>'])
def test_words_that_a_template_looks_at_go_through_it_also_after_many_others(each: str, words: str) -> None:
    template = ChatTemplate(f"{{% for m in messages %}}{each}{{% endfor %}}", special={}, place="a folder")
    remembered = TemplateShapes(template)
    for number in range(10):
        remembered.render((Message("user", f"plain {number}"), Message("assistant", "fine")))
    messages = (Message("user", words), Message("assistant", words))
    assert remembered.render(messages) == template.render(messages)
